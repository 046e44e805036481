//! A PostgreSQL database as a folder of files, and back. All tables are read in one snapshot, so
//! that the copy is of one moment while deeds go on; a table is one file in the server's own text
//! form of COPY, which any later version reads. The list of them is written last: a folder without
//! it is a copy that was not finished. Restoring is one transaction into a database without
//! tables of ours, or whose tables it moves into a schema beside: all of it, or nothing. Tables
//! that no migration makes (an extension's, the host's own) are neither copied nor touched.
//! Source: PostgreSQL documentation, COPY (text format).

use super::{
    connection::{Connection, Connector},
    error::store_error,
    fit_to_serve, hold,
    migrate::{LOCK, applied_in, apply},
};
use crate::{
    Inspection, Look, OpenError, PostgresOptions,
    limits::{DUMP_CHUNK_BYTES, DUMP_LIST_BYTES_MAX},
    migrate::{LEDGER, MIGRATIONS, makes_table, plan},
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use model::StoreError;
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    pin::pin,
};
use tokio::{
    fs::{DirBuilder, File, OpenOptions},
    io::{AsyncReadExt, AsyncWriteExt},
};
use tokio_postgres::{CopyInSink, Transaction, error::SqlState};

/// The list of what is in a copy.
const LIST: &str = "tables.json";
/// The form that this program writes and reads.
const FORMAT: u64 = 1;
/// A large table takes its time.
const UNHURRIED: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0";
/// Tables and their columns, in order.
const COLUMNS: &str = "SELECT c.table_name::text, c.column_name::text \
    FROM information_schema.columns c JOIN information_schema.tables t \
    ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
    WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' \
    ORDER BY c.table_name, c.ordinal_position";
/// Which table's rows must be there before which other's.
const REFERENCES: &str = "SELECT a.relname::text, b.relname::text FROM pg_constraint f \
    JOIN pg_class a ON a.oid = f.conrelid JOIN pg_class b ON b.oid = f.confrelid \
    WHERE f.contype = 'f' AND f.conrelid <> f.confrelid \
    AND a.relnamespace = current_schema()::regnamespace";

/// A table, as the list names it.
#[derive(PartialEq, Eq, Debug)]
struct Table {
    name: String,
    columns: Vec<String>,
    rows: u64,
}

impl Table {
    /// `name (columns)`, quoted.
    fn place(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
        format!("{} ({})", quoted(&self.name), columns.join(", "))
    }

    fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.copy", self.name))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn failed(error: tokio_postgres::Error) -> StoreError {
    store_error(&error)
}

/// What the disk said, about which file.
fn disk(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    |error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Broken(format!("{}: {error}", path.display())),
    }
}

/// Copies all tables, as they are at one moment, into a folder that is not there yet.
pub(crate) async fn dump(options: &PostgresOptions, folder: &Path) -> Result<(), StoreError> {
    // A connection of its own: deeds and queries keep all of theirs.
    let mut connection = Connector::new(options)
        .map_err(|error| StoreError::Broken(error.to_string()))?
        .connect()
        .await?;
    DirBuilder::new().mode(0o700).create(folder).await.map_err(disk(folder))?;
    let building = connection.client.build_transaction();
    let level = tokio_postgres::IsolationLevel::RepeatableRead;
    let tx = building.isolation_level(level).read_only(true).start().await.map_err(failed)?;
    tx.batch_execute(UNHURRIED).await.map_err(failed)?;
    let applied = applied_in(&tx).await.map_err(failed)?;
    let (mut tables, theirs) = tables(&tx).await?;
    if !theirs.is_empty() {
        let tables = theirs.join(", ");
        tracing::warn!(tables, "these tables are not Fulmar's: they are not in the copy");
    }
    for table in &mut tables {
        table.rows = dump_table(&tx, table, folder).await?;
    }
    tx.rollback().await.map_err(failed)?;
    let list: Vec<Json> = tables.iter().map(|t| json!([t.name, t.columns, t.rows])).collect();
    let text = json!({ "format": FORMAT, "migrations": applied, "tables": list }).to_string();
    let path = folder.join(LIST);
    let mut file = create(&path).await?;
    write(&mut file, &path, text.as_bytes()).await?;
    file.sync_all().await.map_err(disk(&path))?;
    let entries = File::open(folder).await.map_err(disk(folder))?;
    entries.sync_all().await.map_err(disk(folder))
}

/// All tables of ours but the record of migrations, which the list holds; and the names of others.
async fn tables(tx: &Transaction<'_>) -> Result<(Vec<Table>, Vec<String>), StoreError> {
    let mut tables: Vec<Table> = Vec::new();
    for row in tx.query(COLUMNS, &[]).await.map_err(failed)? {
        let name: String = row.try_get(0).map_err(failed)?;
        let column: String = row.try_get(1).map_err(failed)?;
        match tables.last_mut().filter(|table| table.name == name) {
            Some(table) => table.columns.push(column),
            None => tables.push(Table { name, columns: vec![column], rows: 0 }),
        }
    }
    tables.retain(|table| table.name != "migration");
    let (ours, theirs): (Vec<Table>, Vec<Table>) =
        tables.into_iter().partition(|table| makes_table(&table.name));
    Ok((ours, theirs.into_iter().map(|table| table.name).collect()))
}

async fn create(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path).await.map_err(disk(path))
}

async fn write(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    file.write_all(bytes).await.map_err(disk(path))?;
    // Else the write may still be under way, its failure untold.
    file.flush().await.map_err(disk(path))
}

/// Rows written.
async fn dump_table(tx: &Transaction<'_>, table: &Table, folder: &Path) -> Result<u64, StoreError> {
    let path = table.file(folder);
    let mut file = create(&path).await?;
    let sql = format!("COPY {} TO STDOUT", table.place());
    let mut stream = pin!(tx.copy_out(&sql).await.map_err(failed)?);
    let mut waiting = Vec::with_capacity(DUMP_CHUNK_BYTES);
    let mut rows: u64 = 0;
    while let Some(piece) = stream.next().await {
        let piece: Bytes = piece.map_err(failed)?;
        // A line break within a value is written as two other characters: each of these ends a row.
        rows += piece.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        waiting.extend_from_slice(&piece);
        if waiting.len() >= DUMP_CHUNK_BYTES {
            write(&mut file, &path, &waiting).await?;
            waiting.clear();
        }
    }
    write(&mut file, &path, &waiting).await?;
    file.sync_all().await.map_err(disk(&path))?;
    Ok(rows)
}

/// What a folder says that it holds.
async fn list(folder: &Path) -> Result<(Vec<(i64, String)>, Vec<Table>), OpenError> {
    let bad = |why: &str| OpenError::Copy { why: why.to_owned() };
    let path = folder.join(LIST);
    let Ok(file) = File::open(&path).await else {
        return Err(bad("it has no list of tables; was it finished?"));
    };
    let mut text = String::new();
    let read = file.take(DUMP_LIST_BYTES_MAX).read_to_string(&mut text).await;
    read.map_err(disk(&path))?;
    let mut found: Json = serde_json::from_str(&text).map_err(|_| bad("its list is damaged"))?;
    if found.get("format").and_then(Json::as_u64) != Some(FORMAT) {
        return Err(bad("a newer version wrote it, in a form that is unknown here"));
    }
    let mut part = |name: &str| found.get_mut(name).map(Json::take).unwrap_or_default();
    let applied = serde_json::from_value(part("migrations"));
    let tables = serde_json::from_value::<Vec<(String, Vec<String>, u64)>>(part("tables"));
    let (Ok(applied), Ok(tables)) = (applied, tables) else {
        return Err(bad("its list is damaged"));
    };
    let table = |(name, columns, rows)| Table { name, columns, rows };
    Ok((applied, tables.into_iter().map(table).collect()))
}

/// What is in a copy, by its list; with [`Look::Pages`] also whether its files have as many rows.
pub(crate) async fn inspect(folder: &Path, look: Look) -> Result<Inspection, OpenError> {
    let (applied, listed) = list(folder).await?;
    let rows_of = |name: &str| -> Result<i64, OpenError> {
        let found = listed.iter().find(|table| table.name == name);
        let rows = found.and_then(|table| i64::try_from(table.rows).ok());
        rows.ok_or_else(|| OpenError::Copy { why: format!("it does not say what {name} holds") })
    };
    let mut damage = None;
    if look == Look::Pages {
        for table in &listed {
            let rows = rows_in(&table.file(folder)).await?;
            if rows != table.rows {
                damage = Some(format!("{} has {rows} rows, and had {}", table.name, table.rows));
            }
        }
    }
    Ok(Inspection {
        level: applied.iter().map(|(version, _)| *version).max().unwrap_or(0),
        pending: plan(&applied, MIGRATIONS)?.len(),
        accounts: rows_of("account")?,
        statuses: rows_of("status")?,
        damage,
    })
}

/// Each row ends with a line break, and a line break within one is written otherwise.
async fn rows_in(path: &Path) -> Result<u64, OpenError> {
    let mut file = File::open(path).await.map_err(disk(path))?;
    let (mut chunk, mut rows) = (vec![0; DUMP_CHUNK_BYTES], 0);
    loop {
        let read = file.read(&mut chunk).await.map_err(disk(path))?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        rows += bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
    }
    Ok(rows)
}

/// What is in a database that nobody has to serve; nothing is changed.
pub(crate) async fn look_into(
    options: &PostgresOptions,
    look: Look,
) -> Result<Inspection, OpenError> {
    let mut connection = Connector::new(options)?.first().await?;
    let tx = connection.client.transaction().await.map_err(failed)?;
    tx.batch_execute(UNHURRIED).await.map_err(failed)?;
    let applied = applied_in(&tx).await.map_err(failed)?;
    let (mut accounts, mut statuses) = (0, 0);
    if look >= Look::Counts && !applied.is_empty() {
        let sql = "SELECT (SELECT COUNT(*) FROM account), (SELECT COUNT(*) FROM status)";
        let row = tx.query_one(sql, &[]).await.map_err(failed)?;
        (accounts, statuses) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    }
    tx.rollback().await.map_err(failed)?;
    Ok(Inspection {
        level: applied.iter().map(|(version, _)| *version).max().unwrap_or(0),
        pending: plan(&applied, MIGRATIONS)?.len(),
        accounts,
        statuses,
        damage: None,
    })
}

/// Whether there is no table of ours.
pub(crate) async fn is_empty(options: &PostgresOptions) -> Result<bool, OpenError> {
    let mut connection = Connector::new(options)?.first().await?;
    let tx = connection.client.transaction().await.map_err(failed)?;
    Ok(tables(&tx).await?.0.is_empty())
}

/// How a copy is to be put into a database.
#[derive(Clone, Copy, Default, Debug)]
pub struct Restoring<'a> {
    /// What is left there as the name of this restore. Where it is found, all has been done.
    pub mark: Option<&'a str>,
    /// The schema to be made for tables that are there. Without one they are not touched, and the
    /// copy is refused.
    pub aside: Option<&'a str>,
}

impl Restoring<'_> {
    async fn is_done(&self, tx: &Transaction<'_>) -> Result<bool, StoreError> {
        let sql = "SELECT obj_description(to_regclass('migration')::oid, 'pg_class')";
        let row = tx.query_one(sql, &[]).await.map_err(failed)?;
        let found: Option<String> = row.try_get(0).map_err(failed)?;
        Ok(self.mark.is_some() && found.as_deref() == self.mark)
    }

    async fn leave_mark(&self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        let Some(mark) = self.mark else { return Ok(()) };
        let sql = format!("COMMENT ON TABLE migration IS '{}'", mark.replace('\'', "''"));
        tx.batch_execute(&sql).await.map_err(failed)
    }

    /// Makes room: tables that are there are ours, and go aside as they are.
    async fn move_aside(&self, tx: &Transaction<'_>, there: &[Table]) -> Result<(), OpenError> {
        if there.is_empty() {
            return Ok(());
        }
        let is_ours = !applied_in(tx).await.map_err(failed)?.is_empty();
        let Some(schema) = self.aside.filter(|_| is_ours) else { return Err(OpenError::NotEmpty) };
        let mut sql = format!("CREATE SCHEMA {};\n", quoted(schema));
        for name in there.iter().map(|table| table.name.as_str()).chain(["migration"]) {
            let moved = format!("ALTER TABLE {} SET SCHEMA {};\n", quoted(name), quoted(schema));
            sql.push_str(&moved);
        }
        tx.batch_execute(&sql).await.map_err(|error| match error.code() {
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => OpenError::AsideRights,
            _ => failed(error).into(),
        })
    }
}

/// Puts a copy into a database, as far migrated as it was.
pub(crate) async fn restore(
    options: &PostgresOptions,
    folder: &Path,
    how: Restoring<'_>,
) -> Result<(), OpenError> {
    let mut connection = Connector::new(options)?.first().await?;
    fit_to_serve(&connection).await?;
    let tx = begin(&mut connection).await?;
    if options.alone {
        hold::take_within(&tx).await?;
    }
    // Asked first: of what has been put in, the copy may be on its way out.
    if how.is_done(&tx).await? {
        return Ok(());
    }
    let (applied, mut listed) = list(folder).await?;
    // What this program cannot read it does not begin to write.
    plan(&applied, MIGRATIONS)?;
    // Older versions copied what is not ours.
    listed.retain(|table| makes_table(&table.name));
    how.move_aside(&tx, &tables(&tx).await?.0).await?;
    tx.batch_execute(LEDGER).await.map_err(failed)?;
    for step in MIGRATIONS.iter().filter(|m| applied.iter().any(|(v, _)| *v == m.version)) {
        apply(&tx, step).await?;
    }
    let (there, _) = tables(&tx).await?;
    // Names come from a file: only those that the migrations made are ever spoken to the server.
    let same = there.len() == listed.len()
        && there.iter().all(|t| listed.iter().any(|l| l.name == t.name && l.columns == t.columns));
    if !same {
        let why = "its tables are not those that its migrations make".to_owned();
        return Err(OpenError::Copy { why });
    }
    // What a migration puts into a table is in the copy too.
    let names: Vec<String> = listed.iter().map(|table| quoted(&table.name)).collect();
    tx.batch_execute(&format!("TRUNCATE {}", names.join(", "))).await.map_err(failed)?;
    for table in in_order_of_references(&tx, listed).await? {
        let rows = restore_table(&tx, &table, folder).await?;
        if rows != table.rows {
            let why = format!("{} has {rows} rows, and had {}", table.name, table.rows);
            return Err(OpenError::Copy { why });
        }
    }
    how.leave_mark(&tx).await?;
    tx.commit().await.map_err(failed)?;
    // Until the next look of its own, the server would plan for empty tables. All is in place, so
    // a failure here is none of the restore.
    let look = format!("SET statement_timeout = 0; ANALYZE {}", names.join(", "));
    if let Err(error) = connection.client.batch_execute(&look).await {
        let cause = failed(error);
        tracing::warn!(%cause, "the restored tables were not analysed: run ANALYZE");
    }
    Ok(())
}

async fn begin(connection: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    let tx = connection.client.transaction().await.map_err(failed)?;
    tx.batch_execute(UNHURRIED).await.map_err(failed)?;
    tx.batch_execute(LOCK).await.map_err(failed)?;
    Ok(tx)
}

/// Tables that others refer to come before them.
async fn in_order_of_references(
    tx: &Transaction<'_>,
    mut waiting: Vec<Table>,
) -> Result<Vec<Table>, StoreError> {
    let mut references: BTreeSet<(String, String)> = BTreeSet::new();
    for row in tx.query(REFERENCES, &[]).await.map_err(failed)? {
        references.insert((row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?));
    }
    let mut ordered: Vec<Table> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let names: BTreeSet<String> = waiting.iter().map(|table| table.name.clone()).collect();
        let waits = |table: &Table| {
            references.iter().any(|(from, to)| *from == table.name && names.contains(to))
        };
        let (later, ready): (Vec<Table>, Vec<Table>) = waiting.into_iter().partition(waits);
        if ready.is_empty() {
            return Err(StoreError::Broken("tables refer to each other in a circle".into()));
        }
        ordered.extend(ready);
        waiting = later;
    }
    Ok(ordered)
}

/// Rows taken in.
async fn restore_table(
    tx: &Transaction<'_>,
    table: &Table,
    folder: &Path,
) -> Result<u64, StoreError> {
    let path = table.file(folder);
    let mut file = File::open(&path).await.map_err(disk(&path))?;
    let sql = format!("COPY {} FROM STDIN", table.place());
    let mut sink: std::pin::Pin<&mut CopyInSink<Bytes>> =
        pin!(tx.copy_in(&sql).await.map_err(failed)?);
    let mut chunk = vec![0; DUMP_CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk).await.map_err(disk(&path))?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        sink.send(Bytes::copy_from_slice(bytes)).await.map_err(failed)?;
    }
    sink.as_mut().finish().await.map_err(failed)
}

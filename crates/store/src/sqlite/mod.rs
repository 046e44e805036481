//! SQLite: one writer thread that groups waiting batches into one commit, a pool of readers, and a
//! checkpointer beside them. WAL with `synchronous=FULL`: what was acknowledged survives the loss
//! of power.

mod gather;
pub(crate) mod inspect;
mod meter;
mod migrate;
mod reader;
mod writer;

use crate::{
    Batch, CommitError, Done, OpenError, Options, Row, Value,
    limits::{
        BUSY_TIMEOUT_MS, CHECKPOINT_EVERY_MS, CHECKPOINT_WAIT_MS, PREPARED_MAX, WAL_PAGES_RESTART,
    },
    migrate::MIGRATIONS,
    text::without_nul,
};
use model::{
    StoreError,
    ports::{Announcer, Clock},
};
use rusqlite::{Connection, OpenFlags};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// An open SQLite database with its threads. Dropping it ends them, waiting batches first.
pub(crate) struct Sqlite {
    options: Options,
    writer: Option<writer::Writer>,
    readers: Option<reader::Readers>,
    checkpointer: Option<(mpsc::Sender<()>, thread::JoinHandle<()>)>,
}

impl Sqlite {
    pub async fn commit(&self, batch: Batch) -> Result<Done, CommitError> {
        match &self.writer {
            Some(writer) => writer.commit(batch).await,
            None => Err(CommitError::Store(closed())),
        }
    }
    pub async fn query(&self, sql: String, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        match &self.readers {
            Some(readers) => readers.query(sql, values).await,
            None => Err(closed()),
        }
    }
    pub async fn backup(&self, into: PathBuf) -> Result<(), StoreError> {
        let options = self.options.clone();
        tokio::task::spawn_blocking(move || copy(&options, &into))
            .await
            .map_err(|e| StoreError::Broken(format!("backup: {e}")))?
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // The writer first: it finishes what waits. Then nobody needs the others.
        drop(self.writer.take());
        drop(self.readers.take());
        if let Some((stop, thread)) = self.checkpointer.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Away { retry_after_s: crate::limits::RETRY_AFTER_S }
}

/// What an engine's word means to a caller.
pub(super) fn store_error(error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode as Code;
    match error.sqlite_error_code() {
        Some(Code::DiskFull) => StoreError::Full,
        Some(Code::DatabaseBusy | Code::DatabaseLocked | Code::OperationInterrupted) => closed(),
        _ => StoreError::Broken(error.to_string()),
    }
}

/// Opens the file, migrates it, starts the threads.
pub(crate) fn open(
    options: &Options,
    clock: Arc<dyn Clock>,
    announcer: Arc<dyn Announcer>,
) -> Result<Sqlite, StoreError> {
    let mut conn = connect(options)?;
    migrate::migrate(&mut conn, MIGRATIONS)?;
    let checkpoint = connect(options)?;
    // One that waits for readers holds the writer up for as long.
    let wait = Duration::from_millis(CHECKPOINT_WAIT_MS);
    checkpoint.busy_timeout(wait).map_err(|e| store_error(&e))?;
    let (stop, stopped) = mpsc::channel();
    // Deeds go through another connection: a migration may be larger than memory.
    drop(conn);
    let conn = connect_writer(options)?;
    let restarts = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&restarts);
    let checkpointer = spawn("checkpoint", move || checkpoints(&checkpoint, &stopped, &counted))?;
    let readers = reader::Readers::start(options, &clock)?;
    Ok(Sqlite {
        options: options.clone(),
        writer: Some(writer::Writer::start(conn, clock, announcer, restarts)?),
        readers: Some(readers),
        checkpointer: Some((stop, checkpointer)),
    })
}

/// The connection that deeds go through. What a commit appends to the log it writes in one call.
fn connect_writer(options: &Options) -> Result<Connection, StoreError> {
    // Where commits do not wait for the disk, nothing would say when the log is to be written.
    if !options.durable {
        return connect(options);
    }
    let vfs = Some(gather::over(options.vfs.as_deref())?);
    let conn = connect(&Options { vfs, ..options.clone() })?;
    // Pages reach the log in commits alone; see `gather`. A group's pages fit into memory.
    conn.pragma_update(None, "cache_spill", false).map_err(|e| store_error(&e))?;
    Ok(conn)
}

/// A connection with the settings that all of them share.
pub(super) fn connect(options: &Options) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(&options.path, flags, vfs.as_str()),
        None => Connection::open_with_flags(&options.path, flags),
    };
    let set = |conn: Connection| {
        conn.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
        conn.set_prepared_statement_cache_capacity(PREPARED_MAX);
        conn.pragma_update(None, "journal_mode", "WAL")?;
        let synchronous = if options.durable { "FULL" } else { "OFF" };
        conn.pragma_update(None, "synchronous", synchronous)?;
        // The checkpointer does it, off the writer's way.
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update(None, "cache_size", -8_192)?;
        if options.pages_max > 0 {
            conn.pragma_update(None, "max_page_count", options.pages_max)?;
        }
        Ok(conn)
    };
    conn.and_then(set).map_err(|e| store_error(&e))
}

pub(super) fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, StoreError> {
    thread::Builder::new()
        .name(format!("sqlite-{name}"))
        .spawn(run)
        .map_err(|e| StoreError::Broken(format!("no thread for the store: {e}")))
}

/// Moves the log into the database without stopping writers. Once it is long, what came meanwhile
/// is moved too, and then what is left with the writer and new readers waiting, which is little:
/// after that the log begins anew, so that it cannot grow without bound. What it holds by then is
/// written over, which costs the writer less than a file that grows.
fn checkpoints(conn: &Connection, stopped: &mpsc::Receiver<()>, restarts: &AtomicU64) {
    while let Err(mpsc::RecvTimeoutError::Timeout) =
        stopped.recv_timeout(Duration::from_millis(CHECKPOINT_EVERY_MS))
    {
        if checkpoint(conn, "PASSIVE") > WAL_PAGES_RESTART {
            checkpoint(conn, "PASSIVE");
            // Counted before: the writer sees the log begin anew while this still runs.
            restarts.fetch_add(1, Ordering::AcqRel);
            checkpoint(conn, "RESTART");
        }
    }
}

/// Pages in the log.
fn checkpoint(conn: &Connection, mode: &str) -> i64 {
    match conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(1)) {
        Ok(pages) => pages,
        Err(error) => {
            tracing::warn!(%error, "checkpoint failed; it is tried again");
            0
        }
    }
}

/// A consistent copy by SQLite's online backup.
fn copy(options: &Options, into: &Path) -> Result<(), StoreError> {
    copy_of(&connect(options)?, into)
}

/// A connection to a file that is there, which is not written through it.
fn existing(options: &Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(&options.path, flags, vfs.as_str()),
        None => Connection::open_with_flags(&options.path, flags),
    }?;
    conn.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// Versions that opening would apply to the data that is there; none where there is none.
pub(crate) fn pending(options: &Options) -> Result<Vec<i64>, StoreError> {
    if !options.path.exists() {
        return Ok(vec![]);
    }
    let applied = existing(options).and_then(|conn| migrate::applied(&conn));
    crate::migrate::pending(&applied.map_err(|e| store_error(&e))?)
}

/// Puts a copy where no database is yet.
pub(crate) fn restore(options: &Options, from: &Path) -> Result<(), OpenError> {
    let bad = |why: String| OpenError::Copy { why };
    if options.path.exists() {
        return Err(OpenError::NotEmpty);
    }
    let source = existing(&Options::at(from)).map_err(|e| bad(e.to_string()))?;
    let applied = migrate::applied(&source).map_err(|e| bad(e.to_string()))?;
    if applied.is_empty() {
        return Err(bad("it holds no database of this program".into()));
    }
    crate::migrate::plan(&applied, MIGRATIONS)?;
    let check = "PRAGMA quick_check(1)";
    let said: String =
        source.query_row(check, [], |row| row.get(0)).map_err(|e| bad(e.to_string()))?;
    if said != "ok" {
        return Err(bad(said));
    }
    // Under another name until it is whole: half a database must never be opened.
    let mut unfinished = options.path.clone().into_os_string();
    unfinished.push(".restoring");
    let unfinished = PathBuf::from(unfinished);
    let moved = copy_of(&source, &unfinished).and_then(|()| {
        let named = std::fs::rename(&unfinished, &options.path);
        named.map_err(|e| StoreError::Broken(format!("{}: {e}", options.path.display())))
    });
    if moved.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    Ok(moved?)
}

fn copy_of(source: &Connection, into: &Path) -> Result<(), StoreError> {
    let run = || -> rusqlite::Result<()> {
        let mut target = Connection::open(into)?;
        // In one step: a copy in several would start anew at every commit of another connection.
        let backup = rusqlite::backup::Backup::new(source, &mut target)?;
        loop {
            match backup.step(-1)? {
                rusqlite::backup::StepResult::Done => return Ok(()),
                _ => thread::yield_now(),
            }
        }
    };
    run().map_err(|e| store_error(&e))
}

pub(super) fn bind(value: &Value, ids: &[i64]) -> rusqlite::types::Value {
    use rusqlite::types::Value as Sql;
    match value {
        Value::Null => Sql::Null,
        Value::Int(v) => Sql::Integer(*v),
        Value::Text(v) => Sql::Text(v.clone()),
        Value::Bytes(v) => Sql::Blob(v.clone()),
        Value::Id(slot) => ids.get(slot.0).copied().map_or(Sql::Null, Sql::Integer),
    }
}

/// Runs one prepared statement and takes all its rows.
pub(super) fn rows_of(
    statement: &mut rusqlite::CachedStatement<'_>,
    values: &[Value],
    ids: &[i64],
) -> rusqlite::Result<Vec<Row>> {
    for (i, value) in values.iter().enumerate() {
        match value {
            // By reference: a post's text is not copied to be bound.
            Value::Text(text) => {
                statement.raw_bind_parameter(i + 1, without_nul(text).as_ref())?;
            }
            other => statement.raw_bind_parameter(i + 1, bind(other, ids))?,
        }
    }
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let read = |i| match row.get::<_, rusqlite::types::Value>(i)? {
            rusqlite::types::Value::Null => Ok(Value::Null),
            rusqlite::types::Value::Integer(v) => Ok(Value::Int(v)),
            rusqlite::types::Value::Text(v) => Ok(Value::Text(v)),
            rusqlite::types::Value::Blob(v) => Ok(Value::Bytes(v)),
            rusqlite::types::Value::Real(_) => Err(rusqlite::Error::InvalidColumnType(
                i,
                String::new(),
                rusqlite::types::Type::Real,
            )),
        };
        out.push(Row((0..columns).map(read).collect::<rusqlite::Result<_>>()?));
    }
    Ok(out)
}

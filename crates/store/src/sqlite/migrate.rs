//! Runs migrations on SQLite. The write lock of the transaction keeps two processes apart.

use super::store_error;
use crate::{
    migrate::{LEDGER, Migration, READ_LEDGER, plan},
    text::schema_for_sqlite,
};
use model::StoreError;
use rusqlite::{Connection, TransactionBehavior};

/// What has been applied; nothing where there is no record yet.
pub(super) fn applied(conn: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    let sql = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migration'";
    if conn.query_row(sql, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(vec![]);
    }
    conn.prepare(READ_LEDGER)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Applies what is missing, all or nothing.
pub(super) fn migrate(conn: &mut Connection, steps: &[Migration]) -> Result<(), StoreError> {
    let broken = |e: rusqlite::Error| match store_error(&e) {
        StoreError::Broken(text) => StoreError::Broken(format!("migration: {text}")),
        other => other,
    };
    if plan(&applied(conn).map_err(broken)?, steps)?.is_empty() {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(broken)?;
    tx.execute_batch(LEDGER).map_err(broken)?;
    // Read again: another process may have come first while the lock was waited for.
    for step in plan(&applied(&tx).map_err(broken)?, steps)? {
        let text = schema_for_sqlite(step.sql);
        tx.execute_batch(&text)
            .and_then(|()| tx.execute_batch(step.sqlite))
            .map_err(|e| StoreError::Broken(format!("migration {}: {e}", step.version)))?;
        tx.execute(
            "INSERT INTO migration (version, checksum) VALUES (?1, ?2)",
            (step.version, step.checksum()),
        )
        .map_err(broken)?;
    }
    tx.commit().map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::MIGRATIONS;

    fn schema(conn: &Connection) -> Vec<String> {
        conn.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .unwrap()
            .query_map([], |r| r.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn a_second_run_changes_nothing() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, MIGRATIONS).unwrap();
        let before = schema(&conn);
        migrate(&mut conn, MIGRATIONS).unwrap();
        assert_eq!(schema(&conn), before);
        assert!(before.len() > 40);
    }

    /// Puts a row into every table that has none, whatever its columns are.
    fn fill(conn: &Connection) -> rusqlite::Result<usize> {
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'migration' \
                      AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'status_search%' ORDER BY name";
        let tables: Vec<String> =
            conn.prepare(tables)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for table in &tables {
            let count = format!("SELECT COUNT(*) FROM {table}");
            if conn.query_row(&count, [], |row| row.get::<_, i64>(0))? > 0 {
                continue;
            }
            let mut columns =
                conn.prepare(&format!("SELECT type FROM pragma_table_info('{table}')"))?;
            let values: Vec<&str> = columns
                .query_map([], |row| row.get::<_, String>(0))?
                .map(|ty| Ok(if ty?.contains("INT") { "7" } else { "'7'" }))
                .collect::<rusqlite::Result<_>>()?;
            conn.execute(&format!("INSERT INTO {table} VALUES ({})", values.join(", ")), [])?;
        }
        Ok(tables.len())
    }

    #[test]
    fn data_that_came_step_by_step_has_the_schema_of_a_fresh_file() {
        let mut fresh = Connection::open_in_memory().unwrap();
        migrate(&mut fresh, MIGRATIONS).unwrap();
        let mut old = Connection::open_in_memory().unwrap();
        for level in 1..=MIGRATIONS.len() {
            migrate(&mut old, MIGRATIONS.get(..level).unwrap()).unwrap();
            assert!(fill(&old).unwrap() > 20, "level {level}");
        }
        assert_eq!(schema(&old), schema(&fresh));
        assert_eq!(applied(&old).unwrap(), applied(&fresh).unwrap());
        let kept = "SELECT text FROM status WHERE id = 7";
        assert_eq!(old.query_row(kept, [], |row| row.get::<_, String>(0)).unwrap(), "7");
    }

    #[test]
    fn a_failing_step_leaves_nothing_behind() {
        let bad = [Migration {
            version: 1,
            sql: "CREATE TABLE a (x BIGINT); CREATE TABLE a (x);",
            sqlite: "",
            postgres: "",
        }];
        let mut conn = Connection::open_in_memory().unwrap();
        let error = migrate(&mut conn, &bad).unwrap_err().to_string();
        assert!(error.contains("migration 1"), "{error}");
        assert!(schema(&conn).is_empty());
    }
}

//! Migrations: numbered texts, forward only. What has been applied is recorded with a checksum; an
//! edited or an unknown one stops the start, because guessing about people's data is no answer.

use aws_lc_rs::digest;
use model::StoreError;
use rusqlite::Connection;
use std::fmt::Write as _;

/// One step, in the text that both engines share (`{blob}` is the engine's word).
pub struct Migration {
    /// Its number, from 1.
    pub version: i64,
    /// Its text.
    pub sql: &'static str,
}

/// All of them, in order.
pub const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, sql: include_str!("../migrations/0001_spine.sql") }];

fn checksum(sql: &str) -> String {
    let hash = digest::digest(&digest::SHA256, sql.as_bytes());
    hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Applies what is missing, each in a transaction of its own.
pub(crate) fn migrate(conn: &mut Connection, steps: &[Migration]) -> Result<(), StoreError> {
    let broken = |e: rusqlite::Error| StoreError::Broken(format!("migration: {e}"));
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration
         (version BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL)",
    )
    .map_err(broken)?;
    let applied: Vec<(i64, String)> = conn
        .prepare("SELECT version, checksum FROM migration ORDER BY version")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .map_err(broken)?;
    for (version, sum) in &applied {
        match steps.iter().find(|m| m.version == *version) {
            Some(known) if checksum(known.sql) == *sum => {}
            Some(_) => {
                return Err(StoreError::Broken(format!("migration {version} was edited")));
            }
            None => {
                return Err(StoreError::Broken(format!(
                    "migration {version} is unknown: this data was written by a newer version"
                )));
            }
        }
    }
    for step in steps.iter().filter(|m| !applied.iter().any(|(v, _)| *v == m.version)) {
        let tx = conn.transaction().map_err(broken)?;
        tx.execute_batch(&step.sql.replace("{blob}", "BLOB")).map_err(broken)?;
        tx.execute(
            "INSERT INTO migration (version, checksum) VALUES (?1, ?2)",
            (step.version, checksum(step.sql)),
        )
        .map_err(broken)?;
        tx.commit().map_err(broken)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn edited_and_unknown_migrations_stop_the_start() {
        let one = [Migration { version: 1, sql: "CREATE TABLE a (x BIGINT)" }];
        let edited = [Migration { version: 1, sql: "CREATE TABLE a (y BIGINT)" }];
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &one).unwrap();
        let error = migrate(&mut conn, &edited).unwrap_err().to_string();
        assert!(error.contains("was edited"), "{error}");
        let error = migrate(&mut conn, &[]).unwrap_err().to_string();
        assert!(error.contains("newer version"), "{error}");
    }

    #[test]
    fn a_failing_step_leaves_nothing_behind() {
        let bad = [Migration { version: 1, sql: "CREATE TABLE a (x BIGINT); CREATE TABLE a (x);" }];
        let mut conn = Connection::open_in_memory().unwrap();
        assert!(migrate(&mut conn, &bad).is_err());
        assert!(!schema(&conn).iter().any(|sql| sql.contains("TABLE a ")));
    }
}

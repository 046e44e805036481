//! Looks at a database file without becoming its server: how far it is migrated, whether it is
//! sound, what is in it; and copies it as it is. For backups, which must not migrate what they
//! save, and for whoever asks whether all is well.

use super::{copy, migrate::applied, store_error};
use crate::{
    Options,
    limits::BUSY_TIMEOUT_MS,
    migrate::{MIGRATIONS, plan},
};
use model::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::{path::Path, time::Duration};

/// What was found in a database file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inspection {
    /// The last migration that was applied; 0 in a fresh file.
    pub level: i64,
    /// How many this program would apply.
    pub pending: usize,
    /// Accounts, of whatever standing.
    pub accounts: i64,
    /// Posts.
    pub statuses: i64,
    /// What SQLite finds damaged, where it was asked to look.
    pub damage: Option<String>,
}

/// How closely to look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Look {
    /// At the record of migrations only; the counts are 0.
    Level,
    /// And count.
    Counts,
    /// And have SQLite check every page, which reads the whole file.
    Pages,
}

/// Looks into an existing file, also while it is being served.
///
/// # Errors
/// When it is no database, or was written by a newer version of this program.
pub(crate) fn inspect_sqlite(path: &Path, look: Look) -> Result<Inspection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = || -> rusqlite::Result<_> {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
        conn.pragma_update(None, "query_only", true)?;
        let applied = applied(&conn)?;
        let is_counted = look >= Look::Counts && !applied.is_empty();
        let count = |sql: &str| match is_counted {
            false => Ok(0),
            true => conn.query_row(sql, [], |row| row.get::<_, i64>(0)),
        };
        let accounts = count("SELECT COUNT(*) FROM account")?;
        let statuses = count("SELECT COUNT(*) FROM status")?;
        let damage = if look == Look::Pages {
            let said: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            (said != "ok").then_some(said)
        } else {
            None
        };
        Ok((applied, accounts, statuses, damage))
    };
    let (applied, accounts, statuses, damage) = read().map_err(|e| store_error(&e))?;
    Ok(Inspection {
        level: applied.iter().map(|(version, _)| *version).max().unwrap_or(0),
        pending: plan(&applied, MIGRATIONS)?.len(),
        accounts,
        statuses,
        damage,
    })
}

/// Copies a database as it is, migrated or not, into a fresh file.
///
/// # Errors
/// When one cannot be read, or the other not be written.
pub(crate) fn snapshot_sqlite(path: &Path, into: &Path) -> Result<(), StoreError> {
    copy(&Options::at(path), into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::{connect, migrate::migrate};

    #[test]
    fn a_file_is_looked_at_as_it_is_and_not_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        assert!(inspect_sqlite(&path, Look::Level).is_err());
        assert!(!path.exists());
        let mut conn = connect(&Options::at(&path)).unwrap();
        migrate(&mut conn, MIGRATIONS.get(..1).unwrap()).unwrap();
        let copied = folder.path().join("b.db");
        snapshot_sqlite(&path, &copied).unwrap();
        for path in [&path, &copied] {
            let found = inspect_sqlite(path, Look::Pages).unwrap();
            assert_eq!((found.level, found.pending), (1, MIGRATIONS.len() - 1));
            assert_eq!((found.accounts, found.statuses, found.damage), (0, 0, None));
        }
        std::fs::write(&copied, "no database at all, though it is long enough to look").unwrap();
        assert!(inspect_sqlite(&copied, Look::Pages).is_err());
    }
}

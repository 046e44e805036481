//! Migrations: numbered texts, forward only. What has been applied is recorded with a checksum; an
//! edited or an unknown one stops the start, because guessing about people's data is no answer.
//! The drivers run what [`plan`] says is missing, under a lock, each step in a transaction.

use aws_lc_rs::digest;
use model::StoreError;
use std::fmt::Write as _;

/// One step, in the text that both engines share (`{blob}` is the engine's word), and what only
/// one of them needs.
pub struct Migration {
    /// Its number, from 1.
    pub version: i64,
    /// Its text for both.
    pub sql: &'static str,
    /// What SQLite does besides.
    pub sqlite: &'static str,
    /// What PostgreSQL does besides.
    pub postgres: &'static str,
}

/// All of them, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        sql: include_str!("../migrations/0001_spine.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 2,
        sql: include_str!("../migrations/0002_search.sql"),
        sqlite: include_str!("../migrations/0002_search_sqlite.sql"),
        postgres: include_str!("../migrations/0002_search_postgres.sql"),
    },
    Migration {
        version: 3,
        sql: include_str!("../migrations/0003_decision.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 4,
        sql: include_str!("../migrations/0004_report.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 5,
        sql: include_str!("../migrations/0005_code_redeemed.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 6,
        sql: include_str!("../migrations/0006_job.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 7,
        sql: include_str!("../migrations/0007_notify.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 8,
        sql: include_str!("../migrations/0008_session.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 9,
        sql: "",
        sqlite: "",
        postgres: include_str!("../migrations/0009_move_postgres.sql"),
    },
    Migration {
        version: 10,
        sql: include_str!("../migrations/0010_mail.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 11,
        sql: "",
        sqlite: include_str!("../migrations/0011_search_merge_sqlite.sql"),
        postgres: "",
    },
    Migration {
        version: 12,
        sql: include_str!("../migrations/0012_leaving.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 13,
        sql: include_str!("../migrations/0013_find.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 14,
        sql: "",
        sqlite: "",
        postgres: include_str!("../migrations/0014_words_postgres.sql"),
    },
    Migration {
        version: 15,
        sql: include_str!("../migrations/0015_idle_apps.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 16,
        sql: include_str!("../migrations/0016_sign_in.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 17,
        sql: include_str!("../migrations/0017_account_word.sql"),
        sqlite: include_str!("../migrations/0017_account_word_sqlite.sql"),
        postgres: include_str!("../migrations/0017_account_word_postgres.sql"),
    },
    Migration {
        version: 18,
        sql: include_str!("../migrations/0018_answers.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 19,
        sql: include_str!("../migrations/0019_edit_described.sql"),
        sqlite: "",
        postgres: "",
    },
];

/// Where what has been applied is recorded.
pub(crate) const LEDGER: &str = "CREATE TABLE IF NOT EXISTS migration \
    (version BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL)";
pub(crate) const READ_LEDGER: &str = "SELECT version, checksum FROM migration ORDER BY version";

/// Whether a migration makes a table of this name on PostgreSQL, where others may keep theirs
/// beside ours.
pub(crate) fn makes_table(name: &str) -> bool {
    let texts = MIGRATIONS.iter().flat_map(|step| [step.sql, step.postgres]);
    texts.flat_map(|text| text.split("CREATE TABLE ").skip(1)).any(|rest| {
        rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next() == Some(name)
    })
}

impl Migration {
    /// SHA-256 of all its texts.
    pub(crate) fn checksum(&self) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        for text in [self.sql, self.sqlite, self.postgres] {
            hash.update(text.as_bytes());
            hash.update(&[0]);
        }
        hash.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// What is missing, given what was applied; or why this program must not touch this data.
pub(crate) fn plan<'a>(
    applied: &[(i64, String)],
    steps: &'a [Migration],
) -> Result<Vec<&'a Migration>, StoreError> {
    for (version, sum) in applied {
        match steps.iter().find(|step| step.version == *version) {
            Some(known) if known.checksum() == *sum => {}
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
    let last = applied.iter().map(|(version, _)| *version).max().unwrap_or(0);
    let missing: Vec<&Migration> =
        steps.iter().filter(|step| !applied.iter().any(|(v, _)| *v == step.version)).collect();
    match missing.iter().find(|step| step.version < last) {
        Some(late) => Err(StoreError::Broken(format!(
            "migration {} was left out: the record of migrations has a hole",
            late.version
        ))),
        None => Ok(missing),
    }
}

/// Versions that are missing on data that is there; none where nothing was ever applied.
pub(crate) fn pending(applied: &[(i64, String)]) -> Result<Vec<i64>, StoreError> {
    let missing = plan(applied, MIGRATIONS)?;
    let fresh = applied.is_empty();
    Ok(missing.into_iter().filter(|_| !fresh).map(|step| step.version).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(version: i64, sql: &'static str) -> Migration {
        Migration { version, sql, sqlite: "", postgres: "" }
    }

    #[test]
    fn what_is_missing_is_planned_and_what_is_strange_stops_the_start() {
        let steps = [step(1, "a"), step(2, "b"), step(3, "c")];
        let applied = |versions: &[usize]| -> Vec<(i64, String)> {
            versions.iter().map(|v| (steps[v - 1].version, steps[v - 1].checksum())).collect()
        };
        let planned = |applied: &[(i64, String)]| match plan(applied, &steps) {
            Ok(missing) => format!("{:?}", missing.iter().map(|m| m.version).collect::<Vec<_>>()),
            Err(error) => error.to_string(),
        };
        assert_eq!(planned(&[]), "[1, 2, 3]");
        assert_eq!(planned(&applied(&[1])), "[2, 3]");
        assert_eq!(planned(&applied(&[1, 2, 3])), "[]");
        assert!(planned(&applied(&[1, 3])).contains("has a hole"));
        assert!(planned(&[(1, "other".into())]).contains("was edited"));
        assert!(planned(&[(9, "x".into())]).contains("newer version"));
    }

    #[test]
    fn versions_rise_by_one_and_every_file_is_listed() {
        let versions: Vec<i64> = MIGRATIONS.iter().map(|m| m.version).collect();
        assert!(versions.iter().zip(1..).all(|(have, want)| *have == want), "{versions:?}");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let known = MIGRATIONS.iter().any(|m| [m.sql, m.sqlite, m.postgres].contains(&&*text));
            assert!(known, "{} is not in MIGRATIONS", path.display());
        }
    }
}

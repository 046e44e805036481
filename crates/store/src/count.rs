//! Counters of accounts and statuses. All that writes or reads them is here, because it is one of
//! the few places where the engines differ.
//!
//! SQLite has one writer, so a deed moves the counter's row itself. On PostgreSQL deeds run side by
//! side, and all of one author's posts, or all favourites of one post, would wait for one row: a
//! deed leaves a move there, a row of its own that says by how much, and moves are folded into the
//! counters beside the deeds (`postgres/fold.rs`). Both kinds are read together in one statement,
//! and a move commits with what it counts: the sum is exact at every moment, also after a kill.

use crate::{Batch, Row, SqlStore, Value, db::Dialect, params};
use model::{AccountCounts, AccountId, StatusCounts, StatusId, Timestamp, ports::Stored};

/// Counts a post of this account. The place of the statement that returns how many it has now,
/// where that is known without waiting for others.
pub(crate) fn post(
    batch: &mut Batch,
    dialect: Dialect,
    account: AccountId,
    at: Timestamp,
) -> Option<usize> {
    match dialect {
        Dialect::Sqlite => Some(batch.add(
            "INSERT INTO account_count \
             (account_id, statuses, followers, following, last_status_ms) VALUES (?1, 1, 0, 0, ?2) \
             ON CONFLICT (account_id) DO UPDATE SET statuses = account_count.statuses + 1, \
             last_status_ms = excluded.last_status_ms RETURNING statuses",
            params![account, at],
        )),
        Dialect::Postgres => {
            let id = batch.moves();
            batch.add(
                "INSERT INTO account_move \
                 (account_id, id, statuses, followers, following, last_status_ms) \
                 VALUES (?1, ?2, 1, 0, 0, ?3)",
                params![account, id, at],
            );
            None
        }
    }
}

/// Takes a post of this account away again.
pub(crate) fn unpost(batch: &mut Batch, dialect: Dialect, account: AccountId) {
    match dialect {
        Dialect::Sqlite => {
            batch.add(
                "UPDATE account_count SET statuses = statuses - 1 WHERE account_id = ?1",
                params![account],
            );
        }
        Dialect::Postgres => {
            let id = batch.moves();
            batch.add(
                "INSERT INTO account_move (account_id, id, statuses, followers, following) \
                 VALUES (?1, ?2, -1, 0, 0)",
                params![account, id],
            );
        }
    }
}

/// Moves the counters of a status.
pub(crate) fn status(batch: &mut Batch, dialect: Dialect, status: StatusId, by: StatusCounts) {
    match dialect {
        Dialect::Sqlite => batch.add(
            "INSERT INTO status_count (status_id, replies, reblogs, favourites) \
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (status_id) DO UPDATE SET \
             replies = status_count.replies + excluded.replies, \
             reblogs = status_count.reblogs + excluded.reblogs, \
             favourites = status_count.favourites + excluded.favourites",
            params![status, by.replies, by.reblogs, by.favourites],
        ),
        Dialect::Postgres => {
            let id = batch.moves();
            batch.add(
                "INSERT INTO status_move (status_id, id, replies, reblogs, favourites) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![status, id, by.replies, by.reblogs, by.favourites],
            )
        }
    };
}

/// Takes away what a status that is gone was counted for elsewhere: where it stood as a reply or a
/// reblog.
pub(crate) fn unstatus(batch: &mut Batch, dialect: Dialect, gone_from: StatusId, by: StatusCounts) {
    match dialect {
        Dialect::Sqlite => {
            batch.add(
                "UPDATE status_count SET replies = replies + ?2, reblogs = reblogs + ?3 \
                 WHERE status_id = ?1",
                params![gone_from, by.replies, by.reblogs],
            );
        }
        Dialect::Postgres => status(batch, dialect, gone_from, by),
    }
}

/// Forgets the counters of a status that goes in this deed.
pub(crate) fn forget(batch: &mut Batch, dialect: Dialect, status: StatusId) {
    if dialect == Dialect::Postgres {
        // Moves come first, as they do in folding: two that meet wait and do not cross.
        batch.add("DELETE FROM status_move WHERE status_id = ?1", params![status]);
    }
    batch.add("DELETE FROM status_count WHERE status_id = ?1", params![status]);
}

/// Forgets the counters of an account that goes in this deed.
pub(crate) fn forget_account(batch: &mut Batch, dialect: Dialect, account: AccountId) {
    if dialect == Dialect::Postgres {
        batch.add("DELETE FROM account_move WHERE account_id = ?1", params![account]);
    }
    batch.add("DELETE FROM account_count WHERE account_id = ?1", params![account]);
}

/// Removes all reblogs of a status and counts them away from those who reblogged. The place of the
/// statement that returns who that was.
pub(crate) fn remove_reblogs(batch: &mut Batch, dialect: Dialect, of: StatusId) -> usize {
    match dialect {
        Dialect::Sqlite => {
            batch.add(
                "UPDATE account_count SET statuses = statuses - 1 WHERE account_id IN \
                 (SELECT account_id FROM status WHERE reblog_of_id = ?1)",
                params![of],
            );
            let sql = "DELETE FROM status WHERE reblog_of_id = ?1 RETURNING account_id";
            batch.add(sql, params![of])
        }
        Dialect::Postgres => {
            let id = batch.moves();
            batch.add(
                "WITH gone AS (DELETE FROM status WHERE reblog_of_id = ?1 RETURNING account_id) \
                 INSERT INTO account_move (account_id, id, statuses, followers, following) \
                 SELECT account_id, ?2, -1, 0, 0 FROM gone RETURNING account_id",
                params![of, id],
            )
        }
    }
}

/// Counts a follow on both sides.
pub(crate) fn follow(batch: &mut Batch, dialect: Dialect, account: AccountId, target: AccountId) {
    for (side, followers, following) in [(target, 1_i64, 0_i64), (account, 0, 1)] {
        match dialect {
            Dialect::Sqlite => batch.add(
                "INSERT INTO account_count \
                 (account_id, statuses, followers, following, last_status_ms) \
                 VALUES (?1, 0, ?2, ?3, NULL) ON CONFLICT (account_id) DO UPDATE SET \
                 followers = account_count.followers + excluded.followers, \
                 following = account_count.following + excluded.following",
                params![side, followers, following],
            ),
            Dialect::Postgres => {
                let id = batch.moves();
                batch.add(
                    "INSERT INTO account_move (account_id, id, statuses, followers, following) \
                     VALUES (?1, ?2, 0, ?3, ?4)",
                    params![side, id, followers, following],
                )
            }
        };
    }
}

/// Removes a follow, and counts it away from both sides if there was one.
pub(crate) fn unfollow(batch: &mut Batch, dialect: Dialect, account: AccountId, target: AccountId) {
    match dialect {
        Dialect::Sqlite => {
            batch.add(
                "UPDATE account_count SET followers = followers - 1 WHERE account_id = ?2 AND \
                 EXISTS (SELECT 1 FROM follow WHERE account_id = ?1 AND target_id = ?2)",
                params![account, target],
            );
            batch.add(
                "UPDATE account_count SET following = following - 1 WHERE account_id = ?1 AND \
                 EXISTS (SELECT 1 FROM follow WHERE account_id = ?1 AND target_id = ?2)",
                params![account, target],
            );
            batch.add(
                "DELETE FROM follow WHERE account_id = ?1 AND target_id = ?2",
                params![account, target],
            );
        }
        Dialect::Postgres => {
            // Of two that unfollow at once, one removes the row, and only that one counts.
            let (left, lost) = (batch.moves(), batch.moves());
            batch.add(
                "WITH gone AS (DELETE FROM follow WHERE account_id = ?1 AND target_id = ?2 \
                 RETURNING account_id, target_id) \
                 INSERT INTO account_move (account_id, id, statuses, followers, following) \
                 SELECT account_id, ?3, 0, 0, -1 FROM gone \
                 UNION ALL SELECT target_id, ?4, 0, -1, 0 FROM gone",
                params![account, target, left, lost],
            );
        }
    }
}

/// How many follow the account `a`: what a listing is ordered by.
pub(crate) const fn followers_of_a(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "COALESCE((SELECT c.followers FROM account_count c WHERE c.account_id = a.id), 0)"
        }
        Dialect::Postgres => {
            "COALESCE((SELECT c.followers FROM account_count c WHERE c.account_id = a.id), 0) + \
             COALESCE((SELECT SUM(v.followers) FROM account_move v WHERE v.account_id = a.id), 0)"
        }
    }
}

/// Counters with the moves that are not folded yet. A post whose id is not settled is left out, so
/// that whoever hears of it later can add it: all below the last column are in.
const ACCOUNTS_POSTGRES: &str = "\
    WITH settled AS (SELECT GREATEST(MAX(id), ?1) AS below FROM move_fold) \
    SELECT part.account_id, SUM(part.statuses), SUM(part.followers), SUM(part.following), \
        MAX(part.last_status_ms), (SELECT below FROM settled) FROM ( \
        SELECT account_id, statuses, followers, following, last_status_ms \
            FROM account_count WHERE account_id IN ({ids}) \
        UNION ALL SELECT account_id, \
            CASE WHEN id < (SELECT below FROM settled) THEN statuses ELSE 0 END, \
            followers, following, last_status_ms \
            FROM account_move WHERE account_id IN ({ids}) \
    ) AS part GROUP BY part.account_id";
const ACCOUNTS_SQLITE: &str = "\
    SELECT account_id, statuses, followers, following, last_status_ms, ?1 \
    FROM account_count WHERE account_id IN ({ids})";
const STATUSES_POSTGRES: &str = "\
    SELECT part.status_id, SUM(part.replies), SUM(part.reblogs), SUM(part.favourites) FROM ( \
        SELECT status_id, replies, reblogs, favourites \
            FROM status_count WHERE status_id IN ({ids}) \
        UNION ALL SELECT status_id, replies, reblogs, favourites \
            FROM status_move WHERE status_id IN ({ids}) \
    ) AS part GROUP BY part.status_id";
const STATUSES_SQLITE: &str = "\
    SELECT status_id, replies, reblogs, favourites FROM status_count WHERE status_id IN ({ids})";
const TOTALS_POSTGRES: &str = "\
    SELECT (SELECT COUNT(*) FROM member), \
    (SELECT COALESCE(SUM(c.statuses), 0) FROM account_count c \
        JOIN member m ON m.account_id = c.account_id) + \
    (SELECT COALESCE(SUM(v.statuses), 0) FROM account_move v \
        JOIN member m ON m.account_id = v.account_id)";
const TOTALS_SQLITE: &str = "\
    SELECT (SELECT COUNT(*) FROM member), \
    (SELECT COALESCE(SUM(c.statuses), 0) FROM account_count c \
        JOIN member m ON m.account_id = c.account_id)";

impl SqlStore {
    /// Which text an engine needs.
    fn of_engine(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self.db.dialect() {
            Dialect::Sqlite => sqlite,
            Dialect::Postgres => postgres,
        }
    }

    pub(crate) async fn read_account_counts(
        &self,
        ids: &[AccountId],
    ) -> Stored<Vec<(AccountId, AccountCounts)>> {
        let sql = self.of_engine(ACCOUNTS_SQLITE, ACCOUNTS_POSTGRES);
        let counts = |r: &Row| {
            let counts = AccountCounts {
                statuses: r.int(1)?,
                followers: r.int(2)?,
                following: r.int(3)?,
                last_status: r.opt_int(4)?.map(Timestamp::from_ms),
                posts_below: r.int(5)?,
            };
            Ok((r.id(0)?, counts))
        };
        let below = Value::from(self.db.horizon());
        self.db.query_ids(sql, vec![below], ids).await?.iter().map(counts).collect()
    }

    pub(crate) async fn read_status_counts(
        &self,
        ids: &[StatusId],
    ) -> Stored<Vec<(StatusId, StatusCounts)>> {
        let sql = self.of_engine(STATUSES_SQLITE, STATUSES_POSTGRES);
        let counts = |r: &Row| {
            let counts =
                StatusCounts { replies: r.int(1)?, reblogs: r.int(2)?, favourites: r.int(3)? };
            Ok((r.id(0)?, counts))
        };
        self.db.query_ids(sql, vec![], ids).await?.iter().map(counts).collect()
    }

    pub(crate) async fn read_totals(&self) -> Stored<(i64, i64)> {
        let row = self.db.first(self.of_engine(TOTALS_SQLITE, TOTALS_POSTGRES), vec![]).await?;
        row.map_or(Ok((0, 0)), |r| Ok((r.int(0)?, r.int(1)?)))
    }
}

//! Moves of counters are folded into their rows, beside the deeds: some thousands at a time, by one
//! node at a time. A fold takes moves away and adds them in one transaction, so that a kill leaves
//! either the moves or their sum.
//!
//! It goes no further than the oldest deed under way. So a reader can say below which id all posts
//! are counted ([`crate::count`]), whether they have been folded or not.

use super::Postgres;
use crate::{
    Batch, CommitError,
    limits::{FOLD_EVERY, FOLD_MOVES_MAX, FOLD_RETRY},
    params,
};
use model::StoreError;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tokio::{sync::Notify, task::AbortHandle, time::sleep};

/// Whether there is anything to fold.
const ANY: &str = "SELECT EXISTS (SELECT 1 FROM account_move) OR EXISTS \
    (SELECT 1 FROM status_move)";
/// Takes the one row, so that who folds does so alone, and says how far all is folded or seen.
const TAKE: &str = "UPDATE move_fold SET id = GREATEST(id, ?1)";
/// What has moved of an account that is no more is dropped. Its rows are taken in order, and their
/// moves before them, as all who touch both do.
const ACCOUNTS: &str = "WITH gone AS (DELETE FROM account_move WHERE ctid = ANY (ARRAY( \
        SELECT ctid FROM account_move WHERE id < ?1 LIMIT ?2)) \
        RETURNING account_id, statuses, followers, following, last_status_ms), \
    folded AS (INSERT INTO account_count AS c \
        (account_id, statuses, followers, following, last_status_ms) \
        SELECT a.id, SUM(g.statuses), SUM(g.followers), SUM(g.following), MAX(g.last_status_ms) \
        FROM gone g JOIN account a ON a.id = g.account_id GROUP BY a.id ORDER BY a.id \
        ON CONFLICT (account_id) DO UPDATE SET statuses = c.statuses + excluded.statuses, \
        followers = c.followers + excluded.followers, \
        following = c.following + excluded.following, \
        last_status_ms = GREATEST(c.last_status_ms, excluded.last_status_ms)) \
    SELECT COUNT(*) FROM gone";
const STATUSES: &str = "WITH gone AS (DELETE FROM status_move WHERE ctid = ANY (ARRAY( \
        SELECT ctid FROM status_move WHERE id < ?1 LIMIT ?2)) \
        RETURNING status_id, replies, reblogs, favourites), \
    folded AS (INSERT INTO status_count AS c (status_id, replies, reblogs, favourites) \
        SELECT s.id, SUM(g.replies), SUM(g.reblogs), SUM(g.favourites) \
        FROM gone g JOIN status s ON s.id = g.status_id GROUP BY s.id ORDER BY s.id \
        ON CONFLICT (status_id) DO UPDATE SET replies = c.replies + excluded.replies, \
        reblogs = c.reblogs + excluded.reblogs, favourites = c.favourites + excluded.favourites) \
    SELECT COUNT(*) FROM gone";

/// What deeds tell the one who folds.
#[derive(Default)]
pub(super) struct Moved {
    /// The highest id of a move that this process wrote.
    last: AtomicI64,
    wake: Notify,
}

impl Moved {
    /// A deed with moves has committed; `id` is its highest.
    pub fn tell(&self, id: i64) {
        self.last.fetch_max(id, Ordering::AcqRel);
        self.wake.notify_one();
    }
}

/// Ends the folding when the database is closed.
pub(super) struct Folding(AbortHandle);

impl Drop for Folding {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Folds from now on: first what an earlier process left, then whatever moves.
pub(super) fn start(postgres: &Arc<Postgres>) -> Folding {
    let (moved, weak) = (Arc::clone(&postgres.moved), Arc::downgrade(postgres));
    let task = tokio::spawn(async move {
        loop {
            let Some(postgres) = weak.upgrade() else { return };
            let folded = postgres.fold().await;
            drop(postgres);
            match folded {
                Ok(true) => sleep(FOLD_EVERY).await,
                Ok(false) => {
                    moved.wake.notified().await;
                    sleep(FOLD_EVERY).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "counters are folded later");
                    sleep(FOLD_RETRY).await;
                }
            }
        }
    });
    Folding(task.abort_handle())
}

impl Postgres {
    /// Folds what is settled; whether something is left that was not.
    pub async fn fold(self: &Arc<Self>) -> Result<bool, StoreError> {
        let below = self.horizon();
        // Asked as readers ask: where nothing has moved, no deed's connection is taken.
        let rows = self.query(ANY, &[]).await?;
        if !rows.first().map_or(Ok(false), |row| row.bool(0))? {
            return Ok(false);
        }
        loop {
            let mut batch = Batch::new();
            batch.must(TAKE, params![below]);
            let places =
                [ACCOUNTS, STATUSES].map(|sql| batch.add(sql, params![below, FOLD_MOVES_MAX]));
            let done = self.commit(batch).await.map_err(|e| match e {
                CommitError::Store(error) => error,
                other => StoreError::Broken(format!("folding counters: {other}")),
            })?;
            let mut full = false;
            for place in places {
                let taken = done.rows(place).first().map_or(Ok(0), |row| row.int(0))?;
                full |= taken >= i64::from(FOLD_MOVES_MAX);
            }
            if !full {
                return Ok(self.moved.last.load(Ordering::Acquire) >= below);
            }
        }
    }
}

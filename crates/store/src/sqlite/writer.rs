//! The writer: one thread, one connection. It takes what waits, gives each batch its ids and a
//! savepoint, commits once for all, and only then answers. While the disk syncs, the next group
//! gathers: the more writers, the cheaper each write.

use super::{closed, rows_of, spawn, store_error};
use crate::{
    Batch, CommitError, Done,
    announce::{event_of, gap, hand_over},
    batch::Demand,
    ids::Issuer,
    limits::{GROUP_MAX, WRITE_QUEUE_MAX},
};
use model::{
    StoreError,
    ports::{Announcement, Announcer, Clock},
};
use rusqlite::{Connection, ErrorCode};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::{mpsc, oneshot};

type Answer = oneshot::Sender<Result<Done, CommitError>>;

struct Waiting {
    batch: Batch,
    answer: Answer,
}

/// The handle to the thread.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        conn: Connection,
        clock: Arc<dyn Clock>,
        announcer: Arc<dyn Announcer>,
        restarts: Arc<AtomicU64>,
    ) -> Result<Self, StoreError> {
        let failed = |e| store_error(&e);
        // Asked first: what another process writes in between is then seen as a change.
        let version = data_version(&conn).map_err(failed)?;
        let issuer = Issuer::after(last_id(&conn).map_err(failed)?, 0);
        let (queue, waiting) = mpsc::channel(WRITE_QUEUE_MAX);
        let mut worker = Worker { conn, clock, announcer, issuer, version, restarts, restarted: 0 };
        let thread = spawn("writer", move || worker.run(waiting))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<Done, CommitError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.try_send(Waiting { batch, answer }).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed().into()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The highest id in use: ids never go back, even where the clock did.
fn last_id(conn: &Connection) -> rusqlite::Result<i64> {
    let tables: Vec<String> = conn
        .prepare(
            "SELECT t.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND c.name = 'id' AND c.pk = 1",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut last = 0;
    // The search index has tables of its own, whose numbers are no ids.
    for table in tables.iter().filter(|table| !table.starts_with("status_search")) {
        let text = format!("SELECT COALESCE(MAX(id), 0) FROM \"{table}\"");
        last = last.max(conn.query_row(&text, [], |row| row.get(0))?);
    }
    Ok(last)
}

/// Another number whenever somebody else has written.
/// Source: SQLite documentation, PRAGMA data_version.
fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

struct Worker {
    conn: Connection,
    clock: Arc<dyn Clock>,
    announcer: Arc<dyn Announcer>,
    issuer: Issuer,
    version: i64,
    /// How often our own checkpointer has started the log anew, and how often that was seen.
    restarts: Arc<AtomicU64>,
    restarted: u64,
}

impl Worker {
    fn run(&mut self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while let Some(first) = waiting.blocking_recv() {
            group.push(first);
            while group.len() < GROUP_MAX
                && let Ok(next) = waiting.try_recv()
            {
                group.push(next);
            }
            self.commit_group(&mut group);
        }
    }

    fn commit_group(&mut self, group: &mut Vec<Waiting>) {
        if let Err(error) = self.begin() {
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
            for waiting in group.drain(..) {
                let _ = waiting.answer.send(Err(store_error(&error).into()));
            }
            return;
        }
        let mut done = Vec::with_capacity(group.len());
        let mut lost: Option<StoreError> = None;
        for waiting in group.drain(..) {
            if let Some(error) = &lost {
                let _ = waiting.answer.send(Err(again(error).into()));
                continue;
            }
            match self.run_batch(&waiting.batch) {
                Ok(result) => done.push((waiting, result)),
                Err(error) => {
                    // A full disk or a broken file may have rolled the whole transaction back.
                    if self.conn.is_autocommit() {
                        lost = Some(match &error {
                            CommitError::Store(error) => again(error),
                            _ => closed(),
                        });
                    }
                    let _ = waiting.answer.send(Err(error));
                }
            }
        }
        let committed = match lost {
            Some(error) => Err(error),
            None => self.conn.execute_batch("COMMIT").map_err(|e| store_error(&e)),
        };
        match committed {
            Ok(()) => self.answer(done),
            Err(error) => {
                if !self.conn.is_autocommit() {
                    let _ = self.conn.execute_batch("ROLLBACK");
                }
                for (waiting, _) in done {
                    let _ = waiting.answer.send(Err(again(&error).into()));
                }
            }
        }
    }

    /// Takes the write lock. Where another process has written since, its ids are stayed above and
    /// its deeds, whose events went elsewhere, are told as a gap.
    fn begin(&mut self) -> rusqlite::Result<()> {
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let version = data_version(&self.conn)?;
        if version != self.version {
            self.version = version;
            let restarts = self.restarts.load(Ordering::Acquire);
            let last = last_id(&self.conn)?;
            // Our own checkpointer starting the log anew looks the same as somebody's writing.
            let own = restarts != self.restarted && last <= self.issuer.last();
            self.restarted = restarts;
            self.issuer.raise(last);
            if !own {
                gap(&*self.announcer);
            }
        }
        Ok(())
    }

    /// Answers in commit order: deeds that others must learn of go through the announcer.
    fn answer(&self, done: Vec<(Waiting, Done)>) {
        let mut told = Vec::new();
        for (waiting, result) in done {
            let answer = waiting.answer;
            match event_of(waiting.batch.tell, &result) {
                Some(event) => told.push(Announcement {
                    event,
                    acknowledge: Box::new(move || {
                        let _ = answer.send(Ok(result));
                    }),
                }),
                None => {
                    let _ = answer.send(Ok(result));
                }
            }
        }
        hand_over(&*self.announcer, told);
    }

    fn run_batch(&mut self, batch: &Batch) -> Result<Done, CommitError> {
        let mut done = Done::default();
        let now = self.clock.now();
        done.ids.extend((0..batch.ids).map(|_| self.issuer.issue(now)));
        self.control("SAVEPOINT deed")?;
        for (place, statement) in batch.statements.iter().enumerate() {
            if let Err(error) = self.run_statement(place, statement, &mut done) {
                if !self.conn.is_autocommit() {
                    self.control("ROLLBACK TO deed")?;
                    self.control("RELEASE deed")?;
                }
                return Err(error);
            }
        }
        self.control("RELEASE deed")?;
        Ok(done)
    }

    fn run_statement(
        &self,
        place: usize,
        statement: &crate::batch::Statement,
        done: &mut Done,
    ) -> Result<(), CommitError> {
        let mut prepared = self.conn.prepare_cached(statement.sql).map_err(|e| store_error(&e))?;
        let rows = match rows_of(&mut prepared, &statement.values, &done.ids) {
            Ok(rows) => rows,
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Err(CommitError::Key(place));
            }
            Err(e) => return Err(store_error(&e).into()),
        };
        let changed = usize::try_from(self.conn.changes()).unwrap_or(usize::MAX);
        if statement.demand == Demand::One && changed != 1 {
            return Err(CommitError::Unmet(place));
        }
        done.rows.push(rows);
        done.changed.push(changed);
        Ok(())
    }

    fn control(&self, sql: &str) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(sql)
            .and_then(|mut s| s.execute([]))
            .map(|_| ())
            .map_err(|e| store_error(&e))
    }
}

/// The same error for one more caller of the group.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full => StoreError::Full,
        StoreError::Broken(text) => StoreError::Broken(text.clone()),
        _ => closed(),
    }
}

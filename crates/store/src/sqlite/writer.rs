//! The writer: one thread, one connection. It takes what waits, gives each batch its ids, commits
//! once for all, and only then answers. While the disk syncs, the next group gathers: the more
//! writers, the cheaper each write.
//!
//! Who waits has a deadline. A batch whose group has not begun by then is withdrawn, and its caller
//! is told that nothing happened; one whose group has begun cannot be, so its caller waits longer
//! and is then told that the outcome is not known.
//!
//! Batches of a group share a transaction without being kept apart in it, since nearly none is
//! refused. Where one is, in a way that leaves something to undo, all of the group is rolled back
//! and run again with a savepoint for each batch, which tells who is refused.
//!
//! What a group took of the processor is divided among its deeds by their statements. What comes
//! after the commit, telling the listeners, is not in it: it grows with who listens, not with the
//! deed.

use super::{closed, rows_of, spawn, store_error};
use crate::{
    Batch, CommitError, Done,
    announce::{event_of, gap, hand_over},
    batch::Demand,
    ids::Issuer,
    limits::{
        GROUP_DEADLINE, GROUP_MAX, RETRY_AFTER_S, WRITE_DEADLINE, WRITE_QUEUE_MAX, YIELDS_MAX,
    },
};
use model::{
    StoreError,
    ports::{Announcement, Announcer, Clock},
    work::Made,
};
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::timeout,
};

type Outcome = Result<Done, CommitError>;
type Answer = oneshot::Sender<Made<Outcome>>;

struct Waiting {
    batch: Batch,
    answer: Answer,
    /// Where the caller waits.
    runtime: Option<Handle>,
    claim: Claim,
}

/// Who decides about a batch: its group, once it has begun, or the caller who gave it up before.
#[derive(Clone, Default)]
struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Whether nobody had.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// How long a caller waits for its group to begin, and then for what became of it.
#[derive(Clone, Copy)]
struct Patience {
    queue: Duration,
    group: Duration,
}

/// The answers of a group, given when this goes. That is done on the runtime of those who wait:
/// this thread would wake it for each of them, and on one core be put aside each time.
#[derive(Default)]
struct Answers(Vec<(Answer, Made<Outcome>)>);

impl Drop for Answers {
    fn drop(&mut self) {
        for (answer, outcome) in self.0.drain(..) {
            let _ = answer.send(outcome);
        }
    }
}

/// How the batches of a group are kept apart.
#[derive(Clone, Copy)]
enum Care {
    /// Not at all: when one of them cannot be undone by itself, all are, and run again.
    Together,
    /// Each in a savepoint, which copies every page that it changes.
    Each,
}

/// Why nothing of a group took effect.
enum Undone {
    /// It is to be run with more care.
    Again,
    /// The store itself.
    Lost(StoreError),
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
        self.commit_within(batch, Patience { queue: WRITE_DEADLINE, group: GROUP_DEADLINE }).await
    }

    async fn commit_within(&self, batch: Batch, wait: Patience) -> Result<Done, CommitError> {
        let (answer, mut answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        let (runtime, claim) = (Handle::try_current().ok(), Claim::default());
        let own = claim.clone();
        queue.try_send(Waiting { batch, answer, runtime, claim }).map_err(|_| closed())?;
        let outcome = match timeout(wait.queue, &mut answered).await {
            Ok(outcome) => outcome,
            Err(_) if own.take() => return Err(closed().into()),
            Err(_) => timeout(wait.group, answered).await.map_err(|_| unsettled())?,
        };
        // The thread is gone, and with it what it knew.
        match outcome {
            Ok(made) => made.taken(),
            Err(_) => Err(if own.take() { closed() } else { unsettled() }.into()),
        }
    }
}

fn unsettled() -> StoreError {
    StoreError::Unsettled { retry_after_s: RETRY_AFTER_S }
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
            if !first.claim.take() {
                continue;
            }
            let begun_ns = self.clock.thread_work_ns();
            group.push(first);
            gather(&mut group, &mut waiting);
            self.commit_group(&mut group, begun_ns);
        }
    }

    /// Commits a group on which this thread has been at work since `begun_ns` of its clock.
    fn commit_group(&mut self, group: &mut Vec<Waiting>, begun_ns: u64) {
        let mut tried = self.try_group(group, Care::Together);
        if matches!(tried, Err(Undone::Again)) {
            tried = self.try_group(group, Care::Each);
        }
        let work_ns = self.clock.thread_work_ns().saturating_sub(begun_ns);
        let statements = group.iter().map(|waiting| weight(&waiting.batch)).sum();
        let share = Share { work_ns, statements };
        match tried {
            Ok(done) => self.answer(group, done, share),
            Err(undone) => {
                for Waiting { batch, answer, .. } in group.drain(..) {
                    let error = match &undone {
                        Undone::Lost(error) => again(error),
                        Undone::Again => closed(),
                    };
                    let _ = answer.send(Made::at(Err(error.into()), share.of(&batch)));
                }
            }
        }
    }

    /// Runs and commits the batches of a group; what each of them gave, in their order. Where it
    /// fails nothing of any of them took effect.
    fn try_group(&mut self, group: &[Waiting], care: Care) -> Result<Vec<Outcome>, Undone> {
        let lost = |error: rusqlite::Error| Undone::Lost(store_error(&error));
        let mut done = Vec::with_capacity(group.len());
        let mut run = || {
            self.begin().map_err(lost)?;
            for waiting in group {
                let outcome = match care {
                    Care::Together => self.run_batch(&waiting.batch)?,
                    Care::Each => self.run_apart(&waiting.batch)?,
                };
                done.push(outcome);
            }
            self.control("COMMIT").map_err(lost)
        };
        let result = run();
        // A full disk or a broken file may have rolled all of it back by itself.
        if result.is_err() && !self.conn.is_autocommit() {
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        result.map(|()| done)
    }

    /// Takes the write lock. Where another process has written since, its ids are stayed above and
    /// its deeds, whose events went elsewhere, are told as a gap.
    fn begin(&mut self) -> rusqlite::Result<()> {
        self.control("BEGIN IMMEDIATE")?;
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
    fn answer(&self, group: &mut Vec<Waiting>, done: Vec<Outcome>, share: Share) {
        let runtime = group.first().and_then(|waiting| waiting.runtime.clone());
        let answers = Arc::new(Mutex::new(Some(Answers::default())));
        let mut told = Vec::with_capacity(group.len());
        for (Waiting { batch, answer, .. }, outcome) in group.drain(..).zip(done) {
            let work_ns = share.of(&batch);
            let event = outcome.as_ref().ok().and_then(|done| event_of(batch.tell, done));
            let outcome = Made::at(outcome, work_ns);
            let answers = Arc::clone(&answers);
            let acknowledge = move || match &mut *answers.lock() {
                Some(answers) => answers.0.push((answer, outcome)),
                // Somebody took the event in later than the others.
                None => drop(answer.send(outcome)),
            };
            match event {
                Some(event) => {
                    told.push(Announcement { event, acknowledge: Box::new(acknowledge) });
                }
                None => acknowledge(),
            }
        }
        hand_over(&*self.announcer, told);
        let answers = answers.lock().take().unwrap_or_default();
        match runtime {
            Some(runtime) if answers.0.len() > 1 => {
                drop(runtime.spawn(async move { drop(answers) }))
            }
            _ => drop(answers),
        }
    }

    /// Runs a batch on the ground of those before it. Its first statement may refuse it, since then
    /// nothing is to be undone; a refusal further on is found out about once more, with care.
    fn run_batch(&mut self, batch: &Batch) -> Result<Outcome, Undone> {
        let mut done = self.issued(batch);
        for (place, statement) in batch.statements.iter().enumerate() {
            match self.run_statement(place, statement, &mut done) {
                Ok(()) => {}
                Err(refused @ (CommitError::Key(0) | CommitError::Unmet(0)))
                    if self.conn.changes() == 0 =>
                {
                    return Ok(Err(refused));
                }
                Err(_) => return Err(Undone::Again),
            }
        }
        Ok(Ok(done))
    }

    /// Runs a batch so that it can be undone without those before it.
    fn run_apart(&mut self, batch: &Batch) -> Result<Outcome, Undone> {
        let mut done = self.issued(batch);
        let lost = |error: rusqlite::Error| Undone::Lost(store_error(&error));
        self.control("SAVEPOINT deed").map_err(lost)?;
        for (place, statement) in batch.statements.iter().enumerate() {
            let Err(error) = self.run_statement(place, statement, &mut done) else { continue };
            if self.conn.is_autocommit() {
                return Err(Undone::Lost(match error {
                    CommitError::Store(error) => error,
                    _ => closed(),
                }));
            }
            self.control("ROLLBACK TO deed").map_err(lost)?;
            self.control("RELEASE deed").map_err(lost)?;
            return Ok(Err(error));
        }
        self.control("RELEASE deed").map_err(lost)?;
        Ok(Ok(done))
    }

    /// The ids of a batch, and room for what it gives.
    fn issued(&mut self, batch: &Batch) -> Done {
        let now = self.clock.now();
        let statements = batch.statements.len();
        Done {
            ids: (0..batch.ids).map(|_| self.issuer.issue(now)).collect(),
            rows: Vec::with_capacity(statements),
            changed: Vec::with_capacity(statements),
        }
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

    fn control(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(|_| ())
    }
}

/// What a group took, to be divided.
#[derive(Clone, Copy)]
struct Share {
    work_ns: u64,
    statements: u64,
}

impl Share {
    fn of(self, batch: &Batch) -> u64 {
        self.work_ns / self.statements.max(1) * weight(batch)
    }
}

/// Statements of a batch, and one for the rest that comes with it.
fn weight(batch: &Batch) -> u64 {
    u64::try_from(batch.statements.len()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Takes what waits, and lets those run who are about to send more. On a busy core they do so while
/// this thread yields, so that groups grow with the load and each deed gets cheaper; on an idle one
/// it costs a system call.
fn gather(group: &mut Vec<Waiting>, waiting: &mut mpsc::Receiver<Waiting>) {
    for _ in 0..YIELDS_MAX {
        thread::yield_now();
        let before = group.len();
        while group.len() < GROUP_MAX
            && let Ok(next) = waiting.try_recv()
        {
            if next.claim.take() {
                group.push(next);
            }
        }
        if group.len() == before || group.len() == GROUP_MAX {
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, migrate::MIGRATIONS, params, sqlite};
    use model::{Event, TokenId};
    use std::sync::mpsc::{Receiver, channel};

    /// Holds the writer up until it is let go, as a disk that stalls does.
    struct Stalling(Mutex<Receiver<()>>);

    impl Announcer for Stalling {
        fn announce(&self, group: Vec<Announcement>) {
            let _ = self.0.lock().recv();
            for announcement in group {
                (announcement.acknowledge)();
            }
        }
    }

    /// A tag; `is_told`: with an event, at which the writer stalls.
    fn tag(name: &str, is_told: bool) -> Batch {
        let mut batch = Batch::new();
        let id = batch.id();
        batch.add("INSERT INTO tag (id, name) VALUES (?1, ?2)", params![id, name]);
        if is_told {
            batch.tell(|_| Some(Event::TokenRevoked(TokenId::new(1)?)));
        }
        batch
    }

    #[test]
    fn a_groups_work_is_divided_among_its_deeds_by_their_statements() {
        let one = tag("one", false);
        let mut three = tag("three", false);
        three.add("SELECT 1", params![]);
        three.add("SELECT 1", params![]);
        let share = Share { work_ns: 600, statements: weight(&one) + weight(&three) };
        assert_eq!((share.of(&one), share.of(&three)), (200, 400));
        assert_eq!(Share { work_ns: 600, statements: 0 }.of(&Batch::new()), 600, "and no panic");
    }

    /// Of two who wait too long, the one whose group had begun is told that nobody knows, and was
    /// stored; the other is told to come back, and nothing of it ever happens.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_waits_too_long_for_a_commit_is_told_what_is_known_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::at(folder.path().join("fulmar.db"));
        let mut conn = sqlite::connect(&options).unwrap();
        sqlite::migrate::migrate(&mut conn, MIGRATIONS).unwrap();
        let (let_go, go_on) = channel();
        let clock = Arc::new(testkit::clock::StillClock::default());
        let stalling = Arc::new(Stalling(Mutex::new(go_on)));
        let writer = Writer::start(conn, clock, stalling, Arc::default()).unwrap();
        let little = Duration::from_millis(50);
        let short = Patience { queue: little, group: little };
        let long = Patience { queue: testkit::PATIENCE, group: testkit::PATIENCE };
        testkit::until("a group to begin and stall", || async {
            match writer.commit_within(tag("begun", true), short).await.unwrap_err() {
                CommitError::Store(StoreError::Unsettled { .. }) => Some(()),
                // On a busy machine it had not even begun.
                CommitError::Store(StoreError::Away { .. }) => None,
                other => panic!("{other:?}"),
            }
        })
        .await;
        let queued = writer.commit_within(tag("queued", false), short).await.unwrap_err();
        assert!(matches!(queued, CommitError::Store(StoreError::Away { .. })), "{queued:?}");
        drop(let_go);
        writer.commit_within(tag("after", false), long).await.unwrap();
        let conn = sqlite::connect(&options).unwrap();
        let mut names = conn.prepare("SELECT name FROM tag ORDER BY id").unwrap();
        let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(names.collect::<Result<Vec<_>, _>>().unwrap(), ["begun", "after"]);
    }
}

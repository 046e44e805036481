//! What the store's own threads and servers do for a caller is counted as work of who asked.

use crate::put;
use model::{
    Timestamp,
    ports::{Clock, Unheard},
    work::borrowed_ns,
};
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use store::{Db, params};
use testkit::{
    clock::START,
    conformance::{Ground, Kind},
};

const MS: u64 = 1_000_000;
/// Runs until it is stopped.
const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
    SELECT COUNT(*) FROM n";

/// Clocks that go on by one step whenever they are looked at; each thread has its own of work.
struct Stepping(AtomicU64, AtomicU64);

thread_local! {
    static WORK_NS: Cell<u64> = const { Cell::new(0) };
}

impl Stepping {
    fn by(step_ns: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(step_ns), AtomicU64::new(0)))
    }
    fn step_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clock for Stepping {
    fn now(&self) -> Timestamp {
        START
    }
    fn thread_work_ns(&self) -> u64 {
        WORK_NS.with(|work| work.replace(work.get() + self.step_ns()))
    }
    fn steady_ns(&self) -> u64 {
        self.1.fetch_add(self.step_ns(), Ordering::Relaxed)
    }
}

/// Runs a case on fresh ground, all of it polled by this thread.
fn on(kind: Kind, case: impl AsyncFnOnce(Ground)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { case(Ground::fresh(kind).await).await });
}

async fn ask(db: &Db) {
    db.query("SELECT COUNT(*) FROM tag", params![]).await.unwrap();
}

#[test]
fn a_read_and_a_deed_cost_what_their_threads_have_used() {
    on(Kind::Sqlite, async |ground| {
        let db = ground.open(Stepping::by(MS), Arc::new(Unheard)).await;
        let before = borrowed_ns();
        for asked in 1..=9 {
            ask(&db).await;
            assert_eq!(borrowed_ns() - before, asked * MS, "query {asked}");
        }
        let before = borrowed_ns();
        put(&db, "gull").await.unwrap();
        assert_eq!(borrowed_ns() - before, MS);
        let before = borrowed_ns();
        put(&db, "gull").await.unwrap_err();
        assert_eq!(borrowed_ns() - before, MS, "one that is refused too");
    });
}

#[test]
fn a_wait_that_is_given_up_adds_nothing_and_the_next_is_measured() {
    on(Kind::Sqlite, async |ground| {
        let db = ground.open(Stepping::by(MS), Arc::new(Unheard)).await;
        let before = borrowed_ns();
        // More than there are readers: those that are stopped are free again.
        for _ in 0..2 * store::limits::READERS {
            let given_up = db.query(ENDLESS, params![]);
            assert!(tokio::time::timeout(Duration::ZERO, given_up).await.is_err());
        }
        assert_eq!(borrowed_ns(), before);
        ask(&db).await;
        assert_eq!(borrowed_ns() - before, MS);
    });
}

#[test]
fn a_request_to_a_server_costs_its_share_of_the_time() {
    on(Kind::Postgres, async |ground| {
        let clock = Stepping::by(MS);
        let db = ground.open(clock.clone(), Arc::new(Unheard)).await;
        ask(&db).await;
        put(&db, "gull").await.unwrap();
        // Now everything takes much longer than the way there and back.
        clock.0.store(40 * MS, Ordering::Relaxed);
        let before = borrowed_ns();
        ask(&db).await;
        let read = borrowed_ns() - before;
        assert!((10 * MS..=store::limits::TRIP_WORK_MAX_NS).contains(&read), "{read} ns");
        let before = borrowed_ns();
        put(&db, "tern").await.unwrap();
        let deed = borrowed_ns() - before;
        assert!((10 * MS..=store::limits::TRIP_WORK_MAX_NS).contains(&deed), "{deed} ns");
    });
}

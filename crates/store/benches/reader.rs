//! What it costs a short read on SQLite to be measured: reads per second of one caller with clocks
//! that are looked at, beside clocks that say nothing. `cargo bench -p store --bench reader`.
//!
//! Every round measures both in turn, so that a busy moment of the machine falls on both.

use model::{
    Timestamp,
    ports::{Clock, Unheard},
};
use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};
use store::{Batch, Db, Options, params};

const READ: &str = "SELECT id, name FROM tag WHERE name = ?1";
const READS: usize = 20_000;
const ROUNDS: usize = 9;

/// A clock of the processor's time; or, like that of a tool, none.
struct Work(bool);

impl Clock for Work {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(0)
    }
    fn thread_work_ns(&self) -> u64 {
        if self.0 { thread_work_ns() } else { 0 }
    }
    fn steady_ns(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(now);
        if self.0 { u64::try_from(START.elapsed().as_nanos()).unwrap_or(0) } else { 0 }
    }
}

/// As the server's clock reads it.
fn thread_work_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec, which outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + rest.unwrap_or(0)
}

#[expect(clippy::disallowed_methods, reason = "a measurement needs real time")]
fn now() -> Instant {
    Instant::now()
}

/// Microseconds of one read, and what it was said to cost.
async fn read(db: &Db) -> (f64, f64) {
    let (begun, borrowed) = (now(), model::work::borrowed_ns());
    for _ in 0..READS {
        if let Err(error) = db.query(READ, params!["gull"]).await {
            panic!("a read was refused: {error}");
        }
    }
    let borrowed = model::work::borrowed_ns() - borrowed;
    let each = |seconds: f64| seconds * 1e6 / READS as f64;
    (each(begun.elapsed().as_secs_f64()), each(borrowed as f64 / 1e9))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let open = |name: &str, measured: bool| {
        let options = Options::at(folder.path().join(name));
        Db::open(&options, Arc::new(Work(measured)), Arc::new(Unheard))
    };
    let both = [open("silent.db", false)?, open("measured.db", true)?];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for db in &both {
        let mut batch = Batch::new();
        let id = batch.id();
        batch.add("INSERT INTO tag (id, name) VALUES (?1, 'gull')", params![id]);
        runtime.block_on(db.commit(batch))?;
        runtime.block_on(read(db));
    }
    let begun = now();
    for _ in 0..READS {
        std::hint::black_box(thread_work_ns());
    }
    println!("one look at the clock: {:.3} us", begun.elapsed().as_secs_f64() * 1e6 / READS as f64);
    let mut took: [Vec<f64>; 2] = Default::default();
    for round in 1..=ROUNDS {
        let [silent, measured] = both.each_ref().map(|db| runtime.block_on(read(db)));
        for (list, one) in took.iter_mut().zip([silent, measured]) {
            list.push(one.0);
        }
        println!(
            "round {round}: a read {:.2} us, measured {:.2} us (said to cost {:.2} us)",
            silent.0, measured.0, measured.1
        );
    }
    let [silent, measured] = took.map(|mut list| {
        list.sort_by(f64::total_cmp);
        list.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
    });
    println!(
        "medians {silent:.2} and {measured:.2} us: {:+.1} %",
        (measured / silent - 1.0) * 100.0
    );
    Ok(())
}

//! How many durable posts of three statements the SQLite writer commits in a second, beside the
//! same statements on a bare connection. `cargo bench -p store --bench writer [-- POSTS [FOLDER]]`.
//!
//! Every round measures all of it in turn, so that a busy moment of the machine falls on all.

use model::{
    AccountId, Event, Timestamp,
    ports::{Clock, Unheard},
};
use rusqlite::Connection;
use std::{path::Path, sync::Arc, time::Instant};
use store::{Batch, Db, Options, params};

const TEXT: &str = "twenty words are what most people write when they have something small to say \
                    and a minute in which to say it";
const INSERT: &str = "INSERT INTO status (id, account_id, uri, created_ms, edited_ms, visibility, \
    sensitive, spoiler, text, language, reply_to_id, reply_to_account, conversation_id, \
    reblog_of_id, reblog_of_account, app_id, media_ids, mention_ids, tags, poll_id) \
    VALUES (?1, ?2, NULL, ?3, NULL, 0, 0, '', ?4, 'en', NULL, NULL, ?1, NULL, NULL, 1, '', '', \
    '', NULL)";
const CLAIM: &str =
    "INSERT INTO idempotency (account_id, key, status_id, created_ms) VALUES (?1, ?2, ?3, ?4)";
const COUNT: &str = "INSERT INTO account_count \
    (account_id, statuses, followers, following, last_status_ms) VALUES (?1, 1, 0, 0, ?2) \
    ON CONFLICT (account_id) DO UPDATE SET statuses = account_count.statuses + 1, \
    last_status_ms = excluded.last_status_ms";
const AUTHORS: usize = 1_000;
const ROUNDS: usize = 5;

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(0))
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement needs real time")]
fn now() -> Instant {
    Instant::now()
}

fn author(n: usize) -> i64 {
    i64::try_from(n % AUTHORS).unwrap_or(0) + 1
}

/// Posts per second of one bare connection that commits after every `group` posts.
fn bare(path: &Path, posts: usize, group: usize) -> rusqlite::Result<f64> {
    let mut conn = Connection::open(path)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "cache_size", -8_192)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    let top: i64 = conn.query_row("SELECT COALESCE(MAX(id), 0) FROM status", [], |r| r.get(0))?;
    let begun = now();
    let ms = WallClock.now().ms();
    let mut next = top;
    for first in (0..posts).step_by(group) {
        let tx = conn.transaction()?;
        for n in first..(first + group).min(posts) {
            next += 1;
            let account = author(n * 7);
            tx.prepare_cached(CLAIM)?.execute((account, format!("bare {next}"), next, ms))?;
            tx.prepare_cached(INSERT)?.execute((next, account, ms, TEXT))?;
            tx.prepare_cached(COUNT)?.execute((account, ms))?;
        }
        tx.commit()?;
    }
    let rate = posts as f64 / begun.elapsed().as_secs_f64();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(rate)
}

/// Posts per second and latencies (ms: median, 99th of 100) with so many writers.
async fn grouped(db: &Db, posts: usize, writers: usize) -> (f64, f64, f64) {
    let begun = now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut took = vec![];
                for n in 0..posts / writers {
                    let begun = now();
                    let account = author(writer * 7_919 + n * 7);
                    let ms = WallClock.now();
                    let mut batch = Batch::new();
                    let id = batch.id();
                    let key = format!("{writer} {n} {}", ms.ms());
                    batch.add(CLAIM, params![account, key, id, ms]);
                    batch.add(INSERT, params![id, account, ms, TEXT]);
                    batch.add(COUNT, params![account, ms]);
                    batch.tell(move |_| AccountId::new(account).map(Event::AccountChanged));
                    if let Err(error) = db.commit(batch).await {
                        panic!("a post was refused: {error}");
                    }
                    took.push(begun.elapsed().as_secs_f64() * 1_000.0);
                }
                took
            })
        })
        .collect();
    let mut took = vec![];
    for task in tasks {
        took.extend(task.await.unwrap_or_default());
    }
    let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or(f64::NAN);
    (rate, at(50), at(99))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let posts: usize = arguments.first().map_or(Ok(20_000), |text| text.parse())?;
    let folder = match arguments.get(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let path = folder.path().join("writer.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let open = || Db::open(&Options::at(&path), Arc::new(WallClock), Arc::new(Unheard));
    drop(open()?);
    let names = ["bare, groups of 8", "bare, groups of 64", "8 writers", "64 writers"];
    let mut rates: [Vec<f64>; 4] = Default::default();
    for round in 1..=ROUNDS {
        let [bare_8, bare_64] = [bare(&path, posts, 8)?, bare(&path, posts, 64)?];
        let db = open()?;
        let eight = runtime.block_on(grouped(&db, posts, 8));
        let many = runtime.block_on(grouped(&db, posts, 64));
        drop(db);
        for (list, rate) in rates.iter_mut().zip([bare_8, bare_64, eight.0, many.0]) {
            list.push(rate);
        }
        println!(
            "round {round}: bare {bare_8:.0} and {bare_64:.0}/s; 8 writers {:.0}/s \
             (p50 {:.2}, p99 {:.2} ms); 64 writers {:.0}/s (p50 {:.2}, p99 {:.2} ms)",
            eight.0, eight.1, eight.2, many.0, many.1, many.2
        );
    }
    let medians = rates.map(median);
    let yardstick = medians.first().copied().unwrap_or(f64::NAN);
    for (name, rate) in names.iter().zip(medians) {
        println!("{name:>20}: {rate:>8.0} posts/s, {:.2} of bare in groups of 8", rate / yardstick);
    }
    Ok(())
}

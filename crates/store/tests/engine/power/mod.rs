//! The power goes: what was acknowledged is there afterwards, whole, and the database is sound.
//!
//! A kill keeps what the system has cached; this does not. Writers post and favourite through the
//! ports, a checkpoint runs beside them, and power goes at a moment that the seed chooses: also
//! while the database is made, opened, checkpointed or closed. The same rounds without
//! synchronised commits must lose something, else these rounds would prove nothing.

mod disk;
mod vfs;

pub(crate) use disk::Chance;
use disk::Fate;
use model::{
    AccountId, StatusId, event::Mark, notification::NotificationKind, ports::StatusStore,
    status::NewStatus,
};
use std::{path::Path, sync::Arc};
use store::{Db, Engine, OpenError, Options, SqlStore, params};
use testkit::{
    clock::{START, StillClock},
    heard::Heard,
};
use vfs::Vfs;

/// Losses of power in one test.
const ROUNDS: usize = 60;
/// Changes and synchronisations of a round after which power goes at the latest.
const DEEDS_MAX: usize = 900;
const WRITERS: i64 = 4;

/// What a writer was told.
#[derive(Default)]
struct Ledger {
    posts: Vec<(AccountId, String, StatusId)>,
    favourites: Vec<(AccountId, StatusId)>,
}

fn post(author: AccountId, key: &str) -> NewStatus {
    let other = AccountId::new(author.get() % WRITERS + 1).unwrap();
    NewStatus {
        text: format!("{key} {}", "and more of it ".repeat(20)),
        mentions: [other].into_iter().collect(),
        tags: vec!["kept".into(), key.to_owned()],
        idempotency_key: Some(key.to_owned()),
        notify: vec![(other, NotificationKind::Mention)],
        ..crate::plain_post(author)
    }
}

async fn open(vfs: &Vfs, folder: &Path, durable: bool) -> Result<SqlStore, model::StoreError> {
    let vfs = Some(vfs.name.clone());
    let options = Options { durable, vfs, ..Options::at(folder.join("fulmar.db")) };
    let (clock, heard) = (Arc::new(StillClock::default()), Arc::new(Heard::default()));
    match Db::connect(&Engine::Sqlite(options), clock, heard).await {
        Ok(db) => Ok(SqlStore::new(db)),
        Err(OpenError::Store(error)) => Err(error),
        Err(other) => panic!("SQLite speaks of a server: {other}"),
    }
}

/// Writes until the power is gone.
async fn write(store: SqlStore, author: AccountId, round: usize) -> Ledger {
    let mut told = Ledger::default();
    for number in 0..DEEDS_MAX {
        let key = format!("r{round}a{}n{number}", author.get());
        match store.create_status(post(author, &key)).await {
            Ok((status, is_new)) => {
                assert!(is_new, "{key}");
                told.posts.push((author, key, status.id));
                let mark = store.mark(author, status.id, Mark::Favourite, true, None, START).await;
                if mark.is_ok() {
                    told.favourites.push((author, status.id));
                }
            }
            Err(_) => break,
        }
    }
    told
}

/// Moves the log into the database again and again, beside the writers.
fn checkpoint(vfs: &'static Vfs, folder: &Path) -> std::thread::JoinHandle<()> {
    let path = folder.join("fulmar.db");
    std::thread::spawn(move || {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let name = vfs.name.as_str();
        let Ok(beside) = rusqlite::Connection::open_with_flags_and_vfs(path, flags, name) else {
            return;
        };
        while !vfs.disk.lock().is_dark() {
            for mode in ["PASSIVE", "RESTART", "TRUNCATE"] {
                let sql = format!("PRAGMA wal_checkpoint({mode})");
                let _refused = beside.query_row(&sql, [], |_| Ok(()));
                std::thread::yield_now();
            }
        }
    })
}

/// What must be zero in a database without half deeds.
const HALVES: [&str; 6] = [
    "SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
    "SELECT COUNT(*) FROM pragma_foreign_key_check",
    "SELECT COUNT(*) FROM status s WHERE \
     (SELECT COUNT(*) FROM status_tag t WHERE t.status_id = s.id) <> 2 OR \
     (SELECT COUNT(*) FROM mention m WHERE m.status_id = s.id) <> 1 OR \
     (SELECT COUNT(*) FROM notification n WHERE n.status_id = s.id) <> 1 OR \
     (SELECT COUNT(*) FROM idempotency i WHERE i.status_id = s.id) <> 1",
    "SELECT COUNT(*) FROM idempotency WHERE status_id NOT IN (SELECT id FROM status)",
    "SELECT COUNT(*) FROM account_count c WHERE c.statuses <> \
     (SELECT COUNT(*) FROM status s WHERE s.account_id = c.account_id)",
    "SELECT COUNT(*) FROM status_count c WHERE c.favourites <> \
     (SELECT COUNT(*) FROM favourite f WHERE f.status_id = c.status_id)",
];

/// The first thing that is wrong with what is there, if any.
async fn wrong(store: &SqlStore, ledger: &Ledger) -> Option<String> {
    for sql in HALVES {
        let found = match store.db().query(sql, params![]).await {
            Ok(rows) => rows[0].int(0).unwrap(),
            Err(error) => return Some(format!("{sql}: {error}")),
        };
        if found != 0 {
            return Some(format!("{found} of: {sql}"));
        }
    }
    let ids: Vec<StatusId> = ledger.posts.iter().map(|(.., id)| *id).collect();
    let there = store.statuses(&ids).await.unwrap();
    for (author, key, id) in &ledger.posts {
        let whole = post(*author, key);
        let same = |status: &model::Status| status.id == *id && status.text == whole.text;
        if !there.iter().any(same) {
            return Some(format!("post {key} ({id}) is lost"));
        }
    }
    for (author, id) in &ledger.favourites {
        if !store.marks(*author, &[*id]).await.unwrap().iter().any(|(_, m)| m.favourited) {
            return Some(format!("the favourite of {id} is lost"));
        }
    }
    // A repeated request gives the first post back, also after the loss.
    if let Some((author, key, id)) = ledger.posts.last() {
        let (again, is_new) = store.create_status(post(*author, key)).await.unwrap();
        if is_new || again.id != *id {
            return Some(format!("the key of {key} ({id}) was forgotten"));
        }
    }
    None
}

/// What came of all rounds.
#[derive(Default, Debug)]
struct Tally {
    acknowledged: usize,
    /// Changes that a loss of power had in its hands.
    loose: usize,
    lost: Option<String>,
}

async fn rounds(name: &str, durable: bool, seed: u64) -> Tally {
    println!("power: {name}, seed {seed}");
    let vfs = vfs::register(name);
    let mut chance = Chance(seed);
    let mut folder = tempfile::tempdir().unwrap();
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    for round in 0..ROUNDS {
        let life = if round % 4 == 0 { 40 } else { DEEDS_MAX };
        vfs.disk.lock().cut_after(1 + chance.below(life));
        if let Ok(store) = open(vfs, folder.path(), durable).await {
            let beside = checkpoint(vfs, folder.path());
            let mut writers = tokio::task::JoinSet::new();
            for author in 1..=WRITERS {
                writers.spawn(write(store.clone(), AccountId::new(author).unwrap(), round));
            }
            while let Some(told) = writers.join_next().await {
                let Ledger { posts, favourites } = told.unwrap();
                ledger.posts.extend(posts);
                ledger.favourites.extend(favourites);
            }
            vfs.disk.lock().cut();
            beside.join().unwrap();
        }
        tally.loose += vfs.disk.lock().loose();
        let fate = [Fate::Gone, Fate::Scattered, Fate::Prefix][chance.below(3)];
        let after = tempfile::tempdir().unwrap();
        vfs.disk.lock().wake(fate, &mut chance, after.path());
        folder = after;
        let found = match open(vfs, folder.path(), durable).await {
            Ok(store) => wrong(&store, &ledger).await,
            Err(error) => Some(format!("it does not open: {error}")),
        };
        tally.acknowledged = ledger.posts.len() + ledger.favourites.len();
        if let Some(what) = found {
            tally.lost = Some(format!("round {round}, {fate:?}: {what}"));
            return tally;
        }
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_loss_of_power() {
    let tally = rounds("forgetful", true, 20_261_125).await;
    assert_eq!(tally.lost, None, "{tally:?}");
    assert!(tally.acknowledged > 1_000 && tally.loose > 100, "nothing was shown: {tally:?}");
    println!("{tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_synchronised_commits_a_loss_of_power_takes_something() {
    let tally = rounds("forgetful-and-hasty", false, 20_261_125).await;
    assert!(tally.lost.is_some(), "the test could not fail: {tally:?}");
    println!("{tally:?}");
}

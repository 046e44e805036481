//! What breaks beneath the store: the server's connection, the disk.

use crate::{INSERT_TAG, names, put};
use model::StoreError;
use std::sync::Arc;
use store::{Batch, CommitError, Db, Engine, Options, PostgresOptions, params};
use testkit::{
    clock::StillClock,
    conformance::{Case, Ground, Kind, check, check_on},
    heard::Heard,
    postgres::Cluster,
    proxy::{ChaosProxy, Mood},
};

/// Nothing happened, or nobody knows; either way the caller is told when to come back.
fn is_away(error: &CommitError) -> bool {
    let retry_after_s = match error {
        CommitError::Store(
            StoreError::Away { retry_after_s } | StoreError::Unsettled { retry_after_s },
        ) => *retry_after_s,
        _ => 0,
    };
    retry_after_s > 0
}

/// A store whose way to its server leads through a proxy.
async fn behind_a_proxy() -> (Db, ChaosProxy, Arc<Heard>, String) {
    let cluster = Cluster::shared();
    let name = cluster.database().await;
    let target = (std::net::Ipv4Addr::LOCALHOST, cluster.port()).into();
    let proxy = ChaosProxy::to(target).await.unwrap();
    let url = format!("postgres://postgres@{}/{name}", proxy.address());
    let engine = Engine::Postgres(PostgresOptions::at(url));
    let heard = Arc::new(Heard::default());
    let db = Db::connect(&engine, Arc::new(StillClock::default()), heard.clone()).await.unwrap();
    (db, proxy, heard, name)
}

/// A query that never ends by itself.
const ENDLESS: &str = "WITH RECURSIVE n (i) AS \
    (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i > 0) SELECT COUNT(*) FROM n";

#[test]
fn a_query_past_its_deadline_is_stopped_and_away() {
    check(|case| async move {
        let queries = (0..store::limits::READERS).map(|_| {
            let db = case.db.clone();
            tokio::spawn(async move { db.query(ENDLESS, params![]).await.unwrap_err() })
        });
        for query in queries.collect::<Vec<_>>() {
            let error = query.await.unwrap();
            assert!(matches!(error, StoreError::Away { .. }), "{error:?}");
        }
        put(&case.db, "still reading").await.unwrap();
        assert_eq!(names(&case.db).await, ["still reading"]);
    });
}

#[test]
fn queries_whose_callers_went_hold_up_nobody() {
    check_on(Kind::Sqlite, |case| async move {
        put(&case.db, "one").await.unwrap();
        let left: Vec<_> = (0..store::limits::READERS * 4)
            .map(|_| {
                let db = case.db.clone();
                tokio::spawn(async move { db.query(ENDLESS, params![]).await })
            })
            .collect();
        tokio::task::yield_now().await;
        for caller in left {
            caller.abort();
        }
        assert_eq!(names(&case.db).await, ["one"]);
    });
}

#[test]
fn a_cut_server_is_away_and_comes_back_without_a_restart() {
    check_on(Kind::Sqlite, |_| async {
        for mood in [Mood::Cut, Mood::Stalled] {
            let (db, proxy, _, _) = behind_a_proxy().await;
            put(&db, "before").await.unwrap();
            proxy.set(mood);
            let error = put(&db, "during").await.unwrap_err();
            assert!(is_away(&error), "{mood:?}: {error:?}");
            let error = db.query("SELECT 1", params![]).await.unwrap_err();
            assert!(matches!(error, StoreError::Away { .. }), "{mood:?}: {error:?}");
            proxy.set(Mood::Open);
            testkit::until("the store is back", || async { put(&db, "after").await.ok() }).await;
            let found = names(&db).await;
            assert!(
                found.contains(&"before".into()) && found.contains(&"after".into()),
                "{found:?}"
            );
        }
    });
}

/// The server commits, but its answer is lost: the caller is told to come back, the place of the
/// deed is given up only when its fate is known, and listeners are told that they missed something.
#[test]
fn a_lost_answer_holds_its_place_until_its_fate_is_known() {
    check_on(Kind::Sqlite, |_| async {
        let (db, proxy, heard, name) = behind_a_proxy().await;
        put(&db, "before").await.unwrap();
        proxy.set(Mood::Deaf);
        let mut batch = Batch::new();
        let id = batch.id();
        batch.add(INSERT_TAG, params![id, "unanswered"]);
        let error = db.commit(batch).await.unwrap_err();
        assert!(matches!(error, CommitError::Store(StoreError::Unsettled { .. })), "{error:?}");
        let held = db.horizon();
        let direct = Cluster::shared().client(&name).await;
        testkit::until("the server commits", || async {
            let sql = "SELECT id FROM tag WHERE name = 'unanswered'";
            let row = direct.query_opt(sql, &[]).await.unwrap()?;
            assert!(row.get::<_, i64>(0) >= held, "it was visible below the horizon");
            Some(())
        })
        .await;
        assert_eq!(db.horizon(), held, "its place is held while nobody knows");
        assert_eq!(heard.gaps(), 0);
        proxy.set(Mood::Open);
        testkit::until("the gap is told", || async { (heard.gaps() == 1).then_some(()) }).await;
        testkit::until("the place is free", || async { (db.horizon() > held).then_some(()) }).await;
        put(&db, "after").await.unwrap();
        assert_eq!(names(&db).await, ["before", "unanswered", "after"]);
    });
}

#[test]
fn a_restarted_backend_is_noticed_and_replaced() {
    check_on(Kind::Postgres, |case| async move {
        put(&case.db, "before").await.unwrap();
        let admin = Cluster::shared().client("postgres").await;
        let Engine::Postgres(options) = &case.ground.engine else { panic!("not PostgreSQL") };
        let name = options.url.rsplit('/').next().unwrap();
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        admin.query(sql, &[&name]).await.unwrap();
        // Queries go on by themselves; a deed may be told once to come back.
        assert_eq!(names(&case.db).await, ["before"]);
        testkit::until("the store is back", || async { put(&case.db, "after").await.ok() }).await;
    });
}

#[test]
fn a_full_disk_is_said_and_nothing_breaks() {
    check_on(Kind::Sqlite, |case| async move {
        let Case { store, db, clock, heard, ground } = case;
        drop((store, db));
        let Engine::Sqlite(options) = &ground.engine else { panic!("not SQLite") };
        let small = Engine::Sqlite(Options { pages_max: 400, ..options.clone() });
        let db = Db::connect(&small, clock.clone(), heard.clone()).await.unwrap();
        let long = "x".repeat(4_000);
        let mut stored = vec![];
        let error = loop {
            let name = format!("{} {long}", stored.len());
            match put(&db, &name).await {
                Ok(_) => stored.push(name),
                Err(error) => break error,
            }
            assert!(stored.len() < 2_000, "the disk never filled");
        };
        assert!(matches!(error, CommitError::Store(StoreError::Full)), "{error:?}");
        assert!(stored.len() > 10);
        assert_eq!(names(&db).await, stored, "all that was acknowledged is there, and no more");
        // Space returns.
        let mut batch = Batch::new();
        batch.add("DELETE FROM tag WHERE name LIKE '1%'", params![]);
        db.commit(batch).await.unwrap();
        put(&db, "room again").await.unwrap();
        let check = db.query("PRAGMA integrity_check", params![]).await.unwrap();
        assert_eq!(check[0].text(0).unwrap(), "ok");
    });
}

#[test]
fn what_stands_in_the_way_at_the_start_is_said_without_the_password() {
    check_on(Kind::Sqlite, |_| async {
        let cluster = Cluster::shared();
        let proxy = ChaosProxy::to(([127, 0, 0, 1], cluster.port()).into()).await.unwrap();
        proxy.set(Mood::Cut);
        let admin = cluster.client("postgres").await;
        let latin = "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'";
        admin.batch_execute(latin).await.unwrap();
        let ours = cluster.database().await;
        admin.batch_execute("CREATE ROLE guest LOGIN").await.unwrap();
        let (cut, here) = (proxy.address().to_string(), format!("127.0.0.1:{}", cluster.port()));
        for (url, said) in [
            (format!("postgres://postgres:hush@{cut}/{ours}"), "does not answer"),
            (format!("postgres://postgres:hush@{here}/nowhere"), "\"nowhere\" does not exist"),
            (format!("postgres://nobody:hush@{here}/{ours}"), "\"nobody\" does not exist"),
            (format!("postgres://postgres:hush@{here}/latin"), "LATIN1"),
            (format!("postgres://guest:hush@{here}/{ours}"), "may not make tables"),
            (format!("postgres:hush@{here}/{ours}?a=b"), "is written as"),
            (format!("postgres://postgres:hush@{here}/{ours}?sslmode=perhaps"), "is written as"),
        ] {
            let engine = Engine::Postgres(PostgresOptions::at(&url));
            let (clock, heard) = (Arc::new(StillClock::default()), Arc::new(Heard::default()));
            let opened = Db::connect(&engine, clock, heard).await;
            let Err(error) = opened else { panic!("{url} was opened") };
            let error = error.to_string();
            assert!(error.contains(said), "{url}: {error}");
            assert!(!error.contains("hush"), "{url}: {error}");
            assert!(!format!("{engine:?}").contains("hush"));
        }
    });
}

fn alone(case: &Case) -> Ground {
    let mut ground = case.ground.clone();
    if let Engine::Postgres(options) = &mut ground.engine {
        options.alone = true;
    }
    ground
}

#[test]
fn of_two_that_want_a_database_alone_the_second_is_refused_until_the_first_is_gone() {
    check_on(Kind::Postgres, |case| async move {
        let ground = alone(&case);
        let open = || Db::connect(&ground.engine, case.clock.clone(), case.heard.clone());
        let first = open().await.unwrap();
        let Err(refused) = open().await else { panic!("both have it") };
        assert!(matches!(&refused, store::OpenError::Taken { .. }), "{refused}");
        assert!(refused.to_string().contains("connected from 127.0.0.1 since"), "{refused}");
        // Nor is a copy put into a database that is in use.
        let place = case.ground.folder().join("copy");
        first.backup(place.clone()).await.unwrap();
        let refused = Db::restore(&ground.engine, &place).await.unwrap_err();
        assert!(matches!(&refused, store::OpenError::Taken { .. }), "{refused}");
        put(&first, "the first goes on").await.unwrap();
        drop(first);
        put(&open().await.unwrap(), "the second takes over").await.unwrap();
    });
}

#[test]
fn who_has_lost_the_hold_writes_nothing_until_it_is_back() {
    check_on(Kind::Postgres, |case| async move {
        let ground = alone(&case);
        let db = ground.open(case.clock.clone(), case.heard.clone()).await;
        put(&db, "held").await.unwrap();
        let Engine::Postgres(options) = &ground.engine else { panic!("not PostgreSQL") };
        let name = options.url.rsplit('/').next().unwrap();
        let other = Cluster::shared().client(name).await;
        let ours = "SELECT pg_terminate_backend(pid), pg_advisory_lock(112624795116915) \
                    FROM pg_locks WHERE locktype = 'advisory' AND database = \
                    (SELECT oid FROM pg_database WHERE datname = current_database())";
        // Ended, and taken by somebody else before it can be taken again.
        assert_eq!(other.query(ours, &[]).await.unwrap().len(), 1);
        let tries = std::sync::atomic::AtomicUsize::new(0);
        let refused = testkit::until("the loss is noticed", || async {
            let number = tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            put(&db, &format!("not held {number}")).await.err()
        })
        .await;
        assert!(is_away(&refused), "{refused}");
        let gaps = case.heard.gaps();
        let theirs = "INSERT INTO tag (id, name) VALUES (9000000000000000000, 'theirs')";
        other.batch_execute(theirs).await.unwrap();
        drop(other);
        let id = testkit::until("the hold is back", || async { put(&db, "held again").await.ok() })
            .await;
        assert!(id > 9_000_000_000_000_000_000, "{id} is below what the other wrote");
        assert!(case.heard.gaps() > gaps, "nobody was told of the gap");
    });
}

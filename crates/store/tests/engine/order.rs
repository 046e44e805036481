//! The order of ids is the order of commits and of events, under many writers.

use crate::{INSERT_TAG, put, raw_id, side_by_side};
use model::{AccountId, Event};
use parking_lot::Mutex;
use std::sync::Arc;
use store::{Batch, params};
use testkit::conformance::{Case, Kind, check, check_on};

const WRITERS: usize = 64;
const DEEDS: usize = 20;

/// A deed whose event carries its id.
fn telling(name: String) -> (Batch, store::IdSlot) {
    let mut batch = Batch::new();
    let id = batch.id();
    batch.add(INSERT_TAG, params![id, name]);
    batch.tell(move |done| done.id(id).ok().map(Event::AccountChanged));
    (batch, id)
}

fn told(case: &Case) -> Vec<i64> {
    let id = |event: &Event| match event {
        Event::AccountChanged(id) => id.get(),
        other => panic!("{other:?}"),
    };
    case.heard.events().iter().map(id).collect()
}

#[test]
fn events_come_in_the_order_of_ids_under_many_writers() {
    check(|case| async move {
        let db = case.db.clone();
        let heard = Arc::clone(&case.heard);
        side_by_side(WRITERS, |writer| {
            let (db, heard) = (db.clone(), Arc::clone(&heard));
            async move {
                for deed in 0..DEEDS {
                    let (batch, slot) = telling(format!("{writer} {deed}"));
                    let id = raw_id(&db.commit(batch).await.unwrap(), slot);
                    let account = AccountId::new(id).unwrap();
                    let heard = heard.events();
                    let mine =
                        |event: &Event| matches!(event, Event::AccountChanged(a) if *a == account);
                    assert!(heard.iter().any(mine), "acknowledged before it was announced");
                }
            }
        })
        .await;
        let told = told(&case);
        assert_eq!(told.len(), WRITERS * DEEDS);
        assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "events out of order");
    });
}

/// A reader that follows with `id > last`, below the horizon, sees every id once.
#[test]
fn a_reader_that_stays_below_the_horizon_misses_nothing() {
    check(|case| async move {
        let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let reader = {
            let (db, seen, done) = (case.db.clone(), Arc::clone(&seen), Arc::clone(&done));
            tokio::spawn(async move {
                let mut last = 0;
                loop {
                    let ended = done.load(std::sync::atomic::Ordering::SeqCst);
                    let horizon = db.horizon();
                    let sql = "SELECT id FROM tag WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT 40";
                    let rows = db.query(sql, params![last, horizon]).await.unwrap();
                    for row in &rows {
                        last = row.int(0).unwrap();
                        seen.lock().push(last);
                    }
                    if ended && rows.is_empty() {
                        return;
                    }
                }
            })
        };
        let (db, clock) = (case.db.clone(), Arc::clone(&case.clock));
        side_by_side(WRITERS, |writer| {
            let (db, clock) = (db.clone(), Arc::clone(&clock));
            async move {
                for deed in 0..DEEDS {
                    // The clock wavers: ids must not.
                    clock.move_ms(if (writer + deed) % 5 == 0 { -3 } else { 1 });
                    put(&db, &format!("{writer} {deed}")).await.unwrap();
                }
            }
        })
        .await;
        case.clock.move_ms(1_000);
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        reader.await.unwrap();
        assert_eq!(seen.lock().len(), WRITERS * DEEDS);
    });
}

#[test]
fn the_horizon_stands_below_an_open_deed() {
    check_on(Kind::Postgres, |case| async move {
        let first = put(&case.db, "first").await.unwrap();
        let Case { ground, db, .. } = &case;
        let store::Engine::Postgres(options) = &ground.engine else { panic!("not PostgreSQL") };
        let name = options.url.rsplit('/').next().unwrap();
        let mut other = testkit::postgres::Cluster::shared().client(name).await;
        // Somebody holds the row that the next deed needs.
        let lock = other.transaction().await.unwrap();
        lock.execute("UPDATE tag SET name = name WHERE id = $1", &[&first]).await.unwrap();
        let held = {
            let db = db.clone();
            tokio::spawn(async move {
                let (mut batch, slot) = telling("held".into());
                batch.must("UPDATE tag SET name = 'changed' WHERE id = ?1", params![first]);
                raw_id(&db.commit(batch).await.unwrap(), slot)
            })
        };
        testkit::until("the deed waits for the lock", || async {
            let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock'";
            let rows = db.query(sql, params![]).await.unwrap();
            (rows[0].int(0).unwrap() > 0).then_some(())
        })
        .await;
        let later = put(db, "later").await.unwrap();
        let horizon = db.horizon();
        assert!(first < horizon && horizon < later, "{first} {horizon} {later}");
        let (batch, _) = telling("told later".into());
        let waiting = tokio::spawn({
            let db = db.clone();
            async move { db.commit(batch).await.unwrap() }
        });
        testkit::until("the later deed is visible", || async {
            crate::names(db).await.contains(&"told later".to_owned()).then_some(())
        })
        .await;
        assert!(case.heard.events().is_empty(), "its event waits for the earlier deed");
        lock.commit().await.unwrap();
        let held = held.await.unwrap();
        waiting.await.unwrap();
        let told = told(&case);
        assert_eq!((told.len(), told[0]), (2, held));
        assert!(horizon <= held && db.horizon() > told[1]);
    });
}

#[test]
fn a_deed_is_answered_only_when_its_event_was_taken_in() {
    check(|case| async move {
        case.heard.hold();
        let (batch, _) = telling("slow listener".into());
        let db = case.db.clone();
        let deed = tokio::spawn(async move { db.commit(batch).await.unwrap() });
        testkit::until("the event", || async { (!case.heard.events().is_empty()).then_some(()) })
            .await;
        assert!(!deed.is_finished());
        // Deeds that tell nothing do not wait.
        put(&case.db, "silent").await.unwrap();
        assert!(!deed.is_finished());
        case.heard.release();
        deed.await.unwrap();
    });
}

/// An upgrade that overlaps, or a command beside the server: both write to one file.
#[test]
fn ids_stay_unique_and_a_gap_is_told_when_another_process_writes() {
    check_on(Kind::Sqlite, |case| async move {
        let ground = &case.ground;
        let others = Arc::new(testkit::heard::Heard::default());
        let other = ground.open(case.clock.clone(), others.clone()).await;
        let mut ids = vec![];
        for round in 0..5 {
            // Behind the other's clock or not.
            case.clock.move_ms(if round % 2 == 0 { 1 } else { -1 });
            for (who, db) in [("one", &case.db), ("other", &other)] {
                for deed in 0..3 {
                    ids.push(put(db, &format!("{who} {round} {deed}")).await.unwrap());
                }
            }
        }
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        // Each turn of the other is told once; the first opened before anybody wrote.
        assert_eq!((case.heard.gaps(), others.gaps()), (4, 5));
        let alone = case.heard.gaps();
        put(&case.db, "sees the last turn").await.unwrap();
        put(&case.db, "alone").await.unwrap();
        assert_eq!(case.heard.gaps(), alone + 1, "its own deeds are no gap");
    });
}

#[test]
fn ids_go_on_after_a_restart_even_when_the_clock_fell_back() {
    check(|case| async move {
        let before = put(&case.db, "before").await.unwrap();
        let Case { ground, clock, heard, db, store } = case;
        drop((db, store));
        clock.move_ms(-3_600_000);
        let db = ground.open(clock, heard).await;
        let after = put(&db, "after").await.unwrap();
        assert!(after > before, "{after} after {before}");
    });
}

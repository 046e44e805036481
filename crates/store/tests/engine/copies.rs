//! Copies of a database: of one moment while deeds go on, whole when restored, and refused when
//! they are not.

use crate::{INSERT_TAG, names, put, raw_id};
use model::{StoreError, ports::Unheard};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use store::{Batch, Db, Engine, Look, OpenError, Restoring, Value, params};
use testkit::{
    conformance::{Case, Ground, Kind, check, check_on},
    postgres::Cluster,
};

/// A copy of the case's database.
async fn copied(case: &Case) -> std::path::PathBuf {
    let place = case.ground.folder().join("copy");
    case.db.backup(place.clone()).await.unwrap();
    place
}

async fn opened(case: &Case, ground: &Ground) -> Db {
    ground.open(case.clock.clone(), Arc::new(Unheard)).await
}

/// Writers store pairs, a tag and its use, in two tables: a copy has both halves or none, and all
/// that was acknowledged before it began.
#[test]
fn a_copy_taken_while_writers_write_is_of_one_moment() {
    check(|case| async move {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let (db, stop) = (case.db.clone(), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut stored = 0;
                    while !stop.load(Ordering::SeqCst) {
                        let mut batch = Batch::new();
                        let id = batch.id();
                        batch.add(INSERT_TAG, params![id, format!("{writer} {stored}")]);
                        let used = "INSERT INTO status_tag (tag_id, status_id) VALUES (?1, 1)";
                        batch.add(used, params![id]);
                        db.commit(batch).await.unwrap();
                        stored += 1;
                    }
                })
            })
            .collect();
        testkit::until("deeds under way", || async {
            (names(&case.db).await.len() > 40).then_some(())
        })
        .await;
        let before = names(&case.db).await;
        let place = copied(&case).await;
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.unwrap();
        }
        let fresh = Ground::fresh(case.ground.kind).await;
        Db::restore(&fresh.engine, &place).await.unwrap();
        let db = opened(&case, &fresh).await;
        let restored = names(&db).await;
        assert!(before.iter().all(|name| restored.contains(name)), "an acknowledged deed is lost");
        let sql = "SELECT (SELECT COUNT(*) FROM tag), (SELECT COUNT(*) FROM status_tag), \
                   (SELECT COUNT(*) FROM tag t JOIN status_tag s ON s.tag_id = t.id)";
        let row = db.first(sql, params![]).await.unwrap().unwrap();
        let [tags, uses, pairs] = [0, 1, 2].map(|column| row.int(column).unwrap());
        assert_eq!((tags, uses), (pairs, pairs), "half a deed is in the copy");
        // Ids go on above those of the copy.
        let top = db.first("SELECT MAX(id) FROM tag", params![]).await.unwrap().unwrap();
        assert!(put(&db, "after").await.unwrap() > top.int(0).unwrap());
    });
}

#[test]
fn every_kind_of_value_comes_back_as_it_was() {
    check(|case| async move {
        let odd = "a\nb\tc\\d\\N\r \u{1F426} \"quoted\", \\. end";
        let mut batch = Batch::new();
        let id = batch.id();
        let app = "INSERT INTO app (id, client_id, client_secret_hash, name, website, \
                   redirect_uris, scopes, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, '', ?6, 0)";
        let bytes: Vec<u8> = (0..=255).collect();
        batch.add(app, params![id, "\\N", Value::Bytes(bytes.clone()), odd, Value::Null, i64::MIN]);
        let done = case.db.commit(batch).await.unwrap();
        let place = copied(&case).await;
        let fresh = Ground::fresh(case.ground.kind).await;
        Db::restore(&fresh.engine, &place).await.unwrap();
        let db = opened(&case, &fresh).await;
        let sql = "SELECT id, client_id, client_secret_hash, name, website, scopes FROM app";
        let row = db.first(sql, params![]).await.unwrap().unwrap();
        assert_eq!(row.int(0).unwrap(), raw_id(&done, id));
        assert_eq!(row.text(1).unwrap(), "\\N");
        assert_eq!(row.bytes(2).unwrap(), bytes);
        assert_eq!(row.text(3).unwrap(), odd);
        assert_eq!(row.opt_text(4).unwrap(), None);
        assert_eq!(row.int(5).unwrap(), i64::MIN);
    });
}

#[test]
fn a_copy_goes_only_where_nothing_is_and_only_as_a_whole() {
    check(|case| async move {
        put(&case.db, "here").await.unwrap();
        let place = copied(&case).await;
        let refused = Db::restore(&case.ground.engine, &place).await.unwrap_err();
        assert!(matches!(refused, OpenError::NotEmpty), "{refused}");
        assert_eq!(names(&case.db).await, ["here"]);
        let fresh = Ground::fresh(case.ground.kind).await;
        let absent = Db::restore(&fresh.engine, &place.join("absent")).await.unwrap_err();
        assert!(matches!(absent, OpenError::Copy { .. }), "{absent}");
        // A refusal leaves nothing behind that would be in the way.
        Db::restore(&fresh.engine, &place).await.unwrap();
        assert_eq!(names(&opened(&case, &fresh).await).await, ["here"]);
    });
}

#[test]
fn a_restore_is_known_by_its_mark_and_what_was_there_goes_aside() {
    check_on(Kind::Postgres, |case| async move {
        put(&case.db, "copied").await.unwrap();
        let place = copied(&case).await;
        put(&case.db, "later").await.unwrap();
        let Engine::Postgres(options) = &case.ground.engine else { panic!("not PostgreSQL") };
        let restore = |mark, aside| {
            Db::restore_tables(options, &place, Restoring { mark: Some(mark), aside })
        };
        let refused = restore("first", None).await.unwrap_err();
        assert!(matches!(refused, OpenError::NotEmpty), "{refused}");
        assert_eq!(names(&case.db).await, ["copied", "later"]);
        restore("first", Some("aside")).await.unwrap();
        let db = opened(&case, &case.ground).await;
        assert_eq!(names(&db).await, ["copied"]);
        put(&db, "since").await.unwrap();
        // Begun anew, because nobody had heard that it was done.
        for aside in [None, Some("elsewhere")] {
            restore("first", aside).await.unwrap();
            assert_eq!(names(&db).await, ["copied", "since"]);
        }
        let sql = "SELECT COUNT(*) FROM aside.tag";
        assert_eq!(db.first(sql, params![]).await.unwrap().unwrap().int(0).unwrap(), 2);
        let refused = restore("second", None).await.unwrap_err();
        assert!(matches!(refused, OpenError::NotEmpty), "{refused}");
    });
}

/// What a host or an extension keeps beside our tables: a table with rows that could not be copied
/// back, one that refers to ours, and one that cannot even be analysed.
const THEIRS: &str = "\
    CREATE TABLE theirs (id BIGINT PRIMARY KEY, twice BIGINT GENERATED ALWAYS AS (id * 2) STORED);\
    INSERT INTO theirs (id) VALUES (21);\
    CREATE TABLE their_notes (tag_id BIGINT REFERENCES tag (id), note TEXT);\
    INSERT INTO their_notes SELECT id, 'noted' FROM tag;\
    CREATE FUNCTION wary (i BIGINT) RETURNS BIGINT LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN \
        IF current_setting('theirs.here', true) IS NULL THEN RAISE EXCEPTION 'not you'; END IF; \
        RETURN i; END $$;\
    SET theirs.here = 'yes';\
    CREATE TABLE their_secrets (id BIGINT); CREATE INDEX ON their_secrets (wary(id));\
    INSERT INTO their_secrets VALUES (1), (2);\
    CREATE VIEW their_view AS SELECT name FROM tag";

#[test]
fn what_others_keep_in_the_database_is_neither_copied_nor_touched() {
    check_on(Kind::Postgres, |case| async move {
        put(&case.db, "copied").await.unwrap();
        let raw = async |ground: &Ground| {
            let Engine::Postgres(options) = &ground.engine else { panic!("not PostgreSQL") };
            Cluster::shared().client(options.url.rsplit('/').next().unwrap()).await
        };
        let client = raw(&case.ground).await;
        client.batch_execute(THEIRS).await.unwrap();
        let place = copied(&case).await;
        for name in ["theirs", "their_notes", "their_secrets"] {
            assert!(!place.join(format!("{name}.copy")).exists(), "{name}");
        }
        // Into a fresh database, and over what is there.
        let fresh = Ground::fresh(Kind::Postgres).await;
        Db::restore(&fresh.engine, &place).await.unwrap();
        assert_eq!(names(&opened(&case, &fresh).await).await, ["copied"]);
        let Engine::Postgres(options) = &case.ground.engine else { panic!("not PostgreSQL") };
        let how = Restoring { mark: Some("second"), aside: Some("aside") };
        Db::restore_tables(options, &place, how).await.unwrap();
        assert_eq!(names(&opened(&case, &case.ground).await).await, ["copied"]);
        let kept = "SELECT (SELECT twice FROM theirs), (SELECT COUNT(*) FROM their_secrets), \
                    (SELECT COUNT(*) FROM their_notes n JOIN aside.tag t ON t.id = n.tag_id), \
                    (SELECT COUNT(*) FROM their_view)";
        let row = client.query_one(kept, &[]).await.unwrap();
        assert_eq!([0, 1, 2, 3].map(|column| row.get::<_, i64>(column)), [42, 2, 1, 1]);
        // A database that holds nothing of ours is an empty one.
        let beside = Ground::fresh(Kind::Postgres).await;
        raw(&beside).await.batch_execute("CREATE TABLE theirs (id BIGINT)").await.unwrap();
        assert!(Db::is_empty(&beside.engine).await.unwrap());
        Db::restore(&beside.engine, &place).await.unwrap();
        assert_eq!(names(&opened(&case, &beside).await).await, ["copied"]);
    });
}

/// Killed after the database had all of it, while its files were on their way out.
#[test]
fn a_restore_that_was_done_is_known_as_done_when_its_copy_is_gone() {
    check_on(Kind::Postgres, |case| async move {
        put(&case.db, "copied").await.unwrap();
        let place = copied(&case).await;
        let fresh = Ground::fresh(Kind::Postgres).await;
        let Engine::Postgres(options) = &fresh.engine else { panic!("not PostgreSQL") };
        let how = Restoring { mark: Some("first"), aside: None };
        Db::restore_tables(options, &place, how).await.unwrap();
        std::fs::remove_file(place.join("tables.json")).unwrap();
        Db::restore_tables(options, &place, how).await.unwrap();
        let other = Restoring { mark: Some("second"), aside: None };
        assert!(Db::restore_tables(options, &place, other).await.is_err());
        assert_eq!(names(&opened(&case, &fresh).await).await, ["copied"]);
    });
}

#[test]
fn a_copy_says_what_is_in_it() {
    check(|case| async move {
        crate::members::join(&case, "ann", model::member::Role::Member).await;
        let place = copied(&case).await;
        let found = Db::inspect_copy(&place, Look::Pages).await.unwrap();
        let last = i64::try_from(store::migrate::MIGRATIONS.len()).unwrap();
        assert_eq!((found.level, found.pending), (last, 0));
        assert_eq!((found.accounts, found.statuses, found.damage), (1, 0, None));
        let whole = Db::inspect(&case.ground.engine, Look::Pages).await.unwrap();
        assert_eq!((whole.level, whole.accounts, whole.damage), (last, 1, None));
        if case.ground.kind == Kind::Postgres {
            std::fs::write(place.join("tag.copy"), "1\tmore\n").unwrap();
            let damaged = Db::inspect_copy(&place, Look::Pages).await.unwrap();
            assert!(damaged.damage.unwrap().contains("tag has 1 rows"));
        }
        let absent = Db::inspect_copy(&place.join("absent"), Look::Counts).await;
        assert!(absent.is_err());
    });
}

#[test]
fn a_copy_that_was_cut_short_or_altered_is_refused_as_a_whole() {
    check_on(Kind::Postgres, |case| async move {
        put(&case.db, "one").await.unwrap();
        put(&case.db, "two").await.unwrap();
        let place = copied(&case).await;
        let (rows, list) = (place.join("tag.copy"), place.join("tables.json"));
        let [good_rows, good_list] = [&rows, &list].map(|p| std::fs::read_to_string(p).unwrap());
        let fewer = good_rows.lines().next().unwrap().to_owned() + "\n";
        let fresh = Ground::fresh(Kind::Postgres).await;
        for (file, text) in [
            (&rows, fewer.clone()),
            (&rows, good_rows.clone() + &fewer),
            (&rows, "no row".to_owned()),
            (&list, good_list.replace("\"tag\"", "\"tag; DROP TABLE tag\"")),
            (&list, good_list.replace("\"format\":1", "\"format\":2")),
            (&list, good_list.replace("[[1,\"", "[[1,\"0")),
            (&list, good_list.get(..good_list.len() / 2).unwrap().to_owned()),
        ] {
            std::fs::write(&rows, &good_rows).unwrap();
            std::fs::write(&list, &good_list).unwrap();
            std::fs::write(file, &text).unwrap();
            assert!(Db::restore(&fresh.engine, &place).await.is_err(), "{text}");
        }
        std::fs::write(&rows, &good_rows).unwrap();
        std::fs::write(&list, &good_list).unwrap();
        Db::restore(&fresh.engine, &place).await.unwrap();
        assert_eq!(names(&opened(&case, &fresh).await).await, ["one", "two"]);
    });
}

#[test]
fn what_would_be_migrated_is_told_and_not_done() {
    check(|case| async move {
        let last = i64::try_from(store::migrate::MIGRATIONS.len()).unwrap();
        let pending = |engine: Engine| async move { Db::pending_migrations(&engine).await };
        // As a whole: its folder goes with it.
        let ground = &case.ground;
        let fresh = Ground::fresh(ground.kind).await;
        assert!(pending(fresh.engine.clone()).await.unwrap().is_empty(), "there is no data");
        assert!(pending(ground.engine.clone()).await.unwrap().is_empty());
        let mut batch = Batch::new();
        batch.must("DELETE FROM migration WHERE version = ?1", params![last]);
        case.db.commit(batch).await.unwrap();
        for _ in 0..2 {
            assert_eq!(pending(ground.engine.clone()).await.unwrap(), [last]);
        }
        let mut batch = Batch::new();
        let newer = "INSERT INTO migration (version, checksum) VALUES (?1, 'x')";
        batch.add(newer, params![last + 1]);
        case.db.commit(batch).await.unwrap();
        let refused = pending(ground.engine.clone()).await.unwrap_err();
        assert!(matches!(&refused, OpenError::Store(StoreError::Broken(_))), "{refused}");
    });
}

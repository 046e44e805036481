//! How SQLite means to find what deeds and anonymous listings ask for: by an index, never by
//! looking at a table whole. A deed holds the one writer, and anybody may ask for a listing.

use crate::{
    Batch, Value,
    account_find::finding,
    db::Dialect,
    job::{IDLE_APP_TOKENS, IDLE_APPS, REMOVE_APP},
    migrate::MIGRATIONS,
    relation::{add_follow, add_unfollow},
    status_write::{ORPHAN, RELEASE, UNHANG},
    text::schema_for_sqlite,
    timeline::listing,
};
use model::{
    AccountId, Timestamp,
    ports::{AccountQuery, TimelineQuery},
    relation::FollowOptions,
};
use rusqlite::Connection;

fn fresh() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    for step in MIGRATIONS {
        for text in [step.sql, step.sqlite] {
            db.execute_batch(&schema_for_sqlite(text)).unwrap();
        }
    }
    db
}

/// The steps of the plan, one a line.
fn plan(db: &Connection, sql: &str) -> String {
    let mut asked = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // What stands for the values does not change the plan.
    let values = vec![1_i64; asked.parameter_count()];
    let rows = asked.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3));
    rows.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

/// Whether a table is looked at whole. A scan of a constant or of a listing is none.
fn scans(plan: &str) -> bool {
    let harmless = ["CONSTANT ROW", "VIRTUAL TABLE INDEX"];
    plan.lines()
        .any(|line| line.starts_with("SCAN") && !harmless.iter().any(|word| line.contains(word)))
}

fn account(id: i64) -> AccountId {
    AccountId::new(id).unwrap()
}

#[test]
fn deeds_look_at_no_table_whole() {
    let db = fresh();
    let mut batch = Batch::new();
    let (one, other, now) = (account(1), account(2), Timestamp::from_ms(1));
    add_follow(&mut batch, Dialect::Sqlite, one, other, &FollowOptions::default(), now);
    add_unfollow(&mut batch, Dialect::Sqlite, one, other);
    let relations = batch.statements.iter().map(|statement| statement.sql.to_string());
    let cleaning = [ORPHAN, RELEASE, IDLE_APP_TOKENS, IDLE_APPS, REMOVE_APP];
    let fixed = UNHANG.iter().chain(&cleaning).map(|sql| (*sql).to_owned());
    for sql in fixed.chain(relations) {
        let plan = plan(&db, &sql);
        assert!(!scans(&plan), "{sql}\n{plan}");
    }
}

#[test]
fn listings_for_anybody_follow_an_index_in_its_order() {
    let db = fresh();
    let public = |local, remote, only_media| TimelineQuery::Public { local, remote, only_media };
    let tag = || TimelineQuery::Tag {
        tag: "rust".into(),
        any: vec![],
        all: vec![],
        none: vec![],
        local: false,
        only_media: false,
    };
    for (query, index) in [
        (public(false, true, false), "status_remote"),
        (public(false, false, true), "status_pictured"),
        (public(false, true, true), "status_"),
        (tag(), "USING PRIMARY KEY (tag_id=? AND status_id>? AND status_id<?)"),
    ] {
        for ascending in [false, true] {
            let (sql, _): (String, Vec<Value>) = listing(&query, ascending);
            let plan = plan(&db, &sql);
            assert!(!scans(&plan) && !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
            assert!(plan.contains(index) || index.contains("PRIMARY"), "{sql}\n{plan}");
        }
    }
}

#[test]
fn people_are_found_by_name_along_indexes() {
    let db = fresh();
    for (text, followed_by) in [("ann", None), ("old ann b", None), ("ann", Some(account(1)))] {
        let query = AccountQuery { text: text.into(), followed_by, limit: 9, offset: 0 };
        let (sql, _): (String, Vec<Value>) = finding(Dialect::Sqlite, &query);
        let plan = plan(&db, &sql);
        assert!(!scans(&plan), "{sql}\n{plan}");
    }
}

#[test]
fn a_scan_is_seen_as_one() {
    let db = fresh();
    let whole = plan(&db, "DELETE FROM media WHERE kind = ?1");
    assert!(scans(&whole), "{whole}");
    assert!(plan(&db, "SELECT id FROM tag ORDER BY name || 'x'").contains("TEMP B-TREE"));
}

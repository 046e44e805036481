//! What a program finds that does not fit it: a migration that was edited, left out, or is unknown.
//! It stops, and changes nothing.

use model::ports::Unheard;
use std::sync::Arc;
use store::{Batch, Db, params};
use testkit::conformance::{Case, check};

async fn refused(case: &Case) -> String {
    let opened = Db::connect(&case.ground.engine, case.clock.clone(), Arc::new(Unheard)).await;
    let Err(at_opening) = opened else { panic!("it opened") };
    let pending = Db::pending_migrations(&case.ground.engine).await.unwrap_err();
    assert_eq!(at_opening.to_string(), pending.to_string());
    at_opening.to_string()
}

async fn ledger(case: &Case) -> Vec<(i64, String)> {
    let sql = "SELECT version, checksum FROM migration ORDER BY version";
    let rows = case.db.query(sql, params![]).await.unwrap();
    rows.iter().map(|row| (row.int(0).unwrap(), row.text(1).unwrap().to_owned())).collect()
}

async fn change(case: &Case, sql: &'static str, version: i64) {
    let mut batch = Batch::new();
    batch.must(sql, params![version]);
    case.db.commit(batch).await.unwrap();
}

#[test]
fn a_migration_that_was_edited_left_out_or_is_unknown_stops_the_start() {
    check(|case| async move {
        let last = i64::try_from(store::migrate::MIGRATIONS.len()).unwrap();
        let whole = ledger(&case).await;
        assert_eq!(whole.len(), store::migrate::MIGRATIONS.len());
        for (sql, undo, version, expected) in [
            (
                "UPDATE migration SET checksum = 'x' || checksum WHERE version = ?1",
                "UPDATE migration SET checksum = substr(checksum, 2) WHERE version = ?1",
                2,
                "migration 2 was edited",
            ),
            (
                "UPDATE migration SET version = version + 1000 WHERE version = ?1",
                "UPDATE migration SET version = version - 1000 WHERE version = ?1 + 1000",
                last,
                "is unknown: this data was written by a newer version",
            ),
        ] {
            change(&case, sql, version).await;
            let said = refused(&case).await;
            assert!(said.contains(expected), "{sql}: {said}");
            change(&case, undo, version).await;
            assert_eq!(ledger(&case).await, whole, "{sql}");
        }
        change(&case, "DELETE FROM migration WHERE version = ?1", 3).await;
        assert!(refused(&case).await.contains("migration 3 was left out"));
    });
}

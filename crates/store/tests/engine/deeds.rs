//! One deed: what it gives back, and that nothing of it stays when a part is refused.

use crate::{INSERT_TAG, names, put, raw_id, side_by_side};
use store::{Batch, CommitError, Value, params};
use testkit::conformance::check;

#[test]
fn a_deed_gives_its_ids_rows_and_counts() {
    check(|case| async move {
        let mut batch = Batch::new();
        let (a, b) = (batch.id(), batch.id());
        batch.add(INSERT_TAG, params![a, "one"]);
        batch.add(INSERT_TAG, params![b, "two"]);
        let changed = batch.add("UPDATE tag SET name = name || '!' WHERE id > ?1", params![0_i64]);
        let gone = batch.must("DELETE FROM tag WHERE id = ?1 RETURNING name, id", params![a]);
        let done = case.db.commit(batch).await.unwrap();
        assert!(raw_id(&done, a) < raw_id(&done, b));
        assert_eq!(done.changed(changed), 2);
        assert_eq!(done.rows(gone).len(), 1);
        assert_eq!(done.rows(gone)[0].text(0).unwrap(), "one!");
        assert_eq!(done.rows(gone)[0].int(1).unwrap(), raw_id(&done, a));
        assert!(done.rows(changed).is_empty());
        assert_eq!(names(&case.db).await, ["two!"]);
    });
}

#[test]
fn a_refused_statement_takes_the_whole_deed_with_it() {
    check(|case| async move {
        put(&case.db, "taken").await.unwrap();
        for (must, sql, values, refusal) in [
            (false, INSERT_TAG, params![7_i64, Value::Null], "Key(1)"),
            (false, INSERT_TAG, params![7_i64, "taken"], "Key(1)"),
            (true, "DELETE FROM tag WHERE name = ?1", params!["absent"], "Unmet(1)"),
            (true, "UPDATE tag SET id = id WHERE id > ?1", params![0_i64], "Unmet(1)"),
            (true, "DELETE FROM tag WHERE name = ?1 RETURNING id", params!["absent"], "Unmet(1)"),
            (false, "INSERT INTO no_table (id) VALUES (?1)", params![1_i64], "Store"),
        ] {
            let mut batch = Batch::new();
            let id = batch.id();
            batch.add(INSERT_TAG, params![id, "first"]);
            if must {
                batch.must(sql, values)
            } else {
                batch.add(sql, values)
            };
            let last = batch.id();
            batch.add(INSERT_TAG, params![last, "last"]);
            batch.tell(|_| panic!("nothing happened, so nothing is told"));
            let error = case.db.commit(batch).await.unwrap_err();
            assert!(format!("{error:?}").starts_with(refusal), "{sql}: {error:?}");
            assert_eq!(names(&case.db).await, ["taken"], "{sql}");
        }
        put(&case.db, "still writing").await.unwrap();
    });
}

#[test]
fn a_first_statement_that_changes_too_much_changes_nothing() {
    check(|case| async move {
        for name in ["one", "two"] {
            put(&case.db, name).await.unwrap();
        }
        for sql in ["UPDATE tag SET name = name || '!'", "DELETE FROM tag"] {
            let mut batch = Batch::new();
            batch.must(sql, params![]);
            let error = case.db.commit(batch).await.unwrap_err();
            assert!(matches!(error, CommitError::Unmet(0)), "{sql}: {error:?}");
            assert_eq!(names(&case.db).await, ["one", "two"], "{sql}");
        }
    });
}

#[test]
fn a_refused_deed_leaves_its_neighbours_alone() {
    check(|case| async move {
        put(&case.db, "taken").await.unwrap();
        let db = case.db.clone();
        side_by_side(48, |task| {
            let db = db.clone();
            async move {
                for round in 0..10 {
                    // Refused at its first statement, at its second, or not at all.
                    let (mut batch, refused) = (Batch::new(), (task + round) % 3);
                    let names = match refused {
                        0 => vec!["taken".to_owned(), format!("never {task} {round}")],
                        1 => vec![format!("{task} {round}"), "taken".to_owned()],
                        _ => vec![format!("{task} {round}")],
                    };
                    for name in names {
                        let id = batch.id();
                        batch.add(INSERT_TAG, params![id, name]);
                    }
                    match db.commit(batch).await {
                        Ok(_) => assert_eq!(refused, 2),
                        Err(CommitError::Key(place)) => assert_eq!(place, refused),
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
        })
        .await;
        let expected: Vec<String> = (0..48)
            .flat_map(|task| (0..10).map(move |round| (task, round)))
            .filter(|(task, round)| (task + round) % 3 == 2)
            .map(|(task, round)| format!("{task} {round}"))
            .chain(["taken".to_owned()])
            .collect();
        let mut found = names(&case.db).await;
        let mut expected = expected;
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    });
}

#[test]
fn values_come_back_as_they_went_in() {
    check(|case| async move {
        let sql = "INSERT INTO app (id, client_id, client_secret_hash, name, website, \
                   redirect_uris, scopes, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                   RETURNING client_id, client_secret_hash, website, scopes, created_ms";
        for (name, website, number) in [
            ("", None, 0),
            ("naïve 🦭 'quoted' ?1 $1", Some("x"), -1),
            ("a\u{202E}b", Some(""), i64::MAX),
            ("twice", None, i64::MIN),
        ] {
            let mut batch = Batch::new();
            let id = batch.id();
            let bytes: Vec<u8> = (0..=255).collect();
            let values =
                params![id, name, bytes.as_slice(), "n", website, "r", number, i64::from(true)];
            let place = batch.add(sql, values);
            let done = case.db.commit(batch).await.unwrap();
            let row = &done.rows(place)[0];
            assert_eq!(row.text(0).unwrap(), name);
            assert_eq!(row.bytes(1).unwrap(), bytes);
            assert_eq!(row.opt_text(2).unwrap(), website);
            assert_eq!(row.int(3).unwrap(), number);
            assert!(row.bool(4).unwrap());
            assert!(row.int(0).is_err(), "text is no number");
            assert!(row.text(9).is_err(), "there is no such column");
        }
    });
}

#[test]
fn nul_in_text_is_replaced_and_never_refused() {
    check(|case| async move {
        put(&case.db, "a\0b").await.unwrap();
        assert_eq!(names(&case.db).await, ["a\u{FFFD}b"]);
        let found = case.db.query("SELECT id FROM tag WHERE name = ?1", params!["a\0b"]).await;
        assert_eq!(found.unwrap().len(), 1);
    });
}

#[test]
fn expressions_give_the_same_values_on_both_engines() {
    check(|case| async move {
        for name in ["a", "b", "c"] {
            put(&case.db, name).await.unwrap();
        }
        for (sql, values, expected) in [
            ("SELECT COUNT(*) FROM tag", params![], 3),
            ("SELECT SUM(length(name)) FROM tag", params![], 3),
            ("SELECT COALESCE(SUM(id), -7) FROM tag WHERE name = 'z'", params![], -7),
            ("SELECT EXISTS (SELECT 1 FROM tag WHERE name = ?1)", params!["b"], 1),
            ("SELECT EXISTS (SELECT 1 FROM tag WHERE name = ?1)", params!["z"], 0),
            ("SELECT 1", params![], 1),
            ("SELECT ?1", params![5_000_000_000_i64], 5_000_000_000),
            ("SELECT COUNT(*) FROM tag WHERE (?1 = 0 OR id < ?1)", params![i64::MAX], 3),
            ("SELECT COUNT(*) FROM tag WHERE (?1 = 0 OR id < ?1)", params![0_i64], 3),
            ("SELECT COUNT(*) FROM tag WHERE name > ?1 AND name <> ?1", params!["a"], 2),
            ("SELECT COUNT(*) FROM tag WHERE COALESCE(?1, name) = name", params![Value::Null], 3),
            ("SELECT COUNT(*) FROM tag WHERE COALESCE(?1, name) = name", params!["b"], 1),
        ] {
            let rows = case.db.query(sql, values).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            assert_eq!(rows[0].int(0).unwrap(), expected, "{sql}");
        }
    });
}

#[test]
fn text_is_ordered_by_its_bytes() {
    check(|case| async move {
        for name in ["b", "a", "B", "é", "a b", "ab", "_", "Z"] {
            put(&case.db, name).await.unwrap();
        }
        let rows = case.db.query("SELECT name FROM tag ORDER BY name", params![]).await.unwrap();
        let order: Vec<&str> = rows.iter().map(|row| row.text(0).unwrap()).collect();
        assert_eq!(order, ["B", "Z", "_", "a", "a b", "ab", "b", "é"]);
    });
}

#[test]
fn lists_of_ids_of_any_length_are_looked_up() {
    check(|case| async move {
        let mut ids = vec![];
        for n in 0..450 {
            ids.push(put(&case.db, &n.to_string()).await.unwrap());
        }
        let sql = "SELECT id, name FROM tag WHERE name <> ?1 AND id IN ({ids})";
        for count in [0, 1, 2, 8, 9, 40, 41, 200, 201, 450] {
            let rows = case.db.query_ids(sql, params!["3"], &ids[..count]).await.unwrap();
            let expected = if count > 3 { count - 1 } else { count };
            assert_eq!(rows.len(), expected, "{count} ids");
        }
    });
}

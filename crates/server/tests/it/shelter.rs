//! What shelters members from each other: reports, mutes, blocks, and what then reaches nobody.

use crate::instance::Instance;
use serde_json::{Value, json};

fn id(entity: &Value) -> String {
    entity["id"].as_str().expect("an id").to_owned()
}

/// A member's token and account.
fn person(here: &Instance, name: &str) -> (String, String) {
    let token = here.member(name);
    let own = here.ask("GET", "/api/v1/accounts/verify_credentials", &token, None).body;
    (token, id(&own))
}

fn post(here: &Instance, token: &str, form: Value) -> String {
    let answer = here.ask("POST", "/api/v1/statuses", token, Some(form));
    assert_eq!(answer.status, 200, "{}", answer.body);
    id(&answer.body)
}

#[test]
fn a_report_names_whom_and_what_and_nothing_that_its_maker_may_not_see() {
    let here = Instance::with("[server]\nrules = [\"Be kind\", \"Be brief\"]\n");
    let ((ann, ann_id), (bob, bob_id)) = (person(&here, "ann"), person(&here, "bob"));
    let (_, gone_id) = person(&here, "gone");
    assert!(here.command(&["account", "suspend", "gone", "--reason", "spam"]).is_done);
    let open = post(&here, &bob, json!({ "status": "buy" }));
    let closed = post(&here, &bob, json!({ "status": "secret", "visibility": "private" }));
    let own = post(&here, &ann, json!({ "status": "mine" }));
    let report = |form: Value| here.ask("POST", "/api/v1/reports", &ann, Some(form));
    let form = json!({ "account_id": bob_id, "status_ids": [open, open], "comment": "an ad",
        "category": "violation", "rule_ids": ["2"] });
    let made = report(form);
    assert_eq!(made.status, 200, "{}", made.body);
    let expected = json!([bob_id, [open], ["2"], "violation", "an ad", false, false]);
    let b = &made.body;
    let got = json!([
        b["target_account"]["id"],
        b["status_ids"],
        b["rule_ids"],
        b["category"],
        b["comment"],
        b["forwarded"],
        b["action_taken"]
    ]);
    assert_eq!(got, expected);
    assert_ne!(id(&report(json!({ "account_id": bob_id })).body), id(b), "a second one");
    for (form, status) in [
        (json!({}), 404),
        (json!({ "account_id": "1" }), 404),
        (json!({ "account_id": gone_id }), 404),
        (json!({ "account_id": ann_id }), 422),
        (json!({ "account_id": bob_id, "status_ids": [own] }), 404),
        (json!({ "account_id": bob_id, "status_ids": [open, closed] }), 404),
        (json!({ "account_id": bob_id, "status_ids": ["x"] }), 404),
        (json!({ "account_id": bob_id, "comment": "x".repeat(1_001) }), 422),
        (json!({ "account_id": bob_id, "comment": "x".repeat(1_000) }), 200),
        (json!({ "account_id": bob_id, "category": "rude" }), 422),
        (json!({ "account_id": bob_id, "category": "violation", "rule_ids": ["3"] }), 422),
        (json!({ "account_id": bob_id, "rule_ids": ["0"] }), 422),
        (json!({ "account_id": bob_id, "category": "spam", "rule_ids": ["3"] }), 200),
    ] {
        let answer = report(form.clone());
        assert_eq!(answer.status, status, "{form:.80}: {}", answer.body);
    }
    here.ask("POST", &format!("/api/v1/accounts/{bob_id}/block"), &ann, None);
    let after_block = report(json!({ "account_id": bob_id, "status_ids": [open] }));
    assert_eq!(after_block.status, 200, "a block does not keep one from reporting");
}

//! What enters whose home timeline and lists, over HTTP: exclusive lists, chosen languages, and
//! what a block or the end of a follow takes along.

use crate::instance::Instance;
use serde_json::{Value, json};

const HOME: &str = "/api/v1/timelines/home";

fn id(entity: &Value) -> String {
    entity["id"].as_str().expect("an id").to_owned()
}

fn who(here: &Instance, token: &str) -> String {
    id(&here.ask("GET", "/api/v1/accounts/verify_credentials", token, None).body)
}

fn texts(here: &Instance, path: &str, token: &str) -> Vec<String> {
    let body = here.ask("GET", path, token, None).body;
    let text = |post: &Value| post["content"].as_str().expect("content").to_owned();
    body.as_array().expect("a list").iter().map(text).collect()
}

fn told(here: &Instance, token: &str) -> Vec<String> {
    let body = here.ask("GET", "/api/v1/notifications", token, None).body;
    let kind = |n: &Value| n["type"].as_str().expect("a type").to_owned();
    body.as_array().expect("a list").iter().map(kind).collect()
}

fn post(here: &Instance, token: &str, text: &str, language: &str) {
    let form = json!({ "status": text, "language": language });
    assert_eq!(here.ask("POST", "/api/v1/statuses", token, Some(form)).status, 200);
}

#[test]
fn whoever_is_on_an_exclusive_list_leaves_home_until_it_is_exclusive_no_more() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let ann_id = who(&here, &ann);
    here.ask("POST", &format!("/api/v1/accounts/{ann_id}/follow"), &bob, None);
    let form = json!({ "title": "quiet", "exclusive": true });
    let list = id(&here.ask("POST", "/api/v1/lists", &bob, Some(form)).body);
    post(&here, &ann, "before", "en");
    assert_eq!(texts(&here, HOME, &bob), ["<p>before</p>"]);
    let (at, of) = (format!("/api/v1/lists/{list}"), format!("/api/v1/timelines/list/{list}"));
    let on = json!({ "account_ids": [ann_id] });
    assert_eq!(here.ask("POST", &format!("{at}/accounts"), &bob, Some(on)).status, 200);
    post(&here, &ann, "after", "en");
    post(&here, &bob, "own", "en");
    assert_eq!(texts(&here, HOME, &bob), ["<p>own</p>"], "what was there has left too");
    assert_eq!(texts(&here, &of, &bob), ["<p>after</p>", "<p>before</p>"]);
    here.ask("PUT", &at, &bob, Some(json!({ "title": "loud", "exclusive": false })));
    assert_eq!(texts(&here, HOME, &bob), ["<p>own</p>", "<p>after</p>", "<p>before</p>"]);
}

#[test]
fn a_follow_for_some_languages_brings_only_those_home() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let follow = format!("/api/v1/accounts/{}/follow", who(&here, &ann));
    here.ask("POST", &follow, &bob, Some(json!({ "languages": ["de"] })));
    post(&here, &ann, "eins", "de");
    post(&here, &ann, "deux", "fr");
    assert_eq!(texts(&here, HOME, &bob), ["<p>eins</p>"], "built from the store");
    post(&here, &ann, "drei", "de");
    post(&here, &ann, "quatre", "fr");
    assert_eq!(texts(&here, HOME, &bob), ["<p>drei</p>", "<p>eins</p>"], "pushed");
    here.ask("POST", &follow, &bob, Some(json!({ "languages": [] })));
    assert_eq!(texts(&here, HOME, &bob).len(), 4, "all again");
}

#[test]
fn a_block_takes_follows_lists_and_notifications_of_both_along() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let (ann_id, bob_id) = (who(&here, &ann), who(&here, &bob));
    let mut lists = vec![];
    for (token, other) in [(&ann, &bob_id), (&bob, &ann_id)] {
        here.ask("POST", &format!("/api/v1/accounts/{other}/follow"), token, None);
        let list = here.ask("POST", "/api/v1/lists", token, Some(json!({ "title": "x" }))).body;
        let members = format!("/api/v1/lists/{}/accounts", id(&list));
        here.ask("POST", &members, token, Some(json!({ "account_ids": [other] })));
        lists.push((token.clone(), members));
    }
    post(&here, &ann, "hello @bob", "en");
    assert_eq!(
        (told(&here, &ann), told(&here, &bob)),
        (vec!["follow".to_owned()], vec!["mention".to_owned(), "follow".to_owned()],)
    );
    here.ask("POST", &format!("/api/v1/accounts/{ann_id}/block"), &bob, None);
    assert_eq!((told(&here, &ann), told(&here, &bob)), (vec![], vec![]));
    for (token, members) in lists {
        assert_eq!(here.ask("GET", &members, &token, None).body, json!([]), "{members}");
    }
    let asked = format!("/api/v1/accounts/relationships?id[]={bob_id}");
    let standing = here.ask("GET", &asked, &ann, None).body[0].clone();
    assert_eq!((&standing["following"], &standing["followed_by"]), (&json!(false), &json!(false)));
}

#[test]
fn what_is_for_named_people_is_not_pinned_and_few_people_are_called() {
    let here = Instance::new();
    let ann = here.member("ann");
    let rows = [("public", 200), ("unlisted", 200), ("private", 200), ("direct", 422)];
    for (visibility, status) in rows {
        let form = json!({ "status": visibility, "visibility": visibility });
        let made = id(&here.ask("POST", "/api/v1/statuses", &ann, Some(form)).body);
        let pinned = here.ask("POST", &format!("/api/v1/statuses/{made}/pin"), &ann, None);
        assert_eq!(pinned.status, status, "{visibility}: {}", pinned.body);
    }
    let crowd: String = (0..101).map(|n| format!("@a{n} ")).collect();
    let short: String = (0..2).map(|n| format!("@a{n} ")).collect();
    for (text, status) in [(short, 200), (crowd, 422)] {
        let form = json!({ "status": text });
        let answer = here.ask("POST", "/api/v1/statuses", &ann, Some(form));
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

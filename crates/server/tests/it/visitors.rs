//! What visitors read: answers that they share, and which must not lag, leak or be told apart from
//! those made for one reader.

use crate::instance::Instance;
use serde_json::{Value, json};

const PUBLIC: &str = "/api/v1/timelines/public";

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {head}")).trim().to_owned()
}

fn contents(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().filter_map(|s| s["content"].as_str()).collect()
}

#[test]
fn a_visitor_sees_what_is_posted_edited_and_deleted_at_once() {
    let here = Instance::new();
    let ann = here.member("ann");
    assert!(contents(&here.ask("GET", PUBLIC, "", None).body).is_empty());
    let post = here.ask("POST", "/api/v1/statuses", &ann, Some(json!({ "status": "one #a" }))).body;
    let at = format!("/api/v1/statuses/{}", post["id"].as_str().expect("an id"));
    for path in [PUBLIC, "/api/v1/timelines/tag/a", "/api/v1/timelines/tag/A?local=true"] {
        let seen = here.ask("GET", path, "", None).body;
        assert_eq!(seen[0]["id"], post["id"], "{path}");
    }
    here.ask("PUT", &at, &ann, Some(json!({ "status": "two" })));
    assert_eq!(contents(&here.ask("GET", PUBLIC, "", None).body), ["<p>two</p>"]);
    assert!(contents(&here.ask("GET", "/api/v1/timelines/tag/a", "", None).body).is_empty());
    here.ask("DELETE", &at, &ann, None);
    assert!(contents(&here.ask("GET", PUBLIC, "", None).body).is_empty());
}

#[test]
fn who_has_the_page_is_not_sent_it_again() {
    let here = Instance::new();
    let ann = here.member("ann");
    here.ask("POST", "/api/v1/statuses", &ann, Some(json!({ "status": "one" })));
    let full = here.ask("GET", PUBLIC, "", None);
    let tag = header(&full.head, "etag:");
    assert_eq!(header(&full.head, "vary:").split(',').next(), Some("authorization"));
    let held = format!("if-none-match: {tag}\r\n");
    let (head, body) = here.exchange("GET", PUBLIC, "", &held, b"");
    assert!(head.starts_with("HTTP/1.1 304"), "{head}");
    assert!(body.is_empty());
    here.ask("POST", "/api/v1/statuses", &ann, Some(json!({ "status": "two" })));
    let (head, _) = here.exchange("GET", PUBLIC, "", &held, b"");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[test]
fn what_means_nothing_neither_splits_nor_spoils_the_page() {
    let here = Instance::new();
    let ann = here.member("ann");
    for n in 0..3 {
        here.ask("POST", "/api/v1/statuses", &ann, Some(json!({ "status": format!("n{n}") })));
    }
    let plain = here.ask("GET", &format!("{PUBLIC}?limit=2"), "", None);
    let odd = here.ask("GET", &format!("{PUBLIC}?x=%3E%0d%0a&limit=2&remote=false"), "", None);
    assert_eq!(plain.body, odd.body);
    assert_eq!(header(&plain.head, "link:"), header(&odd.head, "link:"));
    let link = header(&odd.head, "link:");
    assert!(link.contains("limit=2&max_id=") && !link.contains("x="), "{link}");
}

#[test]
fn a_post_in_a_timeline_is_the_post_by_itself() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let form = json!({ "status": "hi @bob #tag https://example.org", "spoiler_text": "\"<&",
        "poll": { "options": ["a", "b"], "expires_in": 3600 } });
    let post = here.ask("POST", "/api/v1/statuses", &ann, Some(form)).body;
    let id = post["id"].as_str().expect("an id");
    here.ask("POST", &format!("/api/v1/statuses/{id}/reblog"), &bob, None);
    here.ask("POST", &format!("/api/v1/statuses/{id}/favourite"), &bob, None);
    for token in ["", &bob] {
        let alone = here.ask("GET", &format!("/api/v1/statuses/{id}"), token, None).body;
        let listed = here.ask("GET", PUBLIC, token, None).body[0].clone();
        assert_eq!(alone, listed);
        assert_eq!(listed["favourites_count"], 1);
    }
    let home = here.ask("GET", "/api/v1/timelines/home", &bob, None).body[0].clone();
    let alone = here.ask("GET", &format!("/api/v1/statuses/{id}"), &bob, None).body;
    assert_eq!(home["reblog"], alone);
    assert_eq!(alone["favourited"], true);
}

/// What a visitor gets at a path: twice, since the second time it is given without routing.
fn seen(here: &Instance, path: &str) -> (u16, String) {
    let ask = || {
        let (head, body) = here.exchange("GET", path, "", "", b"");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    let first = ask();
    assert_eq!(ask(), first, "{path}");
    first
}

#[test]
fn a_page_shows_at_once_what_happens_to_anything_on_it() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let poll = json!({ "status": "first words", "poll": { "options": ["yes", "no"],
        "expires_in": 3600 } });
    let post = here.ask("POST", "/api/v1/statuses", &ann, Some(poll)).body;
    let id = post["id"].as_str().expect("an id");
    let account = post["account"]["id"].as_str().expect("an id");
    let poll = post["poll"]["id"].as_str().expect("an id");
    let paths = ["/@ann/", "/api/v1/statuses/"].map(|start| format!("{start}{id}"));
    let context = format!("{}/context", paths[1]);
    let (page, api, context) = (paths[0].as_str(), paths[1].as_str(), context.as_str());
    let all = ["/@ann", "/@bob", "/@bob/with_replies", page, api, context];
    let did = |method: &str, path: &str, token: &str, form: Value| {
        let answer = here.ask(method, path, token, Some(form));
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
    };
    let deed = |verb: &str| format!("{api}/{verb}");
    let name = json!({ "display_name": "Ann of Thebes" });
    let reply = json!({ "status": "an answer", "in_reply_to_id": id });
    let other = json!({ "status": "second post" });
    let edit = json!({ "status": "reworded" });
    for (method, path, token, form, shown) in [
        ("POST", deed("favourite"), &bob, json!({}), [page, api].as_slice()),
        ("POST", deed("reblog"), &bob, json!({}), &["/@ann", "/@bob", page, api]),
        (
            "POST",
            "/api/v1/statuses".into(),
            &bob,
            reply,
            &["/@ann", "/@bob/with_replies", page, api, context],
        ),
        (
            "POST",
            format!("/api/v1/polls/{poll}/votes"),
            &bob,
            json!({ "choices": [0] }),
            &["/@ann", "/@bob", page, api],
        ),
        (
            "PATCH",
            "/api/v1/accounts/update_credentials".into(),
            &ann,
            name,
            &["/@ann", "/@bob", page, api],
        ),
        ("POST", format!("/api/v1/accounts/{account}/follow"), &bob, json!({}), &["/@ann", api]),
        ("POST", deed("pin"), &ann, json!({}), &["/@ann"]),
        ("POST", "/api/v1/statuses".into(), &ann, other, &["/@ann", api]),
        ("PUT", api.to_owned(), &ann, edit, &["/@ann", "/@bob", page, api]),
    ] {
        let before = all.map(|path| seen(&here, path));
        did(method, &path, token, form);
        for (at, old) in all.iter().zip(before) {
            let now = seen(&here, at);
            if shown.contains(at) {
                assert_ne!(now, old, "{at} after {method} {path}");
            }
        }
    }
    assert!(seen(&here, "/@bob").1.contains("reworded"));
    assert!(here.command(&["account", "suspend", "ann", "--reason", "spam"]).is_done);
    for path in all {
        let (status, text) = seen(&here, path);
        let gone = ["/@ann", page, api, context].contains(&path);
        assert_eq!(status, if gone { 404 } else { 200 }, "{path}");
        assert!(!text.contains("reworded"), "{path}: {text}");
    }
}

#[test]
fn who_is_unsuspended_is_on_every_page_again_at_once() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let post = |token: &str, form: Value| {
        let made = here.ask("POST", "/api/v1/statuses", token, Some(form));
        made.body["id"].as_str().expect("an id").to_owned()
    };
    let (hers, his) =
        (post(&ann, json!({ "status": "gull" })), post(&bob, json!({ "status": "b" })));
    post(&ann, json!({ "status": "a gull's answer", "in_reply_to_id": his }));
    here.ask("POST", &format!("/api/v1/statuses/{hers}/reblog"), &bob, None);
    let (thread, context) = (format!("/@bob/{his}"), format!("/api/v1/statuses/{his}/context"));
    let all = ["/@ann", "/@bob", "/", PUBLIC, thread.as_str(), context.as_str()];
    let before = all.map(|path| seen(&here, path));
    for (path, (status, text)) in all.iter().zip(&before) {
        assert!(*status == 200 && text.contains("gull"), "{path}: {text}");
    }
    for deed in ["suspend", "unsuspend"] {
        assert!(here.command(&["account", deed, "ann", "--reason", "a mistake"]).is_done);
        for (path, (_, old)) in all.iter().zip(&before) {
            let (status, text) = seen(&here, path);
            let is_there = status == 200 && text.contains("gull");
            assert_eq!(is_there, deed == "unsuspend", "{path} after {deed}: {text}");
            assert!(!is_there || text == *old, "{path}: {text}");
        }
    }
}

#[test]
fn of_a_long_thread_visitors_are_shown_less_than_members() {
    let here = Instance::new();
    let ann = here.member("ann");
    let answer = |to: Option<&str>| {
        let form = json!({ "status": "words", "in_reply_to_id": to });
        let post = here.ask("POST", "/api/v1/statuses", &ann, Some(form)).body;
        post["id"].as_str().expect("an id").to_owned()
    };
    let mut chain = vec![answer(None)];
    for _ in 0..44 {
        chain.push(answer(chain.last().map(String::as_str)));
    }
    let wide = answer(None);
    let below: Vec<String> = (0..62).map(|_| answer(Some(&wide))).collect();
    let ids = |list: &Value| {
        let all = list.as_array().expect("a list").iter();
        all.map(|post| post["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let around = |id: &str, token: &str| {
        let body = here.ask("GET", &format!("/api/v1/statuses/{id}/context"), token, None).body;
        (ids(&body["ancestors"]), ids(&body["descendants"]))
    };
    // Nearest above, first below, and down to a depth.
    assert_eq!(around(&chain[44], ""), (chain[4..44].to_vec(), vec![]));
    assert_eq!(around(&chain[0], ""), (vec![], chain[1..21].to_vec()));
    assert_eq!(around(&wide, ""), (vec![], below[..60].to_vec()));
    assert_eq!(around(&chain[44], &ann), (chain[..44].to_vec(), vec![]));
    assert_eq!(around(&chain[0], &ann), (vec![], chain[1..].to_vec()));
    assert_eq!(around(&wide, &ann), (vec![], below));
}

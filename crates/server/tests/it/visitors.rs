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

//! What a member reads at home: from memory, and yet what they did a moment ago is in it.

use crate::instance::Instance;
use serde_json::{Value, json};

const HOME: &str = "/api/v1/timelines/home";

fn id(entity: &Value) -> String {
    entity["id"].as_str().expect("an id").to_owned()
}

/// The marks of the newest post at home, or of what it repeats.
fn marks(post: &Value) -> String {
    let post = if post["reblog"].is_null() { post } else { &post["reblog"] };
    ["favourited", "reblogged", "bookmarked", "muted", "pinned"]
        .into_iter()
        .filter(|name| post[name] == true)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn ones_own_marks_are_there_at_once_on_old_posts_new_ones_and_repeated_ones() {
    let mut here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let who = id(&here.ask("GET", "/api/v1/accounts/verify_credentials", &ann, None).body);
    here.ask("POST", &format!("/api/v1/accounts/{who}/follow"), &bob, None);
    let post = |here: &Instance, form: Value| {
        id(&here.ask("POST", "/api/v1/statuses", &ann, Some(form)).body)
    };
    let old = post(&here, json!({ "status": "old" }));
    here.kill_and_restart();
    let newest = |here: &Instance| here.ask("GET", HOME, &bob, None).body[0].clone();
    assert_eq!(marks(&newest(&here)), "");
    let new = post(&here, json!({ "status": "new" }));
    let answer = post(&here, json!({ "status": "more", "in_reply_to_id": new }));
    for at in [&old, &new, &answer] {
        let act = |verb: &str| {
            let path = format!("/api/v1/statuses/{at}/{verb}");
            let done = here.ask("POST", &path, &bob, None);
            assert_eq!(done.status, 200, "{path}: {}", done.body);
            let home = here.ask("GET", HOME, &bob, None).body;
            let posts = home.as_array().expect("a list");
            let found = posts.iter().find(|p| p["id"] == **at).expect("at home");
            marks(found)
        };
        for (verb, expected) in [
            ("favourite", "favourited"),
            ("bookmark", "favourited bookmarked"),
            ("reblog", "favourited reblogged bookmarked"),
            ("mute", "favourited reblogged bookmarked muted"),
            ("unfavourite", "reblogged bookmarked muted"),
            ("unreblog", "bookmarked muted"),
            ("unbookmark", "muted"),
            ("unmute", ""),
        ] {
            assert_eq!(act(verb), expected, "after {verb}");
        }
    }
    here.ask("POST", &format!("/api/v1/statuses/{new}/mute"), &bob, None);
    post(&here, json!({ "status": "yet more", "in_reply_to_id": answer }));
    assert_eq!(marks(&newest(&here)), "muted", "a new answer in a muted thread");
    here.ask("POST", &format!("/api/v1/statuses/{old}/favourite"), &bob, None);
    let repeat = here.ask("POST", &format!("/api/v1/statuses/{old}/reblog"), &ann, None);
    assert_eq!(repeat.status, 200, "{}", repeat.body);
    assert_eq!(marks(&newest(&here)), "favourited", "an old post comes by again");
}

#[test]
fn whom_one_blocks_is_gone_from_home_at_once() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let who = id(&here.ask("GET", "/api/v1/accounts/verify_credentials", &ann, None).body);
    here.ask("POST", &format!("/api/v1/accounts/{who}/follow"), &bob, None);
    here.ask("GET", HOME, &bob, None);
    here.ask("POST", "/api/v1/statuses", &ann, Some(json!({ "status": "hi" })));
    assert_eq!(here.ask("GET", HOME, &bob, None).body[0]["content"], "<p>hi</p>");
    here.ask("POST", &format!("/api/v1/accounts/{who}/block"), &bob, None);
    assert_eq!(here.ask("GET", HOME, &bob, None).body, json!([]));
}

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

#[test]
fn a_post_is_found_by_those_who_may_find_it() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let post = |text: &str, visibility: &str| {
        let form = json!({ "status": text, "visibility": visibility });
        id(&here.ask("POST", "/api/v1/statuses", &ann, Some(form)).body)
    };
    let indexable = |wanted: bool| {
        let form = json!({ "indexable": wanted });
        here.ask("PATCH", "/api/v1/accounts/update_credentials", &ann, Some(form));
    };
    indexable(false);
    let open = post("a slope of #slate", "public");
    let secret = post("a slope of sand", "private");
    let found = |token: &str, more: &str| {
        let path = format!("/api/v2/search?q=slope{more}");
        let body = here.ask("GET", &path, token, None).body;
        let ids = body["statuses"].as_array().expect("a list").iter().map(id);
        ids.collect::<Vec<_>>()
    };
    // The index follows within seconds.
    let begun = std::time::Instant::now();
    while found(&ann, "").len() < 2 {
        assert!(begun.elapsed().as_secs() < 20, "not taken in");
        std::thread::yield_now();
    }
    assert_eq!(found(&ann, ""), [secret.clone(), open.clone()]);
    assert_eq!(found(&ann, "&limit=1&offset=1&type=statuses"), std::slice::from_ref(&open));
    assert_eq!(found(&ann, "&limit=1&offset=1"), [secret], "counts entries of one kind");
    assert_eq!(found(&ann, "&type=accounts"), [""; 0]);
    for (q, ids) in [("%23slate", &[][..]), ("%23slate&type=statuses", &[&open])] {
        let body = here.ask("GET", &format!("/api/v2/search?q={q}"), &ann, None).body;
        let found: Vec<_> = body["statuses"].as_array().expect("a list").iter().map(id).collect();
        assert!(found.iter().eq(ids.iter().copied()), "{q}: {found:?}");
        assert_eq!(body["hashtags"].as_array().map(Vec::len), Some(usize::from(ids.is_empty())));
    }
    assert_eq!(found("", ""), [""; 0], "visitors find no posts");
    assert_eq!(found(&bob, ""), [""; 0], "ann does not let herself be found");
    here.ask("POST", &format!("/api/v1/statuses/{open}/bookmark"), &bob, None);
    assert_eq!(found(&bob, ""), std::slice::from_ref(&open), "bob has kept it");
    indexable(true);
    here.ask("POST", &format!("/api/v1/statuses/{open}/unbookmark"), &bob, None);
    assert_eq!(found(&bob, ""), [open], "and not what is for followers");
}

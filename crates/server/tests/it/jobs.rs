//! What happens by itself when its hour has come, though the server was killed meanwhile.

use crate::instance::Instance;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long what is due may take to have happened.
const DEADLINE: Duration = Duration::from_secs(30);

/// Asks until the answer is as wanted.
fn wait_for(here: &Instance, path: &str, token: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + DEADLINE;
    loop {
        let body = here.ask("GET", path, token, None).body;
        if wanted(&body) {
            return body;
        }
        assert!(Instant::now() < until, "{path} still says {body}");
        std::thread::yield_now();
    }
}

fn count(body: &Value) -> usize {
    body.as_array().map_or(0, Vec::len)
}

#[test]
fn author_and_voters_are_told_once_that_a_poll_has_ended() {
    let mut here = Instance::new();
    let (ann, bob, eve) = (here.member("ann"), here.member("bob"), here.member("eve"));
    let poll = json!({ "options": ["tea", "milk"], "expires_in": 300 });
    let post = json!({ "status": "what?", "poll": poll });
    let post = here.ask("POST", "/api/v1/statuses", &ann, Some(post)).body;
    let votes = format!("/api/v1/polls/{}/votes", post["poll"]["id"].as_str().expect("an id"));
    let voted = here.ask("POST", &votes, &bob, Some(json!({ "choices": [1] })));
    assert_eq!(voted.status, 200, "{}", voted.body);
    let told = "/api/v1/notifications?types[]=poll";
    assert_eq!(count(&here.ask("GET", told, &ann, None).body), 0);
    here.change_while_killed(&[
        "UPDATE poll SET expires_ms = 1",
        "UPDATE job SET run_ms = 1 WHERE kind = 'poll_end'",
    ]);
    for token in [&ann, &bob] {
        let list = wait_for(&here, told, token, |list| count(list) > 0);
        assert_eq!(list[0]["type"], "poll");
        assert_eq!(list[0]["status"]["id"], post["id"]);
        assert_eq!(list[0]["account"]["username"], "ann");
        assert_eq!(list[0]["status"]["poll"]["expired"], true);
    }
    here.kill_and_restart();
    for (token, expected) in [(&ann, 1), (&bob, 1), (&eve, 0)] {
        assert_eq!(count(&here.ask("GET", told, token, None).body), expected);
    }
}

/// A time this far ahead, as apps write it.
fn ahead(minutes: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
    at.to_string()
}

const SCHEDULED: &str = "/api/v1/scheduled_statuses";

fn schedule(here: &Instance, token: &str, text: &str, at: &str) -> (u16, Value) {
    let post = json!({ "status": text, "scheduled_at": at });
    let answer = here.ask("POST", "/api/v1/statuses", token, Some(post));
    (answer.status, answer.body)
}

fn one(scheduled: &Value) -> String {
    format!("{SCHEDULED}/{}", scheduled["id"].as_str().expect("an id"))
}

#[test]
fn a_scheduled_post_is_published_once_though_the_server_is_killed() {
    let mut here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let media = crate::media::uploaded(&here, &ann, &[("description", "a cat")]);
    let (at, key) = (ahead(10), "idempotency-key: once\r\n");
    let form = json!({ "status": "later @bob", "visibility": "unlisted", "scheduled_at": at,
        "media_ids": [media["id"]] });
    let kept = here.send("POST", "/api/v1/statuses", &ann, key, &form.to_string()).body;
    assert_eq!(kept["params"]["text"], "later @bob", "{kept}");
    assert_eq!(kept["params"]["visibility"], "unlisted");
    assert_eq!(kept["media_attachments"][0]["id"], media["id"]);
    let again = here.send("POST", "/api/v1/statuses", &ann, key, &form.to_string()).body;
    assert_eq!(again, kept);
    // What it holds is no other post's.
    let other = json!({ "status": "mine", "media_ids": [media["id"]] });
    assert_eq!(here.ask("POST", "/api/v1/statuses", &ann, Some(other)).status, 422);
    assert_eq!(count(&here.ask("GET", SCHEDULED, &ann, None).body), 1);
    here.change_while_killed(&[
        "UPDATE scheduled SET at_ms = 1",
        "UPDATE job SET run_ms = 1 WHERE kind = 'publish'",
        "UPDATE media SET created_ms = 1",
    ]);
    wait_for(&here, SCHEDULED, &ann, |list| count(list) == 0 && list.is_array());
    here.kill_and_restart();
    let who = here.ask("GET", "/api/v1/accounts/verify_credentials", &ann, None).body;
    assert_eq!(who["statuses_count"], 1);
    let posts = format!("/api/v1/accounts/{}/statuses", who["id"].as_str().expect("an id"));
    let posts = here.ask("GET", &posts, &ann, None).body;
    assert_eq!((count(&posts), &posts[0]["visibility"]), (1, &json!("unlisted")), "{posts}");
    assert_eq!(posts[0]["media_attachments"][0]["description"], "a cat");
    let told = here.ask("GET", "/api/v1/notifications", &bob, None).body;
    assert_eq!((count(&told), &told[0]["status"]["id"]), (1, &posts[0]["id"]));
}

#[test]
fn scheduled_posts_are_listed_moved_and_taken_back_by_their_author_alone() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let mut kept = Vec::new();
    for text in ["one", "two", "three"] {
        let (status, body) = schedule(&here, &ann, text, &ahead(60));
        assert_eq!(status, 200, "{body}");
        kept.push(body);
    }
    let page = here.ask("GET", &format!("{SCHEDULED}?limit=2"), &ann, None);
    assert_eq!((&page.body[0]["id"], &page.body[1]["id"]), (&kept[2]["id"], &kept[1]["id"]));
    let next = format!("max_id={}>; rel=\"next\"", kept[1]["id"].as_str().expect("an id"));
    assert!(page.head.contains(&next), "{}", page.head);
    assert_eq!(count(&here.ask("GET", SCHEDULED, &bob, None).body), 0);
    let at = json!({ "scheduled_at": ahead(120) });
    for (method, body) in [("GET", None), ("PUT", Some(at.clone())), ("DELETE", None)] {
        assert_eq!(here.ask(method, &one(&kept[0]), &bob, body).status, 404, "{method}");
    }
    let moved = here.ask("PUT", &one(&kept[0]), &ann, Some(at)).body;
    assert_eq!(moved["id"], kept[0]["id"]);
    assert!(moved["scheduled_at"].as_str() > kept[0]["scheduled_at"].as_str(), "{moved}");
    let soon = Some(json!({ "scheduled_at": ahead(1) }));
    assert_eq!(here.ask("PUT", &one(&kept[0]), &ann, soon).status, 422);
    assert_eq!(here.ask("DELETE", &one(&kept[0]), &ann, None).body, json!({}));
    assert_eq!(here.ask("GET", &one(&kept[0]), &ann, None).status, 404);
    assert_eq!(count(&here.ask("GET", SCHEDULED, &ann, None).body), 2);
}

#[test]
fn what_cannot_be_scheduled_is_refused_as_mastodon_words_it() {
    let here = Instance::new();
    let ann = here.member("ann");
    let soon = "Validation failed: Scheduled at The scheduled date must be in the future";
    for (at, expected) in [("banana".to_owned(), "Record invalid"), (ahead(4), soon)] {
        let (status, body) = schedule(&here, &ann, "so", &at);
        assert_eq!((status, body["error"].as_str()), (422, Some(expected)), "{at}");
    }
    assert_eq!(schedule(&here, &ann, " ", &ahead(60)).0, 422);
    let at = "2099-01-01T10:00:00Z";
    for _ in 0..model::limits::SCHEDULED_DAILY {
        assert_eq!(schedule(&here, &ann, "so", at).0, 200);
    }
    let (status, body) = schedule(&here, &ann, "so", "2099-01-01T23:59:59+00:00");
    let full = "Validation failed: You have exceeded the limit of 25 scheduled posts for today";
    assert_eq!((status, body["error"].as_str()), (422, Some(full)));
    assert_eq!(schedule(&here, &ann, "so", "2099-01-02T00:00:00Z").0, 200, "another day");
}

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

//! Home timelines of those who ask again and again: given as they were made before, and never when
//! they would be made otherwise now.

use crate::{instance::Instance, service::get};
use serde_json::{Value, json};
use std::{cell::Cell, net::SocketAddr};

const HOME: &str = "/api/v1/timelines/home?limit=20";

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id: {value}")).to_owned()
}

/// How many home timelines were given without being made.
fn given(metrics: SocketAddr) -> u64 {
    let text = get(metrics, "/metrics").body;
    let row = "fulmar_home_answers_total{given=\"at_once\"} ";
    let line = text.lines().find_map(|line| line.strip_prefix(row));
    line.unwrap_or_else(|| panic!("no {row}: {text}")).parse().expect("a number")
}

/// Bob, who follows Ann and reads home, and what happens around him.
struct Reader {
    here: Instance,
    metrics: SocketAddr,
    ann: String,
    bob: String,
    asked: Cell<u32>,
}

impl Reader {
    fn new() -> Self {
        let (here, metrics) = Instance::measured();
        let (ann, bob) = (here.member("ann"), here.member("bob"));
        Self { here, metrics, ann, bob, asked: Cell::new(0) }
    }

    fn home(&self) -> Value {
        let answer = self.here.ask("GET", HOME, &self.bob, None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// As it is made for whoever has not asked like this before.
    fn fresh(&self) -> Value {
        self.asked.set(self.asked.get() + 1);
        let path = format!("{HOME}&asked={}", self.asked.get());
        self.here.ask("GET", &path, &self.bob, None).body
    }

    /// Asks until the page is kept.
    fn warm(&self) -> Value {
        // The first may find no timeline in memory, the second is noted, the third kept.
        for _ in 0..3 {
            self.home();
        }
        let before = given(self.metrics);
        let home = self.home();
        assert_eq!(given(self.metrics), before + 1, "not kept");
        home
    }

    /// Something is done that changes what the reader sees or not: it is seen at once.
    fn sees(&self, what: &str, is_seen: bool, deed: impl FnOnce()) {
        let before = self.warm();
        deed();
        let after = self.home();
        assert_eq!(after, self.fresh(), "{what}");
        assert_eq!(after != before, is_seen, "{what}: {after}");
    }

    fn did(&self, method: &str, path: &str, token: &str, form: Value) -> Value {
        let answer = self.here.ask(method, path, token, Some(form));
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.body
    }

    fn say(&self, token: &str, form: Value) -> Value {
        self.did("POST", "/api/v1/statuses", token, form)
    }

    fn act(&self, token: &str, post: &str, verb: &str) {
        self.did("POST", &format!("/api/v1/statuses/{post}/{verb}"), token, json!({}));
    }

    fn who(&self, token: &str) -> String {
        id(&self.here.ask("GET", "/api/v1/accounts/verify_credentials", token, None).body)
    }

    fn relate(&self, token: &str, verb: &str, whom: &str) {
        let path = format!("/api/v1/accounts/{}/{verb}", self.who(whom));
        self.did("POST", &path, token, json!({}));
    }

    /// A decision of the host about Ann.
    fn decide(&self, word: &str) {
        let said = self.here.command(&["account", word, "ann", "--reason", "a test"]);
        assert!(said.is_done, "{}", said.err);
    }
}

#[test]
fn whatever_happens_to_a_post_is_in_a_kept_home_at_once() {
    let r = Reader::new();
    let (ann, bob) = (r.ann.as_str(), r.bob.as_str());
    let (cleo, dora) = (&*r.here.member("cleo"), &*r.here.member("dora"));
    r.relate(bob, "follow", ann);
    let first = id(&r.say(ann, json!({ "status": "first" })));
    let second = id(&r.say(ann, json!({ "status": "hello @cleo" })));
    let asked =
        json!({ "status": "which?", "poll": { "options": ["a", "b"], "expires_in": 3600 } });
    let poll = id(&r.say(ann, asked)["poll"]);
    let theirs = id(&r.say(cleo, json!({ "status": "of cleo" })));
    r.act(ann, &theirs, "reblog");
    let at = |post: &str| format!("/api/v1/statuses/{post}");
    r.sees("nothing", false, || {});
    r.sees("a post", true, || drop(r.say(ann, json!({ "status": "new" }))));
    r.sees("a stranger's post", false, || drop(r.say(dora, json!({ "status": "x" }))));
    for verb in ["favourite", "unfavourite", "bookmark", "unbookmark", "mute", "unmute", "reblog"] {
        r.sees(verb, true, || r.act(bob, &first, verb));
    }
    r.sees("another's favourite", true, || r.act(cleo, &first, "favourite"));
    r.sees("of what is repeated", true, || r.act(cleo, &theirs, "favourite"));
    r.sees("unreblog", true, || r.act(bob, &first, "unreblog"));
    let answer = json!({ "status": "yes", "in_reply_to_id": second });
    r.sees("an answer", true, || drop(r.say(cleo, answer)));
    let votes = format!("/api/v1/polls/{poll}/votes");
    r.sees("a vote", true, || drop(r.did("POST", &votes, bob, json!({ "choices": [0] }))));
    r.sees("another's", true, || drop(r.did("POST", &votes, cleo, json!({ "choices": [1] }))));
    let words = || json!({ "status": "reworded" });
    r.sees("an edit", true, || drop(r.did("PUT", &at(&second), ann, words())));
    r.sees("of what is repeated", true, || drop(r.did("PUT", &at(&theirs), cleo, words())));
    let (name, profile) =
        (json!({ "display_name": "Ann of Thebes" }), "/api/v1/accounts/update_credentials");
    r.sees("a profile", true, || drop(r.did("PATCH", profile, ann, name)));
    r.sees("a follower more", true, || r.relate(cleo, "follow", ann));
    r.sees("a post is gone", true, || drop(r.did("DELETE", &at(&first), ann, json!({}))));
    r.sees("an own post", true, || drop(r.say(bob, json!({ "status": "mine" }))));
    r.sees("what was repeated is gone", true, || {
        r.did("DELETE", &at(&theirs), cleo, json!({}));
    });
}

#[test]
fn whoever_may_be_read_no_more_is_gone_from_a_kept_home_at_once() {
    let r = Reader::new();
    let (ann, bob) = (r.ann.as_str(), r.bob.as_str());
    r.say(bob, json!({ "status": "mine" }));
    r.say(ann, json!({ "status": "hers" }));
    r.relate(bob, "follow", ann);
    for verb in ["mute", "unmute", "block", "unblock", "follow", "unfollow", "follow"] {
        r.sees(verb, verb != "unblock", || r.relate(bob, verb, ann));
    }
    let list = json!({ "title": "apart", "exclusive": true });
    let list = id(&r.did("POST", "/api/v1/lists", bob, list));
    let members = format!("/api/v1/lists/{list}/accounts");
    let of_ann = || json!({ "account_ids": [r.who(ann)] });
    r.sees("set apart", true, || drop(r.did("POST", &members, bob, of_ann())));
    r.sees("no longer", true, || drop(r.did("DELETE", &members, bob, of_ann())));
    r.sees("a suspension", true, || r.decide("suspend"));
    let hidden = r.home();
    r.decide("unsuspend");
    assert_ne!(r.home(), hidden, "and its end");
    assert_eq!(r.home(), r.fresh());
}

#[test]
fn who_may_not_read_home_is_refused_though_it_is_kept() {
    let reader = Reader::new();
    let (here, bob, metrics) = (&reader.here, &reader.bob, reader.metrics);
    reader.say(bob, json!({ "status": "mine" }));
    reader.warm();
    let other = here.token_with("bob", "write");
    assert_eq!(here.ask("GET", HOME, &other, None).status, 403);
    assert_eq!(here.ask("GET", HOME, "", None).status, 401);
    assert_eq!(here.ask("GET", HOME, "nonsense", None).status, 401);
    let other = here.token_with("bob", "read:statuses");
    // Whether a token lives is asked once; what is given before the router is for those that are
    // known to.
    assert_eq!(here.ask("GET", HOME, &other, None).status, 200);
    let before = given(metrics);
    let answer = here.ask("GET", HOME, &other, None);
    assert_eq!((answer.status, given(metrics)), (200, before + 1), "the reader's, by any token");
    let left = |head: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix("x-ratelimit-remaining: "));
        line.expect("what is left").trim().parse::<u32>().expect("a number")
    };
    let next = here.ask("GET", HOME, &other, None);
    assert_eq!(left(&next.head) + 1, left(&answer.head), "it counts like any other");
    let said = here.command(&["account", "suspend", "bob", "--reason", "a test"]);
    assert!(said.is_done, "{}", said.err);
    for token in [bob, &other] {
        assert_eq!(here.ask("GET", HOME, token, None).status, 401);
    }
}

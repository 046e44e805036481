//! Members who leave: gone from every exit at once, and a little later from the disk, with
//! everybody else's counters right and their name never free again.

use crate::{
    browser::Browser,
    instance::{Answer, Instance},
    media,
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Instant};
use testkit::PATIENCE;

const WHO: &str = "/api/v1/accounts/verify_credentials";

fn id(entity: &Value) -> String {
    entity["id"].as_str().expect("an id").to_owned()
}

fn get(here: &Instance, path: &str, token: &str) -> Answer {
    here.ask("GET", path, token, None)
}

fn post(here: &Instance, path: &str, token: &str, form: Value) -> Value {
    let made = here.ask("POST", path, token, Some(form));
    assert_eq!(made.status, 200, "{path}: {}", made.body);
    made.body
}

/// Asks until it is so. A job that was killed is left alone for a minute before it goes on, and
/// what it leads to may have been killed as well.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE * 6;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::yield_now();
    }
}

fn files(at: &Path) -> usize {
    let Ok(entries) = fs::read_dir(at) else { return 0 };
    let count = |entry: fs::DirEntry| match entry.path() {
        path if path.is_dir() => files(&path),
        _ => 1,
    };
    entries.map(|entry| count(entry.expect("an entry"))).sum()
}

/// Ann and bob, with all that can be between them.
struct Two {
    ann: String,
    bob: String,
    ann_id: String,
    bob_id: String,
    /// Ann's post with a picture, and bob's.
    hers: String,
    his: String,
    picture: String,
}

fn two(here: &Instance) -> Two {
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let (ann_id, bob_id) = (id(&get(here, WHO, &ann).body), id(&get(here, WHO, &bob).body));
    for (whom, by) in [(&ann_id, &bob), (&bob_id, &ann)] {
        post(here, &format!("/api/v1/accounts/{whom}/follow"), by, json!({}));
    }
    let media = id(&media::uploaded(here, &ann, &[]));
    let hers = json!({ "status": "a picture #birds @bob", "media_ids": [media] });
    let hers = post(here, "/api/v1/statuses", &ann, hers);
    let picture = media::path(&hers["media_attachments"][0]["url"]);
    let his = id(&post(here, "/api/v1/statuses", &bob, json!({ "status": "bob's" })));
    for mark in ["favourite", "reblog", "bookmark"] {
        post(here, &format!("/api/v1/statuses/{his}/{mark}"), &ann, json!({}));
    }
    post(here, "/api/v1/statuses", &ann, json!({ "status": "yes", "in_reply_to_id": his }));
    let hers = id(&hers);
    post(here, &format!("/api/v1/statuses/{hers}/reblog"), &bob, json!({}));
    for n in 0..70 {
        post(here, "/api/v1/statuses", &ann, json!({ "status": format!("n{n}") }));
    }
    Two { ann, bob, ann_id, bob_id, hers, his, picture }
}

/// Nobody meets ann any more.
fn is_gone(here: &Instance, two: &Two) {
    let bob = &two.bob;
    assert_eq!(get(here, WHO, &two.ann).status, 401);
    for path in [
        format!("/api/v1/accounts/{}", two.ann_id),
        format!("/api/v1/accounts/{}/statuses", two.ann_id),
        "/api/v1/accounts/lookup?acct=ann".to_owned(),
        format!("/api/v1/statuses/{}", two.hers),
    ] {
        assert_eq!(get(here, &path, bob).status, 404, "{path}");
    }
    for path in [
        "/api/v1/timelines/home",
        "/api/v1/timelines/public",
        "/api/v1/timelines/tag/birds",
        "/api/v1/notifications",
    ] {
        let shown = get(here, path, bob).body.to_string();
        assert!(!shown.contains("\"ann\"") && !shown.contains("birds"), "{path}: {shown}");
    }
    let found = get(here, "/api/v2/search?q=ann", bob).body;
    assert_eq!(found["accounts"], json!([]));
    let mut browser = Browser::new();
    for path in ["/@ann".to_owned(), format!("/@ann/{}", two.hers)] {
        assert_eq!(browser.get(here, &path).status, 404, "{path}");
    }
    assert!(!browser.get(here, "/").html.contains("@ann"));
}

/// What she left is gone too, and bob's counters know.
fn is_cleared(here: &Instance, two: &Two) {
    until("the picture is gone", || get(here, &two.picture, "").status == 404);
    until("no file is left", || files(&here.data().join("media")) == 0);
    let path = format!("/api/v1/accounts/{}", two.bob_id);
    until("bob's counters know", || {
        let bob = get(here, &path, &two.bob).body;
        let his = get(here, &format!("/api/v1/statuses/{}", two.his), &two.bob).body;
        let counts = ["followers_count", "following_count"].map(|name| bob[name].clone());
        let marks =
            ["favourites_count", "reblogs_count", "replies_count"].map(|name| his[name].clone());
        counts.iter().chain(&marks).all(|count| *count == 0)
    });
    // His reblog went with what it repeated.
    assert_eq!(get(here, &path, &two.bob).body["statuses_count"], 1);
}

#[test]
fn whom_the_host_deletes_is_gone_at_once_and_leaves_nothing_but_the_name() {
    deletion(&mut Instance::new());
}

/// The story of a deletion, on whatever keeps the posts of `here`.
pub fn deletion(here: &mut Instance) {
    let two = two(here);
    let asked = here.command(&["account", "delete", "ann"]);
    assert!(!asked.is_done && asked.err.contains("--yes"), "{}", asked.err);
    assert_eq!(get(here, WHO, &two.ann).status, 200);
    let said = here.command(&["account", "delete", "@ann", "--yes", "--reason", "as asked"]);
    assert!(said.is_done, "{}", said.err);
    is_gone(here, &two);
    // Killed over it, and on it goes.
    here.kill_and_restart();
    is_gone(here, &two);
    is_cleared(here, &two);
    for words in [
        &["account", "delete", "ann", "--yes"][..],
        &["account", "unsuspend", "ann"],
        &["account", "show", "ann"],
        &["account", "reset-password", "ann"],
        &["token", "create", "ann"],
    ] {
        let said = here.command(words);
        assert!(!said.is_done && said.err.contains("was deleted"), "{words:?}: {}", said.err);
    }
    let again = here.command(&["account", "create", "Ann", "--email", "ann@example.org"]);
    assert!(!again.is_done && again.err.contains("taken"), "{}", again.err);
    let other = here.command(&["account", "create", "zoe", "--email", "ann@example.org"]);
    assert!(other.is_done, "the address is free: {}", other.err);
    is_gone(here, &two);
}

#[test]
fn who_owns_the_place_alone_cannot_leave_it() {
    let here = Instance::new();
    let said = here.command(&["account", "delete", "owner", "--yes"]);
    assert!(!said.is_done && said.err.contains("only owner"), "{}", said.err);
    assert!(!here.command(&["account", "delete", "nobody", "--yes"]).is_done);
}

#[test]
fn a_member_deletes_their_account_with_their_password_and_not_without() {
    const PASSWORD: &str = "correct horse battery";
    let here = Instance::new();
    let two = two(&here);
    let reset = ["account", "reset-password", "ann", "--password-stdin"];
    assert!(here.command_with(&reset, PASSWORD).is_done);
    let log_in = || {
        let mut browser = Browser::new();
        let door = browser.get(&here, "/login?to=/settings/delete");
        let known = [("username", "ann"), ("password", PASSWORD)];
        let page = browser.submit(&here, &door, &known);
        (browser, page)
    };
    let (mut browser, page) = log_in();
    assert_eq!(page.header("location"), Some("/settings/delete"));
    let form = browser.get(&here, "/settings/delete");
    for (typed, status) in [
        (&[("current", "wrong")][..], 422),
        (&[("current", "")], 422),
        (&[("current", PASSWORD), ("mark", "AAAA")], 403),
    ] {
        assert_eq!(browser.submit(&here, &form, typed).status, status, "{typed:?}");
    }
    let elsewhere = "sec-fetch-site: cross-site\r\n";
    let sent = browser.submit_with(&here, &form, &[("current", PASSWORD)], elsewhere);
    assert_eq!(sent.status, 403);
    assert_eq!(get(&here, "/api/v1/accounts/lookup?acct=ann", "").status, 200);
    let before = browser.clone();
    let done = browser.submit(&here, &form, &[("current", PASSWORD)]);
    assert!(done.html.contains("role=\"status\""), "{}", done.html);
    assert_eq!(browser.cookie("session"), None);
    assert_eq!(before.clone().get(&here, "/settings").status, 303);
    assert_eq!(log_in().1.status, 200, "the password opens nothing");
    is_gone(&here, &two);
    is_cleared(&here, &two);
}

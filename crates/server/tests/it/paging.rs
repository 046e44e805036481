//! Paging is exact while others post: whoever reads on from where they were, upwards or downwards,
//! meets every post once and in order.

use crate::instance::Instance;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

const WRITERS: usize = 4;
const POSTS_EACH: usize = 50;

fn ids(here: &Instance, path: &str, token: &str) -> Vec<String> {
    let answer = here.ask("GET", path, token, None);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    let id = |post: &Value| post["id"].as_str().expect("an id").to_owned();
    answer.body.as_array().expect("a list").iter().map(id).collect()
}

/// From the newest down to the end, a few at a time; newest first.
fn downwards(here: &Instance, path: &str, token: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let below = all.last().map_or(String::new(), |last| format!("&max_id={last}"));
        let page = ids(here, &format!("{path}?limit=7{below}"), token);
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// From a post up, a few at a time, until all are there that will be; oldest first.
fn upwards(here: &Instance, path: &str, token: &str, from: &str, expected: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut all = vec![from.to_owned()];
    while all.len() < expected && Instant::now() < deadline {
        let above = all.last().expect("a start");
        let page = ids(here, &format!("{path}?limit=7&min_id={above}"), token);
        all.extend(page.into_iter().rev());
    }
    all
}

/// Says that a writer has ended, however it ends.
struct Ends<'a>(&'a AtomicUsize);
impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// All posts of a timeline, each once, newest first.
fn assert_exact(what: &str, seen: &[String], whole: &[String]) {
    let number = |id: &String| id.parse::<i64>().expect("a number");
    for pair in seen.windows(2) {
        assert!(number(&pair[0]) > number(&pair[1]), "{what}: {} before {}", pair[0], pair[1]);
    }
    let missed: Vec<&String> = whole.iter().filter(|id| !seen.contains(id)).collect();
    assert!(missed.is_empty(), "{what}: a gap at {missed:?}");
    assert_eq!(seen.len(), whole.len(), "{what}: more than there is");
}

/// The reader follows all writers and has them on a list; the list, and who the writers are.
fn circle(here: &Instance, reader: &str, writers: &[String]) -> (String, Vec<String>) {
    let list = here.ask("POST", "/api/v1/lists", reader, Some(json!({ "title": "l" }))).body;
    let list = list["id"].as_str().expect("an id").to_owned();
    let mut own = Vec::new();
    for token in writers {
        let me = here.ask("GET", "/api/v1/accounts/verify_credentials", token, None).body;
        let id = me["id"].as_str().expect("an id").to_owned();
        here.ask("POST", &format!("/api/v1/accounts/{id}/follow"), reader, None);
        let on = json!({ "account_ids": [&id] });
        here.ask("POST", &format!("/api/v1/lists/{list}/accounts"), reader, Some(on));
        own.push(id);
    }
    (list, own)
}

#[test]
fn paging_meets_every_post_once_while_others_post() {
    let here = Instance::new();
    let reader = here.member("reader");
    let writers: Vec<String> = (0..WRITERS).map(|n| here.member(&format!("writer{n}"))).collect();
    let post = |token: &str, text: &str| {
        let made = here.ask("POST", "/api/v1/statuses", token, Some(json!({ "status": text })));
        assert_eq!(made.status, 200, "{}", made.body);
        made.body["id"].as_str().expect("an id").to_owned()
    };
    let (list, own) = circle(&here, &reader, &writers);
    let first = post(&writers[0], "the first #race");
    let of_one = format!("/api/v1/accounts/{}/statuses", own[0]);
    let of_list = format!("/api/v1/timelines/list/{list}");
    let places = [
        ("/api/v1/timelines/home", reader.as_str()),
        ("/api/v1/timelines/public", &reader),
        ("/api/v1/timelines/public", ""),
        ("/api/v1/timelines/tag/race", ""),
        (&of_list, &reader),
        (&of_one, &reader),
    ];
    let expected =
        |path: &str| if path == of_one { 1 + POSTS_EACH } else { 1 + WRITERS * POSTS_EACH };
    let expected = &expected;
    let writing = AtomicUsize::new(WRITERS);
    let (here, first, writing) = (&here, first.as_str(), &writing);
    let told = std::thread::scope(|scope| {
        for token in &writers {
            scope.spawn(move || {
                let _ends = Ends(writing);
                for n in 0..POSTS_EACH {
                    let form = json!({ "status": format!("{n} #race") });
                    let made = here.ask("POST", "/api/v1/statuses", token, Some(form));
                    assert_eq!(made.status, 200, "{}", made.body);
                }
            });
        }
        let readers = places.map(|(path, token)| {
            scope.spawn(move || {
                let mut walks = Vec::new();
                // Down again and again while they write, and up beside it.
                let up = scope.spawn(move || upwards(here, path, token, first, expected(path)));
                while writing.load(Ordering::Acquire) > 0 {
                    walks.push(downwards(here, path, token));
                }
                (path, up.join().expect("upwards"), walks)
            })
        });
        readers.map(|reader| reader.join().expect("a reader"))
    });
    for (path, mut up, walks) in told {
        // A visitor's page may lag a moment behind a storm; a member's never does.
        let whole = downwards(here, path, &reader);
        assert_eq!(whole.len(), expected(path), "{path}");
        up.reverse();
        assert_exact(&format!("{path} upwards"), &up, &whole);
        for walk in walks {
            let start = whole.iter().position(|id| Some(id) == walk.first()).expect("a start");
            assert_exact(&format!("{path} downwards"), &walk, &whole[start..]);
        }
    }
}

#[test]
fn a_search_skips_entries_of_the_kind_that_it_names() {
    let here = Instance::new();
    let ann = here.member("ann");
    for name in ["gull_one", "gull_two", "gull_three"] {
        here.member(name);
        let form = json!({ "status": format!("#{name}") });
        assert_eq!(here.ask("POST", "/api/v1/statuses", &ann, Some(form)).status, 200);
    }
    let found = |path: &str, kind: &str, key: &str| {
        let all = here.ask("GET", path, &ann, None).body;
        let list = if kind.is_empty() { &all } else { &all[kind] };
        let name = |one: &Value| one[key].as_str().expect("a name").to_owned();
        list.as_array().expect("a list").iter().map(name).collect::<Vec<_>>()
    };
    let (people, tags) = (
        ["gull_one", "gull_two", "gull_three"].map(str::to_owned),
        ["gull_one", "gull_three", "gull_two"].map(str::to_owned),
    );
    let search = "/api/v2/search?q=gull";
    for (path, kind, key, expected) in [
        (format!("{search}&type=accounts&offset=1"), "accounts", "username", &people[1..]),
        (format!("{search}&type=accounts&offset=1&limit=1"), "accounts", "username", &people[1..2]),
        (format!("{search}&type=accounts&offset=9"), "accounts", "username", &[]),
        (format!("{search}&type=hashtags&offset=2"), "hashtags", "name", &tags[2..]),
        (format!("{search}&offset=1"), "accounts", "username", &people[..]),
        (format!("{search}&offset=1"), "hashtags", "name", &tags[..]),
        ("/api/v1/accounts/search?q=gull&offset=2".to_owned(), "", "username", &people[2..]),
    ] {
        assert_eq!(found(&path, kind, key), expected, "{path}");
    }
}

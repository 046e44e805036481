//! The sample community: it is there, it looks as if it had grown, and it is laid over nobody's
//! own data.

use crate::{instance::Instance, media::path};
use serde_json::Value;
use std::collections::BTreeSet;

fn all(here: &Instance, token: &str) -> Vec<Value> {
    let mut posts: Vec<Value> = vec![];
    loop {
        let below = posts.last().map_or(String::new(), |post| {
            format!("&max_id={}", post["id"].as_str().expect("an id"))
        });
        let page = format!("/api/v1/timelines/public?limit=40{below}");
        let page = here.ask("GET", &page, token, None);
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.body.as_array().expect("posts").clone();
        if page.is_empty() {
            return posts;
        }
        posts.extend(page);
    }
}

#[test]
fn a_sample_community_looks_as_if_it_had_grown() {
    let here = Instance::demo();
    let token = here.token("fulmar");
    let posts = all(&here, &token);
    assert!(posts.len() > 20, "{}", posts.len());
    // From the newest to the oldest, by id and by moment alike, over days, and none in the future.
    let moments: Vec<&str> = posts.iter().map(|p| p["created_at"].as_str().expect("one")).collect();
    assert!(moments.is_sorted_by(|a, b| a >= b), "{moments:?}");
    let days: BTreeSet<&str> = moments.iter().map(|moment| &moment[..10]).collect();
    assert!(days.len() >= 5, "{days:?}");
    let languages: BTreeSet<&str> = posts.iter().filter_map(|p| p["language"].as_str()).collect();
    assert!(languages.len() >= 5, "{languages:?}");
    let has = |what: fn(&Value) -> bool| posts.iter().any(what);
    assert!(has(|post| post["poll"]["votes_count"].as_u64() > Some(5)));
    assert!(has(|post| post["spoiler_text"] != ""));
    assert!(has(|post| post["favourites_count"].as_u64() > Some(2)));
    assert!(has(|post| post["reblogs_count"].as_u64() > Some(0)));
    assert!(has(|post| post["replies_count"].as_u64() > Some(0)));
    assert!(has(|post| !post["tags"].as_array().expect("tags").is_empty()));
    let pictured: Vec<&Value> =
        posts.iter().filter(|post| !post["media_attachments"][0].is_null()).collect();
    assert!(pictured.len() >= 6, "{}", pictured.len());
    for post in pictured {
        let media = &post["media_attachments"][0];
        assert!(media["description"].as_str().is_some_and(|text| text.len() > 20), "{media}");
        let (head, _) = here.exchange("GET", &path(&media["url"]), "", "", b"");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    }
    let home = here.ask("GET", "/api/v1/timelines/home", &token, None).body;
    assert_eq!(home.as_array().expect("posts").len(), 20);
    let told = here.ask("GET", "/api/v1/notifications", &token, None).body;
    assert!(told.as_array().expect("notifications").len() > 10, "{told}");
    let keeper = here.ask("GET", "/api/v1/accounts/lookup?acct=fulmar", &token, None).body;
    assert!(keeper["avatar"].as_str().is_some_and(|url| url.contains("/media/")), "{keeper}");
    let pinned =
        format!("/api/v1/accounts/{}/statuses?pinned=true", keeper["id"].as_str().expect("an id"));
    assert_eq!(here.ask("GET", &pinned, &token, None).body.as_array().expect("posts").len(), 1);
}

#[test]
fn nobodys_own_data_is_filled_with_samples() {
    let mut here = Instance::new();
    here.kill();
    let said = here.command(&["serve", "--listen", "127.0.0.1:0", "--demo"]);
    assert!(!said.is_done && said.err.contains("empty data folder only"), "{}", said.err);
    let list = here.command(&["account", "list"]);
    assert_eq!(list.out.lines().count(), 1, "{}", list.out);
}

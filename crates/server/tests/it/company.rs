//! Whom a reader meets in lists of people: who follows whom, who has marked a post. Mastodon leaves
//! out those whom the reader blocks or mutes and those who block them, and says nothing more.

use crate::instance::Instance;
use serde_json::{Value, json};

struct Place {
    here: Instance,
    /// Name, token, id.
    people: Vec<(&'static str, String, String)>,
}

impl Place {
    fn with(names: &[&'static str]) -> Self {
        let here = Instance::new();
        let join = |name: &&'static str| {
            let token = here.member(name);
            let own = here.ask("GET", "/api/v1/accounts/verify_credentials", &token, None).body;
            (*name, token, own["id"].as_str().expect("an id").to_owned())
        };
        let people = names.iter().map(join).collect();
        Self { here, people }
    }

    fn who(&self, name: &str) -> &(&'static str, String, String) {
        self.people.iter().find(|person| person.0 == name).expect("a person")
    }

    fn token(&self, name: &str) -> &str {
        self.people.iter().find(|person| person.0 == name).map_or("", |person| &person.1)
    }

    fn does(&self, name: &str, deed: &str, to: &str) {
        let path = format!("/api/v1/accounts/{}/{deed}", self.who(to).2);
        let answer = self.here.ask("POST", &path, self.token(name), None);
        assert_eq!(answer.status, 200, "{name} {deed} {to}: {}", answer.body);
    }

    /// Names on a list, in alphabetical order; `-` is a visitor.
    fn listed(&self, reader: &str, path: &str) -> Vec<String> {
        let answer = self.here.ask("GET", path, self.token(reader), None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let name = |one: &Value| one["username"].as_str().expect("a name").to_owned();
        let mut names: Vec<String> =
            answer.body.as_array().expect("a list").iter().map(name).collect();
        names.sort_unstable();
        names
    }
}

#[test]
fn lists_of_people_leave_out_whom_the_reader_would_not_meet() {
    let place = Place::with(&["ann", "bob", "cid", "dan", "eve"]);
    let form = json!({ "status": "for everybody" });
    let post = place.here.ask("POST", "/api/v1/statuses", place.token("ann"), Some(form)).body;
    let post = post["id"].as_str().expect("an id");
    for name in ["bob", "cid", "dan", "eve"] {
        place.does(name, "follow", "ann");
        place.does("ann", "follow", name);
        for deed in ["favourite", "reblog"] {
            let path = format!("/api/v1/statuses/{post}/{deed}");
            assert_eq!(place.here.ask("POST", &path, place.token(name), None).status, 200);
        }
    }
    place.does("eve", "block", "bob");
    place.does("cid", "block", "eve");
    place.does("eve", "mute", "dan");
    let ann = &place.who("ann").2;
    for path in [
        format!("/api/v1/accounts/{ann}/followers"),
        format!("/api/v1/accounts/{ann}/following"),
        format!("/api/v1/statuses/{post}/favourited_by"),
        format!("/api/v1/statuses/{post}/reblogged_by"),
    ] {
        assert_eq!(place.listed("eve", &path), ["eve"], "{path}");
        assert_eq!(place.listed("bob", &path), ["bob", "cid", "dan"], "{path}");
        assert_eq!(place.listed("dan", &path), ["bob", "cid", "dan", "eve"], "{path}");
        assert_eq!(place.listed("-", &path), ["bob", "cid", "dan", "eve"], "{path}");
    }
}

#[test]
fn an_empty_list_of_languages_means_all_again() {
    let place = Place::with(&["ann", "bob"]);
    let path = format!("/api/v1/accounts/{}/follow", place.who("bob").2);
    for (form, expected) in [
        (json!({}), json!(null)),
        (json!({ "languages": ["de", "en"] }), json!(["de", "en"])),
        (json!({ "reblogs": false }), json!(["de", "en"])),
        (json!({ "languages": [] }), json!(null)),
    ] {
        let said = place.here.ask("POST", &path, place.token("ann"), Some(form.clone()));
        assert_eq!((said.status, &said.body["languages"]), (200, &expected), "{form}");
    }
}

#[test]
fn ones_own_lists_are_whole_and_a_block_closes_them() {
    let place = Place::with(&["ann", "bob", "cid"]);
    for name in ["bob", "cid"] {
        place.does(name, "follow", "ann");
        place.does("ann", "follow", name);
    }
    place.does("ann", "mute", "bob");
    let edges = |name: &str, which: &str| format!("/api/v1/accounts/{}/{which}", place.who(name).2);
    for which in ["followers", "following"] {
        assert_eq!(place.listed("ann", &edges("ann", which)), ["bob", "cid"]);
        assert_eq!(place.listed("bob", &edges("cid", which)), ["ann"]);
    }
    place.does("cid", "block", "bob");
    for which in ["followers", "following"] {
        assert!(place.listed("bob", &edges("cid", which)).is_empty(), "{which}");
        assert_eq!(place.listed("-", &edges("cid", which)), ["ann"], "{which}");
    }
}

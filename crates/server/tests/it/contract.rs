//! What apps rely on that no entity's description says: what Mastodon does with what they send.

use crate::{instance::Instance, media};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Two who know each other: `bob` follows `ann`, `ann` follows `bob`.
struct Town {
    here: Instance,
    ann: String,
    bob: String,
}

fn id(entity: &Value) -> String {
    entity["id"].as_str().unwrap_or_else(|| panic!("an id, not {entity}")).to_owned()
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("a list, not {list}")).iter().map(id).collect()
}

impl Town {
    fn new() -> Self {
        let here = Instance::new();
        let (ann, bob) = (here.member("ann"), here.member("bob"));
        let town = Self { here, ann, bob };
        let (ann_id, bob_id) = (town.id_of(&town.ann), town.id_of(&town.bob));
        town.good("POST", &format!("/api/v1/accounts/{ann_id}/follow"), &town.bob, json!({}));
        town.good("POST", &format!("/api/v1/accounts/{bob_id}/follow"), &town.ann, json!({}));
        town
    }

    fn id_of(&self, token: &str) -> String {
        id(&self.get("/api/v1/accounts/verify_credentials", token))
    }

    /// What is asked for must be given.
    fn good(&self, method: &str, path: &str, token: &str, form: Value) -> Value {
        let answer = self.here.ask(method, path, token, Some(form));
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.body
    }

    fn get(&self, path: &str, token: &str) -> Value {
        let answer = self.here.ask("GET", path, token, None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    fn post(&self, token: &str, form: Value) -> Value {
        self.good("POST", "/api/v1/statuses", token, form)
    }

    fn reply(&self, token: &str, to: &Value, text: &str) -> Value {
        self.post(token, json!({ "status": text, "in_reply_to_id": id(to) }))
    }

    fn edit(&self, token: &str, status: &Value, form: Value) -> Value {
        self.good("PUT", &format!("/api/v1/statuses/{}", id(status)), token, form)
    }

    fn about(&self, token: &str, status: &Value, what: &str) -> Value {
        self.get(&format!("/api/v1/statuses/{}/{what}", id(status)), token)
    }

    /// Waits until it is so; what is done beside the answer is done soon.
    fn comes(&self, what: &str, is_so: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < until, "{what} does not come");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_picture_is_described_anew_after_it_was_posted() {
    let town = Town::new();
    let picture = media::uploaded(&town.here, &town.ann, &[("description", "old words")]);
    let other = media::uploaded(&town.here, &town.ann, &[("description", "another's")]);
    town.post(&town.ann, json!({ "media_ids": [id(&other)] }));
    let post = town.post(&town.ann, json!({ "status": "see", "media_ids": [id(&picture)] }));
    let form = |words: Value| {
        let mut form = json!({ "status": "see", "media_ids": [id(&picture)] });
        form["media_attributes"] = words;
        form
    };
    let same = json!([{ "id": id(&picture), "description": "old words" }]);
    assert!(town.edit(&town.ann, &post, form(same))["edited_at"].is_null());
    // Only of what the post has, and nothing is lost of what is left out.
    let words = json!([
        { "id": id(&picture), "description": "new words" },
        { "id": id(&other), "description": "taken over" }
    ]);
    let edited = town.edit(&town.ann, &post, form(words));
    assert!(edited["edited_at"].is_string());
    assert_eq!(edited["media_attachments"][0]["description"], "new words");
    let focus = json!([{ "id": id(&picture), "focus": "0.5,-0.5" }]);
    let shown = &town.edit(&town.ann, &post, form(focus))["media_attachments"][0];
    assert_eq!(shown["description"], "new words");
    assert_eq!(shown["meta"]["focus"], json!({ "x": 0.5, "y": -0.5 }));
    let seen = town.get(&format!("/api/v1/statuses/{}", id(&post)), &town.bob);
    assert_eq!(seen["media_attachments"][0]["description"], "new words");
    let own = town.get(&format!("/api/v1/accounts/{}/statuses", town.id_of(&town.ann)), &town.ann);
    assert_eq!(own[1]["media_attachments"][0]["description"], "another's");
    let path = format!("/api/v1/statuses/{}", id(&post));
    let long = "x".repeat(1_501);
    for words in [
        json!([{ "id": id(&picture), "description": long }]),
        json!([{ "id": id(&picture), "focus": "north" }]),
    ] {
        let answer = town.here.ask("PUT", &path, &town.ann, Some(form(words)));
        assert_eq!(answer.status, 422, "{}", answer.body);
    }
    // The same as a form, as older apps send it.
    let body = format!(
        "status=see&media_ids[]={0}&media_attributes[][id]={0}\
         &media_attributes[][description]=last",
        id(&picture)
    );
    let kind = "content-type: application/x-www-form-urlencoded\r\n";
    town.here.exchange("PUT", &path, &town.ann, kind, body.as_bytes());
    let seen = town.get(&path, &town.bob);
    assert_eq!(seen["media_attachments"][0]["description"], "last");
}

#[test]
fn a_list_is_given_whole_where_all_of_it_is_asked_for() {
    let town = Town::new();
    let list = town.good("POST", "/api/v1/lists", &town.ann, json!({ "title": "l" }));
    let path = format!("/api/v1/lists/{}/accounts", id(&list));
    let cid = town.here.member("cid");
    let cid_id = town.id_of(&cid);
    town.good("POST", &format!("/api/v1/accounts/{cid_id}/follow"), &town.ann, json!({}));
    let both = json!({ "account_ids": [town.id_of(&town.bob), cid_id] });
    town.good("POST", &path, &town.ann, both);
    for (query, count, paged) in [("", 2, true), ("?limit=0", 2, false), ("?limit=1", 1, true)] {
        let answer = town.here.ask("GET", &format!("{path}{query}"), &town.ann, None);
        assert_eq!(ids(&answer.body).len(), count, "{query}");
        assert_eq!(answer.head.to_lowercase().contains("\nlink:"), paged, "{query}");
    }
}

#[test]
fn a_thread_is_a_tree_without_those_whom_its_reader_mutes() {
    let town = Town::new();
    let (ann, bob) = (&town.ann, &town.bob);
    let root = town.post(ann, json!({ "status": "root" }));
    let first = town.reply(bob, &root, "first");
    let second = town.reply(bob, &root, "second");
    let inner = town.reply(ann, &first, "to the first");
    let own = town.reply(ann, &root, "and then");
    let below = |token: &str, of: &Value| ids(&town.about(token, of, "context")["descendants"]);
    let above = |token: &str, of: &Value| ids(&town.about(token, of, "context")["ancestors"]);
    assert_eq!(below(ann, &root), [&own, &first, &inner, &second].map(id));
    assert_eq!(below("", &root), [&own, &first, &inner, &second].map(id));
    let mute = format!("/api/v1/accounts/{}/mute", town.id_of(bob));
    town.good("POST", &mute, ann, json!({}));
    assert_eq!(below(ann, &root), [&own, &inner].map(id));
    assert_eq!(above(ann, &inner), [id(&root)]);
    assert_eq!(below(bob, &root), [&own, &first, &inner, &second].map(id));
    // What was asked for by name is shown.
    assert_eq!(below(ann, &first), [id(&inner)]);
}

#[test]
fn a_warning_veils_whenever_it_comes_and_is_the_text_where_there_is_none() {
    let town = Town::new();
    let ann = &town.ann;
    let post = town.post(ann, json!({ "status": "x" }));
    for (form, sensitive) in [
        (json!({ "status": "x", "spoiler_text": "careful" }), true),
        (json!({ "status": "x" }), false),
        (json!({ "status": "x", "spoiler_text": "careful", "sensitive": false }), true),
        (json!({ "status": "x", "sensitive": true }), true),
        (json!({ "status": "x", "spoiler_text": "" }), false),
    ] {
        let edited = town.edit(ann, &post, form.clone());
        assert_eq!(edited["sensitive"], sensitive, "{form}");
    }
    for status in [
        town.post(ann, json!({ "spoiler_text": "only" })),
        town.post(ann, json!({ "status": " ", "spoiler_text": "only" })),
        town.edit(ann, &post, json!({ "spoiler_text": "only" })),
    ] {
        assert_eq!(status["content"], "<p>only</p>");
        assert_eq!((&status["spoiler_text"], &status["sensitive"]), (&json!(""), &json!(true)));
    }
    let nothing = town.here.ask("POST", "/api/v1/statuses", ann, Some(json!({ "status": " " })));
    assert_eq!(nothing.status, 422);
}

#[test]
fn a_boost_is_no_post_to_be_edited() {
    let town = Town::new();
    let post = town.post(&town.ann, json!({ "status": "x" }));
    let path = format!("/api/v1/statuses/{}/reblog", id(&post));
    let boost = town.good("POST", &path, &town.bob, json!({}));
    let path = format!("/api/v1/statuses/{}", id(&boost));
    let edited = town.here.ask("PUT", &path, &town.bob, Some(json!({ "status": "@ann spoof" })));
    assert_eq!(edited.status, 422, "{}", edited.body);
    let source = town.here.ask("GET", &format!("{path}/source"), &town.bob, None);
    assert_eq!(source.status, 404);
    let told = town.get("/api/v1/notifications?types[]=mention", &town.ann);
    assert_eq!(ids(&told).len(), 0, "{told}");
}

#[test]
fn the_language_of_a_post_is_the_one_meant() {
    let town = Town::new();
    let of = |form: Value| town.post(&town.ann, form)["language"].clone();
    let english = "I think that we should go to the park in the evening when it is not so hot";
    assert_eq!(of(json!({ "status": "ok ok" })), Value::Null);
    assert_eq!(of(json!({ "status": english })), "en");
    let update = "/api/v1/accounts/update_credentials";
    let french = json!({ "source": { "language": "fr" } });
    town.good("PATCH", update, &town.ann, french);
    for (language, expected) in [
        (Value::Null, "fr"),
        (json!(""), "fr"),
        (json!("english"), "fr"),
        (json!("en_US"), "en"),
        (json!("de"), "de"),
        (json!("pt-BR"), "pt-BR"),
    ] {
        let found = of(json!({ "status": english, "language": language.clone() }));
        assert_eq!(found, expected, "{language}");
    }
    // An edit that says nothing of it keeps it.
    let post = town.post(&town.ann, json!({ "status": english, "language": "de" }));
    let edited = town.edit(&town.ann, &post, json!({ "status": "x", "language": "english" }));
    assert_eq!(edited["language"], "de");
}

#[test]
fn whoever_goes_on_after_answering_still_answers() {
    let town = Town::new();
    let (ann, bob) = (&town.ann, &town.bob);
    let dave = town.here.member("dave");
    let bob_id = town.id_of(bob);
    town.good("POST", &format!("/api/v1/accounts/{bob_id}/follow"), &dave, json!({}));
    let root = town.post(ann, json!({ "status": "root" }));
    let answer = town.reply(bob, &root, "answer");
    let more = town.reply(bob, &answer, "more of it");
    assert_eq!(more["in_reply_to_account_id"], json!(town.id_of(ann)));
    assert_eq!(more["in_reply_to_id"], json!(id(&answer)));
    let own = town.post(bob, json!({ "status": "own" }));
    let own_more = town.reply(bob, &own, "own thread");
    assert_eq!(own_more["in_reply_to_account_id"], json!(bob_id));
    let path = format!("/api/v1/accounts/{bob_id}/statuses?exclude_replies=true");
    assert_eq!(ids(&town.get(&path, &dave)), [&own_more, &own].map(id));
    assert_eq!(ids(&town.get("/api/v1/timelines/home", &dave)), [&own_more, &own].map(id));
}

#[test]
fn a_direct_post_of_somebody_followed_comes_home_to_whom_it_was_sent() {
    let town = Town::new();
    let (ann, bob) = (&town.ann, &town.bob);
    let (dave, eve) = (town.here.member("dave"), town.here.member("eve"));
    // Dave follows bob and is not named; eve is named and follows nobody.
    let follow = format!("/api/v1/accounts/{}/follow", town.id_of(bob));
    town.good("POST", &follow, &dave, json!({}));
    let home = |token: &str| ids(&town.get("/api/v1/timelines/home", token));
    // Once built of what is there, and once pushed to.
    let mut sent = Vec::new();
    for text in ["@ann @eve one", "@ann @eve two"] {
        let post = town.post(bob, json!({ "status": text, "visibility": "direct" }));
        sent.insert(0, id(&post));
        assert_eq!(home(ann), sent, "{text}");
        assert_eq!(home(bob), sent, "{text}");
        for (who, token) in [("dave", &dave), ("eve", &eve)] {
            assert!(home(token).is_empty(), "{who}: {text}");
        }
    }
    // Who is named no more sees it no more.
    let path = format!("/api/v1/statuses/{}", sent[0]);
    town.good("PUT", &path, bob, json!({ "status": "@eve two" }));
    assert_eq!(home(ann), sent[1..]);
    for (place, token) in [("public", ann), ("public?local=true", &dave)] {
        assert!(ids(&town.get(&format!("/api/v1/timelines/{place}"), token)).is_empty(), "{place}");
    }
}

#[test]
fn what_was_to_be_posted_before_now_is_posted_now() {
    let town = Town::new();
    let ann = &town.ann;
    for at in ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00"] {
        let post = town.post(ann, json!({ "status": "late", "scheduled_at": at }));
        assert_eq!(post["content"], "<p>late</p>", "{at}");
    }
    let later = town.post(ann, json!({ "status": "l", "scheduled_at": "2099-01-01T10:00:00" }));
    assert_eq!(later["scheduled_at"], "2099-01-01T10:00:00.000Z");
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60);
    for at in [soon.to_string(), "tomorrow".to_owned()] {
        let form = json!({ "status": "x", "scheduled_at": at });
        assert_eq!(town.here.ask("POST", "/api/v1/statuses", ann, Some(form)).status, 422, "{at}");
    }
}

#[test]
fn what_is_for_followers_can_be_pinned_and_stays_theirs_when_boosted() {
    let town = Town::new();
    let ann = &town.ann;
    let pin = |form: Value| {
        let post = town.post(ann, form);
        let path = format!("/api/v1/statuses/{}/pin", id(&post));
        (id(&post), town.here.ask("POST", &path, ann, None).status)
    };
    let (closed, status) = pin(json!({ "status": "x", "visibility": "private" }));
    assert_eq!(status, 200);
    assert_eq!(pin(json!({ "status": "x", "visibility": "direct" })).1, 422);
    let pinned = format!("/api/v1/accounts/{}/statuses?pinned=true", town.id_of(ann));
    let dave = town.here.member("dave");
    for (token, expected) in [(&town.bob, 1), (&dave, 0), (&String::new(), 0)] {
        assert_eq!(ids(&town.get(&pinned, token)).len(), expected);
    }
    let form = json!({ "visibility": "public" });
    let boost = town.good("POST", &format!("/api/v1/statuses/{closed}/reblog"), ann, form);
    assert_eq!(boost["visibility"], "private");
}

#[test]
fn whoever_unlocks_keeps_nobody_waiting() {
    let town = Town::new();
    let update = "/api/v1/accounts/update_credentials";
    let (dave, eve) = (town.here.member("dave"), town.here.member("eve"));
    town.good("PATCH", update, &dave, json!({ "locked": true }));
    let dave_id = town.id_of(&dave);
    let follow = format!("/api/v1/accounts/{dave_id}/follow");
    let asked = town.good("POST", &follow, &town.bob, json!({ "notify": true }));
    // What was asked for is shown before it is granted.
    for (name, value) in
        [("requested", true), ("following", false), ("notifying", true), ("showing_reblogs", true)]
    {
        assert_eq!(asked[name], value, "{name}: {asked}");
    }
    town.good("POST", &follow, &eve, json!({}));
    town.good("PATCH", update, &dave, json!({ "display_name": "Dave" }));
    assert_eq!(ids(&town.get("/api/v1/follow_requests", &dave)).len(), 2);
    town.good("PATCH", update, &dave, json!({ "locked": false }));
    let waiting = || ids(&town.get("/api/v1/follow_requests", &dave)).len();
    town.comes("their turn", || waiting() == 0);
    let path = format!("/api/v1/accounts/relationships?id[]={dave_id}");
    for (token, notify) in [(&town.bob, true), (&eve, false)] {
        let standing = town.get(&path, token);
        assert_eq!(standing[0]["following"], true);
        assert_eq!(standing[0]["notifying"], notify);
    }
}

#[test]
fn whoever_sees_a_post_sees_its_source() {
    let town = Town::new();
    let open = town.post(&town.ann, json!({ "status": "a #tag", "spoiler_text": "s" }));
    let source = town.about(&town.bob, &open, "source");
    assert_eq!(source, json!({ "id": id(&open), "text": "a #tag", "spoiler_text": "s" }));
    let closed = town.post(&town.ann, json!({ "status": "b", "visibility": "direct" }));
    let path = format!("/api/v1/statuses/{}/source", id(&closed));
    assert_eq!(town.here.ask("GET", &path, &town.bob, None).status, 404);
}

#[test]
fn names_and_addresses_in_a_text_are_those_of_their_owners() {
    let town = Town::new();
    let post = town.post(&town.ann, json!({ "status": "@BOB https://пример.рф/путь" }));
    let html = post["content"].as_str().expect("text");
    assert!(html.contains("@<span>bob</span>"), "{html}");
    assert!(html.contains("href=\"https://пример.рф/путь\""), "{html}");
}

#[test]
fn an_app_may_ask_for_what_it_will_not_get_to_use() {
    let here = Instance::new();
    let scopes = "read admin:read:accounts admin:write write:collections";
    let form = json!({ "client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob",
        "scopes": scopes });
    let app = here.ask("POST", "/api/v1/apps", "", Some(form));
    assert_eq!(app.status, 200, "{}", app.body);
    let wrong = json!({ "client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob",
        "scopes": "read admin:read:everything" });
    assert_eq!(here.ask("POST", "/api/v1/apps", "", Some(wrong)).status, 422);
}

#[test]
fn an_address_of_this_server_is_opened_and_no_other() {
    let town = Town::new();
    let open = town.post(&town.ann, json!({ "status": "open" }));
    let closed = town.post(&town.ann, json!({ "status": "closed", "visibility": "direct" }));
    let base = format!("http://{}", town.here.address());
    let (open_id, closed_id) = (id(&open), id(&closed));
    assert_eq!(open["url"], json!(format!("{base}/@ann/{open_id}")));
    for (address, more, accounts, statuses) in [
        (format!("{base}/@ann/{open_id}"), "", 0, 1),
        (format!("{base}/@ann/{open_id}/?x=1"), "", 0, 1),
        (format!("{base}/@ann/{open_id}"), "&type=statuses", 0, 1),
        (format!("{base}/@ann/{open_id}"), "&type=accounts", 0, 0),
        (format!("{base}/@ann/{closed_id}"), "", 0, 0),
        (format!("{base}/@ANN"), "", 1, 0),
        (format!("{base}/@ann"), "&type=", 1, 0),
        (format!("{base}/@ann"), "&type=hashtags", 0, 0),
        (format!("{base}/@nobody"), "", 0, 0),
        (format!("{base}/@ann/x"), "", 0, 0),
        (format!("{base}/about"), "", 0, 0),
        (format!("https://elsewhere.example/@ann/{open_id}"), "", 0, 0),
    ] {
        let q = address.replace('?', "%3F").replace('=', "%3D");
        let path = format!("/api/v2/search?resolve=true&q={q}{more}");
        let found = town.get(&path, &town.bob);
        let count = |kind: &str| ids(&found[kind]).len();
        assert_eq!((count("accounts"), count("statuses")), (accounts, statuses), "{path}");
    }
    let own =
        town.get(&format!("/api/v2/search?resolve=true&q={base}/@ann/{closed_id}"), &town.ann);
    assert_eq!(ids(&own["statuses"]), [closed_id]);
}

#[test]
fn who_is_looked_for_by_name_is_found_first_and_nobody_in_their_place() {
    let town = Town::new();
    let annette = town.here.member("annette");
    let update = "/api/v1/accounts/update_credentials";
    town.good("PATCH", update, &town.bob, json!({ "display_name": "Robert Tables" }));
    // Annette has more followers than ann.
    let follow = format!("/api/v1/accounts/{}/follow", town.id_of(&annette));
    for other in ["cid", "dora"] {
        town.good("POST", &follow, &town.here.member(other), json!({}));
    }
    let names = |query: &str| -> Vec<String> {
        let found = town.get(&format!("/api/v1/accounts/search?{query}"), &town.ann);
        let name = |a: &Value| a["username"].as_str().expect("a name").to_owned();
        found.as_array().expect("a list").iter().map(name).collect()
    };
    let here = town.here.address();
    for (query, expected) in [
        ("q=ann&limit=1".to_owned(), vec!["ann"]),
        ("q=@ann".to_owned(), vec!["ann", "annette"]),
        ("q=robert".to_owned(), vec!["bob"]),
        ("q=Robert%20Ta".to_owned(), vec!["bob"]),
        (format!("q=@bob@{here}"), vec!["bob"]),
        ("q=@bob@mastodon.social".to_owned(), vec![]),
        ("q=bob@".to_owned(), vec!["bob"]),
        ("q=annette&following=true".to_owned(), vec![]),
        ("q=bo&following=true".to_owned(), vec!["bob"]),
    ] {
        assert_eq!(names(&query), expected, "{query}");
    }
    let found = town.get("/api/v2/search?q=@bob@mastodon.social", &town.ann);
    assert!(ids(&found["accounts"]).is_empty());
}

#[test]
fn names_in_a_profile_lead_to_those_who_have_them() {
    let town = Town::new();
    let form = json!({ "note": "with @BOB, not @nobody", "fields_attributes":
        [{ "name": "friend", "value": "@bob" }] });
    town.good("PATCH", "/api/v1/accounts/update_credentials", &town.ann, form);
    let seen = town.get(&format!("/api/v1/accounts/{}", town.id_of(&town.ann)), &town.bob);
    let (note, row) = (&seen["note"], &seen["fields"][0]["value"]);
    for text in [note, row].map(|text| text.as_str().expect("text")) {
        assert!(text.contains("/@bob\" class=\"u-url mention\""), "{text}");
        assert!(text.contains("@<span>bob</span></a>"), "as its owner spells it: {text}");
    }
    assert!(note.as_str().is_some_and(|note| note.ends_with("not @nobody</p>")), "{note}");
    let page = town.here.exchange("GET", "/@ann", "", "accept: text/html\r\n", b"");
    let page = String::from_utf8_lossy(&page.1).into_owned();
    assert!(page.contains("href=\"/@bob\""), "{page}");
}

#[test]
fn the_history_says_of_a_picture_what_was_said_of_it() {
    let town = Town::new();
    let picture = media::uploaded(&town.here, &town.ann, &[("description", "a gull")]);
    let form = |words: &str| {
        let words = json!([{ "id": id(&picture), "description": words }]);
        json!({ "status": "see", "media_ids": [id(&picture)], "media_attributes": words })
    };
    let post = town.post(&town.ann, json!({ "status": "see", "media_ids": [id(&picture)] }));
    town.edit(&town.ann, &post, form("a tern"));
    town.edit(&town.ann, &post, form("an arctic tern"));
    let history = town.about(&town.bob, &post, "history");
    let said: Vec<&str> = history
        .as_array()
        .expect("a list")
        .iter()
        .map(|version| version["media_attachments"][0]["description"].as_str().expect("text"))
        .collect();
    assert_eq!(said, ["a gull", "a tern", "an arctic tern"]);
}

#[test]
fn the_history_has_the_pictures_that_each_wording_had() {
    let town = Town::new();
    let picture = media::uploaded(&town.here, &town.ann, &[]);
    let post = town.post(&town.ann, json!({ "status": "see", "media_ids": [id(&picture)] }));
    town.edit(&town.ann, &post, json!({ "status": "gone", "media_ids": [] }));
    let history = town.about(&town.bob, &post, "history");
    let counts: Vec<usize> = history
        .as_array()
        .expect("a list")
        .iter()
        .map(|version| ids(&version["media_attachments"]).len())
        .collect();
    assert_eq!(counts, [1, 0]);
}

#[test]
fn rows_of_a_profile_are_lines_whose_links_may_be_verified() {
    let town = Town::new();
    let rows = json!({ "fields_attributes": [
        { "name": "site", "value": "https://example.org" }, { "name": "n", "value": "1 & 2" }
    ] });
    town.good("PATCH", "/api/v1/accounts/update_credentials", &town.ann, rows);
    let shown = town.get(&format!("/api/v1/accounts/{}", town.id_of(&town.ann)), &town.bob);
    assert_eq!(shown["fields"][1]["value"], "1 &amp; 2");
    let link = shown["fields"][0]["value"].as_str().expect("text");
    assert!(link.starts_with("<a href=") && link.contains(" me\""), "{link}");
}

#[test]
fn what_cannot_be_meant_otherwise_is_taken_as_it_is_meant() {
    let town = Town::new();
    let post = town.post(&town.ann, json!({ "status": "x", "poll": {} }));
    assert!(post["poll"].is_null());
    let poll = json!({ "options": ["a", "b"], "expires_in": 86400.0 });
    assert!(town.post(&town.ann, json!({ "status": "x", "poll": poll }))["poll"].is_object());
    let half = json!({ "status": "x", "poll": { "options": ["a"] } });
    assert_eq!(town.here.ask("POST", "/api/v1/statuses", &town.ann, Some(half)).status, 422);
    town.reply(&town.bob, &post, "@ann hi");
    for (account, count) in [("", 1), (&town.id_of(&town.bob), 1), ("abc", 0), ("7", 0)] {
        let path = format!("/api/v1/notifications?types[]=mention&account_id={account}");
        assert_eq!(ids(&town.get(&path, &town.ann)).len(), count, "{account:?}");
    }
    let mute = format!("/api/v1/accounts/{}/mute", town.id_of(&town.bob));
    town.good("POST", &mute, &town.ann, json!({ "duration": 3600.0 }));
}

#[test]
fn an_account_is_fingered_by_its_page_too() {
    let here = Instance::new();
    here.member("ann");
    let base = format!("http://{}", here.address());
    for (resource, status) in [
        (format!("{base}/@ann"), 200),
        (format!("{base}/@nobody"), 404),
        (format!("{base}/about"), 400),
        ("https://elsewhere.example/@ann".to_owned(), 400),
    ] {
        let path = format!("/.well-known/webfinger?resource={resource}");
        assert_eq!(here.ask("GET", &path, "", None).status, status, "{resource}");
    }
}

#[test]
fn a_token_that_is_asked_for_by_halves_is_an_invalid_request() {
    let here = Instance::new();
    let form = json!({ "client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob" });
    let app = here.ask("POST", "/api/v1/apps", "", Some(form)).body;
    for (grant, code, expected) in [
        ("", "", "invalid_request"),
        ("authorization_code", "", "invalid_request"),
        ("authorization_code", "x", "invalid_grant"),
        ("magic", "", "unsupported_grant_type"),
    ] {
        let form = json!({ "client_id": app["client_id"], "client_secret": app["client_secret"],
            "grant_type": grant, "code": code, "redirect_uri": "urn:ietf:wg:oauth:2.0:oob" });
        let answer = here.ask("POST", "/oauth/token", "", Some(form));
        assert_eq!(answer.status, 400, "{grant} {code}");
        assert_eq!(answer.body["error"], expected, "{grant} {code}");
    }
}

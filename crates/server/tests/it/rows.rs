//! A row for every route: asked once by somebody who may, in a world with two members, posts, a
//! poll, a list and a picture, it answers with the entity that Mastodon's documentation describes.
//! And what is another's stays another's.

use crate::{instance::Instance, media, shapes::*};
use api::ROUTES;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What an answer must be. Names that end with `?` may be null; the others may not.
#[derive(Clone, Copy)]
enum Shape {
    /// An object with these attributes.
    Is(&'static str),
    /// Such objects in a list, and at least one.
    Each(&'static str),
    /// A JSON list, perhaps of nothing.
    List,
    /// An object of nothing.
    Nothing,
    /// No JSON.
    Other,
}
use Shape::{Each, Is, List, Nothing, Other};

/// Route, who asks (`-` is nobody), the path as it is asked, a JSON body or nothing, status, shape.
type Row = (&'static str, &'static str, &'static str, &'static str, u16, Shape);

/// In this order: what a row needs, rows before it have made or left alone.
const ROWS: &[Row] = &[
    ("GET /oauth/userinfo", "ann", "/oauth/userinfo", "", 200, Is("iss sub name")),
    ("POST /oauth/userinfo", "ann", "/oauth/userinfo", "", 200, Is("iss sub name")),
    ("GET /health", "-", "/health", "", 200, Other),
    ("GET /ready", "-", "/ready", "", 200, Is("status")),
    ("GET /static/avatar.svg", "-", "/static/avatar.svg", "", 200, Other),
    ("GET /static/header.svg", "-", "/static/header.svg", "", 200, Other),
    ("GET /.well-known/nodeinfo", "-", "/.well-known/nodeinfo", "", 200, Is("links")),
    (
        "GET /.well-known/webfinger",
        "-",
        "/.well-known/webfinger?resource=acct:ann@{domain}",
        "",
        200,
        Is("subject links"),
    ),
    ("GET /.well-known/host-meta", "-", "/.well-known/host-meta", "", 200, Other),
    (
        "GET /.well-known/oauth-authorization-server",
        "-",
        "/.well-known/oauth-authorization-server",
        "",
        200,
        Is("issuer authorization_endpoint token_endpoint scopes_supported"),
    ),
    (
        "GET /nodeinfo/2.0",
        "-",
        "/nodeinfo/2.0",
        "",
        200,
        Is("version software protocols services usage openRegistrations"),
    ),
    ("GET /api/v2/instance", "-", "/api/v2/instance", "", 200, Is(INSTANCE)),
    ("GET /api/v1/instance", "-", "/api/v1/instance", "", 200, Is(INSTANCE_V1)),
    ("GET /api/v1/custom_emojis", "-", "/api/v1/custom_emojis", "", 200, List),
    (
        "GET /api/v2/search",
        "ann",
        "/api/v2/search?q=bob",
        "",
        200,
        Is("accounts statuses hashtags"),
    ),
    (
        "POST /api/v1/apps",
        "-",
        "/api/v1/apps",
        r#"{"client_name":"x","redirect_uris":"urn:ietf:wg:oauth:2.0:oob","scopes":"read write"}"#,
        200,
        Is(NEW_APP),
    ),
    (
        "GET /api/v1/apps/verify_credentials",
        "app",
        "/api/v1/apps/verify_credentials",
        "",
        200,
        Is(APP),
    ),
    (
        "POST /oauth/token",
        "-",
        "/oauth/token",
        r#"{"grant_type":"client_credentials","client_id":"{client_id}",
            "client_secret":"{secret}"}"#,
        200,
        Is(TOKEN),
    ),
    (
        "POST /api/v1/accounts",
        "app",
        "/api/v1/accounts",
        r#"{"username":"cid","email":"cid@example.org","password":"correct horse battery",
            "agreement":true,"locale":"en"}"#,
        200,
        Is(TOKEN),
    ),
    (
        "POST /oauth/revoke",
        "-",
        "/oauth/revoke",
        r#"{"client_id":"{client_id}","client_secret":"{secret}","token":"{app}"}"#,
        200,
        Nothing,
    ),
    ("GET /api/v1/accounts", "ann", "/api/v1/accounts?id[]={bob_id}", "", 200, Each(ACCOUNT)),
    (
        "GET /api/v1/accounts/verify_credentials",
        "ann",
        "/api/v1/accounts/verify_credentials",
        "",
        200,
        Is(OWN_ACCOUNT),
    ),
    (
        "PATCH /api/v1/accounts/update_credentials",
        "ann",
        "/api/v1/accounts/update_credentials",
        r#"{"note":"n","locked":true}"#,
        200,
        Is(OWN_ACCOUNT),
    ),
    ("GET /api/v1/accounts/lookup", "-", "/api/v1/accounts/lookup?acct=bob", "", 200, Is(ACCOUNT)),
    ("GET /api/v1/accounts/search", "ann", "/api/v1/accounts/search?q=bo", "", 200, Each(ACCOUNT)),
    (
        "POST /api/v1/accounts/{id}/follow",
        "bob",
        "/api/v1/accounts/{ann_id}/follow",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    ("GET /api/v1/follow_requests", "ann", "/api/v1/follow_requests", "", 200, Each(ACCOUNT)),
    (
        "POST /api/v1/follow_requests/{id}/reject",
        "ann",
        "/api/v1/follow_requests/{bob_id}/reject",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    (
        "POST /api/v1/accounts/{id}/follow",
        "bob",
        "/api/v1/accounts/{ann_id}/follow",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    (
        "POST /api/v1/follow_requests/{id}/authorize",
        "ann",
        "/api/v1/follow_requests/{bob_id}/authorize",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    (
        "POST /api/v1/accounts/{id}/follow",
        "ann",
        "/api/v1/accounts/{bob_id}/follow",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    (
        "GET /api/v1/accounts/relationships",
        "ann",
        "/api/v1/accounts/relationships?id[]={bob_id}",
        "",
        200,
        Each(RELATIONSHIP),
    ),
    ("GET /api/v1/accounts/{id}", "-", "/api/v1/accounts/{bob_id}", "", 200, Is(ACCOUNT)),
    (
        "GET /api/v1/accounts/{id}/followers",
        "ann",
        "/api/v1/accounts/{bob_id}/followers",
        "",
        200,
        Each(ACCOUNT),
    ),
    (
        "GET /api/v1/accounts/{id}/following",
        "ann",
        "/api/v1/accounts/{bob_id}/following",
        "",
        200,
        Each(ACCOUNT),
    ),
    (
        "POST /api/v1/accounts/{id}/note",
        "ann",
        "/api/v1/accounts/{bob_id}/note",
        r#"{"comment":"c"}"#,
        200,
        Is(RELATIONSHIP),
    ),
    (
        "POST /api/v1/lists/{id}/accounts",
        "ann",
        "/api/v1/lists/{list}/accounts",
        r#"{"account_ids":["{bob_id}"]}"#,
        200,
        Nothing,
    ),
    (
        "GET /api/v1/accounts/{id}/lists",
        "ann",
        "/api/v1/accounts/{bob_id}/lists",
        "",
        200,
        Each(LIST),
    ),
    (
        "GET /api/v1/lists/{id}/accounts",
        "ann",
        "/api/v1/lists/{list}/accounts",
        "",
        200,
        Each(ACCOUNT),
    ),
    ("GET /api/v1/lists", "ann", "/api/v1/lists", "", 200, Each(LIST)),
    ("GET /api/v1/lists/{id}", "ann", "/api/v1/lists/{list}", "", 200, Is(LIST)),
    ("PUT /api/v1/lists/{id}", "ann", "/api/v1/lists/{list}", r#"{"title":"t"}"#, 200, Is(LIST)),
    ("POST /api/v1/lists", "ann", "/api/v1/lists", r#"{"title":"u"}"#, 200, Is(LIST)),
    (
        "GET /api/v1/scheduled_statuses",
        "ann",
        "/api/v1/scheduled_statuses",
        "",
        200,
        Each(SCHEDULED),
    ),
    ("GET /api/v1/scheduled_statuses/{id}", "ann", LATER, "", 200, Is(SCHEDULED)),
    ("PUT /api/v1/scheduled_statuses/{id}", "ann", LATER, "{}", 200, Is(SCHEDULED)),
    ("DELETE /api/v1/scheduled_statuses/{id}", "ann", LATER, "", 200, Nothing),
    ("GET /api/v1/preferences", "ann", "/api/v1/preferences", "", 200, Is(PREFERENCES)),
    (
        "POST /api/v1/markers",
        "ann",
        "/api/v1/markers",
        r#"{"home":{"last_read_id":"1"}}"#,
        200,
        Is("home"),
    ),
    ("GET /api/v1/markers", "ann", "/api/v1/markers?timeline[]=home", "", 200, Is("home")),
    ("POST /api/v1/media", "ann", "/api/v1/media", "PICTURE", 200, Is(MEDIA)),
    ("POST /api/v2/media", "ann", "/api/v2/media", "PICTURE", 202, Is(MEDIA)),
    ("GET /api/v1/media/{id}", "ann", "/api/v1/media/{media}", "", 200, Is(MEDIA)),
    (
        "PUT /api/v1/media/{id}",
        "ann",
        "/api/v1/media/{media}",
        r#"{"description":"d"}"#,
        200,
        Is(MEDIA),
    ),
    ("GET /media/{*key}", "-", "{file}", "", 200, Other),
    ("DELETE /api/v1/media/{id}", "ann", "/api/v1/media/{media}", "", 200, Nothing),
    (
        "POST /api/v1/statuses",
        "ann",
        "/api/v1/statuses",
        r##"{"status":"hello @bob #tag","language":"en"}"##,
        200,
        Is(STATUS),
    ),
    ("GET /api/v1/statuses", "ann", "/api/v1/statuses?id[]={post}", "", 200, Each(STATUS)),
    ("GET /api/v1/statuses/{id}", "ann", "/api/v1/statuses/{post}", "", 200, Is(STATUS)),
    (
        "PUT /api/v1/statuses/{id}",
        "ann",
        "/api/v1/statuses/{post}",
        r##"{"status":"changed #tag"}"##,
        200,
        Is(STATUS),
    ),
    (
        "GET /api/v1/statuses/{id}/context",
        "ann",
        "/api/v1/statuses/{post}/context",
        "",
        200,
        Is("ancestors descendants"),
    ),
    (
        "GET /api/v1/statuses/{id}/source",
        "ann",
        "/api/v1/statuses/{post}/source",
        "",
        200,
        Is("id text spoiler_text"),
    ),
    (
        "GET /api/v1/statuses/{id}/history",
        "ann",
        "/api/v1/statuses/{post}/history",
        "",
        200,
        Each(EDIT),
    ),
    (
        "POST /api/v1/statuses/{id}/favourite",
        "bob",
        "/api/v1/statuses/{post}/favourite",
        "",
        200,
        Is(STATUS),
    ),
    (
        "POST /api/v1/statuses/{id}/bookmark",
        "bob",
        "/api/v1/statuses/{post}/bookmark",
        "",
        200,
        Is(STATUS),
    ),
    (
        "POST /api/v1/statuses/{id}/reblog",
        "bob",
        "/api/v1/statuses/{post}/reblog",
        "",
        200,
        Is(STATUS),
    ),
    ("POST /api/v1/statuses/{id}/mute", "bob", "/api/v1/statuses/{post}/mute", "", 200, Is(STATUS)),
    (
        "POST /api/v1/statuses/{id}/unmute",
        "bob",
        "/api/v1/statuses/{post}/unmute",
        "",
        200,
        Is(STATUS),
    ),
    ("POST /api/v1/statuses/{id}/pin", "ann", "/api/v1/statuses/{post}/pin", "", 200, Is(STATUS)),
    (
        "POST /api/v1/statuses/{id}/unpin",
        "ann",
        "/api/v1/statuses/{post}/unpin",
        "",
        200,
        Is(STATUS),
    ),
    ("GET /api/v1/favourites", "bob", "/api/v1/favourites", "", 200, Each(STATUS)),
    ("GET /api/v1/bookmarks", "bob", "/api/v1/bookmarks", "", 200, Each(STATUS)),
    (
        "GET /api/v1/statuses/{id}/favourited_by",
        "ann",
        "/api/v1/statuses/{post}/favourited_by",
        "",
        200,
        Each(ACCOUNT),
    ),
    (
        "GET /api/v1/statuses/{id}/reblogged_by",
        "ann",
        "/api/v1/statuses/{post}/reblogged_by",
        "",
        200,
        Each(ACCOUNT),
    ),
    (
        "GET /api/v1/accounts/{id}/statuses",
        "ann",
        "/api/v1/accounts/{bob_id}/statuses",
        "",
        200,
        Each(STATUS),
    ),
    ("GET /api/v1/timelines/home", "ann", "/api/v1/timelines/home", "", 200, Each(STATUS)),
    ("GET /api/v1/timelines/public", "ann", "/api/v1/timelines/public", "", 200, Each(STATUS)),
    ("GET /api/v1/timelines/tag/{tag}", "ann", "/api/v1/timelines/tag/tag", "", 200, Each(STATUS)),
    (
        "GET /api/v1/timelines/list/{id}",
        "ann",
        "/api/v1/timelines/list/{list}",
        "",
        200,
        Each(STATUS),
    ),
    ("GET /api/v1/polls/{id}", "ann", "/api/v1/polls/{poll}", "", 200, Is(POLL)),
    (
        "POST /api/v1/polls/{id}/votes",
        "ann",
        "/api/v1/polls/{poll}/votes",
        r#"{"choices":[0]}"#,
        200,
        Is(POLL),
    ),
    ("GET /api/v1/notifications", "ann", "/api/v1/notifications", "", 200, Each(NOTIFICATION)),
    (
        "GET /api/v1/notifications/unread_count",
        "ann",
        "/api/v1/notifications/unread_count",
        "",
        200,
        Is("count"),
    ),
    (
        "GET /api/v1/notifications/{id}",
        "ann",
        "/api/v1/notifications/{notification}",
        "",
        200,
        Is(NOTIFICATION),
    ),
    (
        "POST /api/v1/notifications/{id}/dismiss",
        "ann",
        "/api/v1/notifications/{notification}/dismiss",
        "",
        200,
        Nothing,
    ),
    ("POST /api/v1/notifications/clear", "ann", "/api/v1/notifications/clear", "", 200, Nothing),
    ("GET /api/v1/streaming/health", "-", "/api/v1/streaming/health", "", 200, Other),
    (
        "POST /api/v1/reports",
        "ann",
        "/api/v1/reports",
        r#"{"account_id":"{bob_id}","comment":"c"}"#,
        200,
        Is(REPORT),
    ),
    (
        "POST /api/v1/statuses/{id}/unfavourite",
        "bob",
        "/api/v1/statuses/{post}/unfavourite",
        "",
        200,
        Is(STATUS),
    ),
    (
        "POST /api/v1/statuses/{id}/unbookmark",
        "bob",
        "/api/v1/statuses/{post}/unbookmark",
        "",
        200,
        Is(STATUS),
    ),
    (
        "POST /api/v1/statuses/{id}/unreblog",
        "bob",
        "/api/v1/statuses/{post}/unreblog",
        "",
        200,
        Is(STATUS),
    ),
    (
        "DELETE /api/v1/lists/{id}/accounts",
        "ann",
        "/api/v1/lists/{list}/accounts",
        r#"{"account_ids":["{bob_id}"]}"#,
        200,
        Nothing,
    ),
    ("DELETE /api/v1/lists/{id}", "ann", "/api/v1/lists/{list}", "", 200, Nothing),
    (
        "POST /api/v1/accounts/{id}/unfollow",
        "ann",
        "/api/v1/accounts/{bob_id}/unfollow",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    (
        "POST /api/v1/accounts/{id}/remove_from_followers",
        "ann",
        "/api/v1/accounts/{bob_id}/remove_from_followers",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    (
        "POST /api/v1/accounts/{id}/mute",
        "ann",
        "/api/v1/accounts/{bob_id}/mute",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    ("GET /api/v1/mutes", "ann", "/api/v1/mutes", "", 200, Each(ACCOUNT)),
    (
        "POST /api/v1/accounts/{id}/unmute",
        "ann",
        "/api/v1/accounts/{bob_id}/unmute",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    (
        "POST /api/v1/accounts/{id}/block",
        "ann",
        "/api/v1/accounts/{bob_id}/block",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    ("GET /api/v1/blocks", "ann", "/api/v1/blocks", "", 200, Each(ACCOUNT)),
    (
        "POST /api/v1/accounts/{id}/unblock",
        "ann",
        "/api/v1/accounts/{bob_id}/unblock",
        "",
        200,
        Is(RELATIONSHIP),
    ),
    ("DELETE /api/v1/statuses/{id}", "ann", "/api/v1/statuses/{post}", "", 200, Is(STATUS)),
];

/// Routes whose answers are no single answer, with the file whose stories walk through them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("GET /api/v1/streaming", include_str!("streaming.rs")),
    ("GET /api/v1/streaming/{*stream}", include_str!("streaming.rs")),
    ("POST /api/v1/emails/confirmations", include_str!("mail.rs")),
    ("GET /api/v1/emails/check_confirmation", include_str!("mail.rs")),
];

struct World {
    here: Instance,
    known: BTreeMap<&'static str, String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text, not {value}")).to_owned()
}

impl World {
    fn new() -> Self {
        let here = Instance::new();
        let known = BTreeMap::from([
            ("{domain}", here.address().to_string()),
            ("{ann}", here.member("ann")),
            ("{bob}", here.member("bob")),
        ]);
        let mut world = Self { here, known };
        for (name, own) in [("{ann}", "{ann_id}"), ("{bob}", "{bob_id}")] {
            let token = world.known[name].clone();
            let me = world.here.ask("GET", "/api/v1/accounts/verify_credentials", &token, None);
            world.keep(own, &me.body["id"]);
        }
        let form = json!({ "client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob",
            "scopes": "read write" });
        let app = world.made("/api/v1/apps", "", form);
        world.keep("{client_id}", &app["client_id"]);
        world.keep("{secret}", &app["client_secret"]);
        let form = json!({ "grant_type": "client_credentials", "client_id": app["client_id"],
            "client_secret": app["client_secret"], "scope": "read write" });
        let token = world.made("/oauth/token", "", form);
        world.keep("{app}", &token["access_token"]);
        let (ann, bob) = (world.known["{ann}"].clone(), world.known["{bob}"].clone());
        let list = world.made("/api/v1/lists", &ann, json!({ "title": "l" }));
        world.keep("{list}", &list["id"]);
        let poll = json!({ "options": ["a", "b"], "expires_in": 3600 });
        let post = world.made("/api/v1/statuses", &bob, json!({ "status": "b", "poll": poll }));
        world.keep("{poll}", &post["poll"]["id"]);
        world.keep("{theirs}", &post["id"]);
        let later = json!({ "status": "l", "scheduled_at": "2099-01-01T10:00:00Z" });
        let later = world.made("/api/v1/statuses", &ann, later);
        world.keep("{scheduled}", &later["id"]);
        let picture = media::uploaded(&world.here, &ann, &[]);
        world.keep("{media}", &picture["id"]);
        world.known.insert("{file}", media::path(&picture["url"]));
        world
    }

    fn made(&self, path: &str, token: &str, form: Value) -> Value {
        let answer = self.here.ask("POST", path, token, Some(form));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    fn keep(&mut self, name: &'static str, value: &Value) {
        self.known.insert(name, text(value));
    }

    fn filled(&self, text: &str) -> String {
        self.known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    fn ask(&self, row: &Row) -> (u16, Vec<u8>) {
        let (route, who, path, body, ..) = *row;
        let method = route.split(' ').next().expect("a method");
        let token = if who == "-" { String::new() } else { self.filled(&format!("{{{who}}}")) };
        let (kind, body) = if body == "PICTURE" {
            let body = media::form("file", &media::picture(), &[]);
            ("content-type: multipart/form-data; boundary=cut\r\n", body)
        } else {
            ("content-type: application/json\r\n", self.filled(body).into_bytes())
        };
        let (head, answer) = self.here.exchange(method, &self.filled(path), &token, kind, &body);
        (head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status"), answer)
    }
}

/// What an object lacks.
fn lacks(value: &Value, attributes: &str) -> Option<String> {
    let missing = attributes.split(' ').find(|name| {
        let may_be_null = name.ends_with('?');
        let found = value.get(name.trim_end_matches('?'));
        found.is_none_or(|found| found.is_null() && !may_be_null)
    });
    missing.map(|name| format!("`{name}` is not there in {value}"))
}

fn misshapen(shape: Shape, body: &[u8]) -> Option<String> {
    if matches!(shape, Other) {
        return body.is_empty().then(|| "nothing was said".to_owned());
    }
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return Some("no JSON".to_owned()) };
    match shape {
        Is(attributes) => lacks(&json, attributes),
        Each(attributes) => match json.as_array() {
            Some(list) if !list.is_empty() => list.iter().find_map(|one| lacks(one, attributes)),
            _ => Some(format!("a list of something is wanted, not {json}")),
        },
        List => (!json.is_array()).then(|| format!("a list is wanted, not {json}")),
        Nothing => (json != json!({})).then(|| format!("{{}} is wanted, not {json}")),
        Other => None,
    }
}

#[test]
fn every_route_answers_whom_it_is_for_with_the_entity_that_is_documented() {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for row in ROWS {
        let (route, who, _, _, expected, shape) = *row;
        let (status, body) = world.ask(row);
        let json = serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null);
        // A picture this small may be ready before it is answered for.
        let is_expected = status == expected || (expected, status) == (202, 200);
        if !is_expected {
            wrong.push(format!("{route} as {who}: {status} {json}, not {expected}"));
        } else if let Some(why) = misshapen(shape, &body) {
            wrong.push(format!("{route} as {who}: {why}"));
        }
        match route {
            "POST /api/v1/statuses" => world.keep("{post}", &json["id"]),
            "GET /api/v1/notifications" => world.keep("{notification}", &json[0]["id"]),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_route_has_a_row() {
    let mut wrong = Vec::new();
    for (method, path) in ROUTES {
        let route = format!("{} {path}", method.to_uppercase());
        let told = ELSEWHERE.iter().find(|(name, _)| *name == route);
        let walked = path.split('{').next().unwrap_or(path).trim_end_matches('/');
        if told.is_some_and(|(_, file)| !file.contains(walked)) {
            wrong.push(format!("{route} is said to be told elsewhere, and is not"));
        } else if told.is_none() && !ROWS.iter().any(|row| row.0 == route) {
            wrong.push(format!("{route} has no row in rows.rs: add how it is asked and answers"));
        }
    }
    for row in ROWS {
        let known = ROUTES.iter().any(|(m, p)| format!("{} {p}", m.to_uppercase()) == row.0);
        if !known {
            wrong.push(format!("{} has a row and is no route", row.0));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_anothers_stays_anothers() {
    let mut world = World::new();
    let (ann, bob) = (world.known["{ann}"].clone(), world.known["{bob}"].clone());
    let poll = json!({ "options": ["a", "b"], "expires_in": 3600 });
    let form = json!({ "status": "for me @bob", "visibility": "public" });
    let open = world.made("/api/v1/statuses", &ann, form);
    let form = json!({ "status": "for mine", "visibility": "private", "poll": poll });
    let closed = world.made("/api/v1/statuses", &ann, form);
    world.keep("{open}", &open["id"]);
    world.keep("{closed}", &closed["id"]);
    world.keep("{closed_poll}", &closed["poll"]["id"]);
    let own = world.here.ask("POST", "/api/v1/statuses/{open}/favourite", &bob, None);
    assert_eq!(own.status, 404, "a name is no id");
    let favourite = world.filled("/api/v1/statuses/{open}/favourite");
    assert_eq!(world.here.ask("POST", &favourite, &bob, None).status, 200);
    let told = world.here.ask("GET", "/api/v1/notifications", &ann, None).body;
    world.keep("{notification}", &told[0]["id"]);
    let mut wrong = Vec::new();
    for (method, path, body, expected) in [
        ("GET", "/api/v1/lists/{list}", "", 404),
        ("PUT", "/api/v1/lists/{list}", r#"{"title":"taken"}"#, 404),
        ("DELETE", "/api/v1/lists/{list}", "", 404),
        ("GET", "/api/v1/lists/{list}/accounts", "", 404),
        ("POST", "/api/v1/lists/{list}/accounts", r#"{"account_ids":["{bob_id}"]}"#, 404),
        ("DELETE", "/api/v1/lists/{list}/accounts", r#"{"account_ids":["{bob_id}"]}"#, 404),
        ("GET", "/api/v1/timelines/list/{list}", "", 404),
        ("GET", "/api/v1/media/{media}", "", 404),
        ("PUT", "/api/v1/media/{media}", r#"{"description":"taken"}"#, 404),
        ("DELETE", "/api/v1/media/{media}", "", 404),
        ("POST", "/api/v1/statuses", r#"{"status":"x","media_ids":["{media}"]}"#, 422),
        ("GET", "/api/v1/notifications/{notification}", "", 404),
        ("PUT", "/api/v1/statuses/{open}", r#"{"status":"taken"}"#, 404),
        ("DELETE", "/api/v1/statuses/{open}", "", 404),
        ("GET", "/api/v1/statuses/{closed}/source", "", 404),
        ("POST", "/api/v1/statuses/{open}/pin", "", 422),
        ("GET", "/api/v1/statuses/{closed}", "", 404),
        ("GET", "/api/v1/statuses/{closed}/context", "", 404),
        ("GET", "/api/v1/statuses/{closed}/history", "", 404),
        ("GET", "/api/v1/statuses/{closed}/favourited_by", "", 404),
        ("GET", "/api/v1/statuses/{closed}/reblogged_by", "", 404),
        ("POST", "/api/v1/statuses/{closed}/favourite", "", 404),
        ("POST", "/api/v1/statuses/{closed}/bookmark", "", 404),
        ("POST", "/api/v1/statuses/{closed}/reblog", "", 404),
        ("POST", "/api/v1/statuses/{closed}/mute", "", 404),
        ("POST", "/api/v1/statuses", r#"{"status":"x","in_reply_to_id":"{closed}"}"#, 404),
        ("GET", "/api/v1/polls/{closed_poll}", "", 404),
        ("POST", "/api/v1/polls/{closed_poll}/votes", r#"{"choices":[0]}"#, 404),
        ("POST", "/api/v1/follow_requests/{ann_id}/authorize", "", 404),
    ] {
        let (path, body) = (world.filled(path), world.filled(body));
        let answer = world.here.send(method, &path, &bob, "", &body);
        if answer.status != expected || !answer.body["error"].is_string() {
            let (status, said) = (answer.status, answer.body);
            wrong.push(format!("{method} {path}: {status} {said}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What bob tried on ann's has left it as it was.
    let dismiss = world.filled("/api/v1/notifications/{notification}/dismiss");
    world.here.ask("POST", &dismiss, &bob, None);
    world.here.ask("POST", "/api/v1/notifications/clear", &bob, None);
    let told = world.here.ask("GET", "/api/v1/notifications", &ann, None).body;
    assert_eq!(text(&told[0]["id"]), world.known["{notification}"]);
    let list = world.here.ask("GET", &world.filled("/api/v1/lists/{list}"), &ann, None).body;
    assert_eq!(list["title"], "l");
}

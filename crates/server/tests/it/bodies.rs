//! Bodies of every endpoint that takes one: JSON, forms and multipart say the same, and what cannot
//! be read is refused in Mastodon's shape, never with a failure of ours.

use crate::{instance::Instance, media};
use api::ROUTES;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt::Write as _};

/// What is sent where: route, and fields as a form names them. Words in braces are filled in.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

/// Every route that reads parameters from a body, in an order in which all of them can succeed.
const BODIES: &[Case] = &[
    (
        "POST /api/v1/apps",
        &[
            ("client_name", "Çäfé & co"),
            ("redirect_uris", "urn:ietf:wg:oauth:2.0:oob"),
            ("scopes", "read write"),
            ("website", "https://app.example"),
        ],
    ),
    (
        "POST /oauth/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "{client_id}"),
            ("client_secret", "{client_secret}"),
            ("scope", "read write"),
        ],
    ),
    (
        "POST /api/v1/accounts",
        &[
            ("username", "newcomer"),
            ("email", "new+comer@example.org"),
            ("password", "correct horse = battery & staple"),
            ("agreement", "true"),
            ("locale", "en"),
        ],
    ),
    (
        "POST /oauth/revoke",
        &[
            ("client_id", "{client_id}"),
            ("client_secret", "{client_secret}"),
            ("token", "{app_token}"),
        ],
    ),
    (
        "PATCH /api/v1/accounts/update_credentials",
        &[
            ("display_name", "Änn \u{1f426}"),
            ("note", "one\ntwo"),
            ("bot", "true"),
            ("fields_attributes[0][name]", "site"),
            ("fields_attributes[0][value]", "https://example.org/?a=b&c"),
            ("source[privacy]", "unlisted"),
            ("source[sensitive]", "true"),
            ("source[language]", "de"),
        ],
    ),
    (
        "POST /api/v1/accounts/{bob}/follow",
        &[("reblogs", "false"), ("notify", "true"), ("languages[]", "de"), ("languages[]", "en")],
    ),
    ("POST /api/v1/accounts/{bob}/note", &[("comment", "met at 50% + more")]),
    ("POST /api/v1/accounts/{bob}/mute", &[("notifications", "false")]),
    ("POST /api/v1/markers", &[("home[last_read_id]", "7"), ("notifications[last_read_id]", "9")]),
    ("PUT /api/v1/media/{media}", &[("description", "ein Bild"), ("focus", "0.5,-0.5")]),
    (
        "POST /api/v1/statuses",
        &[
            ("status", "1 + 1 = 2 & ü %41"),
            ("spoiler_text", "sums"),
            ("sensitive", "true"),
            ("visibility", "unlisted"),
            ("language", "de"),
            ("poll[options][]", "yes"),
            ("poll[options][]", "no"),
            ("poll[expires_in]", "3600"),
            ("poll[multiple]", "true"),
        ],
    ),
    ("PUT /api/v1/statuses/{post}", &[("status", "reworded"), ("media_ids[]", "{media}")]),
    ("POST /api/v1/statuses/{theirs}/reblog", &[("visibility", "private")]),
    ("POST /api/v1/polls/{poll}/votes", &[("choices[]", "0"), ("choices[]", "1")]),
    (
        "POST /api/v1/lists",
        &[("title", "close & near"), ("replies_policy", "none"), ("exclusive", "true")],
    ),
    (
        "PUT /api/v1/scheduled_statuses/{scheduled}",
        &[("scheduled_at", "2099-01-01T10:00:00+02:00")],
    ),
    ("PUT /api/v1/lists/{list}", &[("title", "other"), ("exclusive", "false")]),
    ("POST /api/v1/lists/{list}/accounts", &[("account_ids[]", "{bob}")]),
    ("DELETE /api/v1/lists/{list}/accounts", &[("account_ids[]", "{bob}")]),
    (
        "POST /api/v1/reports",
        &[
            ("account_id", "{bob}"),
            ("status_ids[]", "{theirs}"),
            ("comment", "look"),
            ("category", "spam"),
        ],
    ),
];

/// Those whose body is a file or a page's form, or who need a mail server: their fields are told in
/// stories of their own.
const BY_THEMSELVES: &[&str] =
    &["POST /api/v1/emails/confirmations", "POST /api/v1/media", "POST /api/v2/media"];

/// Those that take no parameters.
const BODILESS: &[&str] = &[
    "POST /oauth/userinfo",
    "POST /api/v1/accounts/{id}/unfollow",
    "POST /api/v1/accounts/{id}/remove_from_followers",
    "POST /api/v1/accounts/{id}/block",
    "POST /api/v1/accounts/{id}/unblock",
    "POST /api/v1/accounts/{id}/unmute",
    "POST /api/v1/follow_requests/{id}/authorize",
    "POST /api/v1/follow_requests/{id}/reject",
    "DELETE /api/v1/media/{id}",
    "DELETE /api/v1/statuses/{id}",
    "DELETE /api/v1/scheduled_statuses/{id}",
    "POST /api/v1/statuses/{id}/favourite",
    "POST /api/v1/statuses/{id}/unfavourite",
    "POST /api/v1/statuses/{id}/bookmark",
    "POST /api/v1/statuses/{id}/unbookmark",
    "POST /api/v1/statuses/{id}/pin",
    "POST /api/v1/statuses/{id}/unpin",
    "POST /api/v1/statuses/{id}/mute",
    "POST /api/v1/statuses/{id}/unmute",
    "POST /api/v1/statuses/{id}/unreblog",
    "DELETE /api/v1/lists/{id}",
    "POST /api/v1/notifications/clear",
    "POST /api/v1/notifications/{id}/dismiss",
];

/// A route's name with `{id}` wherever a case says what it is filled with.
fn general(route: &str) -> String {
    let parts = route.split('/').map(|part| if part.starts_with('{') { "{id}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_that_may_have_a_body_is_asked_here() {
    let mut wrong = Vec::new();
    for (method, path) in ROUTES.iter().filter(|(method, _)| *method != "get") {
        let route = format!("{} {path}", method.to_uppercase());
        let times = BODIES.iter().filter(|(case, _)| general(case) == route).count()
            + BY_THEMSELVES.iter().chain(BODILESS).filter(|line| **line == route).count();
        if times != 1 {
            wrong.push(format!("{route} stands {times} times in the tables of this file"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[derive(Clone, Copy, Debug)]
enum Encoding {
    Json,
    Form,
    Multipart,
}

/// Puts a value where a form's name says, as the nested object that JSON would be.
fn nest(into: &mut Value, name: &str, value: &str) {
    let (first, rest) = name.split_once('[').unwrap_or((name, ""));
    let path = rest.split('[').map(|part| part.trim_end_matches(']'));
    let path: Vec<&str> =
        std::iter::once(first).chain(path.take_while(|_| !rest.is_empty())).collect();
    let mut at = into;
    for (n, key) in path.iter().enumerate() {
        if key.is_empty() {
            if at.is_null() {
                *at = json!([]);
            }
            at.as_array_mut().expect("a list").push(json!(value));
            return;
        }
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = at.as_object_mut().expect("an object").entry(*key).or_insert(Value::Null);
        if n + 1 == path.len() {
            *at = match value {
                "true" => json!(true),
                "false" => json!(false),
                text => json!(text),
            };
        }
    }
}

/// A content type and a body.
fn encoded(encoding: Encoding, fields: &[(String, String)]) -> (&'static str, Vec<u8>) {
    match encoding {
        Encoding::Json => {
            let mut body = json!({});
            for (name, value) in fields {
                nest(&mut body, name, value);
            }
            ("application/json", body.to_string().into_bytes())
        }
        Encoding::Form => {
            let mut text = String::new();
            for (name, value) in fields {
                let escape = |text: &str| {
                    let escaped = |byte: u8| match byte {
                        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                        b' ' => "+".to_owned(),
                        byte => format!("%{byte:02X}"),
                    };
                    text.bytes().map(escaped).collect::<String>()
                };
                write!(text, "&{}={}", escape(name), escape(value)).expect("written");
            }
            ("application/x-www-form-urlencoded", text.split_off(1).into_bytes())
        }
        Encoding::Multipart => {
            let mut text = String::new();
            for (name, value) in fields {
                let head = format!("content-disposition: form-data; name=\"{name}\"");
                write!(text, "--cut\r\n{head}\r\n\r\n{value}\r\n").expect("written");
            }
            text.push_str("--cut--\r\n");
            ("multipart/form-data; boundary=cut", text.into_bytes())
        }
    }
}

struct World {
    here: Instance,
    tokens: BTreeMap<&'static str, String>,
    known: BTreeMap<&'static str, String>,
}

impl World {
    fn new() -> Self {
        let here = Instance::new();
        let (ann, bob) = (here.member("ann"), here.member("bob"));
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let made = |path: &str, token: &str, form: Value| {
            let answer = here.ask("POST", path, token, Some(form));
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            answer.body
        };
        let me = |token: &str| {
            text(&here.ask("GET", "/api/v1/accounts/verify_credentials", token, None).body["id"])
        };
        let poll = json!({ "options": ["a", "b"], "expires_in": 3600, "multiple": true });
        let theirs = made("/api/v1/statuses", &bob, json!({ "status": "b", "poll": poll }));
        let own = made("/api/v1/statuses", &ann, json!({ "status": "a" }));
        let later = json!({ "status": "l", "scheduled_at": "2098-01-01T10:00:00Z" });
        let later = made("/api/v1/statuses", &ann, later);
        let list = made("/api/v1/lists", &ann, json!({ "title": "l" }));
        let form = json!({ "client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob",
            "scopes": "read write" });
        let app = made("/api/v1/apps", "", form);
        let form = json!({ "grant_type": "client_credentials", "client_id": app["client_id"],
            "client_secret": app["client_secret"], "scope": "read write" });
        let app_token = text(&made("/oauth/token", "", form)["access_token"]);
        let known = BTreeMap::from([
            ("{bob}", me(&bob)),
            ("{theirs}", text(&theirs["id"])),
            ("{poll}", text(&theirs["poll"]["id"])),
            ("{post}", text(&own["id"])),
            ("{list}", text(&list["id"])),
            ("{scheduled}", text(&later["id"])),
            ("{media}", text(&media::uploaded(&here, &ann, &[])["id"])),
            ("{client_id}", text(&app["client_id"])),
            ("{client_secret}", text(&app["client_secret"])),
            ("{app_token}", app_token.clone()),
        ]);
        let tokens = BTreeMap::from([("ann", ann), ("app", app_token)]);
        Self { here, tokens, known }
    }

    fn filled(&self, text: &str) -> String {
        self.known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Whose token a route is asked with.
    fn token(&self, route: &str) -> &str {
        match route {
            "POST /api/v1/accounts" => &self.tokens["app"],
            route if route.contains(" /oauth/") => "",
            _ => &self.tokens["ann"],
        }
    }

    fn ask(&self, route: &str, kind: &str, body: &[u8]) -> (u16, Value) {
        let (method, path) = route.split_once(' ').expect("a method");
        let head =
            if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
        let token = self.token(route);
        let (head, body) = self.here.exchange(method, &self.filled(path), token, &head, body);
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

/// What differs between two instances that were told the same.
const OWN: &[&str] = &[
    "id",
    "url",
    "uri",
    "avatar",
    "avatar_static",
    "header",
    "header_static",
    "preview_url",
    "created_at",
    "edited_at",
    "updated_at",
    "expires_at",
    "client_id",
    "client_secret",
    "access_token",
    "status_ids",
];

fn without_own(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(without_own),
        Value::Object(map) => {
            for (key, inner) in map {
                if OWN.contains(&key.as_str()) && !inner.is_null() {
                    *inner = json!("its own");
                } else {
                    without_own(inner);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn json_forms_and_multipart_say_the_same() {
    let mut told: Vec<Vec<(u16, Value)>> = Vec::new();
    for encoding in [Encoding::Json, Encoding::Form, Encoding::Multipart] {
        let world = World::new();
        let answers = BODIES.iter().map(|(route, fields)| {
            let fields: Vec<(String, String)> =
                fields.iter().map(|(n, v)| ((*n).to_owned(), world.filled(v))).collect();
            let (kind, body) = encoded(encoding, &fields);
            let (status, mut json) = world.ask(route, kind, &body);
            assert_eq!(status, 200, "{route} as {encoding:?}: {json}");
            without_own(&mut json);
            (status, json)
        });
        told.push(answers.collect());
    }
    for (n, (route, _)) in BODIES.iter().enumerate() {
        assert_eq!(told[0][n], told[1][n], "{route}: JSON and a form");
        assert_eq!(told[0][n], told[2][n], "{route}: JSON and multipart");
    }
    let of = |route: &str| {
        let n = BODIES.iter().position(|(case, _)| *case == route).expect("a case");
        told[0][n].1.clone()
    };
    let post = of("POST /api/v1/statuses");
    assert_eq!(post["poll"]["multiple"], true, "what was sent was read, not merely ignored alike");
    assert_eq!((&post["language"], &post["spoiler_text"]), (&json!("de"), &json!("sums")));
    let own = of("PATCH /api/v1/accounts/update_credentials");
    assert_eq!((&own["display_name"], &own["bot"]), (&json!("Änn \u{1f426}"), &json!(true)));
    assert_eq!(own["source"]["fields"][0]["name"], "site");
    assert_eq!(own["source"]["language"], "de");
    assert_eq!(of("POST /api/v1/accounts/{bob}/follow")["languages"], json!(["de", "en"]));
}

#[test]
fn what_cannot_be_read_is_refused_and_breaks_nothing() {
    let world = World::new();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let wide = format!("{{\"a\":[{}1]}}", "1,".repeat(2_000));
    let big = format!("status={}", "a".repeat(300 * 1024));
    let form = "application/x-www-form-urlencoded";
    let parts = "multipart/form-data; boundary=cut";
    let hostile: &[(&str, &str, &[u8], u16)] = &[
        ("cut off", "application/json", b"{\"status\":\"a", 400),
        ("no object", "application/json", b"[1,2]", 400),
        ("not UTF-8", "application/json", b"{\"status\":\"\xff\xfe\"}", 400),
        ("half a surrogate", "application/json", b"{\"status\":\"\\ud800\"}", 400),
        ("too deep", "application/json", deep.as_bytes(), 422),
        ("too many", "application/json", wide.as_bytes(), 413),
        ("not UTF-8", form, b"status=\xff\xfe", 400),
        ("not UTF-8, escaped", form, b"status=%ff%fe", 400),
        ("deep names", form, b"a[b][c][d][e][f][g][h][i][j][k][l][m][n][o][p][q][r]=1", 422),
        ("too large", form, big.as_bytes(), 413),
        ("no end", parts, b"--cut\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nb", 400),
        ("no boundary", "multipart/form-data", b"--cut--\r\n", 400),
        ("another kind", "text/xml", b"<status/>", 415),
    ];
    let mut wrong = Vec::new();
    let routes = BODIES.iter().map(|(route, _)| *route).chain(BY_THEMSELVES.iter().copied());
    for route in routes {
        for (what, kind, body, expected) in hostile {
            let (status, said) = world.ask(route, kind, body);
            if status != *expected || !said["error"].is_string() {
                wrong.push(format!("{route}, {what} as {kind}: {status} {said}, not {expected}"));
            }
        }
    }
    for route in BODILESS {
        for (what, kind, body, _) in hostile {
            let (status, said) = world.ask(&route.replace("{id}", "1"), kind, body);
            if status >= 500 {
                wrong.push(format!("{route}, {what} as {kind}: {status} {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.here.ask("GET", "/ready", "", None).status, 200);
}

#[test]
fn a_body_that_does_not_come_in_time_is_answered_408() {
    use std::io::{Read as _, Write as _};
    let here = Instance::new();
    let ann = here.member("ann");
    let stalls = |kind: &str| {
        let mut socket = std::net::TcpStream::connect(here.address()).expect("connected");
        socket.set_read_timeout(Some(testkit::PATIENCE)).expect("a deadline");
        let head = format!(
            "POST /api/v1/statuses HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {ann}\r\n\
             connection: close\r\ncontent-type: {kind}\r\ncontent-length: 90\r\n\r\n--cut"
        );
        socket.write_all(head.as_bytes()).expect("sent");
        socket
    };
    let kinds = ["application/json", "multipart/form-data; boundary=cut"];
    for (kind, mut socket) in kinds.map(|kind| (kind, stalls(kind))) {
        let mut answer = String::new();
        // The connection is cut after the answer, whether or not it was read to its end.
        while !answer.contains("}") {
            let mut some = [0; 512];
            let length = socket.read(&mut some).expect("an answer in time");
            assert!(length > 0, "{kind}: {answer}");
            answer.push_str(std::str::from_utf8(&some[..length]).expect("text"));
        }
        assert!(answer.starts_with("HTTP/1.1 408 "), "{kind}: {answer}");
        assert!(answer.contains("{\"error\":\"the body did not arrive in time\"}"), "{answer}");
    }
}

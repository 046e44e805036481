//! The table of endpoints in `docs/` and what every route refuses, both made from the router's own
//! list: a route that is added is in the table or a test fails, and it is asked without a token and
//! with one that may not, without anybody having to remember it.

use crate::instance::Instance;
use api::ROUTES;
use expect_test::expect_file;
use std::fmt::Write as _;

/// Endpoints without which no app works, that are not answered yet.
const WANTED: &[&str] = &[];

/// Endpoints that answer without a token; every other one must refuse. Each with something that
/// even it refuses: path, body and status, asked with a forged token where that is 401. Those that
/// say the same to everybody have nothing to refuse.
const OPEN: &[(&str, Option<Refused>)] = &[
    ("GET /health", None),
    ("GET /ready", None),
    ("GET /static/avatar.svg", None),
    ("GET /static/header.svg", None),
    ("GET /.well-known/nodeinfo", None),
    (
        "GET /.well-known/webfinger",
        Some(("/.well-known/webfinger?resource=acct:nobody@x.example", "", 404)),
    ),
    ("GET /.well-known/host-meta", None),
    ("GET /.well-known/oauth-authorization-server", None),
    ("GET /nodeinfo/2.0", None),
    ("GET /api/v2/instance", None),
    ("GET /api/v1/instance", None),
    ("GET /api/v1/custom_emojis", None),
    ("GET /api/v2/search", Some(("/api/v2/search?q=a", "", 401))),
    ("POST /api/v1/apps", Some(("/api/v1/apps", r#"{"client_name":""}"#, 422))),
    ("POST /oauth/token", Some(("/oauth/token", r#"{"grant_type":"x","client_id":"x"}"#, 401))),
    ("POST /oauth/revoke", Some(("/oauth/revoke", r#"{"client_id":"x","token":"x"}"#, 401))),
    ("GET /api/v1/accounts", Some(("/api/v1/accounts?id[]=1", "", 401))),
    ("GET /api/v1/accounts/lookup", Some(("/api/v1/accounts/lookup?acct=nobody", "", 404))),
    ("GET /api/v1/accounts/{id}", Some(("/api/v1/accounts/1", "", 404))),
    ("GET /api/v1/accounts/{id}/statuses", Some(("/api/v1/accounts/1/statuses", "", 404))),
    ("GET /api/v1/accounts/{id}/followers", Some(("/api/v1/accounts/1/followers", "", 404))),
    ("GET /api/v1/accounts/{id}/following", Some(("/api/v1/accounts/1/following", "", 404))),
    ("GET /media/{*key}", Some(("/media/no/file", "", 404))),
    ("GET /api/v1/statuses", Some(("/api/v1/statuses?id[]=1", "", 401))),
    ("GET /api/v1/statuses/{id}", Some(("/api/v1/statuses/1", "", 404))),
    ("GET /api/v1/statuses/{id}/context", Some(("/api/v1/statuses/1/context", "", 404))),
    ("GET /api/v1/statuses/{id}/history", Some(("/api/v1/statuses/1/history", "", 404))),
    (
        "GET /api/v1/statuses/{id}/favourited_by",
        Some(("/api/v1/statuses/1/favourited_by", "", 404)),
    ),
    ("GET /api/v1/statuses/{id}/reblogged_by", Some(("/api/v1/statuses/1/reblogged_by", "", 404))),
    ("GET /api/v1/polls/{id}", Some(("/api/v1/polls/1", "", 404))),
    ("GET /api/v1/timelines/public", Some(("/api/v1/timelines/public", "", 401))),
    ("GET /api/v1/timelines/tag/{tag}", Some(("/api/v1/timelines/tag/a", "", 401))),
    ("GET /api/v1/streaming/health", None),
];

type Refused = (&'static str, &'static str, u16);

fn is_open(route: &str) -> bool {
    OPEN.iter().any(|(open, _)| *open == route)
}

/// Needs a token but no scope: an app asks about itself.
const ANY_SCOPE: &[&str] = &["GET /api/v1/apps/verify_credentials"];

fn named(method: &str, path: &str) -> String {
    format!("{} {path}", method.to_uppercase())
}

#[test]
fn the_table_of_endpoints_is_what_the_router_answers() {
    let mut answered: Vec<String> = ROUTES.iter().map(|(m, p)| named(m, p)).collect();
    answered.sort_by(|a, b| {
        let key = |line: &str| line.split_once(' ').map(|(m, p)| (p.to_owned(), m.to_owned()));
        key(a).cmp(&key(b))
    });
    let mut text = String::from(
        "# Endpoints\n\nGenerated from the router; a test fails when the two part ways. After a \
         route was added:\n\n```sh\nUPDATE_EXPECT=1 cargo test -p server --test it endpoints\n\
         ```\n\nNames and shapes are those of \
         [Mastodon's documentation](https://docs.joinmastodon.org/api/).\n\n\
         | method | path | without a token |\n|---|---|---|\n",
    );
    for line in &answered {
        let (method, path) = line.split_once(' ').expect("a method");
        let open = if is_open(line) { "answered" } else { "401" };
        writeln!(text, "| {method} | `{path}` | {open} |").expect("written");
    }
    let missing: Vec<&&str> =
        WANTED.iter().filter(|line| !answered.iter().any(|a| a == **line)).collect();
    if !missing.is_empty() {
        text.push_str("\n## Not answered yet, though apps ask for it\n\n");
        for line in missing {
            writeln!(text, "- `{line}`").expect("written");
        }
    }
    expect_file!["../../../../docs/endpoints.md"].assert_eq(&text);
    for line in OPEN.iter().map(|(open, _)| open).chain(ANY_SCOPE) {
        assert!(answered.iter().any(|a| a == line), "listed, but there is no such route: {line}");
    }
}

#[test]
fn every_route_that_is_not_open_refuses_no_token_a_forged_one_and_one_that_may_not() {
    let here = Instance::new();
    here.member("ann");
    let narrow = here.token_with("ann", "push");
    let mut wrong = Vec::new();
    for (method, path) in ROUTES {
        let name = named(method, path);
        if is_open(&name) {
            continue;
        }
        let at = path.replace("{id}", "1").replace("{tag}", "a").replace("{*stream}", "user");
        let verb = method.to_uppercase();
        let without_scope = match name.as_str() {
            // Which scope is needed is decided as each channel is opened on the socket.
            "GET /api/v1/streaming" => 426,
            line if ANY_SCOPE.contains(&line) => 200,
            _ => 403,
        };
        for (token, status) in [("", 401), ("forged", 401), (narrow.as_str(), without_scope)] {
            let answer = here.ask(&verb, &at, token, None);
            let shaped = status == 200 || answer.body["error"].is_string();
            if answer.status != status || !shaped {
                let said = answer.body;
                wrong.push(format!("{name}, {token:.6?}: {} {said}, not {status}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is no member's to read: the same for everybody, whatever token is shown.
const SAME_FOR_ALL: &[&str] = &[
    "GET /api/v1/instance",
    "GET /api/v2/instance",
    "GET /api/v1/custom_emojis",
    "GET /api/v1/streaming/health",
];

#[test]
fn a_token_that_may_not_read_reads_no_more_through_what_visitors_may_ask() {
    let here = Instance::new();
    here.member("ann");
    let narrow = here.token_with("ann", "push write:media");
    let mut wrong = Vec::new();
    let open = OPEN.iter().map(|(route, _)| *route);
    for route in open.filter(|r| r.starts_with("GET /api/") && !SAME_FOR_ALL.contains(r)) {
        let (method, path) = route.split_once(' ').expect("a method");
        let at = path.replace("{id}", "1").replace("{tag}", "a");
        let answer = here.ask(method, &at, &narrow, None);
        if answer.status != 403 || !answer.body["error"].is_string() {
            wrong.push(format!("{route}: {} {}, not 403", answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_anybody_may_ask_is_refused_when_it_is_not_there_or_makes_no_sense() {
    let here = Instance::new();
    let mut wrong = Vec::new();
    for (route, refused) in OPEN {
        let Some((path, body, status)) = *refused else { continue };
        let (method, _) = route.split_once(' ').expect("a method");
        // Who shows a token is told when it is none, and not served as a stranger.
        let token = if status == 401 && body.is_empty() { "forged" } else { "" };
        let answer = here.send(method, path, token, "", body);
        if answer.status != status || !answer.body["error"].is_string() {
            wrong.push(format!("{route}: {} {}, not {status}", answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn scripts_of_other_places_may_read_the_headers_that_apps_need() {
    let here = Instance::new();
    let origin = "origin: https://app.example\r\n";
    let (head, _) = here.exchange("GET", "/api/v1/instance", "", origin, b"");
    let line = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    assert_eq!(line("access-control-allow-origin: "), Some("*"), "{head}");
    let exposed = line("access-control-expose-headers: ").unwrap_or_default();
    for name in [
        "link",
        "retry-after",
        "x-request-id",
        "idempotency-key",
        "etag",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ] {
        assert!(exposed.split(',').any(|one| one.trim() == name), "{name} in {exposed}");
    }
}

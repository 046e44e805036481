//! What every answer says of its caller's allowance, the one allowance that is refused when it is
//! used up, and who may keep an answer.

use crate::instance::{Answer, Instance};
use serde_json::json;

fn line(head: &str, name: &str) -> Option<String> {
    let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.map(|text| text.trim().to_owned())
}

/// Tells a story whose counts hold within one window; told again if a window ended meanwhile.
pub fn within_a_window(story: fn()) {
    let window = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.expect("after 1970").as_secs() / 300
    };
    let before = window();
    if let Err(verdict) = std::panic::catch_unwind(story) {
        if window() == before {
            std::panic::resume_unwind(verdict);
        }
        story();
    }
}

/// Limit and what is left of it.
fn left(answer: &Answer) -> (u32, u32) {
    let number = |name: &str| {
        let text = line(&answer.head, name).unwrap_or_else(|| panic!("{name} in {}", answer.head));
        text.parse().expect("a number")
    };
    (number("x-ratelimit-limit"), number("x-ratelimit-remaining"))
}

#[test]
fn members_are_counted_by_account_visitors_by_address_and_dear_deeds_apart() {
    within_a_window(|| {
        let here = Instance::new();
        let (ann, bob) = (here.member("ann"), here.member("bob"));
        let me = "/api/v1/accounts/verify_credentials";
        assert_eq!(left(&here.ask("GET", me, &ann, None)), (1_500, 1_499));
        assert_eq!(
            left(&here.ask("GET", me, &here.token("ann"), None)),
            (1_500, 1_498),
            "one account"
        );
        assert_eq!(left(&here.ask("GET", me, &bob, None)), (1_500, 1_499), "another account");
        let public = "/api/v1/timelines/public";
        assert_eq!(left(&here.ask("GET", public, "", None)), (300, 299));
        assert_eq!(left(&here.ask("GET", me, "forged", None)), (300, 298), "a refusal counts too");
        assert_eq!(left(&here.ask("GET", "/api/v1/no/such", "", None)), (300, 297));
        let form = json!({ "status": "one" });
        let post = here.ask("POST", "/api/v1/statuses", &ann, Some(form));
        assert_eq!(left(&post).0, 1_500);
        let at = format!("/api/v1/statuses/{}", post.body["id"].as_str().expect("an id"));
        assert_eq!(left(&here.ask("POST", &format!("{at}/reblog"), &ann, None)).0, 1_500);
        assert_eq!(left(&here.ask("POST", &format!("{at}/unreblog"), &ann, None)), (30, 29));
        assert_eq!(left(&here.ask("DELETE", &format!("{at}/"), &ann, None)), (30, 28));
        for (path, remaining) in [("/api/v2/media", 29), ("/api/v1/media", 28)] {
            assert_eq!(left(&here.ask("POST", path, &ann, None)), (30, remaining), "{path}");
        }
        let reset =
            line(&here.ask("GET", me, &ann, None).head, "x-ratelimit-reset").expect("a time");
        assert!(reset.len() == 27 && reset.ends_with(":00.000000Z"), "{reset}");
        let (head, _) = here.exchange("GET", "/health", "", "", b"");
        assert_eq!(line(&head, "x-ratelimit-limit"), None, "no part of the API");
    });
}

#[test]
fn nobody_is_refused_for_reading_more_than_the_headers_say() {
    within_a_window(|| {
        let here = Instance::new();
        for _ in 0..310 {
            assert_eq!(here.ask("GET", "/api/v1/custom_emojis", "", None).status, 200);
        }
        assert_eq!(left(&here.ask("GET", "/api/v1/custom_emojis", "", None)), (300, 0));
    });
}

#[test]
fn an_account_uploads_no_more_than_the_headers_say() {
    within_a_window(|| {
        let here = Instance::new();
        let (ann, bob) = (here.member("ann"), here.member("bob"));
        for remaining in (0..30).rev() {
            let blank = here.ask("POST", "/api/v2/media", &ann, None);
            assert_eq!((blank.status, left(&blank)), (422, (30, remaining)));
        }
        for path in ["/api/v2/media", "/api/v1/media/"] {
            let refused = here.ask("POST", path, &ann, None);
            assert_eq!((refused.status, left(&refused)), (429, (30, 0)), "{path}");
            assert!(line(&refused.head, "retry-after").is_some());
        }
        assert_eq!(here.ask("POST", "/api/v2/media", &bob, None).status, 422, "bob's are his own");
        let me = here.ask("GET", "/api/v1/accounts/verify_credentials", &ann, None);
        assert_eq!(me.status, 200, "only uploads are refused");
    });
}

/// A token of an app, which may sign people up.
fn app(here: &Instance) -> String {
    let form = json!({ "client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob",
        "scopes": "read write" });
    let app = here.ask("POST", "/api/v1/apps", "", Some(form)).body;
    let form = json!({ "client_id": app["client_id"], "client_secret": app["client_secret"],
        "grant_type": "client_credentials", "scope": "read write" });
    let token = here.ask("POST", "/oauth/token", "", Some(form)).body;
    token["access_token"].as_str().expect("a token").to_owned()
}

fn registered(here: &Instance, from: &str) -> Answer {
    let form = json!({ "client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob" });
    let more = format!("x-forwarded-for: {from}\r\n");
    here.send("POST", "/api/v1/apps", "", &more, &form.to_string())
}

/// Refused as whoever has used up what is theirs, and told when to come again.
fn is_used_up(answer: &Answer, limit: u32) {
    assert_eq!((answer.status, left(answer)), (429, (limit, 0)), "{}", answer.body);
    let wait = line(&answer.head, "retry-after").expect("a time").parse::<u32>().expect("seconds");
    assert!((1..=1_800).contains(&wait), "{wait}");
    assert!(answer.body["error"].is_string(), "{}", answer.body);
}

#[test]
fn a_stranger_has_so_many_apps_stored_and_so_many_tokens_of_theirs() {
    within_a_window(|| {
        let here = Instance::with("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n");
        let limit = api::limits::APPS.limit;
        for remaining in (0..limit).rev() {
            // What is refused for what it says has nothing stored.
            let blank =
                here.send("POST", "/api/v1/apps", "", "x-forwarded-for: 192.0.2.1\r\n", "{}");
            assert_eq!(blank.status, 422, "{}", blank.body);
            let done = registered(&here, "192.0.2.1");
            assert_eq!((done.status, left(&done)), (200, (limit, remaining)), "{}", done.body);
        }
        is_used_up(&registered(&here, "192.0.2.1"), limit);
        let app = registered(&here, "192.0.2.2");
        assert_eq!(app.status, 200, "another address's are its own");
        let token = |from: &str, grant: &str| {
            let form = json!({ "client_id": app.body["client_id"], "grant_type": grant,
                "client_secret": app.body["client_secret"], "code": "x", "scope": "read" });
            let more = format!("x-forwarded-for: {from}\r\n");
            here.send("POST", "/oauth/token", "", &more, &form.to_string())
        };
        let limit = api::limits::APP_TOKENS.limit;
        for remaining in (0..limit).rev() {
            let done = token("192.0.2.3", "client_credentials");
            assert_eq!((done.status, left(&done)), (200, (limit, remaining)), "{}", done.body);
        }
        is_used_up(&token("192.0.2.3", "client_credentials"), limit);
        assert_eq!(token("192.0.2.4", "client_credentials").status, 200);
        let member = token("192.0.2.3", "authorization_code");
        assert_eq!(member.status, 400, "members log in all the same: {}", member.body);
    });
}

fn sign_up(here: &Instance, token: &str, name: &str, from: &str) -> Answer {
    let form = json!({ "username": name, "email": format!("{name}@example.org"),
        "password": "correct horse battery staple", "agreement": true, "locale": "en" });
    let more = format!("x-forwarded-for: {from}\r\n");
    here.send("POST", "/api/v1/accounts", token, &more, &form.to_string())
}

#[test]
fn an_address_signs_up_no_more_often_than_the_host_allows() {
    within_a_window(|| {
        let here = Instance::with_sign_ups(2, "");
        let token = app(&here);
        let none = sign_up(&here, "", "zed", "192.0.2.9");
        assert_eq!(none.status, 401, "uses nothing");
        for (name, remaining) in [("ann", 1), ("bob", 0)] {
            let done = sign_up(&here, &token, name, "192.0.2.9");
            assert_eq!((done.status, left(&done)), (200, (2, remaining)), "{name}");
        }
        let refused = sign_up(&here, &token, "cid", "203.0.113.1");
        assert_eq!(
            (refused.status, left(&refused)),
            (429, (2, 0)),
            "a header makes nobody another"
        );
        assert_eq!(refused.body, json!({ "error": "Too many requests" }));
        let wait =
            line(&refused.head, "retry-after").expect("a time").parse::<u32>().expect("seconds");
        assert!((1..=1_800).contains(&wait), "{wait}");
        assert_eq!(line(&refused.head, "fulmar-reason").as_deref(), Some("own_share"));
        let app = here.ask("GET", "/api/v1/apps/verify_credentials", &token, None);
        assert_eq!(app.status, 200, "only signing up is refused");
    });
}

#[test]
fn who_has_an_account_makes_no_others_with_its_token() {
    let here = Instance::with_sign_ups(2, "");
    let first = sign_up(&here, &app(&here), "ann", "192.0.2.9");
    let token = first.body["access_token"].as_str().expect("a token");
    let second = sign_up(&here, token, "bob", "192.0.2.9");
    assert_eq!(second.status, 403, "{}", second.body);
    assert!(second.body["error"].is_string());
}

#[test]
fn behind_a_proxy_of_the_host_each_address_has_its_own_allowance() {
    within_a_window(|| {
        let here = Instance::with_sign_ups(1, "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n");
        let token = app(&here);
        for (name, from, status) in [
            ("ann", "192.0.2.1", 200),
            ("bob", "192.0.2.1", 429),
            ("cid", "198.51.100.7, 192.0.2.1", 429),
            ("dan", "192.0.2.2", 200),
            ("eve", "2001:db8:1:2::1", 200),
            ("fay", "2001:db8:1:2:ffff::2", 429),
        ] {
            assert_eq!(sign_up(&here, &token, name, from).status, status, "{name} from {from}");
        }
    });
}

#[test]
fn an_answer_for_one_is_kept_by_nobody() {
    let here = Instance::new();
    let ann = here.member("ann");
    let private = Some("private, no-store".to_owned());
    for (method, path, token) in [
        ("GET", "/api/v1/timelines/home", ann.as_str()),
        ("GET", "/api/v1/timelines/public", &ann),
        ("GET", "/api/v2/instance", &ann),
        ("GET", "/api/v1/timelines/home", ""),
        ("GET", "/api/v1/no/such", ""),
        ("POST", "/api/v1/apps", ""),
        ("POST", "/oauth/token", ""),
        ("POST", "/oauth/revoke", ""),
        ("POST", "/api/v1/statuses", &ann),
    ] {
        let answer = here.ask(method, path, token, None);
        assert_eq!(line(&answer.head, "cache-control"), private, "{method} {path}");
    }
}

#[test]
fn what_all_may_have_is_not_sent_again_to_who_has_it() {
    let here = Instance::new();
    let ann = here.member("ann");
    let post = |text: &str, visibility: &str| {
        let form = json!({ "status": text, "visibility": visibility });
        let made = here.ask("POST", "/api/v1/statuses", &ann, Some(form)).body;
        format!("/api/v1/statuses/{}", made["id"].as_str().expect("an id"))
    };
    let (open, closed) = (post("one", "public"), post("two", "private"));
    for path in [
        "/api/v2/instance",
        "/api/v1/instance",
        "/api/v1/custom_emojis",
        "/nodeinfo/2.0",
        open.as_str(),
    ] {
        let full = here.ask("GET", path, "", None);
        let tag = line(&full.head, "etag").unwrap_or_else(|| panic!("{path}: {}", full.head));
        let kept = line(&full.head, "cache-control").expect("cache-control");
        assert!(kept.starts_with("public, max-age=0"), "{path}: {kept}");
        let held = format!("if-none-match: {tag}\r\n");
        let (head, body) = here.exchange("GET", path, "", &held, b"");
        assert!(head.starts_with("HTTP/1.1 304") && body.is_empty(), "{path}: {head}");
    }
    let tag = line(&here.ask("GET", &open, "", None).head, "etag").expect("a tag");
    let held = format!("if-none-match: {tag}\r\n");
    here.ask("PUT", &open, &ann, Some(json!({ "status": "changed" })));
    let (head, body) = here.exchange("GET", &open, "", &held, b"");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(String::from_utf8_lossy(&body).contains("changed"));
    let own = here.ask("GET", &open, &ann, None);
    assert_eq!(line(&own.head, "cache-control").as_deref(), Some("private, no-store"));
    assert_eq!((line(&own.head, "etag"), &own.body["favourited"]), (None, &json!(false)));
    assert_eq!(here.ask("GET", &closed, &ann, None).status, 200);
    assert_eq!(here.ask("GET", &closed, "", None).status, 404, "not kept from its author's look");
    here.ask("DELETE", &open, &ann, None);
    assert_eq!(here.ask("GET", &open, "", None).status, 404);
}

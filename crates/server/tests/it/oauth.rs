//! How apps get at a member's account and lose it again: codes, tokens, their ends, and what is
//! refused on the way (RFC 6749, 7009, 7636).

use crate::instance::{Answer, Instance};
use serde_json::{Value, json};
use std::fmt::Write as _;

const REDIRECT: &str = "https://app.example/cb?from=1";
const PASSWORD: &str = "correct horse battery";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 appendix B
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const WHO: &str = "/api/v1/accounts/verify_credentials";

/// An app that a member has yet to admit.
struct App<'a> {
    here: &'a Instance,
    id: String,
    secret: String,
}

fn form(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let _ = write!(text, "{name}=");
        for byte in value.bytes() {
            let _ = write!(text, "%{byte:02X}");
        }
        text.push('&');
    }
    text
}

impl<'a> App<'a> {
    fn new(here: &'a Instance, scopes: &str) -> Self {
        let form = json!({ "client_name": "an app", "redirect_uris": REDIRECT, "scopes": scopes });
        let made = here.ask("POST", "/api/v1/apps", "", Some(form)).body;
        let text = |name: &str| made[name].as_str().expect("text").to_owned();
        Self { here, id: text("client_id"), secret: text("client_secret") }
    }

    /// What a browser is answered whose member logs in and consents; these fields come before.
    fn consent(&self, name: &str, more: &[(&str, &str)]) -> (u16, String) {
        let mut pairs = more.to_vec();
        for pair in [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", REDIRECT),
            ("scope", "read"),
            ("username", name),
            ("password", PASSWORD),
        ] {
            if !more.iter().any(|(name, _)| *name == pair.0) {
                pairs.push(pair);
            }
        }
        let kind = "content-type: application/x-www-form-urlencoded\r\n";
        let body = form(&pairs);
        let (head, _) = self.here.exchange("POST", "/oauth/authorize", "", kind, body.as_bytes());
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        let to = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default();
        (status, to.to_owned())
    }

    fn code(&self, more: &[(&str, &str)]) -> String {
        let (status, to) = self.consent("ann", more);
        let code = to.strip_prefix("https://app.example/cb?from=1&code=").expect("a code");
        assert_eq!(status, 303);
        code.split('&').next().expect("a code").to_owned()
    }

    fn post(&self, path: &str, more: Value) -> Answer {
        let mut form = json!({ "client_id": self.id, "client_secret": self.secret });
        let map = form.as_object_mut().expect("an object");
        map.extend(more.as_object().expect("an object").clone());
        self.here.ask("POST", path, "", Some(form))
    }

    fn redeem(&self, code: &str, more: Value) -> Answer {
        let mut form = json!({ "grant_type": "authorization_code", "code": code,
            "redirect_uri": REDIRECT });
        let map = form.as_object_mut().expect("an object");
        map.extend(more.as_object().expect("an object").clone());
        self.post("/oauth/token", form)
    }
}

fn token(answer: &Answer) -> String {
    answer.body["access_token"].as_str().expect("a token").to_owned()
}

/// An instance where ann has a password.
fn with_ann(config: &str) -> Instance {
    let here = Instance::with(config);
    let (id, redirect) = ("client_name", "redirect_uris");
    let app = json!({ id: "joiner", redirect: REDIRECT, "scopes": "read write" });
    let app = here.ask("POST", "/api/v1/apps", "", Some(app)).body;
    let own = json!({ "client_id": app["client_id"], "client_secret": app["client_secret"],
        "grant_type": "client_credentials", "scope": "write" });
    let own = token(&here.ask("POST", "/oauth/token", "", Some(own)));
    let ann = json!({ "username": "ann", "email": "ann@example.org", "password": PASSWORD,
        "agreement": true, "locale": "en" });
    assert_eq!(here.ask("POST", "/api/v1/accounts", &own, Some(ann)).status, 200);
    here
}

#[test]
fn a_code_gives_one_token_and_its_second_use_takes_it_away() {
    let here = with_ann("");
    let app = App::new(&here, "read");
    let code = app.code(&[("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
    let proof = json!({ "code_verifier": VERIFIER });
    let first = app.redeem(&code, proof.clone());
    assert_eq!(first.status, 200, "{}", first.body);
    assert!(first.head.contains("no-store"), "{}", first.head);
    let ann = token(&first);
    assert_eq!(here.ask("GET", WHO, &ann, None).status, 200);
    let again = app.redeem(&code, proof);
    assert_eq!((again.status, &again.body["error"]), (400, &json!("invalid_grant")));
    assert_eq!(here.ask("GET", WHO, &ann, None).status, 401, "the leaked code's token ended");
}

#[test]
fn a_code_that_is_presented_wrongly_is_spent() {
    let here = with_ann("");
    let (app, other) = (App::new(&here, "read"), App::new(&here, "read"));
    let right = json!({ "code_verifier": VERIFIER });
    let proven = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    for (by, wrong) in [
        (&app, json!({})),
        (&app, json!({ "code_verifier": "x".repeat(43) })),
        (&app, json!({ "code_verifier": VERIFIER, "redirect_uri": "https://app.example/" })),
        (&other, right.clone()),
    ] {
        let code = app.code(&proven);
        for (by, proof) in [(by, &wrong), (&app, &right)] {
            let answer = by.redeem(&code, proof.clone());
            assert_eq!(answer.status, 400, "{proof}: {}", answer.body);
            assert_eq!(answer.body["error"], "invalid_grant", "{proof}");
        }
    }
    assert_eq!(app.redeem("never", right).status, 400);
}

#[test]
fn what_an_app_asked_wrongly_is_told_to_it_and_to_nobody_else() {
    let here = with_ann("");
    let app = App::new(&here, "read");
    let state = ("state", "a b&c");
    for (field, value, code) in [
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "write", "invalid_scope"),
        ("scope", "nonsense", "invalid_scope"),
        ("code_challenge", "short", "invalid_request"),
    ] {
        let (status, to) = app.consent("ann", &[(field, value), state]);
        let start = format!("https://app.example/cb?from=1&error={code}&error_description=");
        assert_eq!(status, 303, "{field}={value}");
        assert!(to.starts_with(&start) && to.ends_with("&state=a%20b%26c"), "{to}");
    }
    for (field, value) in [("redirect_uri", "https://evil.example/"), ("client_id", "nobody")] {
        let (status, to) = app.consent("ann", &[(field, value), ("scope", "write"), state]);
        assert_eq!((status, to.as_str()), (400, ""), "{field}={value}");
    }
    let (status, to) = app.consent("nobody", &[state]);
    assert_eq!((status, to.as_str()), (200, ""), "asked again");
}

#[test]
fn user_info_says_who_somebody_is_to_whom_may_know() {
    let here = with_ann("");
    let app = App::new(&here, "read profile write");
    let tell = |scope: &str, method: &str| {
        let ann = token(&app.redeem(&app.code(&[("scope", scope)]), json!({})));
        here.ask(method, "/oauth/userinfo", &ann, None)
    };
    for (scope, method) in [("profile", "GET"), ("read", "GET"), ("profile", "POST")] {
        let told = tell(scope, method);
        let base = format!("http://{}", here.address());
        assert_eq!(told.status, 200, "{scope}: {}", told.body);
        assert_eq!(
            told.body,
            json!({ "iss": format!("{base}/"), "sub": format!("{base}/@ann"),
            "name": "", "preferred_username": "ann", "profile": format!("{base}/@ann"),
            "picture": format!("{base}/static/avatar.svg") })
        );
    }
    assert_eq!(tell("write", "GET").status, 403);
}

#[test]
fn passwords_are_traded_for_tokens_only_where_the_host_says_so() {
    const METADATA: &str = "/.well-known/oauth-authorization-server";
    let grant = |password: &str, scope: &str| {
        json!({ "grant_type": "password", "username": "ann@example.org", "password": password,
            "scope": scope })
    };
    for (config, right) in [("", 400), ("[oauth]\npassword_grant = true\n", 200)] {
        let here = with_ann(config);
        let app = App::new(&here, "read");
        let says = here.ask("GET", METADATA, "", None).body["grant_types_supported"].to_string();
        assert_eq!(says.contains("password"), right == 200, "{says}");
        assert_eq!(app.post("/oauth/token", grant(PASSWORD, "read")).status, right, "{config}");
        assert_eq!(app.post("/oauth/token", grant("wrong", "read")).status, 400, "{config}");
        assert_eq!(app.post("/oauth/token", grant(PASSWORD, "write")).status, 400, "{config}");
    }
}

#[test]
fn an_app_revokes_its_own_tokens_and_no_others() {
    let here = with_ann("");
    let (app, other) = (App::new(&here, "read"), App::new(&here, "read"));
    let ann = token(&app.redeem(&app.code(&[]), json!({})));
    let revoke = |by: &App, form: Value| {
        let answer = by.post("/oauth/revoke", form);
        (answer.status, answer.body["error"].as_str().unwrap_or_default().to_owned())
    };
    let its = json!({ "token": ann, "token_type_hint": "refresh_token" });
    assert_eq!(revoke(&other, its.clone()), (403, "unauthorized_client".into()));
    assert_eq!(revoke(&app, json!({})), (400, "invalid_request".into()));
    let forged = App { secret: other.secret.clone(), id: app.id.clone(), here: &here };
    assert_eq!(revoke(&forged, its.clone()), (401, "invalid_client".into()));
    assert_eq!(here.ask("GET", WHO, &ann, None).status, 200);
    assert_eq!(revoke(&app, json!({ "token": "no token" })), (200, String::new()));
    assert_eq!(revoke(&app, its.clone()), (200, String::new()));
    assert_eq!(here.ask("GET", WHO, &ann, None).status, 401);
    assert_eq!(revoke(&app, its), (200, String::new()), "dead already");
}

/// One try in a browser: status, and the cookie it was given.
fn try_password(here: &Instance, app: &App, name: &str, password: &str, cookie: &str) -> Tried {
    let fields = [
        ("response_type", "code"),
        ("client_id", &app.id),
        ("redirect_uri", REDIRECT),
        ("scope", "read"),
        ("username", name),
        ("password", password),
    ];
    let more = format!("content-type: application/x-www-form-urlencoded\r\ncookie: {cookie}\r\n");
    let body = form(&fields);
    let (head, _) = here.exchange("POST", "/oauth/authorize", "", &more, body.as_bytes());
    let line = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Tried {
        status: head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status"),
        retry_after_s: line("retry-after:").and_then(|text| text.parse().ok()).unwrap_or(0),
        cookie: line("set-cookie:").unwrap_or_default().to_owned(),
    }
}

struct Tried {
    status: u16,
    retry_after_s: u32,
    cookie: String,
}

#[test]
fn passwords_are_guessed_slowly_and_a_known_browser_is_not_locked_out() {
    let here = with_ann("");
    let app = App::new(&here, "read");
    let known = try_password(&here, &app, "ann", PASSWORD, "");
    assert_eq!(known.status, 303);
    let (cookie, terms) = known.cookie.split_once(';').expect("a cookie");
    assert!(cookie.starts_with("device="), "{cookie}");
    assert!(terms.contains("HttpOnly") && terms.contains("SameSite=Lax"), "{terms}");
    exhaust(&here, &app, "ann", "");
    let locked = try_password(&here, &app, "ANN", PASSWORD, "device=AAAA");
    assert_eq!(locked.status, 429, "also with the right password, for it was not looked at");
    assert!((1..=60).contains(&locked.retry_after_s), "{}", locked.retry_after_s);
    let at_home = try_password(&here, &app, "ann", PASSWORD, cookie);
    assert_eq!((at_home.status, at_home.cookie.as_str()), (303, ""), "a known browser");
    exhaust(&here, &app, "ann", cookie);
    assert_eq!(try_password(&here, &app, "ann", PASSWORD, cookie).status, 429, "its own failures");
    exhaust(&here, &app, "nobody", "");
    let other = try_password(&here, &app, "nobody", "wrong", cookie);
    assert_eq!(other.status, 429, "known to ann and to nobody else");
}

/// Tries until it is refused, which happens after ten, and one more for each minute.
fn exhaust(here: &Instance, app: &App, name: &str, cookie: &str) {
    let begun = std::time::Instant::now();
    let mut tries = 0;
    while try_password(here, app, name, "wrong", cookie).status == 200 {
        tries += 1;
        let most = 11 + begun.elapsed().as_secs() / 60;
        assert!(tries <= most, "{tries} tries for {name}");
    }
    assert!(tries >= 10, "{tries} tries for {name}");
}

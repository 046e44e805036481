//! How apps get at a member's account and lose it again: codes, tokens, their ends, and what is
//! refused on the way (RFC 6749, 7009, 7636).

use crate::{
    browser::{Browser, Page, form},
    instance::{Answer, Instance},
};
use serde_json::{Value, json};

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

impl<'a> App<'a> {
    fn new(here: &'a Instance, scopes: &str) -> Self {
        let form = json!({ "client_name": "an app", "redirect_uris": REDIRECT, "scopes": scopes });
        let made = here.ask("POST", "/api/v1/apps", "", Some(form)).body;
        let text = |name: &str| made[name].as_str().expect("text").to_owned();
        Self { here, id: text("client_id"), secret: text("client_secret") }
    }

    /// The parameters of a request to be admitted; these instead of the usual ones.
    fn wish(&self, more: &[(&str, &str)]) -> String {
        let mut pairs = more.to_vec();
        for pair in [
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", REDIRECT),
            ("scope", "read"),
        ] {
            if !more.iter().any(|(name, _)| *name == pair.0) {
                pairs.push(pair);
            }
        }
        form(&pairs)
    }

    /// What a fresh browser is answered whose member logs in and consents.
    fn consent(&self, name: &str, more: &[(&str, &str)]) -> Page {
        self.consent_in(&mut Browser::new(), name, PASSWORD, more)
    }

    fn consent_in(
        &self,
        browser: &mut Browser,
        name: &str,
        password: &str,
        more: &[(&str, &str)],
    ) -> Page {
        let page = browser.get(self.here, &format!("/oauth/authorize?{}", self.wish(more)));
        if page.status != 200 {
            return page;
        }
        browser.submit(self.here, &page, &[("username", name), ("password", password)])
    }

    fn code(&self, more: &[(&str, &str)]) -> String {
        let sent = self.consent("ann", more);
        assert_eq!(sent.status, 303, "{}", sent.html);
        code_in(&sent)
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

/// The code that a browser takes to the app.
fn code_in(sent: &Page) -> String {
    let to = sent.header("location").expect("a way");
    let code = to.strip_prefix("https://app.example/cb?from=1&code=").expect("a code");
    code.split('&').next().expect("a code").to_owned()
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
fn what_an_app_asked_wrongly_is_said_on_a_page_and_sends_nobody_away() {
    let here = with_ann("");
    let app = App::new(&here, "read");
    let state = ("state", "a b&c");
    for (field, value, code) in [
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "write", "invalid_scope"),
        ("scope", "nonsense", "invalid_scope"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "S256", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
    ] {
        let page = app.consent("ann", &[(field, value), state]);
        assert_eq!((page.status, page.header("location")), (400, None), "{field}={value}");
        // Whoever wants to may tell the app.
        let back = format!("href=\"https://app.example/cb?from=1&#38;error={code}&#38;");
        assert!(page.html.contains(&back), "{back}: {}", page.html);
        assert!(page.html.contains("&#38;state=a%20b%26c\""), "{}", page.html);
    }
    for (field, value) in [("redirect_uri", "https://evil.example/"), ("client_id", "nobody")] {
        let page = app.consent("ann", &[(field, value), ("scope", "write"), state]);
        assert_eq!((page.status, page.header("location")), (400, None), "{field}={value}");
        assert!(!page.html.contains("evil.example"), "{}", page.html);
    }
    let again = app.consent("nobody", &[state]);
    assert_eq!((again.status, again.header("location")), (200, None), "asked again");
    assert!(again.html.contains("role=\"alert\""), "{}", again.html);
}

#[test]
fn an_app_that_proves_nothing_is_told_how() {
    let here = with_ann("");
    let app = App::new(&here, "read");
    let forged = App { secret: "wrong".into(), id: app.id.clone(), here: &here };
    let refused = forged.post("/oauth/token", json!({ "grant_type": "client_credentials" }));
    assert_eq!((refused.status, &refused.body["error"]), (401, &json!("invalid_client")));
    assert!(refused.head.contains("www-authenticate: Basic"), "{}", refused.head);
    let nobody = here.ask("GET", WHO, "", None);
    assert!(nobody.head.contains("www-authenticate: Bearer"), "{}", nobody.head);
}

#[test]
fn who_is_logged_in_consents_without_a_password_and_may_say_no() {
    let here = with_ann("");
    let app = App::new(&here, "read");
    let mut browser = Browser::new();
    let first = app.consent_in(&mut browser, "ann", PASSWORD, &[]);
    assert_eq!(first.status, 303);
    let wish = app.wish(&[("state", "s")]);
    let asked = browser.get(&here, &format!("/oauth/authorize?{wish}"));
    assert!(asked.html.contains("@ann"), "{}", asked.html);
    assert!(!asked.html.contains("type=\"password\""), "{}", asked.html);
    let policy = asked.header("content-security-policy").expect("a policy");
    assert!(policy.contains("form-action 'self' https://app.example"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    let yes = browser.submit(&here, &asked, &[("decision", "allow")]);
    let ann = token(&app.redeem(&code_in(&yes), json!({})));
    assert_eq!(here.ask("GET", WHO, &ann, None).status, 200);
    let no = browser.submit(&here, &asked, &[("decision", "deny")]);
    let to = no.header("location").expect("a way");
    assert!(to.starts_with("https://app.example/cb?from=1&error=access_denied&"), "{to}");
    assert!(to.ends_with("&state=s"), "{to}");
    let neither = browser.submit(&here, &asked, &[("decision", "perhaps")]);
    assert_eq!(neither.status, 400);
    let forced = browser.get(&here, &format!("/oauth/authorize?{wish}&force_login=true"));
    assert!(forced.html.contains("type=\"password\""), "{}", forced.html);
}

#[test]
fn a_consent_that_the_member_did_not_see_is_none() {
    let here = with_ann("");
    let app = App::new(&here, "read");
    let mut browser = Browser::new();
    app.consent_in(&mut browser, "ann", PASSWORD, &[]);
    let asked = browser.get(&here, &format!("/oauth/authorize?{}", app.wish(&[])));
    let yes = [("decision", "allow")];
    for more in [
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        "origin: https://evil.example\r\n",
        "sec-fetch-site: cross-site\r\norigin: null\r\n",
        "sec-fetch-site: same-origin\r\norigin: https://evil.example\r\n",
    ] {
        let sent = browser.submit_with(&here, &asked, &yes, more);
        assert_eq!((sent.status, sent.header("location")), (403, None), "{more}");
    }
    for mark in ["", "AAAA", "forged"] {
        let sent = browser.submit(&here, &asked, &[("decision", "allow"), ("mark", mark)]);
        assert_eq!((sent.status, sent.header("location")), (403, None), "{mark}");
    }
    // What somebody else was shown is theirs: also a log-in, which would be somebody else's.
    let mut other = Browser::new();
    assert_eq!(other.submit(&here, &asked, &yes).status, 403);
    let door = other.get(&here, &format!("/oauth/authorize?{}", app.wish(&[])));
    let known = [("username", "ann"), ("password", PASSWORD)];
    assert_eq!(Browser::new().submit(&here, &door, &known).status, 403);
    assert_eq!(browser.submit(&here, &asked, &yes).status, 303, "and the true one still works");
}

#[test]
fn a_code_is_shown_where_the_app_cannot_be_reached() {
    let here = with_ann("");
    let oob = "urn:ietf:wg:oauth:2.0:oob";
    let form = json!({ "client_name": "a terminal", "redirect_uris": oob, "scopes": "read" });
    let made = here.ask("POST", "/api/v1/apps", "", Some(form)).body;
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    let app = App { here: &here, id: text("client_id"), secret: text("client_secret") };
    let shown = app.consent("ann", &[("redirect_uri", oob)]);
    assert_eq!((shown.status, shown.header("location")), (200, None), "{}", shown.html);
    let (_, rest) = shown.html.split_once("<code class=\"secret\">").expect("a code");
    let code = rest.split('<').next().expect("a code");
    let answer = app.redeem(code, json!({ "redirect_uri": oob }));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn an_address_that_a_browser_would_run_is_none_to_be_sent_to() {
    let here = Instance::new();
    for uri in ["javascript:alert(1)", "\u{1}javascript:alert(1)", "data:,x", "no scheme", "//x"] {
        let form = json!({ "client_name": "x", "redirect_uris": [uri], "scopes": "read" });
        assert_eq!(here.ask("POST", "/api/v1/apps", "", Some(form)).status, 422, "{uri:?}");
    }
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

#[test]
fn passwords_are_guessed_slowly_and_a_known_browser_is_not_locked_out() {
    let here = with_ann("");
    let app = App::new(&here, "read");
    let mut home = Browser::new();
    let known = app.consent_in(&mut home, "ann", PASSWORD, &[]);
    assert_eq!(known.status, 303);
    for cookie in known.set_cookies() {
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    }
    home.keep_only("device");
    let stranger = || Browser::with("device", "AAAA");
    exhaust(&app, "ann", &mut stranger());
    let locked = app.consent_in(&mut stranger(), "ANN", PASSWORD, &[]);
    assert_eq!(locked.status, 429, "also with the right password, for it was not looked at");
    let wait_s: u32 = locked.header("retry-after").and_then(|s| s.parse().ok()).expect("a wait");
    assert!((1..=60).contains(&wait_s), "{wait_s}");
    let at_home = app.consent_in(&mut home, "ann", PASSWORD, &[]);
    assert_eq!(at_home.status, 303, "a known browser");
    assert!(!at_home.set_cookies().iter().any(|cookie| cookie.starts_with("device=")));
    home.keep_only("device");
    exhaust(&app, "ann", &mut home);
    let locked = app.consent_in(&mut home, "ann", PASSWORD, &[]);
    assert_eq!(locked.status, 429, "its own failures");
    exhaust(&app, "nobody", &mut stranger());
    let other = app.consent_in(&mut home, "nobody", "wrong", &[]);
    assert_eq!(other.status, 429, "known to ann and to nobody else");
}

/// Tries until it is refused, which happens after ten, and one more for each minute.
fn exhaust(app: &App, name: &str, browser: &mut Browser) {
    let begun = std::time::Instant::now();
    let mut tries = 0;
    while app.consent_in(browser, name, "wrong", &[]).status == 200 {
        tries += 1;
        let most = 11 + begun.elapsed().as_secs() / 60;
        assert!(tries <= most, "{tries} tries for {name}");
    }
    assert!(tries >= 10, "{tries} tries for {name}");
}

//! Members at their browsers: logging in and out, what is open to their account, how it ends, and
//! what others cannot do with it.

use crate::{
    browser::{Browser, Page},
    instance::Instance,
};
use std::time::Instant;
use testkit::PATIENCE;

const PASSWORD: &str = "correct horse battery";
const WHO: &str = "/api/v1/accounts/verify_credentials";

/// An instance where these have a password.
fn with(names: &[&str]) -> Instance {
    let here = Instance::new();
    for name in names {
        here.member(name);
        set_password(&here, name, PASSWORD);
    }
    here
}

/// By whoever commands the machine.
fn set_password(here: &Instance, name: &str, password: &str) {
    let said =
        here.command_with(&["account", "reset-password", name, "--password-stdin"], password);
    assert!(said.is_done, "{}", said.err);
}

fn log_in(here: &Instance, name: &str, password: &str) -> (Browser, Page) {
    let mut browser = Browser::new();
    let door = browser.get(here, "/login");
    let page = browser.submit(here, &door, &[("username", name), ("password", password)]);
    (browser, page)
}

fn logged_in(here: &Instance, name: &str) -> Browser {
    let (browser, page) = log_in(here, name, PASSWORD);
    assert_eq!((page.status, page.header("location")), (303, Some("/settings")), "{}", page.html);
    browser
}

/// Whether a browser is let in.
fn is_in(here: &Instance, browser: &Browser) -> bool {
    let page = browser.clone().get(here, "/settings");
    match (page.status, page.header("location")) {
        (200, None) => true,
        (303, Some("/login?to=/settings")) => false,
        (status, to) => panic!("{status} {to:?}"),
    }
}

#[test]
fn who_logs_in_gets_a_session_and_who_logs_out_has_none() {
    let here = with(&["ann"]);
    let (_, wrong) = log_in(&here, "ann", "wrong");
    assert_eq!(wrong.status, 200);
    assert!(wrong.set_cookies().is_empty(), "{:?}", wrong.set_cookies());
    let (mut browser, page) = log_in(&here, "ann", PASSWORD);
    let cookie = page.set_cookies().into_iter().find(|c| c.starts_with("session="));
    let cookie = cookie.expect("a session");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert!(cookie.contains("Path=/"), "{cookie}");
    assert!(is_in(&here, &browser));
    let before = browser.clone();
    let leave = browser.get(&here, "/logout");
    let forged = before.clone().submit(&here, &leave, &[("mark", "AAAA")]);
    assert_eq!(forged.status, 403);
    let left = browser.submit(&here, &leave, &[]);
    assert_eq!(left.status, 303);
    assert_eq!(browser.cookie("session"), None);
    assert!(!is_in(&here, &before), "the session has ended, not only its cookie");
    for path in ["/settings/sessions", "/settings/password"] {
        let page = browser.get(&here, path);
        let to = format!("/login?to={path}");
        assert_eq!((page.status, page.header("location")), (303, Some(to.as_str())));
    }
}

#[test]
fn a_session_survives_a_kill_and_a_forged_one_opens_nothing() {
    let mut here = with(&["ann"]);
    let browser = logged_in(&here, "ann");
    here.kill_and_restart();
    assert!(is_in(&here, &browser));
    let cookie = browser.cookie("session").expect("a session").to_owned();
    let (first, rest) = cookie.split_at(1);
    let other = if first == "A" { "B" } else { "A" };
    for forged in [format!("{other}{rest}"), format!("{cookie}A"), String::new(), "x".repeat(999)] {
        assert!(!is_in(&here, &Browser::with("session", &forged)), "{forged}");
    }
}

#[test]
fn logging_in_again_changes_the_secret_and_ends_the_one_before() {
    let here = with(&["ann"]);
    let mut browser = logged_in(&here, "ann");
    let before = browser.clone();
    let mut door = Browser::new();
    let page = door.get(&here, "/login");
    // The same browser, asked once more.
    let form = door.cookie("form").expect("a cookie").to_owned();
    browser.set("form", &form);
    let known = [("username", "ann"), ("password", PASSWORD)];
    assert_eq!(browser.submit(&here, &page, &known).status, 303);
    assert_ne!(browser.cookie("session"), before.cookie("session"));
    assert!(is_in(&here, &browser) && !is_in(&here, &before));
}

#[test]
fn a_member_sees_what_is_open_and_ends_each_by_itself_or_all_others() {
    let here = with(&["ann", "bob"]);
    let (mut home, away, bob) =
        (logged_in(&here, "ann"), logged_in(&here, "ann"), logged_in(&here, "bob"));
    let (app, second) = (here.token("ann"), here.token("ann"));
    let shown = home.get(&here, "/settings/sessions");
    assert_eq!(shown.html.matches("Firefox on Linux</bdi>").count(), 2, "{}", shown.html);
    assert_eq!(shown.html.matches(">This one<").count(), 1);
    assert_eq!(shown.html.matches("Fulmar command line</bdi>").count(), 2);
    let number = |kind: &str, at: usize| {
        let value = shown.html.split(&format!("name=\"{kind}\" value=\"")).nth(at);
        value.and_then(|v| v.split('"').next()).expect("a number").to_owned()
    };
    // Newest first: the other browser, then this one; the second app, then the first.
    let theirs = [("session", number("session", 1)), ("token", number("token", 1))];
    for (kind, id) in &theirs {
        // Bob's page names ann's.
        let mut bob = bob.clone();
        let page = bob.get(&here, "/settings/sessions");
        assert_eq!(bob.submit(&here, &page, &[(kind, id)]).status, 303);
    }
    assert!(is_in(&here, &away), "bob cannot end ann's");
    assert_eq!(here.ask("GET", WHO, &second, None).status, 200);
    for (kind, id) in &theirs {
        assert_eq!(home.submit(&here, &shown, &[(kind, id), ("mark", "AAAA")]).status, 403);
        assert_eq!(home.submit(&here, &shown, &[(kind, id)]).status, 303);
    }
    assert!(is_in(&here, &home) && !is_in(&here, &away));
    assert_eq!(here.ask("GET", WHO, &second, None).status, 401);
    assert_eq!(here.ask("GET", WHO, &app, None).status, 200);
    let again = logged_in(&here, "ann");
    assert_eq!(home.submit(&here, &shown, &[("others", "1")]).status, 303);
    assert!(is_in(&here, &home) && !is_in(&here, &again) && is_in(&here, &bob));
    assert_eq!(here.ask("GET", WHO, &app, None).status, 401);
}

#[test]
fn a_new_password_wants_the_current_one_and_ends_everything_else() {
    let here = with(&["ann"]);
    let (mut home, away, app) =
        (logged_in(&here, "ann"), logged_in(&here, "ann"), here.token("ann"));
    let new = "another horse battery";
    let form = home.get(&here, "/settings/password");
    for (current, password, again, status) in [
        ("wrong", new, new, 422),
        (PASSWORD, new, "another horse", 422),
        (PASSWORD, "short", "short", 422),
        (PASSWORD, "", "", 422),
    ] {
        let typed = [("current", current), ("password", password), ("again", again)];
        let page = home.submit(&here, &form, &typed);
        assert_eq!(page.status, status, "{current} {password}");
        assert!(page.html.contains("role=\"alert\""), "{}", page.html);
    }
    assert!(is_in(&here, &away));
    let before = home.clone();
    let typed = [("current", PASSWORD), ("password", new), ("again", new)];
    let done = home.submit(&here, &form, &typed);
    assert!(done.html.contains("role=\"status\""), "{}", done.html);
    assert!(is_in(&here, &home), "with a fresh session");
    assert!(!is_in(&here, &before) && !is_in(&here, &away));
    assert_eq!(here.ask("GET", WHO, &app, None).status, 401);
    assert_eq!(log_in(&here, "ann", PASSWORD).1.status, 200, "the old one is none");
    assert_eq!(log_in(&here, "ann", new).1.status, 303);
}

#[test]
fn a_session_ends_with_a_suspension_and_with_a_password_that_the_host_gives() {
    let here = with(&["ann"]);
    let browser = logged_in(&here, "ann");
    assert!(here.command(&["account", "suspend", "ann"]).is_done);
    assert!(!is_in(&here, &browser));
    assert_eq!(log_in(&here, "ann", PASSWORD).1.status, 200);
    assert!(here.command(&["account", "unsuspend", "ann"]).is_done);
    assert!(!is_in(&here, &browser), "it does not come back");
    let browser = logged_in(&here, "ann");
    set_password(&here, "ann", "another horse battery");
    assert!(!is_in(&here, &browser));
}

#[test]
fn a_session_that_nobody_uses_ends_and_one_in_use_not_before_its_time() {
    let mut here = with(&["ann"]);
    let browser = logged_in(&here, "ann");
    here.change_while_killed(&[
        // Twelve days pass, and it is used: its end moves.
        "UPDATE session SET used_ms = used_ms - 1036800000, expires_ms = expires_ms - 1036800000, \
         created_ms = created_ms - 1036800000",
    ]);
    assert!(is_in(&here, &browser));
    here.change_while_killed(&[
        "UPDATE session SET used_ms = used_ms - 1036800000, expires_ms = expires_ms - 1036800000",
    ]);
    assert!(is_in(&here, &browser), "used in between");
    here.change_while_killed(&[
        "UPDATE session SET used_ms = used_ms - 1296000000, expires_ms = expires_ms - 1296000000",
    ]);
    assert!(!is_in(&here, &browser), "fifteen days without use");
}

#[test]
fn it_is_noted_on_which_day_an_app_was_used() {
    let here = with(&["ann"]);
    let mut browser = logged_in(&here, "ann");
    let app = here.token("ann");
    let unused = browser.get(&here, "/settings/sessions").html.matches("not used yet").count();
    assert_eq!(unused, 1);
    assert_eq!(here.ask("GET", WHO, &app, None).status, 200);
    let deadline = Instant::now() + PATIENCE;
    while browser.get(&here, "/settings/sessions").html.contains("not used yet") {
        assert!(Instant::now() < deadline, "it is not noted");
        std::thread::yield_now();
    }
}

#[test]
fn wrong_passwords_of_somebody_who_is_logged_in_count_too() {
    let here = with(&["ann"]);
    let mut browser = logged_in(&here, "ann");
    let form = browser.get(&here, "/settings/password");
    let typed = [("current", "wrong"), ("password", PASSWORD), ("again", PASSWORD)];
    let begun = Instant::now();
    let mut tries = 0;
    loop {
        let page = browser.submit(&here, &form, &typed);
        if page.status == 429 {
            assert!(page.header("retry-after").is_some());
            break;
        }
        tries += 1;
        assert!(tries <= 11 + begun.elapsed().as_secs() / 60, "{tries} tries");
    }
    assert!(tries >= 10, "{tries}");
}

#[test]
fn who_was_seen_lately_is_counted_and_who_was_not_is_no_active_member() {
    let here = with(&["ann", "bob"]);
    logged_in(&here, "ann");
    let said = here.ask("GET", "/api/v2/instance", "", None).body;
    assert_eq!(said["usage"]["users"]["active_month"], 1, "{said}");
    let node = here.ask("GET", "/nodeinfo/2.0", "", None).body;
    let users = serde_json::json!({ "total": 3, "activeMonth": 1, "activeHalfyear": 1 });
    assert_eq!(node["usage"]["users"], users, "ann, bob and the owner: {node}");
}

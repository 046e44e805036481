//! The public pages as a visitor's browser meets them: what they show, what they keep to
//! themselves, and how they refuse.

use crate::instance::Instance;
use serde_json::json;

const BROWSER: &str = "accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";

struct Page {
    status: u16,
    head: String,
    html: String,
}

fn visit(here: &Instance, path: &str, more: &str) -> Page {
    let (head, body) = here.exchange("GET", path, "", &format!("{BROWSER}{more}"), b"");
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    Page { status, html: String::from_utf8(body).expect("text"), head }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn post(here: &Instance, token: &str, form: serde_json::Value) -> String {
    let made = here.ask("POST", "/api/v1/statuses", token, Some(form));
    assert_eq!(made.status, 200, "{}", made.body);
    made.body["id"].as_str().expect("an id").to_owned()
}

#[test]
fn what_is_public_is_on_the_pages_and_nothing_else() {
    let here = Instance::new();
    let ann = here.member("ann");
    let public = post(&here, &ann, json!({ "status": "for all #birds" }));
    let unlisted = post(&here, &ann, json!({ "status": "aside #birds", "visibility": "unlisted" }));
    let closed = post(&here, &ann, json!({ "status": "secret #birds", "visibility": "private" }));
    let direct = post(&here, &ann, json!({ "status": "whisper #birds", "visibility": "direct" }));
    for (path, all, aside) in
        [("/", true, false), ("/tags/Birds", true, false), ("/@ANN", true, true)]
    {
        let page = visit(&here, path, "");
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.html.contains("for all"), all, "{path}: {}", page.html);
        assert_eq!(page.html.contains("aside"), aside, "{path}");
        assert!(!page.html.contains("secret") && !page.html.contains("whisper"), "{path}");
    }
    for (id, status) in [(&public, 200), (&unlisted, 200), (&closed, 404), (&direct, 404)] {
        assert_eq!(visit(&here, &format!("/@ann/{id}"), "").status, status, "{id}");
    }
    here.ask("DELETE", &format!("/api/v1/statuses/{public}"), &ann, None);
    assert!(!visit(&here, "/", "").html.contains("for all"));
    assert_eq!(visit(&here, &format!("/@ann/{public}"), "").status, 404);
}

#[test]
fn a_thread_is_read_from_its_root_down() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let root = post(&here, &ann, json!({ "status": "the root" }));
    let reply = post(&here, &bob, json!({ "status": "@ann a reply", "in_reply_to_id": root }));
    post(&here, &ann, json!({ "status": "an answer", "in_reply_to_id": reply }));
    let page = visit(&here, &format!("/@bob/{reply}"), "").html;
    let at = |text: &str| page.rfind(text).unwrap_or_else(|| panic!("no {text}: {page}"));
    assert!(at("the root") < at("a reply") && at("a reply") < at("an answer"));
    assert!(page.contains("Replying to <a href=\"/@ann\">@ann</a>"), "{page}");
    // A post has one address.
    assert_eq!(visit(&here, &format!("/@ann/{reply}"), "").status, 404);
}

#[test]
fn a_listing_is_paged_without_gap_or_repeat() {
    let here = Instance::new();
    let ann = here.member("ann");
    for n in 0..45 {
        post(&here, &ann, json!({ "status": format!("number{n}.") }));
    }
    let (mut path, mut seen) = ("/@ann".to_owned(), Vec::new());
    for _ in 0..5 {
        let page = visit(&here, &path, "").html;
        let here: Vec<String> = page
            .split("<p>number")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('.')?.0.to_owned()))
            .collect();
        seen.extend(here);
        let Some((before, _)) = page.split_once("\" rel=\"next\"") else { break };
        path = before.rsplit_once('"').expect("a link").1.to_owned();
    }
    let expected: Vec<String> = (0..45).rev().map(|n| n.to_string()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn names_and_texts_stay_words_and_the_policy_admits_no_script() {
    let here = Instance::new();
    let ann = here.member("ann");
    let form = json!({ "display_name": "<script>x</script>\"'", "note": "<img src=x>" });
    here.ask("PATCH", "/api/v1/accounts/update_credentials", &ann, Some(form));
    let id = post(&here, &ann, json!({ "status": "<b onclick=x>", "spoiler_text": "</details>" }));
    for path in ["/", "/@ann", &format!("/@ann/{id}")] {
        let page = visit(&here, path, "");
        assert!(!page.html.contains("<script") && !page.html.contains("<img src=x"), "{path}");
        assert!(!page.html.contains("<b onclick"), "{path}");
        let policy = header(&page.head, "content-security-policy:").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    }
    let page = visit(&here, &format!("/@ann/{id}"), "").html;
    assert!(page.contains(&format!("/@ann/{id}\">\n<meta property=\"og:url\"")), "{page}");
}

#[test]
fn who_has_a_page_is_not_sent_it_again_and_files_last() {
    let here = Instance::new();
    here.member("ann");
    let first = visit(&here, "/@ann", "");
    let tag = header(&first.head, "etag:").expect("a tag").to_owned();
    let again = visit(&here, "/@ann", &format!("if-none-match: {tag}\r\n"));
    assert_eq!((again.status, again.html.as_str()), (304, ""));
    let (_, rest) = first.html.split_once("rel=\"stylesheet\" href=\"").expect("a style");
    let style = visit(&here, rest.split_once('"').expect("an address").0, "");
    assert_eq!(style.status, 200);
    assert!(header(&style.head, "cache-control:").is_some_and(|v| v.contains("immutable")));
    assert_eq!(visit(&here, "/assets/style-other.css", "").status, 404);
    for (path, kind) in [("/favicon.svg", "image/svg+xml"), ("/robots.txt", "text/plain")] {
        let file = visit(&here, path, "");
        assert_eq!(file.status, 200, "{path}");
        assert!(header(&file.head, "content-type:").is_some_and(|t| t.starts_with(kind)), "{path}");
    }
}

#[test]
fn browsers_are_refused_in_pages_and_apps_in_json() {
    let here = Instance::new();
    for path in ["/@nobody", "/nowhere", "/@nobody/1", "/@a/b", "/tags/%20", "/assets/x"] {
        let page = visit(&here, path, "");
        assert_eq!(page.status, 404, "{path}");
        assert!(page.html.starts_with("<!doctype html>"), "{path}: {}", page.html);
        assert!(header(&page.head, "x-request-id:").is_some(), "{path}");
        let (head, body) = here.exchange("GET", path, "", "", b"");
        assert!(head.starts_with("HTTP/1.1 404"), "{path}");
        assert!(body.starts_with(b"{\"error\""), "{path}");
    }
    let api = visit(&here, "/api/v1/nothing", "");
    assert!(api.html.starts_with("{\"error\""), "{}", api.html);
}

#[test]
fn who_is_named_with_the_domain_of_this_place_is_linked_as_without() {
    let here = Instance::with("[server]\ndomain = \"social.example\"\n");
    let (ann, _) = (here.member("ann"), here.member("bob"));
    for text in ["hi @bob", "hi @bob@social.example", "hi @BOB@Social.Example"] {
        let id = post(&here, &ann, json!({ "status": text }));
        let api = here.ask("GET", &format!("/api/v1/statuses/{id}"), "", None).body;
        let content = api["content"].as_str().expect("a text");
        assert!(content.contains("href=\"https://social.example/@bob\""), "{text}: {content}");
        assert_eq!(api["mentions"][0]["acct"], "bob", "{text}");
        let page = visit(&here, &format!("/@ann/{id}"), "").html;
        let (_, body) = page.split_once("<main").expect("a body");
        assert!(body.contains("href=\"/@bob\""), "{text}: {body}");
    }
    let id = post(&here, &ann, json!({ "status": "hi @bob@elsewhere.example" }));
    let page = visit(&here, &format!("/@ann/{id}"), "").html;
    assert!(!page.contains("href=\"/@bob\""), "somebody else: {page}");
}

#[test]
fn a_method_that_a_path_does_not_have_is_refused_with_those_that_it_has() {
    let here = Instance::new();
    for (method, path, allowed) in [
        ("DELETE", "/api/v1/statuses", "GET,HEAD,POST"),
        ("POST", "/api/v2/instance", "GET,HEAD"),
        ("PUT", "/oauth/token", "POST"),
        ("PUT", "/login", "GET,HEAD,POST"),
        ("DELETE", "/@ann", "GET,HEAD"),
        ("PATCH", "/", "GET,HEAD"),
        ("POST", "/robots.txt", "GET,HEAD"),
    ] {
        let answer = here.ask(method, path, "", None);
        assert_eq!(answer.status, 405, "{method} {path}: {}", answer.body);
        assert_eq!(answer.body, json!({ "error": "Method not allowed" }), "{method} {path}");
        let mut said: Vec<&str> =
            header(&answer.head, "allow:").expect("what is").split(',').collect();
        said.sort_unstable();
        assert_eq!(said.join(","), allowed, "{method} {path}");
    }
    let (head, body) = here.exchange("PUT", "/login", "", BROWSER, b"");
    assert!(head.starts_with("HTTP/1.1 405") && head.contains("allow: "), "{head}");
    assert!(body.starts_with(b"<!doctype html>"), "browsers get a page");
}

#[test]
fn who_looks_a_member_up_is_led_to_a_page_and_to_no_actor() {
    let here = Instance::with("[server]\ndomain = \"social.example\"\n");
    here.member("ann");
    let meta = visit(&here, "/.well-known/host-meta", "");
    assert_eq!(meta.status, 200, "{}", meta.html);
    let (_, rest) = meta.html.split_once("template=\"https://social.example").expect("a template");
    let (template, _) = rest.split_once('"').expect("its end");
    let path = template.replace("{uri}", "acct:Ann@social.example");
    let (head, body) = here.exchange("GET", &path, "", "", b"");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(header(&head, "content-type:"), Some("application/jrd+json"));
    let page = "https://social.example/@ann";
    let expected = json!({
        "subject": "acct:ann@social.example",
        "aliases": [page],
        "links": [{ "rel": "http://webfinger.net/rel/profile-page", "type": "text/html",
            "href": page }],
    });
    let said: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(said, expected, "a `self` link would have others follow somebody who is not there");
    for (resource, status) in
        [("acct:nobody@social.example", 404), ("acct:ann@elsewhere.example", 404), ("ann", 400)]
    {
        let path = format!("/.well-known/webfinger?resource={resource}");
        assert_eq!(here.ask("GET", &path, "", None).status, status, "{resource}");
    }
}

#[test]
fn pages_tell_nobody_else_where_somebody_was() {
    let here = Instance::new();
    here.member("ann");
    for path in [
        "/login",
        "/logout",
        "/oauth/authorize?client_id=1&state=secret",
        "/@nobody",
        "/",
        "/@ann",
        "/api/v1/instance",
        "/settings",
    ] {
        let head = visit(&here, path, "").head;
        assert_eq!(header(&head, "referrer-policy:"), Some("same-origin"), "{path}: {head}");
    }
    // So browsers say of a form whose it is; one that says nothing is from a hidden frame.
    let mut browser = crate::browser::Browser::new();
    let page = browser.get(&here, "/login");
    for (origin, expected) in [
        ("sec-fetch-site: cross-site\r\norigin: null\r\n", 403),
        ("origin: null\r\n", 403),
        ("sec-fetch-site: same-origin\r\n", 200),
    ] {
        let typed = [("username", "ann"), ("password", "wrong")];
        assert_eq!(browser.submit_with(&here, &page, &typed, origin).status, expected, "{origin}");
    }
}

//! Pictures: taken in, described, posted, served, refused.

use crate::instance::Instance;
use serde_json::{Value, json};

/// A PNG of 8 by 6 pixels whose comment says where it was taken.
const PICTURE: &str = "\
    89504e470d0a1a0a0000000d4948445200000008000000060802000000716748ac00000015744558\
    74436f6d6d656e740074616b656e20617420686f6d6576631a09000000294944415478da6dc28110\
    003100c4c0909424244ff224653aac0a6467196676cc4c33fbccec37b36b7ee88e3ed1dd94c4f900\
    00000049454e44ae426082";

pub fn picture() -> Vec<u8> {
    let digit = |byte: u8| {
        char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).expect("a digit")
    };
    PICTURE.as_bytes().chunks(2).map(|two| digit(two[0]) << 4 | digit(two[1])).collect()
}

/// A multipart body with a file and the other fields.
pub fn form(name: &str, file: &[u8], fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, value) in fields {
        let part = format!("content-disposition: form-data; name=\"{field}\"\r\n\r\n{value}");
        body.extend_from_slice(format!("--cut\r\n{part}\r\n").as_bytes());
    }
    let part = format!("content-disposition: form-data; name=\"{name}\"; filename=\"a.png\"");
    body.extend_from_slice(format!("--cut\r\n{part}\r\n\r\n").as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--cut--\r\n");
    body
}

fn send(here: &Instance, method: &str, path: &str, token: &str, body: &[u8]) -> (u16, Value) {
    let kind = "content-type: multipart/form-data; boundary=cut\r\n";
    let (head, body) = here.exchange(method, path, token, kind, body);
    (status(&head), serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status")
}

/// Uploaded and waited for, as apps do.
pub fn uploaded(here: &Instance, token: &str, fields: &[(&str, &str)]) -> Value {
    let (code, mut media) =
        send(here, "POST", "/api/v2/media", token, &form("file", &picture(), fields));
    assert!(code == 200 || code == 202, "{media}");
    let path = format!("/api/v1/media/{}", media["id"].as_str().expect("an id"));
    while media["url"].is_null() {
        let answer = here.ask("GET", &path, token, None);
        assert!(answer.status == 200 || answer.status == 206, "{}", answer.body);
        media = answer.body;
    }
    media
}

/// The path of an address on this instance.
pub fn path(address: &Value) -> String {
    let address = address.as_str().expect("an address");
    address.splitn(4, '/').nth(3).map(|path| format!("/{path}")).expect("a path")
}

#[test]
fn a_picture_is_posted_and_served_without_what_it_told_of_its_owner() {
    let here = Instance::new();
    let ann = here.member("ann");
    let fields = [("description", "a red square"), ("focus", "-0.5,0.5")];
    let media = uploaded(&here, &ann, &fields);
    assert_eq!(media["description"], "a red square");
    assert_eq!(media["meta"]["original"]["size"], "8x6");
    assert_eq!(media["meta"]["focus"], json!({ "x": -0.5, "y": 0.5 }));
    assert!(media["blurhash"].is_string());
    let post = json!({ "media_ids": [media["id"]] });
    let post = here.ask("POST", "/api/v1/statuses", &ann, Some(post)).body;
    let shown = &post["media_attachments"][0];
    assert_eq!(shown["id"], media["id"], "{post}");

    let file = path(&shown["url"]);
    let (head, whole) = here.exchange("GET", &file, "", "", b"");
    assert_eq!(status(&head), 200);
    assert!(whole.starts_with(b"\x89PNG") && head.contains("content-type: image/png"), "{head}");
    assert!(head.contains("immutable") && head.contains("x-content-type-options: nosniff"));
    let told = b"taken at home";
    assert!(picture().windows(told.len()).any(|part| part == told));
    assert!(!whole.windows(told.len()).any(|part| part == told));
    let (head, part) = here.exchange("GET", &file, "", "range: bytes=1-3\r\n", b"");
    assert_eq!((status(&head), part.as_slice()), (206, b"PNG".as_slice()));
    assert!(head.contains(&format!("content-range: bytes 1-3/{}", whole.len())), "{head}");
    let (head, _) = here.exchange("GET", &file, "", "range: bytes=99999999-\r\n", b"");
    assert_eq!(status(&head), 416);
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag");
    let (head, none) = here.exchange("GET", &file, "", &format!("if-none-match: {tag}\r\n"), b"");
    assert_eq!((status(&head), none.len()), (304, 0));
}

#[test]
fn an_upload_is_its_owners_until_it_is_posted_once() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let media = uploaded(&here, &ann, &[]);
    let at = format!("/api/v1/media/{}", media["id"].as_str().expect("an id"));
    let words = || Some(json!({ "description": "better words", "focus": "0,1" }));
    assert_eq!(here.ask("PUT", &at, &ann, words()).body["description"], "better words");
    let post = || Some(json!({ "media_ids": [media["id"]] }));
    for (method, path, token, body, expected) in [
        ("GET", at.as_str(), bob.as_str(), None, 404),
        ("PUT", at.as_str(), bob.as_str(), words(), 404),
        ("DELETE", at.as_str(), bob.as_str(), None, 404),
        ("GET", at.as_str(), "", None, 401),
        ("PUT", at.as_str(), ann.as_str(), Some(json!({ "focus": "north" })), 422),
        ("POST", "/api/v1/statuses", bob.as_str(), post(), 422),
        ("POST", "/api/v1/statuses", ann.as_str(), post(), 200),
        ("POST", "/api/v1/statuses", ann.as_str(), post(), 422),
        ("DELETE", at.as_str(), ann.as_str(), None, 404),
    ] {
        let answer = here.ask(method, path, token, body);
        assert_eq!(answer.status, expected, "{method} {path}: {}", answer.body);
    }
    let other = uploaded(&here, &ann, &[]);
    let at = format!("/api/v1/media/{}", other["id"].as_str().expect("an id"));
    assert_eq!(here.ask("DELETE", &at, &ann, None).status, 200);
    assert_eq!(here.ask("GET", &at, &ann, None).status, 404);
    let (head, _) = here.exchange("GET", &path(&other["url"]), "", "", b"");
    assert_eq!(status(&head), 404);
}

#[test]
fn what_is_no_picture_is_refused() {
    let here = Instance::new();
    let ann = here.member("ann");
    let half = &picture()[..40];
    for (name, file, expected) in [
        ("words", b"<html>".as_slice(), 422),
        ("nothing", b"".as_slice(), 422),
        ("half of one", half, 422),
        ("too many bytes", vec![0; 20 * 1024 * 1024].as_slice(), 413),
    ] {
        let (code, body) = send(&here, "POST", "/api/v2/media", &ann, &form("file", file, &[]));
        assert_eq!(code, expected, "{name}: {body}");
        assert!(body["error"].is_string(), "{name}: {body}");
    }
    for path in ["/media/../token.key", "/media/%2e%2e/token.key", "/media/ab/none.png"] {
        let (head, _) = here.exchange("GET", path, "", "", b"");
        assert_eq!(status(&head), 404, "{path}");
    }
}

#[test]
fn a_profile_has_its_own_picture() {
    let here = Instance::new();
    let ann = here.member("ann");
    let update = "/api/v1/accounts/update_credentials";
    let fields = [("display_name", "Ann")];
    let (code, account) = send(&here, "PATCH", update, &ann, &form("avatar", &picture(), &fields));
    assert_eq!((code, &account["display_name"]), (200, &json!("Ann")), "{account}");
    let (head, bytes) = here.exchange("GET", &path(&account["avatar"]), "", "", b"");
    assert!(status(&head) == 200 && !bytes.is_empty(), "{head}");
    let (code, body) = send(&here, "PATCH", update, &ann, &form("avatar", b"words", &[]));
    assert_eq!(code, 422, "{body}");
}

/// How many files lie below a folder.
fn files(at: &std::path::Path) -> usize {
    let Ok(folder) = std::fs::read_dir(at) else { return 1 };
    folder.map(|entry| files(&entry.expect("an entry").path())).sum()
}

#[test]
fn a_refused_profile_leaves_no_picture_behind() {
    let here = Instance::new();
    let ann = here.member("ann");
    let at = "/api/v1/accounts/update_credentials";
    let (code, said) = send(&here, "PATCH", at, &ann, &form("avatar", &picture(), &[]));
    assert_eq!((code, files(&here.data().join("media"))), (200, 1), "{said}");
    let file = |name: &str, bytes: &[u8]| {
        let mut part = format!(
            "--cut\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"a.png\"\r\n\r\n"
        )
        .into_bytes();
        part.extend_from_slice(bytes);
        part.extend_from_slice(b"\r\n");
        part
    };
    let two = [file("avatar", &picture()), form("header", b"words", &[])].concat();
    let private = ("source[privacy]", "nobody");
    for (what, body) in [
        ("a header that is no picture", two),
        ("a visibility that is none", form("avatar", &picture(), &[private])),
        ("a long name", form("header", &picture(), &[("display_name", &"x".repeat(31))])),
    ] {
        let (code, said) = send(&here, "PATCH", at, &ann, &body);
        assert_eq!((code, files(&here.data().join("media"))), (422, 1), "{what}: {said}");
    }
}

#[test]
fn an_edit_takes_only_what_is_ones_own_and_free() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let (first, other) = (uploaded(&here, &ann, &[]), uploaded(&here, &ann, &[]));
    let theirs = uploaded(&here, &bob, &[]);
    let post = |media: &Value| {
        let form = json!({ "status": "x", "media_ids": [media["id"]] });
        here.ask("POST", "/api/v1/statuses", &ann, Some(form)).body
    };
    let (one, two) = (post(&first), post(&other));
    let at = format!("/api/v1/statuses/{}", one["id"].as_str().expect("an id"));
    for (what, ids, expected) in [
        ("another post's", json!([other["id"]]), 422),
        ("another post's beside its own", json!([first["id"], other["id"]]), 422),
        ("another member's", json!([theirs["id"]]), 422),
        ("nobody's", json!(["1"]), 422),
        ("no id", json!(["x"]), 422),
        ("its own", json!([first["id"]]), 200),
    ] {
        let form = json!({ "status": "changed", "media_ids": ids });
        let answer = here.ask("PUT", &at, &ann, Some(form));
        assert_eq!(answer.status, expected, "{what}: {}", answer.body);
        assert!(expected == 200 || answer.body["error"].is_string(), "{what}: {}", answer.body);
    }
    let at = format!("/api/v1/statuses/{}", two["id"].as_str().expect("an id"));
    let kept = here.ask("GET", &at, &ann, None).body;
    assert_eq!(kept["media_attachments"][0]["id"], other["id"]);
}

#[test]
fn a_post_that_is_deleted_takes_its_pictures_along_where_that_is_asked_for() {
    let here = Instance::new();
    let ann = here.member("ann");
    let kept = || files(&here.data().join("media"));
    for (query, left) in [("", 2), ("?delete_media=false", 4), ("?delete_media=true", 4)] {
        let picture = uploaded(&here, &ann, &[]);
        let form = json!({ "status": "see", "media_ids": [picture["id"]] });
        let post = here.ask("POST", "/api/v1/statuses", &ann, Some(form)).body;
        let at = format!("/api/v1/statuses/{}{query}", post["id"].as_str().expect("an id"));
        let gone = here.ask("DELETE", &at, &ann, None);
        assert_eq!(gone.status, 200, "{query}: {}", gone.body);
        assert_eq!(gone.body["media_attachments"][0]["id"], picture["id"], "as it was");
        assert_eq!(kept(), left, "{query:?}: a picture and its preview each");
        let at = format!("/api/v1/media/{}", picture["id"].as_str().expect("an id"));
        let is_there = here.ask("GET", &at, &ann, None).status == 200;
        assert_eq!(is_there, query != "?delete_media=true", "{query:?}: for a redraft");
    }
}

#[test]
fn a_picture_that_a_profile_shows_no_more_is_removed() {
    let here = Instance::new();
    let ann = here.member("ann");
    let at = "/api/v1/accounts/update_credentials";
    let kept = || files(&here.data().join("media"));
    let change = |which: &str, more: &[(&str, &str)]| {
        send(&here, "PATCH", at, &ann, &form(which, &picture(), more))
    };
    let (_, first) = change("avatar", &[]);
    change("header", &[]);
    assert_eq!(kept(), 2);
    let (code, second) = change("avatar", &[]);
    assert_eq!((code, kept()), (200, 2), "{second}");
    let get = |address: &Value| status(&here.exchange("GET", &path(address), "", "", b"").0);
    assert_eq!((get(&first["avatar"]), get(&second["avatar"])), (404, 200));
    let (code, said) = change("avatar", &[("display_name", &"x".repeat(31))]);
    assert_eq!((code, kept()), (422, 2), "what was refused is not kept: {said}");
    assert_eq!(get(&second["avatar"]), 200);
}

/// The head of an upload of 10 MB that does not come, and what is answered until then: 100 when the
/// server wants to have it.
fn announced(here: &Instance, path: &str, token: &str) -> (u16, String, std::net::TcpStream) {
    use std::io::{BufRead as _, BufReader, Write as _};
    let socket = std::net::TcpStream::connect(here.address()).expect("connected");
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a deadline");
    let method = if path.ends_with("credentials") { "PATCH" } else { "POST" };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
         content-type: multipart/form-data; boundary=cut\r\ncontent-length: 10000000\r\n\
         expect: 100-continue\r\n\r\n"
    );
    (&socket).write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    let mut lines = BufReader::new(socket.try_clone().expect("a second hand"));
    while !answer.ends_with("\r\n\r\n") {
        assert!(lines.read_line(&mut answer).expect("an answer in time") > 0, "{answer:?}");
    }
    (status(&answer), answer.to_lowercase(), socket)
}

#[test]
fn who_may_send_no_files_is_told_before_they_are_read() {
    let here = Instance::new();
    here.member("ann");
    let reads = here.token_with("ann", "read write:statuses");
    let ann = here.token("ann");
    let paths = ["/api/v1/media", "/api/v2/media/", "/api/v1/accounts/update_credentials"];
    for path in paths {
        for (token, expected) in [("forged", 401), (reads.as_str(), 403), (&ann, 100)] {
            assert_eq!(announced(&here, path, token).0, expected, "{path}");
        }
    }
    let form = json!({ "client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob",
        "scopes": "read write" });
    let app = here.ask("POST", "/api/v1/apps", "", Some(form)).body;
    let form = json!({ "client_id": app["client_id"], "client_secret": app["client_secret"],
        "grant_type": "client_credentials", "scope": "read write" });
    let app = here.ask("POST", "/oauth/token", "", Some(form)).body;
    let app = app["access_token"].as_str().expect("a token");
    assert_eq!(announced(&here, paths[0], app).0, 422, "an app is nobody");
}

#[test]
fn an_account_sends_a_few_files_at_once_and_others_are_not_kept_waiting() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let mut open = Vec::new();
    for _ in 0..4 {
        let (code, _, socket) = announced(&here, "/api/v2/media", &ann);
        assert_eq!(code, 100);
        open.push(socket);
    }
    // More often than the account may upload: who got no place has used nothing up.
    for _ in 0..30 {
        assert_eq!(announced(&here, "/api/v1/media", &ann).0, 429);
    }
    let (code, head, _) = announced(&here, "/api/v2/media", &ann);
    assert_eq!(code, 429, "{head}");
    assert!(head.contains("retry-after: ") && head.contains("fulmar-reason: own_share"), "{head}");
    uploaded(&here, &bob, &[]);
    let text = here.ask(
        "PATCH",
        "/api/v1/accounts/update_credentials",
        &ann,
        Some(json!({ "note": "still here" })),
    );
    assert_eq!(text.status, 200, "what is no file waits for none");
    drop(open);
    let until = std::time::Instant::now() + testkit::PATIENCE;
    while announced(&here, "/api/v2/media", &ann).0 == 429 {
        assert!(std::time::Instant::now() < until, "the places come back");
    }
}

#[test]
fn a_redraft_keeps_its_pictures_however_old_the_post_was() {
    let mut here = Instance::new();
    let ann = here.member("ann");
    let old = uploaded(&here, &ann, &[]);
    let with_it = || Some(json!({ "status": "which?", "media_ids": [old["id"]] }));
    let post = here.ask("POST", "/api/v1/statuses", &ann, with_it()).body;
    here.change_while_killed(&["UPDATE media SET created_ms = 1"]);
    let at = format!("/api/v1/statuses/{}", post["id"].as_str().expect("an id"));
    let gone = here.ask("DELETE", &at, &ann, None).body;
    let kept = (&gone["text"], &gone["media_attachments"][0]["id"]);
    assert_eq!(kept, (&json!("which?"), &old["id"]), "{gone}");
    // An upload that nobody posts shows when the clean-up has been here.
    let other = uploaded(&here, &ann, &[]);
    let newest = "UPDATE media SET created_ms = 1 WHERE id = (SELECT MAX(id) FROM media)";
    here.change_while_killed(&[newest]);
    let at = format!("/api/v1/media/{}", other["id"].as_str().expect("an id"));
    let until = std::time::Instant::now() + testkit::PATIENCE;
    while here.ask("GET", &at, &ann, None).status != 404 {
        assert!(std::time::Instant::now() < until, "what nobody posts is cleaned away");
    }
    let again = here.ask("POST", "/api/v1/statuses", &ann, with_it());
    assert_eq!(again.status, 200, "{}", again.body);
    let file = path(&again.body["media_attachments"][0]["url"]);
    assert_eq!(status(&here.exchange("GET", &file, "", "", b"").0), 200);
}

//! Streams as apps hold them open: what happens arrives, what is not theirs does not, and nothing
//! outlives its token.

use crate::instance::Instance;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::TcpStream,
    thread,
    time::Duration,
};

fn id(entity: &Value) -> String {
    entity["id"].as_str().expect("an id").to_owned()
}

fn who(here: &Instance, token: &str) -> String {
    id(&here.ask("GET", "/api/v1/accounts/verify_credentials", token, None).body)
}

fn post(here: &Instance, token: &str, form: Value) -> String {
    let made = here.ask("POST", "/api/v1/statuses", token, Some(form));
    assert_eq!(made.status, 200, "{}", made.body);
    id(&made.body)
}

fn connect(here: &Instance, path: &str, more: &str) -> (String, BufReader<TcpStream>) {
    let socket = TcpStream::connect(here.address()).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{more}\r\n", here.address());
    (&socket).write_all(head.as_bytes()).expect("sent");
    let mut reader = BufReader::new(socket);
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut answer).expect("a head") > 0, "ended in {answer:?}");
    }
    (answer, reader)
}

/// Server-sent events of one stream.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(here: &Instance, path: &str, token: &str) -> Self {
        let auth = format!("authorization: Bearer {token}\r\n");
        let (head, reader) = connect(here, &format!("/api/v1/streaming/{path}"), &auth);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        Self(reader)
    }

    /// The next event and its data; `None` when the stream has ended.
    fn next(&mut self) -> Option<(String, String)> {
        let mut event = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("a line in time") == 0 {
                return None;
            }
            // Chunk sizes and comments are passed over.
            if let Some(name) = line.trim_end().strip_prefix("event: ") {
                event = name.to_owned();
            } else if let Some(data) = line.trim_end().strip_prefix("data: ") {
                return Some((event, data.to_owned()));
            } else if line == "0\r\n" {
                return None;
            }
        }
    }

    fn expect(&mut self, event: &str) -> Value {
        let (name, data) = self.next().expect("an event");
        assert_eq!(name, event, "{data}");
        serde_json::from_str(&data).expect("JSON")
    }
}

/// A WebSocket, spoken by hand: frames from a client are masked (RFC 6455, section 5.3).
struct Socket(BufReader<TcpStream>);

const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl Socket {
    fn open(here: &Instance, query: &str, more: &str) -> Self {
        let path = format!("/api/v1/streaming{query}");
        let (head, reader) = connect(here, &path, &format!("{UPGRADE}{more}"));
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        Self(reader)
    }

    fn send(&mut self, frame: &Value) {
        let text = frame.to_string();
        let length = u8::try_from(text.len()).ok().filter(|n| *n < 126).expect("a short frame");
        let mut bytes = vec![0x81, 0x80 | length, 0, 0, 0, 0];
        bytes.extend_from_slice(text.as_bytes());
        self.0.get_mut().write_all(&bytes).expect("sent");
    }

    /// Sends pongs that nobody asked for, as many as the server takes, until it takes no more.
    fn flood(&self) {
        let mut socket = self.0.get_ref().try_clone().expect("a second hand");
        let pongs = [0x8a, 0x80, 0, 0, 0, 0].repeat(500);
        thread::spawn(move || while socket.write_all(&pongs).is_ok() {});
    }

    /// The next text frame; `None` when the server closes.
    fn next(&mut self) -> Option<Value> {
        loop {
            let mut head = [0; 2];
            if let Err(error) = self.0.read_exact(&mut head) {
                // Silence is not an end.
                let late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!late, "neither a frame nor an end");
                return None;
            }
            let mut length = u64::from(head[1]);
            if length == 126 {
                let mut more = [0; 2];
                self.0.read_exact(&mut more).ok()?;
                length = u64::from(u16::from_be_bytes(more));
            }
            assert!(length < 127 || head[1] == 126, "frames here are short");
            let mut payload = vec![0; usize::try_from(length).expect("fits")];
            self.0.read_exact(&mut payload).ok()?;
            match head[0] {
                0x81 => return Some(serde_json::from_slice(&payload).expect("JSON")),
                0x88 => return None,
                _ => {}
            }
        }
    }

    fn expect(&mut self, stream: &Value, event: &str) -> Value {
        let frame = self.next().expect("a frame");
        assert_eq!((&frame["stream"], &frame["event"]), (stream, &json!(event)), "{frame}");
        serde_json::from_str(frame["payload"].as_str().expect("text")).expect("JSON")
    }
}

#[test]
fn home_and_notifications_arrive_as_they_happen() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let follow = format!("/api/v1/accounts/{}/follow", who(&here, &ann));
    here.ask("POST", &follow, &bob, None);
    let mut user = Events::open(&here, "user", &bob);
    let mut told = Events::open(&here, "user/notification", &bob);
    post(&here, &ann, json!({ "status": "not for bob", "visibility": "direct" }));
    let seen = post(&here, &ann, json!({ "status": "hi @bob" }));
    let update = user.expect("update");
    assert_eq!((&update["id"], &update["favourited"]), (&json!(seen), &json!(false)));
    assert_eq!(user.expect("notification")["status"]["id"], json!(seen));
    assert_eq!(told.expect("notification")["type"], "mention");
    let at = format!("/api/v1/statuses/{seen}");
    here.ask("PUT", &at, &ann, Some(json!({ "status": "anew" })));
    assert_eq!(user.expect("status.update")["content"], "<p>anew</p>");
    here.ask("DELETE", &at, &ann, None);
    assert_eq!(user.expect("delete").to_string(), seen);
}

#[test]
fn whom_one_begins_to_follow_is_heard_and_whom_one_blocks_is_not() {
    let here = Instance::new();
    let (ann, bob, eve) = (here.member("ann"), here.member("bob"), here.member("eve"));
    let act = |what: &str, whom: &str| {
        let path = format!("/api/v1/accounts/{}/{what}", who(&here, whom));
        assert_eq!(here.ask("POST", &path, &bob, None).status, 200);
        // The follow is told to the followed, the change to this stream: wait until it is in.
        here.ask("GET", "/api/v1/timelines/home", &bob, None);
    };
    let mut user = Events::open(&here, "user", &bob);
    let mut public = Events::open(&here, "public", &bob);
    act("follow", &ann);
    act("follow", &eve);
    let first = post(&here, &ann, json!({ "status": "one" }));
    assert_eq!(user.expect("update")["id"], json!(first));
    assert_eq!(public.expect("update")["id"], json!(first));
    act("block", &ann);
    post(&here, &ann, json!({ "status": "two" }));
    let third = post(&here, &eve, json!({ "status": "three" }));
    assert_eq!(user.expect("update")["id"], json!(third));
    assert_eq!(public.expect("update")["id"], json!(third));
}

#[test]
fn one_socket_carries_many_streams() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let follow = format!("/api/v1/accounts/{}/follow", who(&here, &ann));
    here.ask("POST", &follow, &bob, None);
    let list = here.ask("POST", "/api/v1/lists", &bob, Some(json!({ "title": "l" }))).body;
    let list = id(&list);
    let members = format!("/api/v1/lists/{list}/accounts");
    let put = here.ask("POST", &members, &bob, Some(json!({ "account_ids": [who(&here, &ann)] })));
    assert_eq!(put.status, 200, "{}", put.body);
    let mut socket = Socket::open(&here, "", &format!("authorization: Bearer {bob}\r\n"));
    socket.send(&json!({ "type": "subscribe", "stream": "nothing" }));
    assert_eq!(socket.next().expect("an answer")["status"], 404);
    socket.send(&json!({ "type": "subscribe", "stream": "list", "list": list }));
    socket.send(&json!({ "type": "subscribe", "stream": "hashtag", "tag": "Cats" }));
    socket.send(&json!({ "type": "subscribe", "stream": "direct" }));
    // Frames are obeyed in order: an answer to a last one shows that the others are done.
    let mut settled = |frame: Value| {
        socket.send(&frame);
        socket.send(&json!({ "type": "nonsense", "stream": "user" }));
        assert_eq!(socket.next().expect("an answer")["status"], 400);
    };
    settled(json!({ "type": "subscribe", "stream": "public:local" }));
    let one = post(&here, &ann, json!({ "status": "#cats" }));
    let mut seen: Vec<Value> =
        (0..3).map(|_| socket.next().expect("a frame")["stream"].clone()).collect();
    seen.sort_by_key(Value::to_string);
    assert_eq!(seen, [json!(["hashtag", "Cats"]), json!(["list", list]), json!(["public:local"])]);
    let mut settled = |frame: Value| {
        socket.send(&frame);
        socket.send(&json!({ "type": "nonsense", "stream": "user" }));
        assert_eq!(socket.next().expect("an answer")["status"], 400);
    };
    settled(json!({ "type": "unsubscribe", "stream": "public:local" }));
    settled(json!({ "type": "unsubscribe", "stream": "hashtag", "tag": "cats" }));
    let two = post(&here, &ann, json!({ "status": "more #cats", "visibility": "private" }));
    assert_ne!(one, two);
    assert_eq!(socket.expect(&json!(["list", list]), "update")["id"], json!(two));
    post(&here, &ann, json!({ "status": "psst @bob", "visibility": "direct" }));
    let talk = socket.expect(&json!(["direct"]), "conversation");
    assert_eq!(talk["last_status"]["visibility"], "direct");
}

#[test]
fn a_token_comes_in_three_ways_and_no_other() {
    let here = Instance::new();
    let bob = here.member("bob");
    Socket::open(&here, &format!("?stream=user&access_token={bob}"), "");
    Socket::open(&here, "?stream=user", &format!("authorization: Bearer {bob}\r\n"));
    let protocol = format!("sec-websocket-protocol: {bob}\r\n");
    let (head, _) =
        connect(&here, "/api/v1/streaming?stream=user", &format!("{UPGRADE}{protocol}"));
    assert!(head.starts_with("HTTP/1.1 101") && head.contains(&bob), "{head}");
    for (path, more, status) in [
        ("/api/v1/streaming?stream=user", UPGRADE, 401),
        ("/api/v1/streaming/user", "", 401),
        ("/api/v1/streaming/public", "", 401),
        ("/api/v1/streaming/public?access_token=x", "", 401),
        ("/api/v1/streaming/nothing", "", 404),
        ("/api/v1/streaming/hashtag", "", 400),
        ("/api/v1/streaming/health", "", 200),
    ] {
        let (head, _) = connect(&here, path, more);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {head}");
    }
    let narrow = here.token_with("bob", "read:accounts");
    let more = format!("authorization: Bearer {narrow}\r\n");
    let (head, _) = connect(&here, "/api/v1/streaming/user", &more);
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
}

/// Somebody who joined through an app: their token, and the app.
fn signed_up(here: &Instance, name: &str) -> (String, Value) {
    let form = json!({ "client_name": "a", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob",
        "scopes": "read write" });
    let app = here.ask("POST", "/api/v1/apps", "", Some(form)).body;
    let form = json!({ "grant_type": "client_credentials", "scope": "read write",
        "client_id": app["client_id"], "client_secret": app["client_secret"] });
    let own = here.ask("POST", "/oauth/token", "", Some(form)).body;
    let form = json!({ "username": name, "email": format!("{name}@example.org"),
        "password": "correct horse", "agreement": true, "locale": "en" });
    let own = own["access_token"].as_str().expect("a token");
    let made = here.ask("POST", "/api/v1/accounts", own, Some(form));
    assert_eq!(made.status, 200, "{}", made.body);
    (made.body["access_token"].as_str().expect("a token").to_owned(), app)
}

#[test]
fn a_stream_ends_with_its_token_and_with_the_server() {
    let here = Instance::new();
    let bob = here.member("bob");
    let (eve, app) = signed_up(&here, "eve");
    let mut user = Events::open(&here, "user", &eve);
    let auth = format!("authorization: Bearer {eve}\r\n");
    let mut socket = Socket::open(&here, "?stream=user", &auth);
    let mut stays = Events::open(&here, "user", &bob);
    let form = json!({ "token": eve, "client_id": app["client_id"],
        "client_secret": app["client_secret"] });
    assert_eq!(here.ask("POST", "/oauth/revoke", "", Some(form)).status, 200);
    assert_eq!(user.next(), None);
    assert_eq!(socket.next(), None);
    post(&here, &bob, json!({ "status": "still here" }));
    assert_eq!(stays.expect("update")["content"], "<p>still here</p>");
    here.terminate();
    assert_eq!(stays.next(), None);
}

#[test]
fn what_a_client_sends_costs_it_no_event() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let follow = format!("/api/v1/accounts/{}/follow", who(&here, &ann));
    here.ask("POST", &follow, &bob, None);
    let auth = format!("authorization: Bearer {bob}\r\n");
    let mut socket = Socket::open(&here, "?stream=user", &auth);
    socket.flood();
    for n in 0..30 {
        let made = post(&here, &ann, json!({ "status": format!("{n} for @bob") }));
        assert_eq!(socket.expect(&json!(["user"]), "update")["id"], json!(made));
        let told = socket.expect(&json!(["user"]), "notification");
        assert_eq!(told["status"]["id"], json!(made));
    }
}

#[test]
fn what_a_client_sends_does_not_keep_a_dead_token_alive() {
    let here = Instance::new();
    for n in 0..5 {
        let (eve, app) = signed_up(&here, &format!("eve{n}"));
        let auth = format!("authorization: Bearer {eve}\r\n");
        let mut socket = Socket::open(&here, "?stream=user", &auth);
        socket.flood();
        let form = json!({ "token": eve, "client_id": app["client_id"],
            "client_secret": app["client_secret"] });
        assert_eq!(here.ask("POST", "/oauth/revoke", "", Some(form)).status, 200);
        assert_eq!(socket.next(), None);
    }
}

#[test]
fn notifications_are_told_to_those_who_may_read_them() {
    let here = Instance::new();
    let (ann, bob) = (here.member("ann"), here.member("bob"));
    let follow = format!("/api/v1/accounts/{}/follow", who(&here, &ann));
    here.ask("POST", &follow, &bob, None);
    let narrow = here.token_with("bob", "read:statuses");
    let both = here.token_with("bob", "read:statuses read:notifications");
    let mut posts = Events::open(&here, "user", &narrow);
    let mut all = Events::open(&here, "user", &both);
    let one = post(&here, &ann, json!({ "status": "hi @bob" }));
    let two = post(&here, &ann, json!({ "status": "nobody is told" }));
    assert_eq!(posts.expect("update")["id"], json!(one));
    assert_eq!(posts.expect("update")["id"], json!(two));
    assert_eq!(all.expect("update")["id"], json!(one));
    assert_eq!(all.expect("notification")["status"]["id"], json!(one));
    let auth = format!("authorization: Bearer {narrow}\r\n");
    let (head, _) = connect(&here, "/api/v1/streaming/user/notification", &auth);
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
}

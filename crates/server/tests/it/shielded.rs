//! The shield around a real server, met by a real flood: some dozens of connections that ask as
//! fast as they are answered, of a server that counts on a small part of the machine. Bounded: a
//! flood ends with its test, or by itself.

use crate::instance::{Answer, Instance};
use serde_json::Value;
use std::{
    io::{BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// A flood ends by itself after this long.
const FLOOD_S: u64 = 60;
const CONNECTIONS: u32 = 32;

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    served: AtomicU64,
    refused: AtomicU64,
}

/// Strangers who ask for what has to be looked up.
struct Flood {
    counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    fn of(address: SocketAddr) -> Self {
        let counts = Arc::<Counts>::default();
        let one = |number| {
            let counts = Arc::clone(&counts);
            std::thread::spawn(move || flood(address, number, &counts))
        };
        let threads = (0..CONNECTIONS).map(one).collect();
        Self { counts, threads }
    }

    fn refused(&self) -> u64 {
        self.counts.refused.load(Relaxed)
    }

    /// Waits until it is held off.
    fn met(self) -> Self {
        wait_until("strangers are refused", || self.refused() > 50);
        self
    }

    fn end(mut self) -> (u64, u64) {
        self.counts.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("it ended well");
        }
        (self.counts.served.load(Relaxed), self.counts.refused.load(Relaxed))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.counts.stop.store(true, Relaxed);
    }
}

fn flood(address: SocketAddr, number: u32, counts: &Counts) {
    let ends = Instant::now() + Duration::from_secs(FLOOD_S);
    let socket = TcpStream::connect(address).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a deadline");
    let mut answers = BufReader::new(socket);
    for turn in 0_u64.. {
        if counts.stop.load(Relaxed) || Instant::now() > ends {
            return;
        }
        let path = format!("/api/v1/accounts/lookup?acct=nobody{number}x{turn}");
        let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: flood\r\n\r\n");
        if answers.get_mut().write_all(head.as_bytes()).is_err() {
            return;
        }
        let counter = match status(&mut answers) {
            Some(404) => &counts.served,
            Some(429 | 503) => &counts.refused,
            // The server has ended.
            None => return,
            Some(other) => panic!("{other}"),
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// The status of the next answer, which is read to its end.
pub fn status(answers: &mut impl std::io::BufRead) -> Option<u16> {
    let (mut first, mut length) = (String::new(), 0);
    answers.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        answers.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        if name == "content-length" {
            length = value.parse().expect("a length");
        }
    }
    std::io::copy(&mut answers.take(length), &mut std::io::sink()).ok()?;
    first.split(' ').nth(1).and_then(|word| word.parse().ok())
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let ends = Instant::now() + Duration::from_secs(40);
    while !is_so() {
        assert!(Instant::now() < ends, "not within 40 s: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Who only observes slows nobody down, so that more has to be asked for before it sees pressure.
fn shielded(mode: &str) -> Instance {
    let percent = if mode == "observe" { 2 } else { 10 };
    Instance::with(&format!("[shield]\nmode = \"{mode}\"\ncapacity_percent = {percent}\n"))
}

fn shown(here: &Instance) -> Value {
    let said = here.command(&["shield", "status", "--json", "--decisions", "200"]);
    assert!(said.is_done, "{}", said.err);
    serde_json::from_str(&said.out).expect("JSON")
}

fn tally(shown: &Value, standing: &str, outcome: &str) -> u64 {
    let rows = shown["standings"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["standing"] == standing).expect("a row");
    row[outcome].as_u64().expect("a count")
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A stranger's answer, once it is a refusal.
fn refusal(here: &Instance) -> Answer {
    let mut refused = None;
    wait_until("a stranger is refused", || {
        let answer = here.ask("GET", "/api/v2/instance?x=1", "", None);
        let is_one = matches!(answer.status, 429 | 503);
        refused = is_one.then_some(answer);
        is_one
    });
    refused.expect("one")
}

#[test]
fn members_are_served_while_strangers_flood() {
    let here = shielded("on");
    let ann = here.member("ann");
    let flood = Flood::of(here.address()).met();
    for turn in 0..20 {
        let read = here.ask("GET", "/api/v1/timelines/home", &ann, None);
        assert_eq!(read.status, 200, "turn {turn}: {}", read.body);
    }
    let form = serde_json::json!({ "status": "still here" });
    assert_eq!(here.ask("POST", "/api/v1/statuses", &ann, Some(form)).status, 200);
    for path in ["/health", "/ready", "/health", "/ready"] {
        assert_eq!(here.ask("GET", path, "", None).status, 200, "{path}");
    }
    let seen = shown(&here);
    assert_eq!(seen["mode"], "on");
    assert_eq!(seen["pressed"], true, "{seen}");
    assert_eq!(tally(&seen, "member", "refused"), 0, "{seen}");
    assert!(tally(&seen, "member", "offered") >= 21, "{seen}");
    assert!(flood.end().1 > 50);
}

#[test]
fn a_refusal_says_in_mastodons_shape_why_and_when_to_come_back() {
    let here = shielded("on");
    let _flood = Flood::of(here.address()).met();
    let refused = refusal(&here);
    assert!(refused.body["error"].is_string(), "{}", refused.body);
    let seconds: u32 = header(&refused, "retry-after").expect("when").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{}", refused.head);
    let reasons = ["pressure", "queue", "share", "in_flight", "degraded", "suspect", "denied"];
    let reason = header(&refused, "fulmar-reason").expect("why");
    assert!(reasons.contains(&reason), "{reason}");
    assert!(header(&refused, "x-request-id").is_some_and(|id| id.len() == 16));
    assert_eq!(header(&refused, "access-control-allow-origin"), Some("*"));
    let noted = shown(&here)["decisions"].as_array().expect("decisions").clone();
    let known = |one: &Value| {
        one["request_id"].as_str().is_some_and(|id| id.len() == 16)
            && one["route"] == "GET /api/v1/accounts/lookup"
            && one["network"] == "127.0.0.0/24"
            && one["overruled"] == false
    };
    assert!(noted.iter().any(known), "{noted:?}");
}

#[test]
fn a_forged_token_makes_no_member_and_a_revoked_one_does_no_longer() {
    let here = shielded("on");
    let ann = here.member("ann");
    let asked = |token: &str, status: u16| {
        let before = tally(&shown(&here), "member", "offered");
        let answer = here.ask("GET", "/api/v1/accounts/verify_credentials", token, None);
        assert_eq!(answer.status, status, "{}", answer.body);
        tally(&shown(&here), "member", "offered") - before
    };
    assert_eq!(asked(&ann, 200), 1);
    let mut forged = ann.clone().into_bytes();
    forged[20] = if forged[20] == b'A' { b'B' } else { b'A' };
    assert_eq!(asked(std::str::from_utf8(&forged).expect("text"), 401), 0);
    assert_eq!(asked("", 401), 0);
    assert!(here.command_with(&["token", "revoke", "-"], &ann).is_done);
    assert_eq!(asked(&ann, 401), 0, "the server knows that it is over");
}

#[test]
fn who_only_observes_serves_all_and_says_what_it_would_have_done() {
    let here = shielded("observe");
    let flood = Flood::of(here.address());
    let mut seen = Value::Null;
    wait_until("strangers would be refused", || {
        seen = shown(&here);
        tally(&seen, "stranger", "refused") > 50
    });
    assert_eq!((&seen["mode"], &seen["pressed"]), (&"observe".into(), &true.into()), "{seen}");
    let noted = seen["decisions"].as_array().expect("decisions");
    assert!(noted.iter().any(|one| one["overruled"] == true), "{seen}");
    let text = here.command(&["shield", "status"]).out;
    assert!(text.contains("only observed") && text.contains("(served)"), "{text}");
    let (served, refused) = flood.end();
    assert!(refused == 0 && served > 50, "{refused} refused, {served} served");
}

#[test]
fn who_is_off_does_nothing() {
    let here = shielded("off");
    let flood = Flood::of(here.address());
    wait_until("some are served", || flood.counts.served.load(Relaxed) > 300);
    let seen = shown(&here);
    assert_eq!((&seen["mode"], &seen["pressed"]), (&"off".into(), &false.into()));
    assert_eq!(tally(&seen, "stranger", "offered"), 0, "{seen}");
    assert_eq!(flood.end().1, 0);
    assert!(!here.data().join("shield.state").exists());
}

#[test]
fn what_was_learnt_outlives_a_restart() {
    let mut here = shielded("on");
    let ann = here.member("ann");
    let state = here.data().join("shield.state");
    let mut key = None;
    for _ in 0..2 {
        assert_eq!(here.ask("GET", "/api/v1/timelines/home", &ann, None).status, 200);
        here.terminate();
        here.wait();
        let bytes = std::fs::read(&state).expect("it was written at the end");
        // The key under which all of it was learnt, behind the name of the format.
        let found = bytes.get(16..32).expect("a key").to_vec();
        assert_eq!(*key.get_or_insert(found.clone()), found);
        here.start_again();
    }
    // Damage costs what was learnt, and nothing else.
    here.terminate();
    here.wait();
    std::fs::write(&state, "damaged").expect("written");
    here.start_again();
    assert_eq!(here.ask("GET", "/api/v1/timelines/home", &ann, None).status, 200);
}

#[test]
fn without_a_server_there_is_no_shield_to_show() {
    let mut here = shielded("on");
    here.kill();
    let said = here.command(&["shield", "status"]);
    assert!(!said.is_done && said.err.contains("no server runs there"), "{}", said.err);
}

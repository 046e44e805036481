//! Newcomers while a server is flooded from thousands of addresses: how they get to a page with a
//! browser that runs scripts and with one that does not. The addresses are those that a proxy of
//! the host names. Bounded: a flood ends with its test, or by itself.

use crate::instance::Instance;
use httpkit::{limits::PUZZLE_BITS, puzzle};
use std::{
    io::{BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A flood ends by itself after this long.
const FLOOD_S: u64 = 90;
/// Connections of it: what they ask for at once is seconds of work for a server that counts on so
/// little of its machine. (On less than this, refusing them would be all that it does.)
const CONNECTIONS: u32 = 256;
const CONFIG: &str =
    "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[shield]\ncapacity_percent = 10\n";

/// Strangers who ask for pages that nobody asked for yet.
struct Flood {
    stop: Arc<AtomicBool>,
}

impl Flood {
    /// Once it is held off.
    fn of(address: SocketAddr) -> Self {
        let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        for number in 0..CONNECTIONS {
            let (stop, refused) = (Arc::clone(&stop), Arc::clone(&refused));
            std::thread::spawn(move || flood(address, number, &stop, &refused));
        }
        let flood = Self { stop };
        wait_until("strangers are turned away", || refused.load(Relaxed) > 50);
        flood
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn flood(address: SocketAddr, number: u32, stop: &AtomicBool, refused: &AtomicU32) {
    let ends = Instant::now() + Duration::from_secs(FLOOD_S);
    let mut answers = BufReader::new(TcpStream::connect(address).expect("connected"));
    for turn in number << 24.. {
        if stop.load(Relaxed) || Instant::now() > ends {
            return;
        }
        let [_, a, b, c] = turn.wrapping_mul(0x9E37_79B9).to_be_bytes();
        let head = format!(
            "GET /@ann?max_id={turn} HTTP/1.1\r\nhost: {address}\r\naccept: text/html\r\n\
             x-forwarded-for: 10.{a}.{b}.{c}\r\nuser-agent: a flood\r\n\r\n"
        );
        // The server ends before this where its test does.
        if answers.get_mut().write_all(head.as_bytes()).is_err() {
            return;
        }
        match crate::shielded::status(&mut answers) {
            Some(429 | 503) => refused.fetch_add(1, Relaxed),
            Some(_) => continue,
            None => return,
        };
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let ends = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < ends, "not within 60 s: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// What a newcomer's browser was answered.
struct Shown {
    status: u16,
    head: String,
    html: String,
}

impl Shown {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// When its page asks again by itself. Who asks more often than that falls in rank.
    fn comes_back(&self) -> Instant {
        let seconds = self.header("retry-after").and_then(|seconds| seconds.parse().ok());
        Instant::now() + Duration::from_secs(seconds.unwrap_or(0))
    }

    /// The value that it gives a cookie.
    fn cookie(&self, name: &str) -> Option<&str> {
        let mut cookies = self.head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
        cookies.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?.split(';').next()
    }
}

/// A newcomer at an address.
fn asks(here: &Instance, host: u32, cookies: &str) -> Shown {
    let more = format!(
        "accept: text/html,application/xhtml+xml\r\naccept-language: en\r\nuser-agent: Mozilla/5.0 \
         (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nx-forwarded-for: \
         198.51.{}.{}\r\n{cookies}",
        host / 250,
        1 + host % 250
    );
    let (head, html) = here.exchange("GET", "/@ann", "", &more, b"");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    Shown { status, head, html: String::from_utf8(html).expect("text") }
}

/// A newcomer who is challenged, and where.
fn challenged(here: &Instance) -> (u32, Shown) {
    let (mut host, mut found) = (0, None);
    wait_until("a newcomer is challenged", || {
        host += 1;
        let shown = asks(here, host, "");
        let is_one = shown.header("fulmar-reason") == Some("challenge");
        found = is_one.then_some(shown);
        is_one
    });
    (host, found.expect("one"))
}

#[test]
fn newcomers_get_in_by_doing_the_work_or_by_waiting() {
    let here = Instance::with(CONFIG);
    here.member("ann");
    let flood = Flood::of(here.address());

    let (host, shown) = challenged(&here);
    assert_eq!((shown.status, shown.header("retry-after")), (503, Some("3")));
    assert!(shown.html.contains("<h1>One moment, please</h1>"), "{}", shown.html);
    assert!(shown.cookie("visit").is_none(), "nobody is noted as seen in peace now");
    let challenge = shown.cookie("challenge").expect("a challenge").to_owned();
    let answer = puzzle::answer(&challenge, PUZZLE_BITS).expect("an answer");
    let mut cookies = format!("cookie: challenge={challenge}.{answer}\r\n");
    let mut next = Instant::now();
    wait_until("who has done the work gets in", || {
        if Instant::now() < next {
            return false;
        }
        let shown = asks(&here, host, &cookies);
        next = shown.comes_back();
        if let Some(clearance) = shown.cookie("clearance") {
            assert_eq!(shown.cookie("challenge"), Some(""));
            cookies = format!("cookie: clearance={clearance}\r\n");
        }
        shown.status == 200
    });
    assert!(cookies.contains("clearance="), "{cookies}");

    let (host, shown) = challenged(&here);
    let ticket = shown.cookie("challenge").expect("a ticket").to_owned();
    let cookies = format!("cookie: challenge={ticket}\r\n");
    let mut next = shown.comes_back();
    wait_until("who waits gets in", || {
        if Instant::now() < next {
            return false;
        }
        let shown = asks(&here, host, &cookies);
        next = shown.comes_back();
        assert!(shown.cookie("clearance").is_none(), "{}", shown.head);
        shown.status == 200
    });
    drop(flood);
}

#[test]
fn a_visit_is_noted_once_and_shared_pages_stay_shared() {
    let here = Instance::with("");
    here.member("ann");
    let first = asks(&here, 1, "");
    let visit = first.cookie("visit").expect("a visit").to_owned();
    assert_eq!(first.status, 200);
    let again = asks(&here, 1, &format!("cookie: visit={visit}\r\n"));
    assert_eq!((again.status, again.cookie("visit")), (200, None));
    let tag = again.header("etag").expect("a tag");
    let other = asks(&here, 2, &format!("if-none-match: {tag}\r\n"));
    assert_eq!(other.status, 304, "the same page, whoever asks");
    let (head, _) = here.exchange("GET", "/api/v1/instance", "", "", b"");
    assert!(!head.contains("set-cookie"), "apps are given none: {head}");
}

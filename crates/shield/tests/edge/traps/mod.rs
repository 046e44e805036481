//! The traps that stock servers fall into, each as one probe against two stacks: the stock one
//! shows the defect, and ours does not. Should a newer hyper mend one, its test fails here, and the
//! guard that stands against it can be looked at again. How long "for ever" is cannot be tested:
//! the stock stack outlasts our deadline several times over, and then still serves.

mod stacks;

use shield::edge::Cut;

use crate::frames::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, get, next, settings,
};
use crate::stand::{Wire, lasting, poll, short};
use stacks::{Attacker, BIG_BYTES, PAGE_BYTES, Stack};

/// So many times does ours end what the stock stack still keeps.
const OUTLASTED: u64 = 4;
/// Requests that ours may let one connection begin while it is abused.
const BEGUN_MOST: usize = 300;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PRIORITY: u8 = 2;

/// One who begins, and then keeps the server waiting.
struct Idler {
    /// Whether over TLS, in HTTP/2.
    is_http2: bool,
    start: Vec<u8>,
    /// What is missing to a whole request.
    rest: Vec<u8>,
}

impl Idler {
    async fn begin(&self, stack: &Stack) -> Wire {
        let mut wire = if self.is_http2 { stack.dial_http2().await } else { stack.dial().await };
        wire.send(&self.start).await;
        wire
    }
}

/// Ours ends it; the stock stack keeps it meanwhile, and serves it then.
async fn outlasts(idler: &Idler) {
    let (stock, ours) = (Stack::stock().await, Stack::ours(short()));
    let mut kept = idler.begin(&stock).await;
    for _ in 0..OUTLASTED {
        let said = idler.begin(&ours).await.ended().await;
        assert!(!said.contains("hello"), "{said:?}");
    }
    assert_eq!((stock.seen.begun(), ours.seen.begun()), (0, 0));
    kept.send(&idler.rest).await;
    if idler.is_http2 {
        let body = next(&mut kept, DATA).await.expect("the stock stack serves it");
        assert_eq!(&body[9..], b"hello");
    } else {
        assert!(kept.until("hello").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn who_connects_and_says_nothing() {
    outlasts(&Idler { is_http2: false, start: Vec::new(), rest: GET.to_vec() }).await;
}

#[tokio::test]
async fn who_sends_one_byte() {
    let rest = b"OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_vec();
    outlasts(&Idler { is_http2: false, start: b"P".to_vec(), rest }).await;
}

#[tokio::test]
async fn who_sends_the_preface_of_http2_or_not_even_that() {
    let greeting = [PREFACE, &settings(&[])].concat();
    outlasts(&Idler { is_http2: true, start: greeting.clone(), rest: get(1, "/") }).await;
    let rest = [greeting, get(1, "/")].concat();
    outlasts(&Idler { is_http2: true, start: Vec::new(), rest }).await;
}

const POST: &[u8] = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\nx";
const POST_BYTES: usize = 9_000;

#[tokio::test]
async fn a_slow_body() {
    let (stock, ours) = (Stack::stock().await, Stack::ours(short()));
    let [mut silent, mut dripping] = [stock.dial().await, stock.dial().await];
    silent.send(POST).await;
    dripping.send(POST).await;
    let ended = async {
        for drip in [b"".as_slice(), b"x"] {
            for _ in 0..OUTLASTED {
                let mut wire = ours.dial().await;
                wire.send(POST).await;
                let said = if drip.is_empty() { wire.ended().await } else { wire.drip(drip).await };
                assert!(said.starts_with("HTTP/1.1 408"), "{said:?}");
            }
        }
    };
    tokio::select! {
        said = dripping.drip(b"x") => panic!("the stock stack has ended it: {said:?}"),
        () = ended => {}
    }
    assert_eq!((stock.seen.begun(), stock.seen.left()), (2, 0), "handlers that wait");
    for mut wire in [silent, dripping] {
        wire.send(&[b'x'; POST_BYTES]).await;
        wire.until("HTTP/1.1 200").await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads() {
    const BIG: &[u8] = b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
    let (stock, ours) = (Stack::stock().await, Stack::ours(short()));
    let edge = ours.edge.as_ref().expect("ours");
    let mut kept = stock.dial().await;
    kept.send(BIG).await;
    let mut ended = Vec::new();
    for count in 1..=OUTLASTED {
        let mut wire = ours.dial().await;
        wire.send(BIG).await;
        edge.cuts(Cut::SlowReader, count).await;
        ended.push(wire);
    }
    poll("ours holds nothing of it", || ours.seen.bytes() == 0).await;
    assert_eq!(stock.seen.bytes(), BIG_BYTES);
    while kept.seen.len() <= BIG_BYTES {
        assert!(kept.read_some().await > 0, "the stock stack has ended it");
    }
}

/// Streams that are opened at once, and how often.
const ABREAST: u32 = 50;
const TURNS: u32 = 40;

/// Opens streams, waits until their handlers run, and makes the server give them up; over and over
/// until it ends the connection. At this pace h2 sees nothing that it bounds.
async fn abandon(stack: &Stack, leave: fn(u32) -> Vec<u8>) -> Attacker {
    let mut wire = stack.dial_http2().await;
    wire.send(&[PREFACE, &settings(&[])].concat()).await;
    let mut attacker = Attacker::new(wire);
    let seen = &stack.seen;
    let abreast = usize::try_from(ABREAST).expect("small");
    for turn in 0..TURNS {
        let streams = (0..ABREAST).map(|place| 2 * (turn * ABREAST + place) + 1);
        let (begun, left) = (seen.begun() + abreast, seen.left() + abreast);
        let open: Vec<u8> = streams.clone().flat_map(|stream| get(stream, "/never")).collect();
        attacker.send(&open).await;
        poll("they run", || seen.begun() >= begun || attacker.is_over()).await;
        attacker.send(&streams.flat_map(leave).collect::<Vec<u8>>()).await;
        poll("they were left", || seen.left() >= left || attacker.is_over()).await;
        if attacker.is_over() {
            break;
        }
    }
    attacker
}

async fn begins_few(leave: fn(u32) -> Vec<u8>) {
    let ours = Stack::ours(lasting());
    let attacker = abandon(&ours, leave).await;
    assert!(attacker.is_over(), "ours ends it");
    assert!(ours.seen.begun() < BEGUN_MOST, "{} handlers", ours.seen.begun());
}

#[tokio::test]
async fn a_rapid_reset_at_a_pace() {
    let cancel = |stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    let stock = Stack::stock().await;
    let mut attacker = abandon(&stock, cancel).await;
    assert_eq!(stock.seen.begun(), usize::try_from(ABREAST * TURNS).expect("small"));
    // It was never cut, and serves whoever did that.
    attacker.send(&get(2 * ABREAST * TURNS + 1, "/")).await;
    poll("it still serves", || attacker.frames(DATA) == 1).await;
    assert_eq!(attacker.frames(GOAWAY), 0);
    begins_few(cancel).await;
}

#[tokio::test]
async fn resets_that_the_server_is_made_to_send() {
    // CVE-2025-8671: a window that overflows, and a stream that depends on itself.
    let overflow = |stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
    let depend =
        |stream: u32| frame(PRIORITY, 0, stream, &[stream.to_be_bytes().as_slice(), &[9]].concat());
    for leave in [overflow as fn(u32) -> Vec<u8>, depend] {
        let stock = Stack::stock().await;
        abandon(&stock, leave).await;
        assert!(stock.seen.begun() >= 1_000, "{} handlers", stock.seen.begun());
        begins_few(leave).await;
    }
}

/// Streams that hyper lets a connection have.
const STREAMS: usize = 200;

/// Opens as many streams as may be, each with this header block.
async fn open_all(
    stack: &Stack,
    window: &[(u16, u32)],
    block: impl Fn(u32) -> Vec<u8>,
) -> Attacker {
    let mut wire = stack.dial_http2().await;
    wire.send(&[PREFACE, &settings(window)].concat()).await;
    let mut attacker = Attacker::new(wire);
    let streams = (1..).step_by(2).take(STREAMS);
    let open = |stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(stream));
    attacker.send(&streams.flat_map(open).collect::<Vec<u8>>()).await;
    attacker
}

#[tokio::test]
async fn answers_that_no_window_lets_out() {
    // INITIAL_WINDOW_SIZE 0.
    let stall = async |stack: &Stack| open_all(stack, &[(4, 0)], |_| block(2, "/page")).await;
    let (stock, ours) = (Stack::stock().await, Stack::ours(short()));
    let kept = stall(&stock).await;
    poll("the stock stack holds all of it", || stock.seen.bytes() == STREAMS * PAGE_BYTES).await;
    for _ in 0..OUTLASTED {
        let attacker = stall(&ours).await;
        poll("ours ends it", || attacker.is_over()).await;
    }
    poll("ours holds nothing of it", || ours.seen.bytes() == 0).await;
    assert!(ours.seen.bytes_most() <= STREAMS * PAGE_BYTES / 3, "{}", ours.seen.bytes_most());
    assert!(!kept.is_over());
    assert_eq!(stock.seen.bytes(), STREAMS * PAGE_BYTES, "held");
}

#[tokio::test]
async fn a_header_bomb_within_the_bounds_of_its_length() {
    // A field of one byte, put into the table once and then named by its place: 33 bytes of the
    // 16 KiB that a list may have (RFC 7541, 4.1), one byte on the wire.
    const FIELDS: usize = 480;
    let bomb = |stream| {
        let mut fields = block(2, "/never");
        fields.extend_from_slice(if stream == 1 { b"\x40\x01a\x00" } else { b"\xbe" });
        fields.extend_from_slice(&[0xbe; FIELDS - 1]);
        fields
    };
    let (stock, ours) = (Stack::stock().await, Stack::ours(lasting()));
    let _kept = open_all(&stock, &[], bomb).await;
    poll("the stock stack takes all of it", || stock.seen.begun() == STREAMS).await;
    // What a map of fields holds for each, in bytes, at least: a name and a value.
    let each = size_of::<http::HeaderName>() + size_of::<http::HeaderValue>();
    let held = stock.seen.fields() * each;
    let sent: usize = (1..).step_by(2).take(STREAMS).map(|stream| 9 + bomb(stream).len()).sum();
    assert_eq!(stock.seen.fields(), STREAMS * FIELDS);
    assert!(held > 60 * sent, "{held} bytes held for {sent} sent");
    let attacker = open_all(&ours, &[], bomb).await;
    let refused = || attacker.frames(HEADERS) + attacker.frames(RST_STREAM) >= 200;
    poll("ours refuses all of it", || refused() || attacker.is_over()).await;
    assert_eq!((ours.seen.begun(), ours.seen.fields()), (0, 0));
}

/// Control frames that are sent, at most, and those that ours may answer until it has had enough.
const FLOOD: u64 = 100_000;
const ANSWERED_MOST: u64 = 2_000;

#[tokio::test]
async fn a_flood_of_control_frames() {
    for (kind, bytes) in [(PING, frame(PING, 0, 0, &[7; 8])), (SETTINGS, settings(&[]))] {
        let flood = async |stack: &Stack| {
            let mut wire = stack.dial_http2().await;
            wire.send(&[PREFACE, &settings(&[])].concat()).await;
            let mut attacker = Attacker::new(wire);
            let many = bytes.repeat(500);
            for _ in 0..FLOOD / 500 {
                if !attacker.send(&many).await {
                    break;
                }
            }
            attacker
        };
        let (stock, ours) = (Stack::stock().await, Stack::ours(lasting()));
        let mut attacker = flood(&stock).await;
        poll("the stock stack answers all", || attacker.frames(kind) >= FLOOD).await;
        attacker.send(&get(1, "/")).await;
        poll("it still serves", || attacker.frames(DATA) == 1).await;
        let attacker = flood(&ours).await;
        poll("ours ends it", || attacker.is_over()).await;
        let answered = attacker.frames(kind);
        assert!(answered < ANSWERED_MOST, "{answered} of kind {kind}");
        ours.edge.as_ref().expect("ours").cuts(Cut::FrameFlood, 1).await;
    }
}

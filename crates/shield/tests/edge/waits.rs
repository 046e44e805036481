//! HTTP/1: whoever keeps the server waiting is cut within the bound of that wait.

use shield::edge::{Cut, Options};

use crate::stand::{Stand, short};

const POST: &[u8] = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Connects, sends `start`, then drips `drip` (nothing if empty), and expects the cut.
async fn check(start: &[u8], drip: &[u8], reason: Cut) {
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    wire.send(start).await;
    let attack = async { if drip.is_empty() { wire.ended().await } else { wire.drip(drip).await } };
    let (_, ()) = tokio::join!(attack, stand.serves());
    stand.cuts(reason, 1).await;
    stand.serves().await;
}

#[tokio::test]
async fn a_silent_connection_is_cut() {
    check(b"", b"", Cut::FirstByte).await;
}

#[tokio::test]
async fn one_byte_is_not_enough() {
    check(b"P", b"", Cut::Header).await;
}

#[tokio::test]
async fn http2_without_tls_is_not_waited_for() {
    for preface in ["P", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let stand = Stand::new(short());
        let mut wire = stand.dial().await;
        wire.send(preface.as_bytes()).await;
        let answer = wire.ended().await;
        assert!(!answer.contains("hello"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_dripped_header_is_cut() {
    check(b"GET / HTTP/1.1\r\n", b"X-A: b\r\n", Cut::Header).await;
}

#[tokio::test]
async fn a_dripped_second_header_is_cut() {
    check(&[GET, b"GET / HTTP/1.1\r\n"].concat(), b"X-A: b\r\n", Cut::Header).await;
}

#[tokio::test]
async fn a_reader_who_takes_nothing_is_cut() {
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    wire.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
    stand.cuts(Cut::SlowReader, 1).await;
    stand.serves().await;
    crate::stand::poll("its bytes are given back", || stand.stats.held_bytes() == 0).await;
}

#[tokio::test]
async fn a_reader_who_sips_is_cut() {
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    wire.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let sips = async {
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(10));
        let mut space = [0; 16];
        while stand.stats.cut(Cut::SlowReader) == 0 {
            pace.tick().await;
            let sip = tokio::io::AsyncReadExt::read(&mut wire.stream, &mut space).await;
            if sip.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    crate::stand::in_time("sipping", sips).await;
    stand.cuts(Cut::SlowReader, 1).await;
}

#[tokio::test]
async fn pipelining_without_reading_is_cut() {
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    let pipeline = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200);
    let (_, ()) = tokio::join!(wire.send(&pipeline), stand.cuts(Cut::SlowReader, 1));
    stand.serves().await;
}

#[tokio::test]
async fn a_slow_body_gets_408_and_its_handler_is_free() {
    for drip in [b"".as_slice(), b"x"] {
        let stand = Stand::new(short());
        let mut wire = stand.dial().await;
        wire.send(POST).await;
        let answer = if drip.is_empty() { wire.ended().await } else { wire.drip(drip).await };
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer:?}");
        stand.serves().await;
    }
}

#[tokio::test]
async fn a_body_that_comes_at_the_rate_is_read() {
    let stand = Stand::new(Options { rate_bytes_per_s: 10, ..short() });
    let mut wire = stand.dial().await;
    wire.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n").await;
    let answer = wire.drip(b"0123456789").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("67890123"), "{answer:?}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_politely_after_its_answer() {
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    wire.send(GET).await;
    let answer = wire.ended().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer:?}");
    assert_eq!(stand.all_cut(), []);
}

#[tokio::test]
async fn a_working_handler_is_not_held_against_its_peer() {
    let stand = Stand::new(Options { idle_ms: 50, first_byte_ms: 50, header_ms: 50, ..short() });
    let mut wire = stand.dial().await;
    wire.send(b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(wire.until("at last").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn after_its_age_or_its_requests_a_connection_says_close() {
    for options in [
        Options { requests_max: 1, ..short() },
        Options { connection_bytes_max: 1, ..short() },
        Options { age_ms: 1, ..short() },
    ] {
        let stand = Stand::new(options);
        let mut wire = stand.dial().await;
        wire.send(GET).await;
        wire.until("hello").await;
        wire.send(b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = wire.ended().await;
        assert!(answer.contains("connection: close") && answer.contains("at last"), "{answer:?}");
    }
}

#[tokio::test]
async fn junk_in_a_pipeline_is_refused_once() {
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    let junk: Vec<u8> =
        (0..20_000u32).flat_map(|line| format!("{line} junk\r\n").into_bytes()).collect();
    wire.send(&junk).await;
    let answer = wire.ended().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer:?}");
    assert_eq!(stand.stats.requests(), 0);
    stand.serves().await;
}

#[tokio::test]
async fn headers_past_their_bounds_get_431() {
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "b".repeat(17_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-A: b\r\n".repeat(120));
    for header in [large, many] {
        let stand = Stand::new(short());
        let mut wire = stand.dial().await;
        wire.send(header.as_bytes()).await;
        let answer = wire.ended().await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer:?}");
    }
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    let within = format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "b".repeat(15_000));
    wire.send(within.as_bytes()).await;
    assert!(wire.until("hello").await.starts_with("HTTP/1.1 200"));
}

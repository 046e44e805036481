//! What lives long and rightly so: upgraded connections and streams of events; and response bytes
//! held for peers, in one budget.

use shield::edge::{Cut, Options};

use crate::stand::{Stand, lasting, poll, short};

const UPGRADE: &[u8] =
    b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

/// A handful of idle limits pass: a connection opened now is idle, and cut for it, three times.
async fn let_idle_limits_pass(stand: &Stand) {
    for _ in 0..3 {
        stand.dial().await.ended().await;
    }
}

#[tokio::test]
async fn an_upgraded_connection_may_be_silent_and_old() {
    let stand = Stand::new(Options { age_ms: 10, ..short() });
    let mut wire = stand.dial().await;
    wire.send(UPGRADE).await;
    assert!(wire.until("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    let_idle_limits_pass(&stand).await;
    wire.send(b"still here").await;
    wire.until("still here").await;
}

#[tokio::test]
async fn an_upgraded_connection_must_take_what_it_is_sent() {
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    wire.send(UPGRADE).await;
    wire.until("\r\n\r\n").await;
    let flood = vec![b'x'; 40_000_000];
    let (_, ()) = tokio::join!(wire.send(&flood), stand.cuts(Cut::SlowReader, 1));
    poll("its seat is free", || stand.stats.open() == 0).await;
}

#[tokio::test]
async fn a_stream_of_events_lasts_while_it_is_read() {
    let stand = Stand::new(Options { age_ms: 10, ..short() });
    let mut wire = stand.dial().await;
    wire.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for _ in 0..120 {
        wire.until("tick").await;
    }
    assert_eq!(stand.stats.held_bytes(), 0);
}

#[tokio::test]
async fn when_too_much_is_held_for_slow_peers_answers_are_refused_and_hoarders_cut() {
    let stand = Stand::new(Options { held_bytes_max: 2_000_000, ..lasting() });
    let mut hoarders = Vec::new();
    for _ in 0..8 {
        let mut wire = stand.dial().await;
        wire.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
        hoarders.push(wire);
    }
    stand.cuts(Cut::Holder, 1).await;
    assert!(stand.stats.shed() > 0);
    // Another hoarder's answer may take the room for a moment, until it too is cut.
    let (mut refused, mut answer) = (0, String::new());
    while !answer.contains("hello") && refused < 1_000 {
        let mut wire = stand.dial_from(99).await;
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        answer = wire.ended().await;
        refused += 1;
    }
    assert!(answer.contains("hello"), "no room again: {answer}");
    drop(hoarders);
    poll("all is given back", || stand.stats.held_bytes() == 0).await;
}

#[tokio::test]
async fn the_service_is_told_who_asks() {
    let stand = Stand::new(lasting());
    let mut wire = stand.dial_from(7).await;
    wire.send(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = wire.until("http2").await;
    assert!(answer.contains("peer: 127.0.0.7:") && answer.contains("tls: false"), "{answer}");
    let mut wire = stand.dial_tls(&["http/1.1"]).await;
    wire.send(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(wire.until("http2").await.contains("tls: true"));
}

#[tokio::test]
async fn a_refusal_reaches_whoever_is_still_sending() {
    let stand = Stand::new(Options { linger_ms: 10_000, ..lasting() });
    for _ in 0..20 {
        let mut wire = stand.dial().await;
        wire.send(b"POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n").await;
        // All of it is sent before any of the answer is read, as simple clients do.
        wire.send(&vec![b'x'; 9_000_000]).await;
        let answer = wire.ended().await;
        assert!(answer.contains("413") && answer.contains("too large"), "{answer:?}");
    }
}

#[tokio::test]
async fn whoever_sends_on_for_ever_is_cut() {
    let stand = Stand::new(short());
    let mut wire = stand.dial().await;
    wire.send(b"POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n").await;
    wire.drip(b"x").await;
    poll("its seat is free", || stand.stats.open() == 0).await;
}

//! Session tickets: who was seen over a connection is known by its ticket at the next, before its
//! handshake; who only found the ticket is not.

use std::sync::Arc;

use rustls::ClientConfig;
use shield::edge::Handshaken;

use crate::stand::{Stand, Wire, lasting, poll};

const MEMBER: &str = "/member/7";

/// Connects from an address as this client, asks for a path, and leaves with new tickets.
async fn visit(stand: &Stand, client: &Arc<ClientConfig>, last: u8, path: &str) -> String {
    let mut wire = stand.dial_tls_as(client, last).await;
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
        .await;
    wire.ended().await
}

#[tokio::test]
async fn a_member_is_known_by_its_ticket_wherever_it_comes_from() {
    let stand = Stand::new(lasting());
    let client = stand.client(&["http/1.1"]);
    assert!(visit(&stand, &client, 2, MEMBER).await.contains("welcome"));
    visit(&stand, &client, 3, "/").await;
    assert_eq!((stand.stats.tickets(), stand.stats.handshakes(Handshaken::Resumed)), (1, 1));
    // What it got there says so by itself.
    visit(&stand, &client, 4, "/").await;
    assert_eq!((stand.stats.tickets(), stand.stats.tickets_void()), (2, 0));
    assert_eq!(stand.stats.familiar(), 0);
}

#[tokio::test]
async fn a_strangers_ticket_is_worth_a_cheaper_handshake_and_no_more() {
    let stand = Stand::new(lasting());
    let client = stand.client(&["http/1.1"]);
    for last in [2, 3, 4] {
        visit(&stand, &client, last, "/").await;
    }
    assert_eq!((stand.stats.tickets(), stand.stats.handshakes(Handshaken::Resumed)), (0, 2));
}

#[tokio::test]
async fn a_replayed_ticket_is_worth_nothing() {
    let stand = Stand::new(lasting());
    let client = stand.client(&["http/1.1"]);
    visit(&stand, &client, 2, MEMBER).await;
    let greeting = stand.greeting_as(&client);
    let mut held = Vec::new();
    for nth in 0..3 {
        let mut wire = stand.dial_secure_from(3 + nth).await;
        wire.send(&greeting).await;
        held.push(wire);
        let stats = &stand.stats;
        let heard = || stats.tickets() + stats.tickets_void() == u64::from(nth) + 1;
        poll("it was heard", heard).await;
    }
    assert_eq!((stand.stats.tickets(), stand.stats.tickets_void()), (1, 2));
    assert_eq!(stand.stats.known(), 1);
}

#[tokio::test]
async fn who_cannot_prove_that_a_ticket_is_its_own_loses_it() {
    let stand = Stand::new(lasting());
    let client = stand.client(&["http/1.1"]);
    visit(&stand, &client, 2, MEMBER).await;
    let mut greeting = stand.greeting_as(&client);
    // The proof stands at the very end (RFC 8446, 4.2.11).
    *greeting.last_mut().expect("a greeting") ^= 1;
    let mut thief = Wire::new(stand.dial_secure_raw(3).await);
    thief.send(&greeting).await;
    thief.ended().await;
    poll("it failed", || stand.stats.handshakes(Handshaken::Failed) == 1).await;
    poll("its seat is free", || stand.stats.open() == 0).await;
    let mut again = Wire::new(stand.dial_secure_raw(4).await);
    again.send(&greeting).await;
    again.ended().await;
    assert_eq!((stand.stats.tickets(), stand.stats.tickets_void()), (1, 1));
}

#[tokio::test]
async fn a_tls12_client_is_known_by_its_ticket_too() {
    let stand = Stand::new(lasting());
    let client = stand.client_of(&["http/1.1"], &[&rustls::version::TLS12]);
    visit(&stand, &client, 2, MEMBER).await;
    visit(&stand, &client, 3, "/").await;
    assert_eq!((stand.stats.tickets(), stand.stats.handshakes(Handshaken::Resumed)), (1, 1));
}

#[tokio::test]
async fn a_ticket_outlives_a_restart() {
    let first = Stand::new(lasting());
    first.tickets.keep_under([5; 32]).expect("in order");
    let client = first.client(&["http/1.1"]);
    visit(&first, &client, 2, MEMBER).await;
    visit(&first, &client, 2, "/").await;
    let mut second = Stand::new(lasting());
    second.roots = Arc::clone(&first.roots);
    second.tickets.keep_under([5; 32]).expect("in order");
    visit(&second, &client, 2, "/").await;
    assert_eq!((second.stats.tickets(), second.stats.handshakes(Handshaken::Resumed)), (1, 1));
}

#[tokio::test]
async fn a_service_learns_what_kind_of_client_asks() {
    let stand = Stand::new(lasting());
    let shown = visit(&stand, &stand.client(&["http/1.1"]), 2, "/who").await;
    assert!(shown.contains("fingerprint: Some(t13d") && shown.contains("h1_"), "{shown}");
    let client = stand.client(&["http/1.1"]);
    for nth in 0..3 {
        let again = visit(&stand, &client, 2, "/who").await;
        let of = |text: &str| text.split("fingerprint: ").nth(1).map(|rest| rest[..42].to_owned());
        assert_eq!(of(&again), of(&shown), "visit {nth}");
    }
    assert_eq!(stand.stats.handshakes(Handshaken::Resumed), 2);
    let mut plain = stand.dial().await;
    plain.send(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n").await;
    plain.until("fingerprint: None").await;
}

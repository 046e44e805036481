//! Lanes: when seats and handshakes are short, strangers make room for each other, and there is
//! always some left for who is known, and some for who is not.

use shield::edge::{Cut, Handshaken, Options};

use crate::stand::{Stand, Wire, in_time, lasting, poll};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Nobody goes for being slow: only who has no claim to a seat.
fn patient() -> Options {
    Options { eviction_after_ms: 600_000, ..lasting() }
}

/// A member is served from this address, and leaves again.
async fn member_was_at(stand: &Stand, last: u8) {
    let mut wire = stand.dial_from(last).await;
    wire.send(b"GET /member/7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(wire.ended().await.contains("welcome"));
}

async fn busy(stand: &Stand, last: u8) -> Wire {
    let before = stand.stats.requests();
    let mut wire = stand.dial_from(last).await;
    wire.send(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    poll("it is busy", || stand.stats.requests() > before).await;
    wire
}

#[tokio::test]
async fn silent_strangers_of_as_many_addresses_make_room_at_once() {
    let stand = Stand::new(Options { connections_max: 20, ..patient() });
    let mut silent = Vec::new();
    for last in 100..200 {
        silent.push(stand.dial_from(last).await);
        poll("it was seen", || stand.stats.accepted() == silent.len() as u64).await;
        assert!(stand.stats.open() <= 20 + 1, "{} sit", stand.stats.open());
    }
    assert_eq!(stand.stats.refused(), 0);
    stand.serves().await;
    assert!(stand.stats.cut(Cut::Evicted) >= 80);
    // Not those who came last: an honest one among them has had no time to speak yet.
    let last = silent.last_mut().expect("many");
    last.send(GET).await;
    last.until("hello").await;
}

#[tokio::test]
async fn half_a_header_is_no_claim_either() {
    let stand = Stand::new(Options { connections_max: 20, ..patient() });
    let mut speaking = Vec::new();
    for last in 100..200 {
        let mut wire = stand.dial_from(last).await;
        wire.send(b"GET / HT").await;
        speaking.push(wire);
        poll("it was seen", || stand.stats.accepted() == speaking.len() as u64).await;
    }
    stand.serves().await;
    assert_eq!(stand.stats.refused(), 0);
}

#[tokio::test]
async fn whom_we_serve_keeps_its_seat_from_those_who_are_silent() {
    let stand = Stand::new(Options { connections_max: 20, ..patient() });
    let mut visitor = stand.dial_from(3).await;
    visitor.send(GET).await;
    visitor.until("hello").await;
    for last in 100..160 {
        let before = stand.stats.accepted();
        let _silent = stand.dial_from(last).await;
        poll("it was seen", || stand.stats.accepted() > before).await;
    }
    visitor.send(GET).await;
    visitor.until("hello").await;
}

#[tokio::test]
async fn however_many_strangers_are_served_members_have_seats() {
    let stand = Stand::new(Options { connections_max: 16, ..patient() });
    member_was_at(&stand, 2).await;
    let mut crowd = Vec::new();
    for last in 100..112 {
        crowd.push(busy(&stand, last).await);
    }
    assert_eq!(stand.dial_from(112).await.ended().await, "", "strangers have all of theirs");
    assert_eq!(stand.stats.refused(), 1);
    let mut members = Vec::new();
    for _ in 0..4 {
        members.push(busy(&stand, 2).await);
    }
    assert_eq!((stand.stats.known(), stand.stats.familiar()), (4, 4));
    assert_eq!(stand.stats.cut(Cut::Evicted), 0);
}

#[tokio::test]
async fn however_many_are_known_strangers_have_seats() {
    let stand = Stand::new(Options { connections_max: 20, ..lasting() });
    member_was_at(&stand, 2).await;
    let mut members = Vec::new();
    for _ in 0..30 {
        let mut wire = stand.dial_from(2).await;
        wire.send(GET).await;
        wire.until("hello").await;
        members.push(wire);
    }
    assert!(stand.stats.known() <= 18, "{} are known", stand.stats.known());
    stand.serves().await;
}

#[tokio::test]
async fn a_crowd_behind_one_familiar_address_does_not_fill_the_reserve() {
    let stand = Stand::new(Options { connections_max: 400, ..patient() });
    member_was_at(&stand, 2).await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(stand.dial_from(2).await);
    }
    poll("all sit", || stand.stats.open() == 100).await;
    assert_eq!(stand.stats.known(), 64);
}

#[tokio::test]
async fn a_member_keeps_the_connection_that_it_was_seen_over() {
    let stand = Stand::new(Options { connections_max: 16, ..lasting() });
    let mut member = stand.dial_from(2).await;
    member.send(b"GET /member/7 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    member.until("welcome").await;
    assert_eq!((stand.stats.vouched(), stand.stats.known()), (1, 1));
    let mut crowd = Vec::new();
    for last in 100..140 {
        let mut wire = stand.dial_from(last).await;
        wire.send(GET).await;
        wire.until("hello").await;
        crowd.push(wire);
    }
    member.send(GET).await;
    member.until("hello").await;
    member.send(b"GET /suspect HTTP/1.1\r\nHost: a\r\n\r\n").await;
    member.until("hello").await;
    assert_eq!(stand.stats.known(), 0, "who behaves like a bot loses its rank");
}

#[tokio::test]
async fn one_account_has_so_many_connections_with_the_rank_of_the_known() {
    let stand = Stand::new(Options { connections_max: 400, ..patient() });
    let mut devices = Vec::new();
    for nth in 0..80 {
        let mut wire = stand.dial_from(100 + nth).await;
        wire.send(b"GET /member/7 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        wire.until("welcome").await;
        devices.push(wire);
    }
    assert_eq!(stand.stats.known(), 64);
    drop(devices);
    poll("all are gone", || stand.stats.open() == 0).await;
    assert_eq!(stand.stats.known(), 0);
}

#[tokio::test]
async fn under_pressure_strangers_handshakes_wait_and_those_of_the_known_do_not() {
    let stand = Stand::new(Options { handshake_us_per_s: 0, ..lasting() });
    member_was_at(&stand, 2).await;
    stand.handle.press(true);
    poll("it is pressed", || stand.stats.pressed()).await;
    let stranger = stand.handshake("localhost", &["http/1.1"]);
    let mut stranger = std::pin::pin!(stranger);
    tokio::select! {
        outcome = &mut stranger => panic!("a stranger's handshake: {:?}", outcome.map(drop)),
        () = poll("it waits", || stand.stats.handshakes_waiting() == 1) => {}
    }
    in_time("a member's handshake", stand.dial_tls_from(2, &["h2"])).await;
    poll("it is counted", || stand.stats.handshakes(Handshaken::Full) == 1).await;
    stand.handle.press(false);
    in_time("the stranger's handshake", stranger).await.expect("TLS");
}

//! Caps: who must go when a place is needed, and who stays.

use std::net::Ipv4Addr;

use shield::edge::{Cut, Options};

use crate::stand::{Stand, Wire, lasting, poll};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const NEVER: &[u8] = b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n";

async fn is_served(wire: &mut Wire) -> bool {
    wire.send(GET).await;
    while wire.read_some().await > 0 {
        if String::from_utf8_lossy(&wire.seen).contains("hello") {
            return true;
        }
    }
    false
}

async fn busy(stand: &Stand, last: u8) -> Wire {
    let before = stand.stats.requests();
    let mut wire = stand.dial_from(last).await;
    wire.send(NEVER).await;
    poll("it is busy", || stand.stats.requests() > before).await;
    wire
}

#[tokio::test]
async fn a_full_prefix_gives_up_its_idlest_connection() {
    let stand = Stand::new(Options { prefix_connections_max: 3, ..lasting() });
    let mut first = stand.dial_from(2).await;
    poll("it sits", || stand.stats.accepted() == 1).await;
    let mut busy = [busy(&stand, 2).await, busy(&stand, 2).await];
    let mut newcomer = stand.dial_from(2).await;
    assert!(is_served(&mut newcomer).await);
    first.ended().await;
    assert_eq!(stand.stats.cut(Cut::Evicted), 1);
    assert_eq!(stand.stats.refused(), 0);
    busy[0].send(b"x").await;
}

#[tokio::test]
async fn a_prefix_whose_connections_are_all_busy_gets_no_more_and_others_do() {
    let stand = Stand::new(Options { prefix_connections_max: 2, ..lasting() });
    let _busy = [busy(&stand, 2).await, busy(&stand, 2).await];
    let mut newcomer = stand.dial_from(2).await;
    assert!(!is_served(&mut newcomer).await);
    assert_eq!(stand.stats.refused(), 1);
    stand.serves().await;
}

#[tokio::test]
async fn a_trusted_proxy_has_no_cap() {
    let proxy = ipnet::IpNet::from(std::net::IpAddr::from(Ipv4Addr::new(127, 0, 0, 2)));
    let stand =
        Stand::new(Options { prefix_connections_max: 1, uncapped: vec![proxy], ..lasting() });
    let _busy = [busy(&stand, 2).await, busy(&stand, 2).await];
    assert!(is_served(&mut stand.dial_from(2).await).await);
}

#[tokio::test]
async fn when_all_seats_are_taken_the_hoarder_pays() {
    let stand = Stand::new(Options { connections_max: 12, ..lasting() });
    let mut member = stand.dial_from(3).await;
    assert!(is_served(&mut member).await);
    let mut hoard = Vec::new();
    for _ in 0..11 {
        hoard.push(stand.dial_from(2).await);
    }
    // A quarter of the seats is kept for who is known.
    poll("all sit", || stand.stats.accepted() == 12 && stand.stats.open() == 9).await;
    for last in 10..20 {
        assert!(is_served(&mut stand.dial_from(last).await).await);
    }
    assert!(is_served(&mut member).await, "the member kept its seat: {:?}", stand.all_cut());
    assert!(stand.stats.cut(Cut::Evicted) >= 1);
    assert!(stand.stats.open() <= 12 + 1);
    drop(hoard);
}

#[tokio::test]
async fn many_addresses_with_one_connection_each_do_not_fill_the_house() {
    let stand = Stand::new(Options { connections_max: 20, ..lasting() });
    let mut silent = Vec::new();
    for last in 100..160 {
        silent.push(stand.dial_from(last).await);
        poll("it was seen", || stand.stats.accepted() == silent.len() as u64).await;
    }
    stand.serves().await;
    assert!(stand.stats.cut(Cut::Evicted) >= 40);
    assert_eq!(stand.stats.refused(), 0);
}

#[tokio::test]
async fn a_connection_that_just_came_is_not_evicted_at_once() {
    let options = Options { connections_max: 1, eviction_after_ms: 600_000, ..lasting() };
    let stand = Stand::new(options);
    let mut first = stand.dial_from(2).await;
    assert!(is_served(&mut first).await);
    assert!(!is_served(&mut stand.dial_from(3).await).await);
    assert!(is_served(&mut first).await);
}

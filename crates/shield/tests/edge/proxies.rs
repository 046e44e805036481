//! Behind proxies: whom a connection is counted as, what a proxy must say first, and who is reset
//! because no proxy brought it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use shield::edge::{Cut, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stand::{Stand, Wire, dial, in_time, lasting, poll, short};

const WHO: &[u8] = b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const NEVER: &[u8] = b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n";
/// Where the proxy of these tests connects from: any address that tests give it.
const PROXY: u8 = 2;

fn network(last: u8) -> IpNet {
    IpNet::from(IpAddr::from(Ipv4Addr::new(127, 0, 0, last)))
}

fn behind(options: Options) -> Options {
    Options { uncapped: vec![network(PROXY)], proxy_protocol: true, ..options }
}

/// A header of version 1 that names this client.
fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 10.0.0.1 4660 443\r\n").into_bytes()
}

/// One of version 2.
fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", [command, family].as_slice(), &length, body].concat()
}

async fn from_proxy(stand: &Stand, said: &[u8]) -> Wire {
    let mut wire = stand.dial_from(PROXY).await;
    wire.send(said).await;
    wire
}

#[tokio::test]
async fn the_client_is_whom_the_proxy_names_and_the_proxy_is_remembered() {
    let six = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0, 9, 1, 187]].concat();
    let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 7], &[0; 16], &[0, 9, 1, 187]].concat();
    let four = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 1, 187];
    let table = [
        (line("192.0.2.7"), "peer: 192.0.2.7:4660, proxy: Some(127.0.0.2:"),
        (binary(0x21, 0x11, &four), "peer: 192.0.2.7:4660, proxy: Some(127.0.0.2:"),
        (binary(0x21, 0x21, &six), "peer: [2001:db8::7]:9, proxy: Some(127.0.0.2:"),
        (binary(0x21, 0x21, &mapped), "peer: 192.0.2.7:9, proxy: Some(127.0.0.2:"),
        (binary(0x20, 0x11, &four), "peer: 127.0.0.2:"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "peer: 127.0.0.2:"),
    ];
    let stand = Stand::new(behind(lasting()));
    for (header, expected) in table {
        let shown = header.escape_ascii().to_string();
        let mut plain = from_proxy(&stand, &[&header, WHO].concat()).await;
        let said = plain.ended().await;
        assert!(said.contains(expected), "{shown}: {said}");
        let mut stream = dial(stand.secure, Ipv4Addr::new(127, 0, 0, PROXY).into()).await;
        stream.write_all(&header).await.expect("sent");
        let tls = stand.handshake_over(stream, "localhost", &["http/1.1"]).await.expect("TLS");
        let mut secure = Wire::new(tls);
        secure.send(WHO).await;
        let said = secure.ended().await;
        assert!(said.contains(expected), "{shown} and TLS: {said}");
    }
}

#[tokio::test]
async fn a_proxy_that_says_nothing_of_the_kind_is_closed_at_once() {
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat();
    let beyond = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11".as_slice(), &[255, 255]].concat();
    for said in [GET, b"\x16\x03\x01\x02", b"PROXY TCP4 a b 1 2\r\n", &long, &beyond] {
        let stand = Stand::new(behind(lasting()));
        from_proxy(&stand, said).await.ended().await;
        stand.cuts(Cut::ProxyHeader, 1).await;
        let mut stream = dial(stand.secure, Ipv4Addr::new(127, 0, 0, PROXY).into()).await;
        stream.write_all(said).await.expect("sent");
        Wire::new(stream).ended().await;
        stand.cuts(Cut::ProxyHeader, 2).await;
        assert_eq!(stand.stats.requests(), 0);
    }
}

#[tokio::test]
async fn a_header_has_the_deadlines_of_a_beginning() {
    let stand = Stand::new(behind(short()));
    from_proxy(&stand, b"").await.ended().await;
    stand.cuts(Cut::FirstByte, 1).await;
    from_proxy(&stand, b"PROXY UNKNOWN ").await.drip(b"x").await;
    stand.cuts(Cut::Handshake, 1).await;
    from_proxy(&stand, &line("192.0.2.7")).await.ended().await;
    stand.cuts(Cut::FirstByte, 2).await;
}

#[tokio::test]
async fn nobody_else_is_asked_for_a_header_or_believed_one() {
    let stand = Stand::new(behind(lasting()));
    stand.serves().await;
    let mut stranger = stand.dial_from(3).await;
    stranger.send(&[&line("192.0.2.7"), WHO].concat()).await;
    let said = stranger.ended().await;
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    assert_eq!(stand.stats.requests(), 1, "the good client's alone");
}

#[tokio::test]
async fn seats_behind_a_proxy_are_counted_by_the_client() {
    let stand = Stand::new(behind(Options { prefix_connections_max: 2, ..lasting() }));
    let mut busy = Vec::new();
    for seated in 1..=2 {
        busy.push(from_proxy(&stand, &[&line("192.0.2.7"), NEVER].concat()).await);
        poll("it is busy", || stand.stats.requests() == seated).await;
    }
    let mut third = from_proxy(&stand, &[&line("192.0.2.7"), GET].concat()).await;
    assert_eq!(third.ended().await, "", "its share is taken");
    assert_eq!(stand.stats.refused(), 1);
    let mut other = from_proxy(&stand, &[&line("192.0.2.8"), GET].concat()).await;
    other.until("hello").await;
    drop(busy);
    poll("their seats are free", || stand.stats.open() == 1).await;
    let mut again = from_proxy(&stand, &[&line("192.0.2.7"), GET].concat()).await;
    again.until("hello").await;
}

#[tokio::test]
async fn an_idle_seat_of_the_same_client_is_given_up_for_its_next() {
    let stand = Stand::new(behind(Options { prefix_connections_max: 1, ..lasting() }));
    let mut first = from_proxy(&stand, &[&line("192.0.2.7"), GET].concat()).await;
    first.until("hello").await;
    let mut second = from_proxy(&stand, &[&line("192.0.2.7"), GET].concat()).await;
    second.until("hello").await;
    first.ended().await;
    assert_eq!((stand.stats.cut(Cut::Evicted), stand.stats.refused()), (1, 0));
}

#[tokio::test]
async fn who_comes_round_the_proxies_is_reset_before_anything_is_read() {
    let only = vec![network(PROXY), network(99)];
    let stand = Stand::new(Options { only, ..behind(lasting()) });
    for (count, door) in [(1, stand.plain), (2, stand.secure)] {
        let mut stranger = dial(door, Ipv4Addr::new(127, 0, 0, 3).into()).await;
        poll("it was turned away", || stand.stats.outside() == count).await;
        let read = in_time("the end", stranger.read(&mut [0; 9])).await;
        assert_eq!(read.expect_err("no orderly end").kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!((stand.stats.accepted(), stand.stats.refused()), (0, 0));
    // From 127.0.0.99, which is declared.
    stand.serves().await;
    let mut client = from_proxy(&stand, &[&line("127.0.0.3"), GET].concat()).await;
    client.until("hello").await;
    assert_eq!(stand.stats.outside(), 2);
}

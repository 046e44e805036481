//! Behind proxies of the host: whom a request is counted as, and that nobody comes round them.

use crate::{allowances::within_a_window, service::Service};
use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::net::TcpSocket;

/// A server with this in its section `[server]`, and the address of its figures.
fn start(server: &str) -> (Service, SocketAddr) {
    let text = format!("[server]\n{server}\n[metrics]\nlisten = \"127.0.0.1:0\"\n");
    let mut here = Service::start(&text, &[]);
    let line = here.logged("metrics are served");
    let address = line.split("address=").nth(1).and_then(|rest| rest.split(' ').next());
    (here, address.and_then(|address| address.parse().ok()).expect("an address"))
}

/// What is answered to somebody at 127.0.0.`last` who says this.
fn say(to: SocketAddr, last: u8, said: &[u8]) -> std::io::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let socket = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        socket.connect(to).await?.into_std()
    })?;
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    (&socket).write_all(said)?;
    let mut answer = String::new();
    (&socket).read_to_string(&mut answer)?;
    Ok(answer)
}

fn asks(more: &str) -> Vec<u8> {
    format!("GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{more}\r\n").into_bytes()
}

/// Registers an app; how many are left to whoever asks.
fn apps_left(to: SocketAddr, last: u8, before: &[u8], more: &str) -> u32 {
    let form = "client_name=x&redirect_uris=urn:ietf:wg:oauth:2.0:oob";
    let request = format!(
        "POST /api/v1/apps HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{more}\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let answer = say(to, last, &[before, request.as_bytes()].concat()).expect("an answer");
    let answer = answer.to_lowercase();
    let line = answer.lines().find_map(|line| line.strip_prefix("x-ratelimit-remaining: "));
    line.and_then(|left| left.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

fn outside(metrics: SocketAddr) -> String {
    let text = crate::service::get(metrics, "/metrics").body;
    let row = "fulmar_edge_connections_total{outcome=\"outside\"} ";
    text.lines().find_map(|line| line.strip_prefix(row)).expect("a row").to_owned()
}

#[test]
fn who_comes_round_the_proxies_is_reset_and_counted() {
    let (here, metrics) = start("trusted_proxies = [\"127.0.0.2\"]\ndirect_networks = []");
    for (count, last) in [(1, 3), (2, 1)] {
        // Its own connection may be gone before it has said anything.
        let ended = say(here.address(), last, &asks("")).expect_err("no answer").kind();
        let gone = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(gone.contains(&ended), "{ended:?}");
        assert_eq!(outside(metrics), count.to_string());
    }
    let answer = say(here.address(), 2, &asks("")).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(outside(metrics), "2");
}

#[test]
fn this_machine_may_come_round_unless_it_is_said_otherwise() {
    let (here, metrics) = start("trusted_proxies = [\"192.0.2.1\"]");
    let answer = say(here.address(), 1, &asks("")).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(outside(metrics), "0");
}

#[test]
fn requests_are_counted_by_the_clients_that_proxies_name() {
    within_a_window(|| {
        let (proxy, stranger) = (2, 1);
        let line = |client: &str| format!("PROXY TCP4 {client} 10.0.0.1 4660 443\r\n").into_bytes();
        let forwarded = |client: &str| format!("forwarded: for=\"{client}:80\"\r\n");
        let passed = |client: &str| format!("x-forwarded-for: {client}\r\n");
        let trusted = "trusted_proxies = [\"127.0.0.2\"]\n";

        let (here, _) = start(&format!("{trusted}proxy_protocol = \"required\""));
        let first = apps_left(here.address(), proxy, &line("192.0.2.7"), "");
        let again = apps_left(here.address(), proxy, &line("192.0.2.7"), &passed("192.0.2.99"));
        let other = apps_left(here.address(), proxy, &line("192.0.2.8"), "");
        assert_eq!((again, other), (first - 1, first), "one client is one, whatever it writes");

        let (here, _) = start(&format!("{trusted}forwarded_header = \"forwarded\""));
        let first = apps_left(here.address(), proxy, b"", &forwarded("192.0.2.7"));
        let more = format!("{}{}", passed("192.0.2.99"), forwarded("192.0.2.7"));
        let again = apps_left(here.address(), proxy, b"", &more);
        let other = apps_left(here.address(), proxy, b"", &forwarded("192.0.2.8"));
        assert_eq!((again, other), (first - 1, first), "only the declared header counts");
        let own = apps_left(here.address(), stranger, b"", &forwarded("192.0.2.7"));
        let again = apps_left(here.address(), stranger, b"", &forwarded("192.0.2.9"));
        assert_eq!((own, again), (first, first - 1), "a forged one is not believed");
    });
}

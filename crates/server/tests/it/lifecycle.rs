//! The life of a server under a service manager: it says when it is ready, stops without leaving
//! anybody without an answer, ends whoever keeps it waiting, and tells no secrets on the way.

use crate::service::{Service, connect, get, to_the_end};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{linux::net::SocketAddrExt as _, unix::net::UnixDatagram},
    path::Path,
    time::{Duration, Instant},
};
use testkit::PATIENCE;

const BODY: &str = "client_name=app&redirect_uris=urn:ietf:wg:oauth:2.0:oob";

/// What the service manager would be told next.
fn told(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let length = manager.recv(&mut bytes).expect("the manager is told something");
    String::from_utf8(bytes[..length].to_vec()).expect("text")
}

fn manager(at: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(at).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    socket
}

/// Sends without waiting for an answer.
fn say(mut to: &TcpStream, text: &str) {
    to.write_all(text.as_bytes()).expect("sent");
}

/// A connection that has been used and is kept.
fn kept(to: SocketAddr) -> TcpStream {
    let mut socket = connect(to);
    say(&socket, "GET /health HTTP/1.1\r\nhost: here\r\n\r\n");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nOK") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("answered");
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    socket
}

/// Whether somebody new would still be served.
fn is_served(address: SocketAddr) -> bool {
    let Ok(mut socket) = TcpStream::connect(address) else { return false };
    let mut answer = Vec::new();
    let asked = socket.write_all(b"GET /health HTTP/1.0\r\n\r\n");
    let heard = asked.and_then(|()| socket.read_to_end(&mut answer));
    heard.is_ok() && !answer.is_empty()
}

#[test]
fn who_connects_between_two_servers_is_served_by_the_next() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("bound");
    let mut first = Service::on_socket(&socket);
    assert_eq!(get(address, "/health").status(), 200);
    first.signal("TERM");
    assert!(first.ended().success(), "{}", first.log);
    let waiting = connect(address);
    say(&waiting, "GET /health HTTP/1.0\r\n\r\n");
    let second = Service::on_socket(&socket);
    assert_eq!(second.address(), address);
    assert_eq!(to_the_end(waiting).status(), 200);
}

#[test]
fn whoever_was_begun_with_is_answered_and_nobody_new_is_let_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().join("manager");
    let manager = manager(&name);
    let name = name.to_str().expect("text");
    let mut here = Service::start("", &[("NOTIFY_SOCKET", name)]);
    let address = here.address();
    assert!(told(&manager).starts_with("READY=1\n"));
    assert_eq!(get(address, "/ready").status(), 200);
    let idle: Vec<TcpStream> = (0..5).map(|_| kept(address)).collect();
    let asking: Vec<TcpStream> = (0..20).map(|_| kept(address)).collect();
    let (half_a_head, half_a_body) = (kept(address), kept(address));
    say(&half_a_head, "GET /ready?access_token=hush HTTP/1.1\r\nhost: here\r\n");
    let (begun, rest) = BODY.split_at(20);
    let length = BODY.len();
    let head = format!(
        "POST /api/v1/apps HTTP/1.1\r\nhost: here\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{begun}"
    );
    say(&half_a_body, &head);
    for socket in &asking {
        say(socket, "GET /api/v1/instance HTTP/1.1\r\nhost: here\r\n\r\n");
    }
    here.signal("TERM");
    assert!(told(&manager).starts_with("STOPPING=1\n"));
    here.logged("stopping");
    say(&half_a_head, "\r\n");
    say(&half_a_body, rest);
    let ready = to_the_end(half_a_head);
    assert_eq!(ready.status(), 503, "{}", ready.head);
    assert!(ready.head.contains("retry-after: ") && ready.head.contains("connection: close"));
    let app = to_the_end(half_a_body);
    assert_eq!(app.status(), 200, "{}", app.head);
    assert!(app.body.contains("client_secret"), "{}", app.body);
    for socket in asking {
        let heard = to_the_end(socket);
        assert_eq!(heard.status(), 200, "{}", heard.head);
        assert!(heard.body.ends_with('}'), "cut: {}", heard.body);
    }
    // Those who wanted nothing are closed in the usual way, not reset.
    for mut socket in idle {
        assert_eq!(socket.read(&mut [0]).expect("closed"), 0);
    }
    let deadline = Instant::now() + PATIENCE;
    while is_served(address) {
        assert!(Instant::now() < deadline, "it lets new ones in");
    }
    assert!(here.ended().success(), "{}", here.log);
    assert!(here.log.contains("connections_cut=0"), "{}", here.log);
    assert!(here.log.contains("path=\"/ready\"") && !here.log.contains("hush"), "{}", here.log);
}

#[test]
fn who_keeps_a_stopping_server_waiting_is_cut() {
    let mut here = Service::start("", &[]);
    let stuck = kept(here.address());
    say(&stuck, "POST /api/v1/apps HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\n");
    here.signal("TERM");
    assert!(here.ended().success(), "{}", here.log);
}

#[test]
fn reading_again_is_announced_and_the_server_stays() {
    // A name without a file, as some managers use.
    let name = format!("fulmar-test-{}", std::process::id());
    let abstract_name = std::os::unix::net::SocketAddr::from_abstract_name(&name);
    let manager = UnixDatagram::bind_addr(&abstract_name.expect("a name")).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let here = Service::start("", &[("NOTIFY_SOCKET", &format!("@{name}"))]);
    assert!(told(&manager).starts_with("READY=1\n"));
    here.signal("HUP");
    let reloading = told(&manager);
    let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("both");
    assert!(at.parse::<u64>().expect("a number") > 0, "{reloading}");
    assert!(told(&manager).starts_with("READY=1\n"));
    assert_eq!(get(here.address(), "/health").status(), 200);
}

#[test]
fn a_manager_that_wants_to_know_hears_that_the_server_lives() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().join("manager");
    let manager = manager(&name);
    let name = name.to_str().expect("text");
    let granted = [("NOTIFY_SOCKET", name), ("WATCHDOG_USEC", "100000")];
    let here = Service::start("", &granted);
    assert!(told(&manager).starts_with("READY=1"));
    for _ in 0..3 {
        assert_eq!(told(&manager), "WATCHDOG=1");
    }
    // Whoever is stopped says nothing, which is what the manager waits for.
    here.signal("STOP");
    manager.set_read_timeout(Some(Duration::from_secs(1))).expect("a deadline");
    let mut bytes = [0; 64];
    // What was said before it stopped may still be under way.
    let said = (0..5).take_while(|_| manager.recv(&mut bytes).is_ok()).count();
    assert!(said < 5, "it goes on");
    here.signal("CONT");
}

#[test]
fn a_manager_that_is_gone_is_no_reason_not_to_serve() {
    let mut here = Service::start("", &[("NOTIFY_SOCKET", "/nowhere/at/all")]);
    here.logged("was not told");
    assert_eq!(get(here.address(), "/health").status(), 200);
    here.signal("INT");
    assert!(here.ended().success(), "{}", here.log);
}

#[test]
fn each_request_has_a_line_for_who_wants_it_and_none_tells_what_was_in_it() {
    let filter = "[log]\nfilter = \"info,fulmar::request=debug\"\n";
    for (config, lines) in [(filter, true), ("", false)] {
        let mut here = Service::start(config, &[]);
        for path in ["/api/v1/accounts/hush?access_token=hush", "/hush/hush", "/media/hush.png"] {
            let mut socket = connect(here.address());
            let head = format!(
                "GET {path} HTTP/1.1\r\nhost: hush\r\nauthorization: Bearer hush\r\n\
                 cookie: hush\r\nx-request-id: hush\r\nconnection: close\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).expect("sent");
            let status = to_the_end(socket).status();
            if lines {
                let line = here.logged("fulmar::request");
                assert!(line.contains(&format!("status={status}")), "{line}");
                assert!(line.contains("method=GET") && line.contains("route="), "{line}");
            }
        }
        here.signal("TERM");
        assert!(here.ended().success(), "{}", here.log);
        assert!(!here.log.contains("hush"), "{}", here.log);
        assert_eq!(here.log.contains("fulmar::request"), lines, "{}", here.log);
    }
}

//! The way out: with a proxy configured, mail and orders of certificates go through it, by names
//! that only it knows, and nothing reaches the other side in another way. And what a mail says of
//! the server that sent it.

use crate::{
    instance::Instance,
    sink::{Sink, Taken, Tls},
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::net::TcpSocket;

/// Where the proxy calls from: the other side sees it and nobody else.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 50);

/// A proxy of both kinds. It knows where names lead, and keeps what it was asked for.
pub struct Proxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// All names lead to this machine.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                // A client that leaves is no failure of the proxy's.
                std::thread::spawn(move || drop(relay(socket, &kept)));
            }
        });
        Self { address, asked }
    }

    /// What it was asked for until now, once each.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().expect("kept").clone();
        asked.sort();
        asked.dedup();
        asked
    }
}

fn relay(mut socket: TcpStream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut first = [0];
    socket.read_exact(&mut first)?;
    let (to, yes) = match first {
        [5] => (socks5(&mut socket)?, &b"\x05\0\0\x01\0\0\0\0\0\0"[..]),
        _ => (connect(&mut socket)?, &b"HTTP/1.1 200 Fine\r\n\r\n"[..]),
    };
    asked.lock().expect("kept").push(to.clone());
    let port = to.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
    let other = call(port)?;
    // In one piece with what the other side says first, as it may well come.
    let mut greeting = [0; 512];
    other.set_read_timeout(Some(std::time::Duration::from_millis(200)))?;
    let length = (&other).read(&mut greeting).unwrap_or(0);
    other.set_read_timeout(None)?;
    socket.write_all(&[yes, &greeting[..length]].concat())?;
    let (mut there, mut back) = ((socket.try_clone()?, other.try_clone()?), (other, socket));
    std::thread::spawn(move || std::io::copy(&mut there.0, &mut there.1));
    std::io::copy(&mut back.0, &mut back.1).map(drop)
}

fn call(port: u16) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let socket = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((OUTSIDE, 0).into())?;
        socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?.into_std()
    })?;
    socket.set_nonblocking(false)?;
    Ok(socket)
}

fn connect(socket: &mut TcpStream) -> std::io::Result<String> {
    let mut head = b"C".to_vec();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    assert!(head.starts_with("CONNECT "), "{head}");
    Ok(head.split(' ').nth(1).expect("a place").to_owned())
}

fn socks5(socket: &mut TcpStream) -> std::io::Result<String> {
    let mut methods = [0; 2];
    socket.read_exact(&mut methods)?;
    socket.write_all(b"\x05\0")?;
    let mut asked = [0; 4];
    socket.read_exact(&mut asked)?;
    let length = match asked[3] {
        1 => 4,
        4 => 16,
        _ => {
            let mut length = [0];
            socket.read_exact(&mut length)?;
            usize::from(length[0])
        }
    };
    let (mut host, mut port) = (vec![0; length], [0; 2]);
    socket.read_exact(&mut host)?;
    socket.read_exact(&mut port)?;
    let host = match <[u8; 4]>::try_from(host.as_slice()) {
        Ok(four) if asked[3] == 1 => Ipv4Addr::from(four).to_string(),
        _ => String::from_utf8_lossy(&host).into_owned(),
    };
    Ok(format!("{host}:{}", u16::from_be_bytes(port)))
}

/// An instance whose mail server has a name that leads nowhere here.
fn place(tls: Tls, egress: &str) -> (Instance, Sink, TempDir) {
    let (sink, folder) = (Sink::new(tls), TempDir::new().expect("a folder"));
    let section = sink.section(&folder.path().join("ca.pem"), "");
    let section = section.replace("host = \"localhost\"", "host = \"mail.example\"");
    let here = Instance::with(&format!(
        "[server]\ndomain = \"social.example\"\n{section}[egress]\n{egress}\n"
    ));
    here.member("ann");
    (here, sink, folder)
}

fn ask_for_reset(here: &Instance) {
    let more = "sec-fetch-site: same-origin\r\naccept: text/html\r\n\
        content-type: application/x-www-form-urlencoded\r\n";
    let form = b"email=ann%40example.org";
    let (head, _) = here.exchange("POST", "/auth/password/new", "", more, form);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

/// What a letter and its conversation say of where they come from.
fn betrays_nothing(letter: &Taken, hello: &str) {
    assert!(hello.ends_with(" social.example"), "{hello}");
    let id = letter.header("Message-ID").expect("an id");
    assert!(id.ends_with("@social.example>"), "{id}");
    assert_eq!(letter.header("Received"), None);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    let host = host.trim();
    for (name, value) in letter.head.lines().filter_map(|line| line.split_once(": ")) {
        assert!(!value.contains("127.0.0.1"), "{name}: {value}");
        assert!(host.is_empty() || !value.contains(host), "{name}: {value} names this machine");
    }
}

#[test]
fn mail_goes_through_the_proxy_and_in_no_other_way() {
    std::thread::scope(|scope| {
        for (tls, scheme) in [
            (Tls::StartTls, "http"),
            (Tls::Implicit, "http"),
            (Tls::StartTls, "socks5"),
            (Tls::Implicit, "socks5"),
        ] {
            scope.spawn(move || {
                let proxy = Proxy::start();
                let (here, sink, _folder) =
                    place(tls, &format!("proxy = \"{scheme}://{}\"", proxy.address));
                ask_for_reset(&here);
                let letter = sink.letters(1).remove(0);
                assert!(letter.is_encrypted);
                let asked = proxy.asked();
                assert_eq!(asked, [format!("mail.example:{}", sink.port())], "by its name");
                assert_eq!(sink.peers(), [IpAddr::from(OUTSIDE)], "nobody else came");
                betrays_nothing(&letter, &sink.hello());
            });
        }
    });
}

#[test]
fn without_the_proxy_there_is_no_mail_and_a_direct_host_goes_round_it() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one");
    let (sink, folder) = (Sink::new(Tls::Implicit), TempDir::new().expect("a folder"));
    let section = sink.section(&folder.path().join("ca.pem"), "");
    let text = |direct: &str| {
        let egress = format!("[egress]\nproxy = \"socks5://{gone}\"\ndirect = [{direct}]\n");
        format!("[server]\ndomain = \"social.example\"\n{section}{egress}")
    };
    let here = Instance::with(&text(""));
    let looked = |here: &Instance| {
        let said = here.command(&["doctor", "--json"]).out;
        let findings: Value = serde_json::from_str(&said).expect("JSON");
        let mail = findings.as_array().expect("a list").iter().find(|f| f["check"] == "mail");
        mail.expect("it looks at mail")["verdict"].clone()
    };
    assert_eq!(looked(&here), "wrong");
    assert_eq!(sink.peers(), Vec::<IpAddr>::new(), "it was not called in another way");
    here.configure(&text("\"localhost\""));
    assert_eq!(looked(&here), "good");
    assert_eq!(sink.peers(), [IpAddr::from(Ipv4Addr::LOCALHOST)]);
}

#[test]
fn connections_leave_from_the_address_that_the_host_chose() {
    let from = Ipv4Addr::new(127, 0, 0, 60);
    let (sink, folder) = (Sink::new(Tls::StartTls), TempDir::new().expect("a folder"));
    let section = sink.section(&folder.path().join("ca.pem"), "");
    let here = Instance::with(&format!(
        "[server]\ndomain = \"social.example\"\n{section}\
         [egress]\naddress = \"{from}\"\ndirect = []\n"
    ));
    here.member("ann");
    ask_for_reset(&here);
    sink.letters(1);
    assert_eq!(sink.peers(), [IpAddr::from(from)]);
}

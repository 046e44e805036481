//! Both kinds of proxy on loopback, which keep what they are asked for and answer a few bytes at a
//! time; what lies behind them speaks first. Names here resolve nowhere: only a proxy knows them.

use super::*;
use std::sync::Mutex;
use tokio::net::TcpListener;

/// What a proxy says, each after so many bytes.
type Answers = &'static [(usize, &'static [u8])];

/// What a proxy was told, byte by byte, until it had heard enough to answer.
struct Recorded {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A proxy that says each of `answers` after one more message of so many bytes, or, where that is
/// 0, after an empty line; then it is the other server, and says its greeting with the last answer.
async fn proxy(answers: Answers) -> Recorded {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            for (length, answer) in answers {
                let mut message = Vec::new();
                while message.len() < *length || (*length == 0 && !message.ends_with(b"\r\n\r\n")) {
                    let Ok(byte) = socket.read_u8().await else { return };
                    message.push(byte);
                }
                kept.lock().expect("kept").push(message);
                for part in answer.chunks(3) {
                    socket.write_all(part).await.expect("sent");
                }
            }
        }
    });
    Recorded { address, heard }
}

impl Recorded {
    fn egress(&self, scheme: &str, user: &str) -> Egress {
        let proxy = format!("{scheme}://{user}{}", self.address).parse().expect("a proxy");
        Egress::new(Some(proxy), None, Vec::new())
    }

    fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().expect("kept").clone()
    }
}

fn target(host: &str) -> Target<'_> {
    Target { host, port: 25, is_verified: false }
}

async fn greeted(egress: &Egress, host: &str) -> io::Result<String> {
    let mut socket = egress.open(target(host), Reach::Anywhere).await?;
    let mut greeting = [0; 5];
    socket.read_exact(&mut greeting).await?;
    Ok(String::from_utf8_lossy(&greeting).into_owned())
}

#[tokio::test]
async fn a_proxy_of_either_kind_is_asked_by_name_and_nothing_behind_it_is_lost() {
    let yes = proxy(&[(0, b"HTTP/1.1 200 Fine\r\nVia: x\r\n\r\n220 x")]).await;
    let egress = yes.egress("http", "");
    assert_eq!(greeted(&egress, "mail.test").await.expect("open"), "220 x");
    let asked = b"CONNECT mail.test:25 HTTP/1.1\r\nHost: mail.test:25\r\n\r\n";
    assert_eq!(yes.heard(), [asked.to_vec()]);

    let yes = proxy(&[(0, b"HTTP/1.0 200\r\n\r\n220 x")]).await;
    let egress = yes.egress("http", "ann:s%40y@");
    assert_eq!(greeted(&egress, "2001:db8::7").await.expect("open"), "220 x");
    let asked = "CONNECT [2001:db8::7]:25 HTTP/1.1\r\nHost: [2001:db8::7]:25\r\n\
        Proxy-Authorization: Basic YW5uOnNAeQ==\r\n\r\n";
    assert_eq!(yes.heard(), [asked.as_bytes().to_vec()]);

    let yes = proxy(&[(3, b"\x05\0"), (16, b"\x05\0\0\x01\0\0\0\0\0\x00220 x")]).await;
    let egress = yes.egress("socks5", "");
    assert_eq!(greeted(&egress, "mail.test").await.expect("open"), "220 x");
    assert_eq!(
        yes.heard(),
        [b"\x05\x01\0".to_vec(), b"\x05\x01\0\x03\x09mail.test\0\x19".to_vec()]
    );

    let yes = proxy(&[(3, b"\x05\x02"), (9, b"\x01\0"), (10, b"\x05\0\0\x03\x02ab\0\x00220 x")]);
    let yes = yes.await;
    let egress = yes.egress("socks5", "ann:s%40y@");
    assert_eq!(greeted(&egress, "192.0.2.7").await.expect("open"), "220 x");
    let asked = [b"\x05\x01\x02".to_vec(), b"\x01\x03ann\x03s@y".to_vec()];
    assert_eq!(yes.heard()[..2], asked);
    assert_eq!(yes.heard()[2], b"\x05\x01\0\x01\xc0\0\x02\x07\0\x19");
}

#[tokio::test]
async fn a_proxy_that_says_no_is_no_way_round() {
    let no: [(&str, Answers); 8] = [
        ("http", &[(0, b"HTTP/1.1 403 No\r\n\r\n")]),
        ("http", &[(0, b"HTTP/1.1 407 Who?\r\n\r\n")]),
        ("http", &[(0, b"SSH-2.0-x 200 y\r\n\r\n")]),
        ("http", &[(0, &[b'x'; PROXY_ANSWER_BYTES_MAX])]),
        ("socks5", &[(3, b"\x05\xff")]),
        ("socks5", &[(3, b"\x04\0")]),
        ("socks5", &[(3, b"\x05\0"), (16, b"\x05\x02\0\x01\0\0\0\0\0\0")]),
        ("socks5", &[(3, b"\x05\0"), (16, b"\x05\0\0\x09\0\0\0\0\0\0")]),
    ];
    for (scheme, answers) in no {
        let said = greeted(&proxy(answers).await.egress(scheme, ""), "mail.test").await;
        let said = said.expect_err("no connection").to_string();
        assert!(said.contains("the proxy opened no connection"), "{said}");
    }
}

#[tokio::test]
async fn through_a_proxy_strangers_reach_no_further_than_without() {
    let through = proxy(&[(0, b"HTTP/1.1 200 Fine\r\n\r\n220 x")]).await;
    let egress = through.egress("http", "");
    let table = [
        ("127.0.0.1", true),
        ("10.0.0.1", true),
        ("::1", true),
        ("::ffff:10.0.0.1", true),
        ("169.254.169.254", false),
        ("localhost", true),
        ("a.localhost", true),
        ("printer", true),
        ("printer.local", true),
        ("db.internal.", true),
        ("x.home.arpa", true),
        ("127.1", true),
        ("0x7f.0x1", true),
        ("2130706433", true),
        ("a b", true),
        ("a\r\nb.example", true),
        ("", true),
        // Nobody would notice that it is not who it says.
        ("example.org", false),
    ];
    for (host, is_verified) in table {
        let to = Target { host, port: 443, is_verified };
        let said = egress.open(to, Reach::Public).await.expect_err(host);
        assert_eq!(said.kind(), io::ErrorKind::PermissionDenied, "{host:?}");
    }
    assert_eq!(through.heard(), Vec::<Vec<u8>>::new(), "the proxy was asked for none");
    for (host, is_verified) in [("example.org", true), ("192.0.9.1", false)] {
        let to = Target { host, port: 443, is_verified };
        egress.open(to, Reach::Public).await.expect(host);
    }
    assert_eq!(through.heard().len(), 2);
}

#[tokio::test]
async fn direct_hosts_go_round_and_an_address_is_left_from() {
    let through = proxy(&[(0, b"HTTP/1.1 200 Fine\r\n\r\n220 x")]).await;
    let other = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = other.local_addr().expect("an address").port();
    let proxy: Proxy = format!("http://{}", through.address).parse().expect("a proxy");
    let from = IpAddr::from([127, 0, 0, 7]);
    let to = |host| Target { host, port, is_verified: false };

    let egress = Egress::new(Some(proxy), Some(from), vec!["127.0.0.1".to_owned()]);
    let _held = egress.open(to("127.0.0.1"), Reach::Anywhere).await.expect("open");
    let (_, peer) = other.accept().await.expect("a call");
    assert_eq!(peer.ip(), IpAddr::from([127, 0, 0, 1]), "as if nothing were set");
    assert_eq!(through.heard().len(), 0);
    let refused = egress.open(to("127.0.0.1"), Reach::Public).await.expect_err("guarded");
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);

    let egress = Egress::new(None, Some(from), Vec::new());
    let _held = egress.open(to("127.0.0.1"), Reach::Anywhere).await.expect("open");
    let (_, peer) = other.accept().await.expect("a call");
    assert_eq!(peer.ip(), from);
    let said = egress.open(to("::1"), Reach::Anywhere).await.expect_err("another family");
    assert!(said.to_string().contains("egress.address"), "{said}");
}

#[test]
fn proxies_are_written_in_these_forms_and_shown_without_their_secret() {
    for (text, expected) in [
        ("http://proxy.test:3128", Ok("http://proxy.test:3128")),
        ("http://127.0.0.1:3128/", Ok("http://127.0.0.1:3128")),
        ("socks5://[::1]:1080", Ok("socks5://[::1]:1080")),
        ("socks5://ann:hu%3Ash@proxy.test:1080", Ok("socks5://proxy.test:1080")),
        ("https://proxy.test:3128", Err(ProxyError::Scheme)),
        ("proxy.test:3128", Err(ProxyError::Scheme)),
        ("http://proxy.test", Err(ProxyError::Port)),
        ("http://proxy.test:0", Err(ProxyError::Port)),
        ("http://proxy.test:3128/x", Err(ProxyError::Port)),
        ("http://:3128", Err(ProxyError::Host)),
        ("http://a b:3128", Err(ProxyError::Host)),
        ("http://ann@proxy.test:3128", Err(ProxyError::Credentials)),
        ("socks5://ann:@proxy.test:3128", Err(ProxyError::Credentials)),
    ] {
        let shown = text.parse::<Proxy>().map(|proxy| format!("{proxy:?}"));
        assert_eq!(shown, expected.map(str::to_owned), "{text}");
    }
}

//! Turns at the cryptography of strangers' handshakes: every flight that has the server compute
//! with public keys waits for one, and no other does.

use std::sync::Arc;

use rustls::crypto::{ActiveKeyExchange, CryptoProvider, SharedSecret, SupportedKxGroup};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, NamedGroup};
use shield::edge::{Handshaken, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stand::{Stand, in_time, lasting, poll};

/// A key that no server takes, so that it asks for another.
#[derive(Debug)]
struct Odd;

impl SupportedKxGroup for Odd {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        Ok(Box::new(Self))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::from(0x4242)
    }
}

impl ActiveKeyExchange for Odd {
    fn complete(self: Box<Self>, _: &[u8]) -> Result<SharedSecret, rustls::Error> {
        Err(rustls::Error::General("nobody takes it".to_owned()))
    }

    fn pub_key(&self) -> &[u8] {
        &[7; 32]
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::from(0x4242)
    }
}

/// A client that is driven by hand.
struct Client {
    session: ClientConnection,
    stream: TcpStream,
}

impl Client {
    async fn new(stand: &Stand, config: &Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::clone(config), name).expect("a client");
        Self { session, stream: stand.dial_secure_raw(2).await }
    }

    /// Sends all that it has to say.
    async fn says(&mut self) {
        let mut words = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut words).expect("words");
        }
        self.stream.write_all(&words).await.expect("sent");
    }

    /// Hears until it has something to say itself, or all is said.
    async fn hears(&mut self) {
        let mut space = [0; 16 * 1024];
        while self.session.is_handshaking() && !self.session.wants_write() {
            let count = in_time("an answer", self.stream.read(&mut space)).await.expect("read");
            assert!(count > 0, "the server left");
            let mut heard = &space[..count];
            while !heard.is_empty() {
                self.session.read_tls(&mut heard).expect("heard");
                self.session.process_new_packets().expect("understood");
            }
        }
    }
}

/// Greets, and is answered; the flight after that comes when nothing may be spent on strangers.
async fn check(stand: &Stand, client: &Arc<ClientConfig>, waits: bool) {
    let before = stand.stats.handshakes(Handshaken::Full);
    let mut client = Client::new(stand, client).await;
    client.says().await;
    client.hears().await;
    stand.handle.press(true);
    poll("it is pressed", || stand.stats.pressed()).await;
    client.says().await;
    let is_done = || stand.stats.handshakes(Handshaken::Full) > before;
    if waits {
        poll("it waits", || is_done() || stand.stats.handshakes_waiting() == 1).await;
        assert!(!is_done(), "it was worked at without a turn");
    } else {
        poll("it is done", is_done).await;
    }
    stand.handle.press(false);
    poll("it is not pressed", || !stand.stats.pressed()).await;
    while client.session.is_handshaking() {
        client.hears().await;
        client.says().await;
    }
    poll("it is done in the end", is_done).await;
}

#[tokio::test]
async fn a_flight_that_costs_as_much_as_a_greeting_waits_for_a_turn_and_no_other() {
    let stand = Stand::new(Options { handshake_us_per_s: 0, ..lasting() });
    check(&stand, &stand.client(&["h2"]), false).await;
    check(&stand, &stand.client_of(&["h2"], &[&rustls::version::TLS12]), true).await;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let groups = [&[&Odd as &dyn SupportedKxGroup], &provider.kx_groups[..]].concat();
    let provider = CryptoProvider { kx_groups: groups, ..provider };
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("versions")
        .with_root_certificates(Arc::clone(&stand.roots))
        .with_no_client_auth();
    check(&stand, &Arc::new(client), true).await;
}

/// However many handshakes of the known begin at once, so many are answered before everybody else
/// has a turn: seen by the answers that came between two turns of this test's own.
#[tokio::test]
async fn a_burst_from_a_members_address_leaves_turns_to_everybody_else() {
    let stand = Stand::new(lasting());
    let mut member = stand.dial_from(2).await;
    member.send(b"GET /member/7 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    member.until("welcome").await;
    let greeting = stand.greeting();
    let mut burst = Vec::new();
    for _ in 0..60 {
        burst.push(stand.dial_secure_raw(2).await);
    }
    poll("all sit", || stand.stats.open() == 61).await;
    assert_eq!(stand.stats.known(), 61);
    for stream in &burst {
        assert_eq!(stream.try_write(&greeting).expect("sent"), greeting.len());
    }
    let is_answered = |stream: &TcpStream| {
        let socket = socket2::SockRef::from(stream);
        socket.peek(&mut [std::mem::MaybeUninit::uninit()]).is_ok_and(|bytes| bytes > 0)
    };
    let (mut answered, mut most_at_once) = (0, 0);
    let all = async {
        while answered < burst.len() {
            tokio::task::yield_now().await;
            let now = burst.iter().filter(|stream| is_answered(stream)).count();
            most_at_once = most_at_once.max(now - answered);
            answered = now;
        }
    };
    in_time("all are answered", all).await;
    let cores = std::thread::available_parallelism().expect("a number").get();
    assert!(most_at_once <= 4 * cores, "{most_at_once} at once");
}

/// The greeting without the keys in it (RFC 8446, 4.2.8): what asks for a retry.
fn without_keys(greeting: &[u8]) -> Vec<u8> {
    let short = |at: usize| usize::from(u16::from_be_bytes([greeting[at], greeting[at + 1]]));
    // A record's header, a message's, version and random; then lists that say how long they are.
    let session = 5 + 4 + 2 + 32;
    let ciphers = session + 1 + usize::from(greeting[session]);
    let compressions = ciphers + 2 + short(ciphers);
    let extensions = compressions + 1 + usize::from(greeting[compressions]);
    let mut kept = Vec::new();
    let mut at = extensions + 2;
    while at < greeting.len() {
        let end = at + 4 + short(at + 2);
        match short(at) {
            51 => kept.extend([0, 51, 0, 2, 0, 0]),
            _ => kept.extend_from_slice(&greeting[at..end]),
        }
        at = end;
    }
    let sized = |bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).expect("short").to_be_bytes();
        [&length[..], bytes].concat()
    };
    let message = [&greeting[9..extensions], &sized(&kept)].concat();
    [&[22, 3, 1], &sized(&[&[1, 0], &sized(&message)[..]].concat())[..]].concat()
}

#[tokio::test]
async fn who_named_no_key_at_all_waits_again_with_the_next_greeting() {
    let stand = Stand::new(Options { handshake_us_per_s: 0, ..lasting() });
    let greeting = stand.greeting();
    let mut wire = stand.dial_secure_from(2).await;
    wire.send(&without_keys(&greeting)).await;
    assert!(wire.read_some().await > 0);
    // A ServerHello whose random number says that it is a retry (RFC 8446, 4.1.3).
    assert_eq!((wire.seen[5], &wire.seen[11..15]), (2, &[0xcf, 0x21, 0xad, 0x74][..]));
    stand.handle.press(true);
    poll("it is pressed", || stand.stats.pressed()).await;
    wire.send(&greeting).await;
    poll("it waits", || stand.stats.handshakes_waiting() == 1).await;
    stand.handle.press(false);
    assert!(wire.read_some().await > 0, "it is answered");
}

#[tokio::test]
async fn who_greets_and_leaves_takes_nothing_from_others() {
    // Enough for one, and then for long for nobody.
    let stand = Stand::new(Options { handshake_us_per_s: 1, ..lasting() });
    stand.handle.press(true);
    poll("it is pressed", || stand.stats.pressed()).await;
    let greeting = stand.greeting();
    for nth in 1..=30 {
        let mut stream = stand.dial_secure_raw(2).await;
        stream.write_all(&greeting).await.expect("sent");
        stream.shutdown().await.expect("left");
        poll("it was seen", || stand.stats.accepted() == nth && stand.stats.open() == 0).await;
    }
    in_time("a stranger's handshake", stand.dial_tls(&["h2"])).await;
}

#[tokio::test]
async fn who_was_served_a_request_teaches_where_people_come_from_and_no_other() {
    let stand = Stand::new(lasting());
    let nothing = stand.handle.learnt().len();
    let mut wire = stand.dial_tls_from(3, &["http/1.1"]).await;
    poll("it is counted", || stand.stats.handshakes(Handshaken::Full) == 1).await;
    for (path, answer, teaches) in [("no", "too large", false), ("", "hello", true)] {
        wire.send(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
        wire.until(answer).await;
        assert_eq!(stand.handle.learnt().len() > nothing, teaches, "/{path}");
    }
}

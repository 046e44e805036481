//! Hoards: far more connections than there are seats, each of which says as little as it can. They
//! cost members and newcomers neither their seats nor their time.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConfig;
use shield::edge::{Cut, Handshaken, Options};

use crate::stand::{Stand, Wire, in_time, lasting, poll};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const MEMBER: &[u8] = b"GET /member/7 HTTP/1.1\r\nHost: a\r\n\r\n";

/// Nobody goes for being slow: only who has no claim to a seat.
fn patient() -> Options {
    Options { eviction_after_ms: 600_000, ..lasting() }
}

/// What a hoarder says before it is silent.
#[derive(Clone, Copy, Debug)]
enum Hoard {
    /// This, on the door without TLS.
    Plain(&'static [u8]),
    /// So much of a greeting, in thousandths.
    Greeting(usize),
    /// A handshake, and this.
    Secure(&'static [u8]),
}

impl Hoard {
    const ALL: [Self; 11] = [
        Self::Plain(b""),
        Self::Plain(b"G"),
        Self::Plain(b"PRI * HT"),
        Self::Plain(b"GET / HTTP/1.1\r\n"),
        Self::Greeting(0),
        Self::Greeting(1),
        Self::Greeting(999),
        Self::Greeting(1_000),
        Self::Secure(b""),
        Self::Secure(b"G"),
        Self::Secure(b"GET / HTTP/1.1\r\n"),
    ];

    async fn come(self, stand: &Stand, last: u8) -> Wire {
        match self {
            Self::Plain(said) => {
                let mut wire = stand.dial_from(last).await;
                wire.send(said).await;
                wire
            }
            Self::Greeting(thousandths) => {
                let greeting = stand.greeting();
                let mut wire = stand.dial_secure_from(last).await;
                wire.send(&greeting[..(greeting.len() * thousandths).div_ceil(1_000)]).await;
                wire
            }
            Self::Secure(said) => {
                let mut wire = stand.dial_tls_from(last, &["http/1.1"]).await;
                wire.send(said).await;
                wire
            }
        }
    }
}

/// Asks over a connection that is open.
async fn ask(wire: &mut Wire, request: &[u8], answer: &str) {
    wire.send(request).await;
    wire.until(answer).await;
}

/// A member's connection that was served and is kept, and what it takes to resume its session.
async fn member(stand: &Stand, last: u8) -> (Wire, Arc<ClientConfig>) {
    let client = stand.client(&["http/1.1"]);
    let mut wire = stand.dial_tls_as(&client, last).await;
    ask(&mut wire, MEMBER, "welcome").await;
    (wire, client)
}

#[tokio::test]
async fn whatever_hoarders_say_members_and_newcomers_are_served_at_their_first_try() {
    for hoard in Hoard::ALL {
        let stand = Stand::new(Options { connections_max: 24, ..patient() });
        let (mut kept, client) = member(&stand, 2).await;
        let mut hoarders = Vec::new();
        for nth in 0..72 {
            hoarders.push(hoard.come(&stand, 100 + nth).await);
            if nth % 12 == 11 {
                ask(&mut kept, GET, "hello").await;
                // From another address: only its ticket says who it is.
                let mut resumed = stand.dial_tls_as(&client, 10 + nth).await;
                ask(&mut resumed, GET, "hello").await;
                let mut newcomer = stand.dial_tls_from(11 + nth, &["http/1.1"]).await;
                ask(&mut newcomer, GET, "hello").await;
            }
        }
        assert_eq!(stand.stats.refused(), 0, "{hoard:?}");
        assert_eq!(stand.stats.handshakes(Handshaken::Resumed), 6, "{hoard:?}");
        assert!(stand.stats.cut(Cut::Evicted) >= 40, "{hoard:?}: {:?}", stand.all_cut());
        assert!(stand.stats.open() <= 24 + 2, "{hoard:?}: {} sit", stand.stats.open());
    }
}

/// Whether something has come, as the kernel sees it.
fn was_answered(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 64]), Ok(1..))
}

#[tokio::test]
async fn a_member_waits_for_the_handshakes_of_a_few_strangers_and_not_of_all() {
    const STRANGERS: u8 = 60;
    let stand = Stand::new(patient());
    let (mut kept, _) = member(&stand, 2).await;
    let greeting = stand.greeting();
    let mut strangers = Vec::new();
    for nth in 0..STRANGERS {
        strangers.push(stand.dial_secure_raw(100 + nth).await.into_std().expect("a socket"));
    }
    poll("all sit", || stand.stats.open() == u64::from(STRANGERS) + 1).await;
    // Nothing of this lets the server run: it finds all of it at once, the member's last.
    for stranger in &mut strangers {
        std::io::Write::write_all(stranger, &greeting).expect("taken");
    }
    ask(&mut kept, GET, "hello").await;
    let answered = strangers.iter_mut().filter_map(|one| was_answered(one).then_some(())).count();
    assert!(answered <= 10, "{answered} strangers were answered before the member");
    let mut newcomer = stand.dial_tls_from(3, &["http/1.1"]).await;
    ask(&mut newcomer, GET, "hello").await;
}

#[tokio::test]
async fn who_was_answered_and_does_not_go_on_keeps_nobody_from_being_answered() {
    let stand = Stand::new(patient());
    let greeting = stand.greeting();
    let mut stalled = Vec::new();
    for nth in 0..400_u16 {
        let last = u8::try_from(100 + nth % 100).expect("small");
        let mut wire = stand.dial_secure_from(last).await;
        wire.send(&greeting).await;
        wire.read_some().await;
        stalled.push(wire);
    }
    in_time("a newcomer's handshake", stand.dial_tls_from(3, &["h2"])).await;
    assert_eq!(stand.stats.cut(Cut::Evicted), 0, "there are seats for all of them");
}

#[tokio::test]
async fn who_waits_for_us_goes_after_who_keeps_us_waiting() {
    let options = Options { connections_max: 20, handshake_us_per_s: 0, ..patient() };
    let stand = Stand::new(options);
    stand.handle.press(true);
    poll("it is pressed", || stand.stats.pressed()).await;
    let mut waits = stand.dial_secure_from(3).await;
    waits.send(&stand.greeting()).await;
    poll("it waits", || stand.stats.handshakes_waiting() == 1).await;
    let mut silent = Vec::new();
    for last in 100..160 {
        let before = stand.stats.accepted();
        silent.push(stand.dial_secure_from(last).await);
        poll("it was seen", || stand.stats.accepted() > before).await;
    }
    assert!(stand.stats.cut(Cut::Evicted) >= 40);
    stand.handle.press(false);
    assert!(in_time("its turn", waits.read_some()).await > 0, "{:?}", stand.all_cut());
}

#[tokio::test]
async fn members_do_not_stand_in_the_line_of_strangers() {
    let options = Options { connections_max: 60, handshake_us_per_s: 0, ..patient() };
    let stand = Stand::new(options);
    member(&stand, 2).await;
    stand.handle.press(true);
    poll("it is pressed", || stand.stats.pressed()).await;
    // More than sit wait for us, and the rest waits in the kernel.
    let mut strangers = Vec::new();
    for nth in 0..120 {
        let mut wire = stand.dial_secure_from(100 + nth).await;
        wire.send(&stand.greeting()).await;
        strangers.push(wire);
    }
    poll("all seats are taken", || stand.stats.open() >= 45).await;
    let mut again = in_time("a member's handshake", stand.dial_tls_from(2, &["http/1.1"])).await;
    ask(&mut again, GET, "hello").await;
    assert_eq!(stand.stats.familiar(), 1);
    assert!(stand.stats.accepted() < 60, "{} were let in", stand.stats.accepted());
    stand.handle.press(false);
    let mut newcomer = in_time("their turn", stand.dial_tls_from(3, &["http/1.1"])).await;
    ask(&mut newcomer, GET, "hello").await;
}

#[tokio::test]
async fn a_crowd_in_the_kernels_queue_is_taken_in_at_once() {
    let stand = Stand::new(Options { connections_max: 40, ..patient() });
    let mut crowd = Vec::new();
    for nth in 0..600_u16 {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        let [.., third] = (nth / 200).to_be_bytes();
        let last = u8::try_from(nth % 200).expect("small") + 1;
        let from = std::net::SocketAddr::from(([127, 9, third, last], 0));
        socket.bind(&from.into()).expect("a loopback address");
        // The kernel answers by itself: the server has not run meanwhile.
        socket.connect(&stand.plain.into()).expect("there is room in the queue");
        crowd.push(socket);
    }
    let mut newcomer = stand.dial_from(3).await;
    ask(&mut newcomer, GET, "hello").await;
    assert_eq!((stand.stats.refused(), stand.stats.accepted()), (0, 601));
}

//! How long members and newcomers wait while several times as many connections as there are seats
//! want one: `cargo run --release -p shield --example hoards [KIND] [SECONDS]`, for one kind of
//! hoarder or each in turn. The server has one core and everybody else another, where there are
//! two, and bots run only when nobody else wants it. Members resume sessions and keep connections,
//! as in a drill, whose smaller sister this is; without the server behind the edge.

#![expect(clippy::disallowed_methods, reason = "a program of its own, and a client")]
#![expect(clippy::print_stdout, reason = "what it is for")]
#![expect(clippy::indexing_slicing, reason = "of its own tables, by its own numbers")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "of small numbers of its own"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use shield::decide::Standing;
use shield::edge::{Body, ConnectionInfo, Cut, Door, Edge, Listener, Options, Stats, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const SEATS: usize = 2_048;
const HOARDERS: usize = 5_120;
const MEMBERS: usize = 60;
/// Between two requests of members, and of newcomers, in us.
const PACES_US: (u64, u64) = (4_300, 25_000);
/// What one request costs the server beside the edge, in us.
const WORK_US: u64 = 500;
const KINDS: [Kind; 6] =
    [Kind::Silent, Kind::Byte, Kind::Drip, Kind::Greeting, Kind::Handshake, Kind::HalfHeader];

/// What a hoarder does before it is silent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Silent,
    Byte,
    Drip,
    Greeting,
    Handshake,
    HalfHeader,
}

struct Town {
    at: SocketAddr,
    client: ClientConfig,
    begun: Instant,
    calm: Duration,
    end: Instant,
    next: AtomicUsize,
    seen: [Mutex<Vec<Seen>>; 2],
}

/// One attempt: in the attack or before it, how long it took, None when it failed.
type Seen = (bool, Option<Duration>);
type Wire = TlsStream<TcpStream>;

fn main() -> Result<(), Failure> {
    let (wanted, seconds) = (std::env::args().nth(1), std::env::args().nth(2));
    let seconds: u64 = seconds.map_or(Ok(6), |text| text.parse())?;
    for kind in KINDS {
        let name = format!("{kind:?}").to_lowercase();
        if wanted.as_ref().is_none_or(|wanted| *wanted == name) {
            run(kind, Duration::from_secs(seconds))?;
        }
    }
    Ok(())
}

fn run(kind: Kind, span: Duration) -> Result<(), Failure> {
    let (at, client, stats, stop) = serve()?;
    let (begun, calm) = (Instant::now(), span / 2);
    let end = begun + calm + span;
    let (next, seen) = (AtomicUsize::new(0), Default::default());
    let town = Arc::new(Town { at, client, begun, calm, end, next, seen });
    let bots = Arc::clone(&town);
    let attack = std::thread::spawn(move || on_core(1, true, hoards(bots, kind)));
    let people = Arc::clone(&town);
    std::thread::spawn(move || on_core(1, false, live(people))).join().map_err(|_| "panicked")?;
    attack.join().map_err(|_| "panicked")?;
    stop.cancel();
    println!(
        "{kind:?}: {} accepted, {} refused, {} evicted, {} handshakes",
        stats.accepted(),
        stats.refused(),
        stats.cut(Cut::Evicted),
        shield::edge::Handshaken::ALL.map(|end| stats.handshakes(end)).iter().sum::<u64>(),
    );
    for (name, seen) in ["members", "newcomers"].into_iter().zip(&town.seen) {
        for attacked in [false, true] {
            let seen = seen.lock();
            let mine = seen.iter().filter(|(when, _)| *when == attacked).map(|(_, took)| took);
            let failed = mine.clone().filter(|took| took.is_none()).count();
            let mut took: Vec<f64> = mine.flatten().map(|took| took.as_secs_f64() * 1e3).collect();
            took.sort_by(f64::total_cmp);
            let part = |share: f64| took.get((took.len() as f64 * share) as usize).unwrap_or(&0.0);
            let (half, most, when) =
                (part(0.5), part(0.99), if attacked { "attack" } else { "calm" });
            let all = took.len() + failed;
            println!(
                "  {when:<7}{name:<10} {all:>5}, {failed} failed, {half:.1} ms, 99 % {most:.1} ms"
            );
        }
    }
    Ok(())
}

/// Hoarders, each replaced soon after it was ended.
async fn hoards(town: Arc<Town>, kind: Kind) {
    sleep_until((town.begun + town.calm).into()).await;
    let mut greeting = Vec::new();
    let mut config = town.client.clone();
    config.resumption = rustls::client::Resumption::disabled();
    let config = Arc::new(config);
    if let Ok(mut client) = ClientConnection::new(Arc::clone(&config), name()) {
        let _ = client.write_tls(&mut greeting);
    }
    let greeting = Arc::new(greeting);
    for nth in 0..HOARDERS {
        let (town, config, greeting) = (town.clone(), config.clone(), greeting.clone());
        tokio::spawn(async move {
            sleep(Duration::from_millis(nth as u64 % 1_000)).await;
            loop {
                let _ = hold(&town, kind, &config, &greeting).await;
                sleep(Duration::from_millis(250 + nth as u64 % 250)).await;
            }
        });
    }
    sleep_until(town.end.into()).await;
}

async fn hold(
    town: &Town,
    kind: Kind,
    config: &Arc<ClientConfig>,
    greeting: &[u8],
) -> Result<(), Failure> {
    let nth = town.next.fetch_add(1, Relaxed);
    let [.., two, three, four] = (0x0001_0000 + nth).to_be_bytes();
    let mut stream = dial(town, Ipv4Addr::new(127, 64 + two % 128, three, four)).await?;
    match kind {
        Kind::Silent => {}
        Kind::Byte => stream.write_all(&[22]).await?,
        Kind::Greeting => stream.write_all(greeting).await?,
        Kind::Drip => {
            for byte in greeting {
                stream.write_all(&[*byte]).await?;
                sleep(Duration::from_millis(100)).await;
            }
        }
        Kind::Handshake | Kind::HalfHeader => {
            let mut wire = shake(config, stream).await?;
            if kind == Kind::HalfHeader {
                wire.write_all(b"GET / HTTP/1.1\r\n").await?;
            }
            while wire.read(&mut [0; 256]).await? > 0 {}
            return Ok(());
        }
    }
    while stream.read(&mut [0; 4_096]).await? > 0 {}
    Ok(())
}

/// Members and newcomers, at their paces.
async fn live(town: Arc<Town>) {
    let members: Vec<Arc<Member>> = (0..MEMBERS).map(|nth| Member::new(&town, nth)).collect();
    let (members_us, newcomers_us) = PACES_US;
    let asking = async {
        let mut pace = tokio::time::interval(Duration::from_micros(members_us));
        for nth in (0..).map(|nth: usize| nth.wrapping_mul(7_919) % MEMBERS) {
            if pace.tick().await > town.end.into() {
                return;
            }
            let (town, member) = (town.clone(), members[nth].clone());
            tokio::spawn(async move { town.note(0, member.ask(&town)).await });
        }
    };
    let coming = async {
        let mut pace = tokio::time::interval(Duration::from_micros(newcomers_us));
        while pace.tick().await < town.end.into() {
            let visit = Arc::clone(&town);
            tokio::spawn(async move { visit.note(1, come(&visit)).await });
        }
    };
    tokio::join!(asking, coming);
    sleep(Duration::from_secs(1)).await;
}

impl Town {
    async fn note(&self, whose: usize, attempt: impl Future<Output = Result<(), Failure>>) {
        let begun = Instant::now();
        let served =
            timeout(Duration::from_secs(5), attempt).await.is_ok_and(|ended| ended.is_ok());
        let attacked = begun > self.begun + self.calm;
        self.seen[whose].lock().push((attacked, served.then(|| begun.elapsed())));
    }
}

struct Member {
    nth: usize,
    config: Arc<ClientConfig>,
    kept: Mutex<Vec<Wire>>,
}

impl Member {
    fn new(town: &Town, nth: usize) -> Arc<Self> {
        let mut config = town.client.clone();
        config.resumption = rustls::client::Resumption::in_memory_sessions(8);
        Arc::new(Self { nth, config: Arc::new(config), kept: Mutex::default() })
    }

    async fn ask(&self, town: &Town) -> Result<(), Failure> {
        let path = format!("/member/{}", self.nth + 1);
        let kept = self.kept.lock().pop();
        let wire = match kept {
            Some(mut wire) => ask(&mut wire, &path).await.map(|()| wire),
            None => Err("none kept".into()),
        };
        let wire = match wire {
            Ok(wire) => wire,
            Err(_) => {
                let stream = dial(town, Ipv4Addr::new(127, 20, 0, self.nth as u8 + 1)).await?;
                let mut wire = shake(&self.config, stream).await?;
                ask(&mut wire, &path).await.map(|()| wire)?
            }
        };
        let mut kept = self.kept.lock();
        if kept.len() < 6 {
            kept.push(wire);
        }
        Ok(())
    }
}

/// A first visit; one that fails is tried again after a second.
async fn come(town: &Town) -> Result<(), Failure> {
    let nth = town.next.fetch_add(1, Relaxed);
    let mut config = town.client.clone();
    config.resumption = rustls::client::Resumption::in_memory_sessions(8);
    let config = Arc::new(config);
    loop {
        let once = async {
            let [.., three, four] = nth.to_be_bytes();
            let mut wire =
                shake(&config, dial(town, Ipv4Addr::new(127, 30, three, four)).await?).await?;
            ask(&mut wire, "/").await
        };
        match once.await {
            Ok(()) => return Ok(()),
            Err(_) => sleep(Duration::from_secs(1)).await,
        }
    }
}

async fn dial(town: &Town, from: Ipv4Addr) -> Result<TcpStream, Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let stream = socket.connect(town.at).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn shake(config: &Arc<ClientConfig>, stream: TcpStream) -> Result<Wire, Failure> {
    Ok(tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name(), stream).await?)
}

fn name() -> ServerName<'static> {
    ServerName::IpAddress(rustls::pki_types::IpAddr::from(std::net::IpAddr::from([127, 0, 0, 1])))
}

async fn ask(wire: &mut Wire, path: &str) -> Result<(), Failure> {
    wire.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await?;
    let (mut answer, mut space) = (Vec::new(), [0; 1_024]);
    while !answer.ends_with(b"welcome\n") {
        match wire.read(&mut space).await? {
            0 => return Err("ended".into()),
            read => answer.extend_from_slice(&space[..read]),
        }
    }
    Ok(())
}

async fn answer(request: Request<Body>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let until = Instant::now() + Duration::from_micros(WORK_US);
    let member = request.uri().path().strip_prefix("/member/").and_then(|nth| nth.parse().ok());
    if let (Some(nth), Some(info)) = (member, request.extensions().get::<ConnectionInfo>()) {
        info.vouch(Standing::Member, nth);
    }
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"welcome\n"))))
}

fn serve() -> Result<(SocketAddr, ClientConfig, Arc<Stats>, CancellationToken), Failure> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let certificates = tls::Certificates::new();
    let key = made.signing_key.serialize_pem();
    certificates.install(made.cert.pem().as_bytes(), key.as_bytes())?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    shield::edge::raise_open_files()?;
    let options = Options { connections_max: SEATS, ..Options::default() };
    let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &options)?;
    let (at, acceptor) = (listener.local_addr(), tls::Acceptor::new(certificates)?);
    let (edge, stop) = (Edge::new(options), CancellationToken::new());
    let (stats, stopped) = (edge.stats(), stop.clone());
    let doors = vec![Door::tls(listener, acceptor)];
    std::thread::spawn(move || {
        on_core(0, false, async {
            tokio::spawn(edge.serve(doors, tower::service_fn(answer), stopped)).await
        });
    });
    Ok((at, client, stats, stop))
}

/// Runs something on a runtime of one core, where the machine has it.
fn on_core<T>(core: usize, only_when_idle: bool, work: impl Future<Output = T>) {
    // SAFETY: a set of cores is plain bits, for which zero is a value, and so are the parameters;
    // all calls only look at them, and mean the calling thread.
    unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut cores);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const cores);
        if only_when_idle {
            let parameters: libc::sched_param = std::mem::zeroed();
            libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters);
        }
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    if let Ok(runtime) = runtime {
        let _ = runtime.block_on(work);
        runtime.shutdown_background();
    }
}

//! Refusals beside nginx's, in turn, each way of refusing beside its nearest of nginx: on open
//! connections (our gate, `limit_req`), after a new connection's TLS handshake (an allowance of
//! ours, `limit_req`), before TLS (an address that may not come here: our edge, `deny` of its
//! stream module); and what the kernel drops per second of an address that is denied.
//!
//! The figure is refusals for each second that the server's core worked: where the load is what
//! ends first, a rate would be the load's. Load is given by `wrk` and `hping3`, which are not ours,
//! and where a connection ends before anything is answered by our own. A packet that the kernel
//! drops costs its sender nothing to wait for, so that figure is bounded by the sender, which here
//! even shares a core with the receiver's half of the work.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::cable::{Cable, PEER, SERVER};
use super::gate;
use super::nginx::Nginx;
use super::pairs::{Pairs, Side};
use super::report::{Bar, Report, Row};
use super::work::{Process, Total};
use crate::instance::{Instance, OPEN, Plan};
use crate::load::{self, Wire};
use crate::{ground, install, pin, postgres};

/// What the bench is called.
pub const NAME: &str = "refuse";
/// What it shows.
pub const SHOWS: &str = "refusals beside nginx's, and packets that the kernel drops";

/// So little of the machine that one client asks for far more than its share.
const OVERLOADED: &str = "[shield]\ncapacity_percent = 1\n";
/// What it asks for: public, answered from memory, and refused as apps are.
const ASKED: &str = "/api/v1/timelines/public";
/// A route that refuses everything but the first request of an address, by [`ONE_APP`]: under
/// pressure the edge lets few strangers come as far as a handshake, so this is shown in peace.
const ROUTE: &str = "/api/v1/apps";
const ONE_APP: &str = "[oauth]\napps_per_address = 1\n";
/// What wrk asks there.
const SCRIPT: &str = "wrk.method = \"POST\"\n\
    wrk.headers[\"Content-Type\"] = \"application/json\"\n\
    wrk.body = '{\"client_name\":\"a\",\"redirect_uris\":\"urn:ietf:wg:oauth:2.0:oob\"}'\n";
/// A proxy's network from which nobody comes here, so that whoever comes is reset.
const NOBODY: &str = "[server]\ntrusted_proxies = [\"192.0.2.0/24\"]\ndirect_networks = []\n";
/// Connections that ask, and that come anew: with more of these the handshakes in line would make
/// the server think that its machine is too small.
const CONNECTIONS: usize = 64;
const NEWCOMERS: usize = 16;
/// Of one turn, and how many come before any counts.
const TURN: Duration = Duration::from_secs(1);
const WARM_TURNS: u64 = 2;
/// The packages of what takes part.
const PACKAGES: [&str; 6] =
    ["nginx-light", "libnginx-mod-stream", "wrk", "openssl", "hping3", "iproute2"];
/// What wrk is told where each request is to have a connection of its own.
const CLOSING: [&str; 2] = ["-H", "Connection: close"];

/// Refuses by all ways that there are.
///
/// # Errors
/// When nobody was refused, or a package is missing and cannot be installed.
pub fn refuse(report: &mut Report) -> Result<()> {
    install::packages(&PACKAGES)?;
    let folder = tempfile::tempdir_in(ground::target())?;
    let folder = folder.path();
    super::cable::certificate(folder)?;
    let nginx = Nginx::start(folder)?;
    let open = on_open_connections(folder, &nginx, report)?;
    let after = after_the_handshake(folder, &nginx, report)?;
    let before = before_tls(folder, &nginx, report)?;
    drop(nginx);
    let name = "turned away before TLS (after its handshake)";
    report.row(Row::beside(name, before, PER_S, Some(after), Bar::None));
    if !postgres::is_root() {
        println!("  packets dropped by the kernel: not measured; it needs root");
        return Ok(());
    }
    let dropped = dropped(folder, report.seconds)?;
    let name = "packets dropped by the kernel (refusals on open connections)";
    report.row(Row::beside(name, dropped, "/s", Some(open), Bar::None));
    Ok(())
}

/// The unit of all that is compared.
const PER_S: &str = "/s of its core";

/// Has both refuse in turn, and says what came of it; refusals of ours in all, warm-up included,
/// and for each second of work.
fn in_turn(
    name: &str,
    report: &mut Report,
    servers: (&Instance, &Nginx),
    ask: impl Fn(Side) -> Result<u64>,
) -> Result<(f64, f64)> {
    let (ours, theirs) = (Process(servers.0.process()), servers.1.process());
    let mut totals = [Total::default(); 2];
    let [all, others] = &mut totals;
    let mut turn = |side: Side| match side {
        Side::Ours => ours.during(|| ask(side)).inspect(|done| all.add(*done)),
        Side::Theirs => theirs.during(|| ask(side)).inspect(|done| others.add(*done)),
    };
    // In the first second of both allowances are spent, and the shield finds out that it is much.
    for side in [Side::Ours, Side::Theirs] {
        for _ in 0..WARM_TURNS {
            let _warm = turn(side)?;
        }
    }
    let pairs = Pairs::in_turn(report.seconds, |side| Ok(turn(side)?.per_s()))?;
    all.say("Fulmar");
    others.say("nginx");
    report.row(Row::paired(name, &pairs, PER_S, 1.0));
    Ok((all.count(), pairs.ours()))
}

/// One client asks for more than its share, on connections that stay open.
fn on_open_connections(folder: &Path, nginx: &Nginx, report: &mut Report) -> Result<f64> {
    let server = Plan::new(&folder.join("plain"), OVERLOADED).pinned().start()?;
    let urls = Urls {
        ours: format!("http://{}{ASKED}", server.address),
        theirs: format!("http://127.0.0.1:{}/", nginx.plain),
    };
    let before = gate::count(&server, "refused")?;
    let name = "refused on open connections (nginx limit_req)";
    let (count, per_s) =
        in_turn(name, report, (&server, nginx), |side| refused(urls.of(side), CONNECTIONS, &[]))?;
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let by_the_gate = (gate::count(&server, "refused")? - before) as f64;
    ensure!(by_the_gate >= count, "the gate refused {by_the_gate} of {count}");
    Ok(per_s)
}

/// Each request comes by a connection of its own, and is refused once its handshake is done.
fn after_the_handshake(folder: &Path, nginx: &Nginx, report: &mut Report) -> Result<f64> {
    let script = folder.join("refused.lua");
    std::fs::write(&script, SCRIPT)?;
    let script = script.to_str().context("a path of text")?;
    let server = Plan::new(&folder.join("tls"), &with_tls(folder, ONE_APP)).pinned().start()?;
    let urls = Urls {
        ours: format!("https://{}{ROUTE}", server.address),
        theirs: format!("https://127.0.0.1:{}/", nginx.tls),
    };
    let posting = [["-s", script], CLOSING].concat();
    let name = "refused after a new TLS handshake (nginx limit_req)";
    let (_, per_s) = in_turn(name, report, (&server, nginx), |side| {
        let words = if side == Side::Ours { posting.as_slice() } else { &CLOSING };
        refused(urls.of(side), NEWCOMERS, words)
    })?;
    Ok(per_s)
}

/// Where both are asked.
struct Urls {
    ours: String,
    theirs: String,
}

impl Urls {
    fn of(&self, side: Side) -> &str {
        match side {
            Side::Ours => &self.ours,
            Side::Theirs => &self.theirs,
        }
    }
}

fn with_tls(folder: &Path, config: &str) -> String {
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    format!("{config}[tls]\ncertificate = {chain:?}\nkey = {key:?}\n")
}

/// Each connection is turned away before a byte of its greeting is read.
fn before_tls(folder: &Path, nginx: &Nginx, report: &mut Report) -> Result<f64> {
    let greeting = greeting()?;
    let server = Plan::new(&folder.join("closed"), &with_tls(folder, NOBODY)).pinned().start()?;
    let theirs = SocketAddr::from(([127, 0, 0, 1], nginx.denies));
    let name = "refused before TLS, by address (nginx stream deny)";
    let (_, per_s) = in_turn(name, report, (&server, nginx), |side| {
        let address = if side == Side::Ours { server.address } else { theirs };
        knocked(address, &greeting)
    })?;
    Ok(per_s)
}

/// What a client says first, as OpenSSL says it.
fn greeting() -> Result<Vec<u8>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?.to_string();
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &address]);
    client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = client.spawn().context("openssl")?;
    let heard = (|| -> Result<Vec<u8>> {
        let (mut stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut bytes = vec![0; 16 * 1024];
        let length = std::io::Read::read(&mut stream, &mut bytes)?;
        ensure!(bytes.first() == Some(&22), "that was no greeting");
        bytes.truncate(length);
        Ok(bytes)
    })();
    let _ended = client.kill();
    let _waited = client.wait();
    heard
}

/// Connections for a turn, one after the other in each of some lanes, each of which must end
/// unanswered.
fn knocked(address: SocketAddr, greeting: &[u8]) -> Result<u64> {
    let start = ground::now();
    load::block_on(async {
        let lanes = (0..CONNECTIONS).map(|_| async {
            let mut count = 0_u64;
            while start.elapsed() < TURN {
                match Wire::open(address).await {
                    Ok(mut wire) => {
                        ensure!(wire.begin(greeting).await.is_err(), "somebody answered");
                    }
                    // It was turned away even before this task heard that it was connected.
                    Err(error) if is_reset(&error) => {}
                    Err(error) => return Err(error),
                }
                count += 1;
            }
            Ok(count)
        });
        let counts = futures_util::future::try_join_all(lanes).await?;
        Ok(counts.into_iter().sum::<u64>())
    })
}

fn is_reset(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::ConnectionReset)
}

/// Refusals of a turn under wrk's closed loop, which must be nearly all that it was answered.
fn refused(url: &str, connections: usize, more: &[&str]) -> Result<u64> {
    let said = wrk(url, connections, more)?;
    let all = said.lines().map(str::trim).find(|line| line.contains(" requests in "));
    let all = all.and_then(|line| line.split_whitespace().next());
    let all: u64 = all.context("wrk gives no number of requests")?.parse()?;
    let refused =
        said.lines().find_map(|line| line.trim().strip_prefix("Non-2xx or 3xx responses:"));
    let count: u64 = refused.map_or(Ok(0), |count| count.trim().parse())?;
    ensure!(count > 0 && count > all / 10 * 9, "{url}: {count} of {all} were refused:\n{said}");
    // Whoever was turned away before an answer was refused in another way than is shown.
    let broken = said.lines().find(|line| line.contains("Socket errors:"));
    ensure!(broken.is_none(), "{url}: {}", broken.unwrap_or_default().trim());
    Ok(count)
}

fn wrk(url: &str, connections: usize, more: &[&str]) -> Result<String> {
    let mut command = Command::new("wrk");
    let seconds = TURN.as_secs();
    command.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), url]);
    command.args(more);
    if pin::possible() {
        pin::child(&mut command, pin::LOAD_CORE);
    }
    ground::output(&mut command)
}

/// Packets a second that the kernel drops of a denied address which floods with SYNs.
fn dropped(folder: &Path, seconds: u64) -> Result<f64> {
    let cable = Cable::new()?;
    let (folder, peers) = (folder.join("kernel"), cable.peers.clone());
    cable.serving(move || {
        let mut plan = Plan::new(&folder, OPEN);
        plan.listen = format!("{SERVER}:0");
        let server = plan.start()?;
        plan.say(&["shield", "deny", PEER, "--seconds", "3600"])?;
        let counted = || -> Result<f64> {
            let said = plan.say(&["shield", "list", "--json"])?;
            let said: serde_json::Value = serde_json::from_str(&said)?;
            let packets = said.pointer("/entries/0/dropped_packets");
            packets.and_then(serde_json::Value::as_f64).context("nobody is denied")
        };
        let before = counted()?;
        let port = server.address.port().to_string();
        let mut flood = peers.command("timeout");
        flood.args([&seconds.to_string(), "hping3", "--flood", "-q", "-S", "-p", &port, SERVER]);
        let began = ground::now();
        flood.stdout(Stdio::null()).stderr(Stdio::null()).status().context("hping3")?;
        let took = began.elapsed().as_secs_f64();
        let dropped = counted()? - before;
        ensure!(dropped >= 1.0, "the kernel dropped nothing");
        Ok(dropped / took)
    })
}

//! Floods and slow attacks by tools that are not ours, from another network namespace, while
//! members read and post. The tools must meet the bounds that the drill holds its own bots to.
//!
//! Before each tool members are measured in calm, then while it runs: their slowest hundredth may
//! be twice that of calm, or 25 ms more, and 99.9 % of their requests are served, shown by the
//! upper 95 % limit of failures. A tool is bounded in time by `timeout`, and by its own words in
//! what it holds or sends. One that is missing is left out, and said to be.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::cable::{Cable, Peers, SERVER, certificate};
use super::report::{Bar, Report, Row};
use crate::instance::{OPEN, Plan};
use crate::load::{Load, Requests, Shown};
use crate::{ground, postgres};

/// What the bench is called.
pub const NAME: &str = "tools";
/// What it shows.
pub const SHOWS: &str = "members while slowhttptest, wrk, h2load and hping3 attack";

/// Members, and their requests a second together: 3,000 in ten seconds, which without a failure
/// show 99.9 %.
const MEMBERS: usize = 20;
const REQUESTS_PER_S: f64 = 320.0;
/// One request in so many posts.
const POSTS_EVERY: u64 = 10;
/// What is promised of members, in percent.
const SERVED_LEAST: f64 = 99.9;
/// Seconds that a tool goes on beside the members: before they come and after they have gone.
const BESIDE_S: u64 = 4;
/// SYNs a second that are asked of hping3.
const SYNS_PER_S: u64 = 50_000;

/// An attack: its name, the program and the package it comes in, and its words. `URL`, `PORT`,
/// `SERVER`, `SECONDS` and `SYNS` are put in.
struct Attack {
    name: &'static str,
    program: &'static str,
    package: &'static str,
    words: &'static str,
    /// What the line begins with, or has in it, that tells what the tool got done.
    tells: &'static str,
}

const fn slow(name: &'static str, words: &'static str) -> Attack {
    let (program, package) = ("slowhttptest", "slowhttptest");
    Attack { name, program, package, words, tells: "service available:" }
}

/// What is tried, over TLS but for what lies below it.
const ATTACKS: [Attack; 7] = [
    slow(
        "slowhttptest, slow headers",
        "-c 2000 -H -i 5 -r 500 -t GET -u URL/ -x 24 -p 3 -l SECONDS",
    ),
    slow(
        "slowhttptest, slow body",
        "-c 2000 -B -i 5 -r 500 -s 8192 -t POST -u URL/ -x 10 -p 3 -l SECONDS",
    ),
    slow(
        "slowhttptest, slow read",
        "-c 2000 -X -r 500 -w 1 -y 1 -n 5 -z 1 -k 3 -u URL/@member0 -p 3 -l SECONDS",
    ),
    slow("slowhttptest, ranges", "-c 500 -R -a 1 -b 3000 -r 500 -t HEAD -u URL/ -p 3 -l SECONDS"),
    Attack {
        name: "wrk, 256 connections",
        program: "wrk",
        package: "wrk",
        words: "-t1 -c256 -dSECONDSs URL/@member0",
        tells: "requests in",
    },
    Attack {
        name: "h2load, HTTP/2, 64 connections of 32 streams",
        program: "h2load",
        package: "nghttp2-client",
        words: "-t1 -c64 -m32 -DSECONDS URL/api/v1/timelines/public",
        tells: "status codes:",
    },
    Attack {
        name: "hping3, SYNs of made-up addresses",
        program: "hping3",
        package: "hping3",
        words: "-i u20 -c SYNS --rand-source -q -S -p PORT SERVER",
        tells: "packets transmitted",
    },
];

/// Attacks, one after the other.
///
/// # Errors
/// When no server starts.
pub fn tools(report: &mut Report) -> Result<()> {
    if !postgres::is_root() {
        println!("  not measured: network namespaces need root");
        return Ok(());
    }
    for tool in ["ip", "openssl", "timeout"] {
        ensure!(ground::has(tool), "{tool} is missing: install it");
    }
    let folder = tempfile::tempdir_in(ground::target())?;
    let cable = Cable::new()?;
    let (place, seconds, peers) = (folder.path().to_owned(), report.seconds, cable.peers.clone());
    let outcomes = cable.serving(move || all(&place, seconds, &peers))?;
    for (name, outcome) in outcomes {
        match outcome {
            Ok(rows) => rows.into_iter().for_each(|row| report.row(row)),
            Err(error) => report.failed(name, &error),
        }
    }
    Ok(())
}

type Outcome = (&'static str, Result<Vec<Row>>);

fn all(folder: &Path, seconds: u64, peers: &Peers) -> Result<Vec<Outcome>> {
    certificate(folder)?;
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let config = format!("{OPEN}[tls]\ncertificate = {chain:?}\nkey = {key:?}\n");
    let mut plan = Plan::new(&folder.join("data"), &config).pinned();
    plan.listen = "0.0.0.0:0".to_owned();
    let server = plan.start()?;
    let mut tokens = Vec::with_capacity(MEMBERS);
    for number in 0..MEMBERS {
        let name = format!("member{number}");
        plan.account(&name)?;
        tokens.push(plan.token(&name)?);
    }
    let port = server.address.port();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut load = Load::open(address, MEMBERS, seconds, REQUESTS_PER_S);
    load.tls = Some(trusting(&chain)?);
    let mut outcomes = Vec::with_capacity(ATTACKS.len());
    for attack in &ATTACKS {
        if !ground::has(attack.program) {
            println!("  {}: left out, install {}", attack.name, attack.package);
            continue;
        }
        println!("  {} ...", attack.name);
        let asking = || load.run(requests(tokens.clone()));
        let met = || -> Result<Vec<Row>> {
            let calm = asking()?.all_fine("members before it")?;
            let said = folder.join("said");
            let attacking = Attacking::start(attack, peers, port, seconds + BESIDE_S, &said)?;
            let shown = asking();
            println!("    {}", attacking.ended(attack.tells, &said)?);
            judged(attack.name, &shown?, calm.latencies.quantile_ms(0.99))
        };
        outcomes.push((attack.name, met()));
    }
    Ok(outcomes)
}

/// TLS that trusts one certificate.
fn trusting(chain: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(chain).map_err(|error| anyhow!("{error}"))?;
    roots.add(certificate)?;
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

fn judged(name: &str, shown: &Shown, calm_ms: f64) -> Result<Vec<Row>> {
    let served = shown.latencies.count();
    let tried = served + shown.failed;
    ensure!(tried > 0, "members asked for nothing");
    let most_ms = (2.0 * calm_ms).max(calm_ms + 25.0);
    let slowest_ms = shown.latencies.quantile_ms(0.99);
    let least = 100.0 * (1.0 - failures_most(shown.failed, tried));
    // Too few to show it even without a failure are told, and not judged.
    let could_show = 100.0 * (1.0 - failures_most(0, tried)) >= SERVED_LEAST;
    let bar = match could_show {
        true => Bar::AtLeast(SERVED_LEAST),
        false => Bar::None,
    };
    let bar_ms = if served > 0 { Bar::AtMost(most_ms) } else { Bar::AtMost(0.0) };
    Ok(vec![
        Row::beside(&format!("{name}: members' p99"), slowest_ms, "ms", Some(calm_ms), bar_ms),
        Row::figure(&format!("{name}: {served} of {tried} served, so at least"), least, "%", bar),
    ])
}

/// The upper 95 % limit of the rate at which so many of so many failed (Clopper and Pearson): the
/// rate at which as few as these would be seen in one run of twenty.
fn failures_most(failed: u64, tried: u64) -> f64 {
    if failed >= tried {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if seen_at_most(failed, tried, middle) > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// How likely it is that at most so many of so many fail at this rate.
#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn seen_at_most(failed: u64, tried: u64, rate: f64) -> f64 {
    let tried = tried as f64;
    let mut one = (tried * (-rate).ln_1p()).exp();
    let mut all = one;
    for count in 0..failed {
        one *= (tried - count as f64) / (count as f64 + 1.0) * rate / (1.0 - rate);
        all += one;
    }
    all
}

/// Members who read their homes, and now and then post.
fn requests(tokens: Vec<String>) -> Requests {
    Rc::new(move |lane, number, out| {
        let token = tokens.get(lane).map_or("", String::as_str);
        let head = format!("Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n");
        let request = if number % POSTS_EVERY == POSTS_EVERY - 1 {
            let body = format!("{{\"status\":\"post {number} of member {lane}\"}}");
            format!(
                "POST /api/v1/statuses HTTP/1.1\r\n{head}Content-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        } else {
            format!("GET /api/v1/timelines/home HTTP/1.1\r\n{head}\r\n")
        };
        out.extend_from_slice(request.as_bytes());
    })
}

/// An attack that goes on; ended with this.
struct Attacking(Child);

impl Attacking {
    fn start(attack: &Attack, peers: &Peers, port: u16, seconds: u64, said: &Path) -> Result<Self> {
        let words = attack
            .words
            .replace("URL", &format!("https://{SERVER}:{port}"))
            .replace("SERVER", SERVER)
            .replace("PORT", &port.to_string())
            .replace("SECONDS", &seconds.to_string())
            .replace("SYNS", &(SYNS_PER_S * seconds).to_string());
        // Whatever becomes of us, it ends: by itself, and else it is ended a little later.
        let mut command: Command = peers.command("timeout");
        command.arg((seconds + BESIDE_S).to_string());
        command.arg(attack.program).args(words.split(' '));
        let output = File::create(said).with_context(|| said.display().to_string())?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        Ok(Self(command.spawn().context(attack.program)?))
    }

    /// Waits until it has ended by itself, and gives the line that tells what it got done.
    ///
    /// # Errors
    /// When there is no such line: then it was no attack.
    fn ended(mut self, tells: &str, said: &Path) -> Result<String> {
        self.0.wait().context("wait for it")?;
        let said = String::from_utf8_lossy(&std::fs::read(said)?).into_owned();
        let line = said.lines().rev().find(|line| line.contains(tells));
        let end: String = said.lines().rev().take(3).collect::<Vec<_>>().join(" / ");
        line.map(plain).with_context(|| format!("it has not attacked; it said: {}", plain(&end)))
    }
}

/// Without the colours of a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut is_colour = false;
    for letter in text.trim().chars() {
        match letter {
            '\x1b' => is_colour = true,
            'm' if is_colour => is_colour = false,
            _ if is_colour => {}
            letter => plain.push(letter),
        }
    }
    plain
}

impl Drop for Attacking {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        // `timeout` passes a polite end on to what it runs; killed, it could not.
        let pid = self.0.id().to_string();
        let _told = Command::new("kill").args(["-TERM", &pid]).status();
        let _waited = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_thousand_without_a_failure_show_what_is_promised_and_fewer_do_not() {
        assert!(failures_most(0, 3_000) < 0.001 && failures_most(0, 2_900) > 0.001);
        assert!(failures_most(1, 3_000) > 0.001 && failures_most(3, 10_000) < 0.001);
        assert!((failures_most(5, 5) - 1.0).abs() < 1e-9);
        // R: binom.test(2, 100, alternative = "less")$conf.int
        assert!((failures_most(2, 100) - 0.061_62).abs() < 1e-4);
    }

    #[test]
    fn what_a_tool_says_is_read_without_its_colours() {
        assert_eq!(plain("\x1b[1;32mservice available: \x1b[0mYES "), "service available: YES");
    }
}

//! Floods and slow attacks by tools that are not ours, from another network namespace, while
//! members read and post. Rows are the members' slowest hundredth beside that of the calm seconds
//! before, and how many of their requests were served.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, Result, ensure};

use super::cable::{Cable, Peers, SERVER};
use super::report::{Bar, Report, Row};
use crate::instance::{OPEN, Plan};
use crate::load::{Load, Requests, Shown};
use crate::{ground, postgres};

/// What the bench is called.
pub const NAME: &str = "tools";
/// What it shows.
pub const SHOWS: &str = "members while slowhttptest, wrk, h2load and hping3 attack";

/// Members, and their requests a second together.
const MEMBERS: usize = 20;
const REQUESTS_PER_S: f64 = 60.0;
/// One request in so many posts.
const POSTS_EVERY: u64 = 10;

/// An attack: its name, the program, its words. `PORT`, `URL` and `SECONDS` are put in.
struct Attack {
    name: &'static str,
    program: &'static str,
    words: &'static str,
}

/// What is tried, by plain HTTP.
const ATTACKS: [Attack; 7] = [
    Attack {
        name: "slowhttptest, slow headers",
        program: "slowhttptest",
        words: "-c 2000 -H -i 5 -r 500 -t GET -u URL -x 24 -p 3 -l SECONDS",
    },
    Attack {
        name: "slowhttptest, slow body",
        program: "slowhttptest",
        words: "-c 2000 -B -i 5 -r 500 -s 8192 -t POST -u URL -x 10 -p 3 -l SECONDS",
    },
    Attack {
        name: "slowhttptest, slow read",
        program: "slowhttptest",
        words: "-c 2000 -X -r 500 -w 1 -y 1 -n 5 -z 1 -k 3 -u URL -p 3 -l SECONDS",
    },
    Attack {
        name: "slowhttptest, ranges",
        program: "slowhttptest",
        words: "-c 500 -R -a 1 -b 3000 -r 500 -t HEAD -u URL -p 3 -l SECONDS",
    },
    Attack { name: "wrk, 256 connections", program: "wrk", words: "-t1 -c256 -dSECONDSs URL" },
    Attack {
        name: "h2load, HTTP/1.1, 256 connections",
        program: "h2load",
        words: "--h1 -t1 -c256 -DSECONDS URL",
    },
    Attack {
        name: "hping3, SYNs of made-up addresses",
        program: "hping3",
        words: "--flood --rand-source -q -S -p PORT SERVER",
    },
];

/// Attacks, one after the other.
///
/// # Errors
/// When a tool is missing, or the members were not served in peace.
pub fn tools(report: &mut Report) -> Result<()> {
    if !postgres::is_root() {
        println!("  not measured: network namespaces need root");
        return Ok(());
    }
    for attack in &ATTACKS {
        ensure!(ground::has(attack.program), "{} is missing: install it", attack.program);
    }
    let folder = tempfile::tempdir_in(ground::target())?;
    let cable = Cable::new()?;
    let (data, seconds, peers) = (folder.path().join("data"), report.seconds, cable.peers.clone());
    let rows = cable.serving(move || all(&data, seconds, &peers))?;
    rows.into_iter().for_each(|row| report.row(row));
    Ok(())
}

fn all(data: &Path, seconds: u64, peers: &Peers) -> Result<Vec<Row>> {
    let mut plan = Plan::new(data, OPEN).pinned();
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
    let load = Load::open(address, MEMBERS, seconds, REQUESTS_PER_S);
    let calm = load.run(requests(tokens.clone()))?.all_fine("members in peace")?;
    let calm_ms = calm.latencies.quantile_ms(0.99);
    let mut rows = vec![Row::figure("members in peace: p99", calm_ms, "ms", Bar::None)];
    for attack in &ATTACKS {
        let attacking = Attacking::start(attack, peers, port, seconds + 2)?;
        let shown = load.run(requests(tokens.clone()))?;
        drop(attacking);
        rows.extend(judged(attack.name, &shown, calm_ms));
    }
    Ok(rows)
}

fn judged(name: &str, shown: &Shown, calm_ms: f64) -> [Row; 2] {
    let most_ms = (2.0 * calm_ms).max(calm_ms + 25.0);
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let (served, failed) = (shown.latencies.count() as f64, shown.failed as f64);
    let slowest_ms = shown.latencies.quantile_ms(0.99);
    let bar = Bar::AtMost(most_ms);
    [
        Row::beside(&format!("{name}: members' p99"), slowest_ms, "ms", Some(calm_ms), bar),
        Row::figure(
            &format!("{name}: members served"),
            100.0 * served / (served + failed).max(1.0),
            "%",
            Bar::AtLeast(99.9),
        ),
    ]
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
    fn start(attack: &Attack, peers: &Peers, port: u16, seconds: u64) -> Result<Self> {
        let words = attack
            .words
            .replace("URL", &format!("http://{SERVER}:{port}/"))
            .replace("SERVER", SERVER)
            .replace("PORT", &port.to_string())
            .replace("SECONDS", &seconds.to_string());
        // Whatever becomes of us, it ends.
        let mut command: Command = peers.command("timeout");
        command.arg(seconds.to_string()).arg(attack.program).args(words.split(' '));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn().context(attack.program)?))
    }
}

impl Drop for Attacking {
    fn drop(&mut self) {
        // `timeout` passes a polite end on to what it runs; killed, it could not.
        let pid = self.0.id().to_string();
        let _told = Command::new("kill").args(["-TERM", &pid]).status();
        let _waited = self.0.wait();
    }
}

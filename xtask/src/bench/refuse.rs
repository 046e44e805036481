//! Refusals per second on one core, beside nginx's `limit_req` under the same load in the same
//! minutes; and what the kernel drops per second of an address that is denied.
//!
//! Load is given by `wrk` and `hping3`, which are not ours: what they cannot give is not shown. A
//! packet that the kernel drops costs its sender nothing to wait for, so that figure is bounded by
//! the sender, which here even shares a core with the receiver's half of the work.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::cable::{Cable, PEER, SERVER};
use super::report::{Bar, Report, Row};
use crate::instance::{OPEN, Plan};
use crate::{ground, pin, postgres};

/// What the bench is called.
pub const NAME: &str = "refuse";
/// What it shows.
pub const SHOWS: &str = "refusals beside nginx's limit_req, and packets that the kernel drops";

/// A route that refuses everything but the first request of an address, by [`ONE_APP`].
const ROUTE: &str = "/api/v1/apps";
const ONE_APP: &str = "[oauth]\napps_per_address = 1\n";
/// What wrk asks there.
const SCRIPT: &str = "wrk.method = \"POST\"\n\
    wrk.headers[\"Content-Type\"] = \"application/json\"\n\
    wrk.body = '{\"client_name\":\"a\",\"redirect_uris\":\"urn:ietf:wg:oauth:2.0:oob\"}'\n";
const CONNECTIONS: usize = 64;
/// What must be there, and the package it comes in.
const TOOLS: [(&str, &str); 5] = [
    ("nginx", "nginx-light"),
    ("wrk", "wrk"),
    ("openssl", "openssl"),
    ("hping3", "hping3"),
    ("ip", "iproute2"),
];

/// Refuses by all ways that there are.
///
/// # Errors
/// When a tool is missing, or nobody was refused.
pub fn refuse(report: &mut Report) -> Result<()> {
    let missing: Vec<&str> =
        TOOLS.iter().filter(|(tool, _)| !ground::has(tool)).map(|(_, package)| *package).collect();
    ensure!(missing.is_empty(), "install first: {}", missing.join(" "));
    let folder = tempfile::tempdir_in(ground::target())?;
    let folder = folder.path();
    super::cable::certificate(folder)?;
    let nginx = Nginx::start(folder)?;
    let once = refused(&format!("http://127.0.0.1:{}/", nginx.plain), &[], report.seconds);
    let closing = ["-H", "Connection: close"];
    let each = refused(&format!("https://127.0.0.1:{}/", nginx.tls), &closing, report.seconds);
    let (theirs, theirs_tls) = (once?, each?);
    drop(nginx);
    let script = folder.join("refused.lua");
    std::fs::write(&script, SCRIPT)?;
    let script = script.to_str().context("a path of text")?;
    let ours = {
        let server = Plan::new(&folder.join("plain"), ONE_APP).pinned().start()?;
        let url = format!("http://{}{ROUTE}", server.address);
        refused(&url, &["-s", script], report.seconds)?
    };
    report.row(rate("refusals on open connections (nginx)", ours, Some(theirs), Bar::Share(1.0)));
    let ours_tls = {
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        let config = format!("{ONE_APP}[tls]\ncertificate = {chain:?}\nkey = {key:?}\n");
        let server = Plan::new(&folder.join("tls"), &config).pinned().start()?;
        let url = format!("https://{}{ROUTE}", server.address);
        refused(&url, &["-s", script, "-H", "Connection: close"], report.seconds)?
    };
    let name = "refusals, each a new TLS connection (nginx)";
    report.row(rate(name, ours_tls, Some(theirs_tls), Bar::Share(1.0)));
    if !postgres::is_root() {
        println!("  packets dropped by the kernel: not measured, it needs root");
        return Ok(());
    }
    let dropped = dropped(folder, report.seconds)?;
    report.row(rate("packets dropped by the kernel (refusals)", dropped, Some(ours), Bar::None));
    Ok(())
}

fn rate(name: &str, value: f64, yardstick: Option<f64>, bar: Bar) -> Row {
    Row::beside(name, value, "/s", yardstick, bar)
}

/// Refusals a second under a closed loop, after two seconds that spend the allowance.
fn refused(url: &str, more: &[&str], seconds: u64) -> Result<f64> {
    wrk(url, more, 2)?;
    let said = wrk(url, more, seconds)?;
    let figure = |label: &str| {
        let line = said.lines().map(str::trim).find(|line| line.contains(label))?;
        line.split_whitespace().find_map(|word| word.parse::<f64>().ok())
    };
    let per_second = figure("Requests/sec:").context("wrk gives no rate")?;
    let all = figure(" requests in ").context("wrk gives no number of requests")?;
    let refused =
        said.lines().find_map(|line| line.trim().strip_prefix("Non-2xx or 3xx responses:"));
    let refused: f64 = refused.map_or(Ok(0.0), |count| count.trim().parse())?;
    ensure!(all > 0.0 && refused > 0.9 * all, "{url}: {refused} of {all} were refused:\n{said}");
    Ok(per_second * refused / all)
}

fn wrk(url: &str, more: &[&str], seconds: u64) -> Result<String> {
    let mut command = Command::new("wrk");
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), url]);
    command.args(more);
    if pin::possible() {
        pin::child(&mut command, pin::LOAD_CORE);
    }
    ground::output(&mut command)
}

/// An nginx with one worker that refuses nearly everything.
struct Nginx {
    child: Child,
    plain: u16,
    tls: u16,
}

impl Nginx {
    fn start(folder: &Path) -> Result<Self> {
        let (plain, tls) = (free_port()?, free_port()?);
        let path = folder.join("nginx.conf");
        std::fs::write(&path, configuration(folder, plain, tls))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(&path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if pin::possible() {
            pin::child(&mut command, pin::SERVER_CORE);
        }
        let mut nginx = Self { child: command.spawn().context("start nginx")?, plain, tls };
        ground::poll("nginx listens", Duration::from_secs(10), || {
            // Its own configuration is bad, or its ports were taken meanwhile.
            if nginx.child.try_wait().ok().flatten().is_some() {
                return Some(false);
            }
            listens(tls).then_some(true)
        })?
        .then_some(())
        .context("nginx ended at once; `nginx -t` says why")?;
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its first process ends its worker; killed, it would leave it.
        let pid = self.child.id().to_string();
        let _told = Command::new("kill").args(["-TERM", &pid]).status();
        let _ended = self.child.wait();
    }
}

fn configuration(folder: &Path, plain: u16, tls: u16) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {folder}/nginx-{kind};\n"))
        .collect();
    format!(
        "daemon off; worker_processes 1; user root; pid {folder}/nginx.pid;\n\
         error_log /dev/null crit; events {{ worker_connections 4096; }}\n\
         http {{\n{temporary}\
         access_log off; keepalive_requests 1000000000;\n\
         limit_req_zone $binary_remote_addr zone=all:10m rate=1r/s;\n\
         limit_req_status 429;\n\
         server {{\n\
         listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;\n\
         ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem;\n\
         location / {{ limit_req zone=all; empty_gif; }}\n}}\n}}\n"
    )
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn listens(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_err()
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

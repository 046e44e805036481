//! What figures are held against: a bare hyper server, and a bare SQLite.
//!
//! The bare server answers a fixed body and does nothing else, on the same core as the server that
//! is measured. The bare database commits the statements of a post in groups, synchronised in full.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::report::{Bar, Report, Row};
use crate::ground;
use crate::load::{Load, Shown};
use crate::pin;

/// Body of the hidden word `yardstick-http`: serves so many bytes until its input closes.
///
/// # Errors
/// When no port is free.
pub fn serve(bytes: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("ready http://{}", listener.local_addr()?);
        std::io::stdout().flush()?;
        // Whoever started it holds the other end of its input, and ends with it.
        std::thread::spawn(|| {
            let mut line = String::new();
            let _closed = std::io::stdin().read_line(&mut line);
            leave();
        });
        let body = Bytes::from(vec![b'x'; bytes]);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let body = body.clone();
            tokio::spawn(async move {
                let service = service_fn(move |_: Request<hyper::body::Incoming>| {
                    let answer = Response::builder()
                        .header("content-type", "application/json")
                        .body(Full::new(body.clone()));
                    async move { Ok::<_, Infallible>(answer.unwrap_or_default()) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _closed = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "a yardstick has nothing to drain")]
fn leave() {
    std::process::exit(0);
}

/// A bare server in a process of its own.
struct Bare {
    child: Child,
    address: SocketAddr,
}

impl Bare {
    fn start(bytes: usize) -> Result<Self> {
        let program = std::env::current_exe().context("this program's own path")?;
        // A release build is what the measured server is, so the yardstick must be one too.
        let release = ground::target().join("release").join("xtask");
        let program = if release.exists() { release } else { program };
        let mut command = Command::new(program);
        command.args(["yardstick-http", &bytes.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if pin::possible() {
            pin::child(&mut command, pin::SERVER_CORE);
        }
        let mut child = command.spawn().context("start the yardstick")?;
        let output = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address =
            line.trim().strip_prefix("ready http://").context("the yardstick's address")?;
        Ok(Self { address: address.parse()?, child })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// What a bare hyper server gives under the same load, with a body of that size.
///
/// # Errors
/// When it cannot be started or does not answer.
pub fn http(load: &Load, bytes: usize) -> Result<Shown> {
    let bare = Bare::start(bytes)?;
    let load = Load { address: bare.address, ..load.clone() };
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", bare.address).into_bytes();
    load.run(std::rc::Rc::new(move |_, _, out| out.extend_from_slice(&request)))?
        .all_fine("yardstick")
}

/// The bare server by itself, at the sizes of a refusal, a post and a home timeline. It also shows
/// what the load generator can give: a figure of Fulmar's near these is the generator's limit.
///
/// # Errors
/// When it cannot be started.
pub fn machine(report: &mut Report) -> Result<()> {
    for bytes in [100, 2_000, 38_000] {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
        let shown = http(&Load::closed(nobody, 64, report.seconds), bytes)?;
        report.row(Row::rate(&format!("bare hyper, {bytes} bytes"), &shown, None, Bar::None));
    }
    Ok(())
}

/// Rows a second that bare SQLite commits: the statements of a post, in groups, each group one
/// synchronised commit, into a copy of the database that the server has.
///
/// # Errors
/// When the database does not take them.
pub fn sqlite(database: &Path, group: u64, seconds: f64) -> Result<f64> {
    let folder = tempfile::tempdir_in(ground::target())?;
    let copy = folder.path().join("bare.db");
    std::fs::copy(database, &copy).context("copy the database")?;
    let mut sqlite = rusqlite::Connection::open(&copy)?;
    sqlite.pragma_update(None, "journal_mode", "WAL")?;
    sqlite.pragma_update(None, "synchronous", "FULL")?;
    let account: i64 = sqlite.query_row("SELECT MIN(id) FROM account", [], |row| row.get(0))?;
    let newest: i64 = sqlite.query_row("SELECT MAX(id) FROM status", [], |row| row.get(0))?;
    let start = ground::now();
    let mut stored = 0_u64;
    while start.elapsed().as_secs_f64() < seconds {
        let change = sqlite.transaction()?;
        {
            let mut status = change.prepare_cached(INSERT_STATUS)?;
            let mut key = change.prepare_cached(INSERT_KEY)?;
            for _ in 0..group {
                stored += 1;
                let id = newest + i64::try_from(stored).unwrap_or(i64::MAX);
                key.execute(rusqlite::params![account, id.to_string(), id, id >> 16])?;
                status.execute(rusqlite::params![
                    id,
                    account,
                    id >> 16,
                    super::posts::TWENTY_WORDS
                ])?;
            }
        }
        change.commit()?;
    }
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let rows = stored as f64;
    Ok(rows / start.elapsed().as_secs_f64())
}

const INSERT_KEY: &str = "INSERT INTO idempotency (account_id, key, status_id, created_ms) \
     VALUES (?1, ?2, ?3, ?4)";

const INSERT_STATUS: &str = "INSERT INTO status (id, account_id, created_ms, visibility, \
     sensitive, \
     spoiler, text, language, conversation_id, media_ids, mention_ids, tags) \
     VALUES (?1, ?2, ?3, 0, 0, '', ?4, 'en', ?1, '', '', '')";

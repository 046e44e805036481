//! From one post to those who follow its author: open streams, and timelines in memory.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, params};

use super::data::{Scene, database};
use super::report::{Bar, Report, Row};
use crate::ground;
use crate::instance::{OPEN, Plan};
use crate::load::{self, Histogram, Shown, Wire};
use crate::pin;

/// Posts that are timed.
const POSTS: usize = 20;

/// One author, followed by every reader, each with an open stream: until the last has the post.
pub fn streams(scene: &Scene, report: &mut Report) -> Result<()> {
    let stage = scene.serve()?;
    let plan = stage.instance.plan.clone();
    // The edges are written while nobody serves, so that the server finds them at its start.
    stage.instance.stop()?;
    everybody_follows_the_last(&plan)?;
    let running = Plan::new(&plan.data, OPEN).pinned().start()?;
    let address = running.address;
    let author = scene.tokens.last().context("no reader")?;
    let shown = load::block_on(async {
        let mut streams = Vec::new();
        for token in &scene.tokens {
            let mut wire = Wire::open(address).await?;
            let request = format!(
                "GET /api/v1/streaming/user HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                 Authorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n"
            );
            wire.begin(request.as_bytes()).await?;
            streams.push(wire);
        }
        let mut writer = Wire::open(address).await?;
        let mut latencies = Histogram::new();
        let start = ground::now();
        for number in 0..POSTS {
            let mark = format!("mark{number:05}end");
            let body = format!("{{\"status\":\"{mark}\"}}");
            let request = format!(
                "POST /api/v1/statuses HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                 Authorization: Bearer {author}\
                 \r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let begun = ground::now();
            let posted = writer.ask(request.as_bytes());
            let arrived = futures_util::future::try_join_all(
                streams.iter_mut().map(|stream| stream.until(mark.as_bytes())),
            );
            let (status, _) = futures_util::future::try_join(posted, arrived).await?;
            ensure!(status == 200, "the post was answered {status}");
            latencies.record(begun.elapsed());
        }
        Ok(Shown { latencies, failed: 0, took: start.elapsed() })
    })?;
    let name = format!("a post to the last of {} streams, p99", scene.tokens.len());
    report.row(Row::slowest(&name, &shown, 100.0));
    Ok(())
}

/// Everyone with a reader's name follows the last of them.
fn everybody_follows_the_last(plan: &Plan) -> Result<()> {
    let sqlite = Connection::open(database(&plan.data)?)?;
    let last = super::data::READERS - 1;
    sqlite.execute(
        "INSERT OR IGNORE INTO follow (account_id, target_id, id, reblogs, notify, languages) \
         SELECT r.id, a.id, r.id + 1, 1, 0, '' FROM account r, account a \
         WHERE r.username LIKE 'reader%' AND a.username = ?1 AND a.id <> r.id",
        params![format!("reader{last}")],
    )?;
    Ok(())
}

/// The rings by themselves, in the process of `crates/social`'s own bench: it prints a row a line.
pub fn timelines(_: &Scene, report: &mut Report) -> Result<()> {
    let words = ["bench", "--locked", "--quiet", "--package", "social", "--bench", "fanout"];
    // Built with all cores, then run on the server's alone.
    let mut build = Command::new("cargo");
    ground::output(build.args(words).arg("--no-run").current_dir(ground::root()))?;
    let mut command = Command::new("cargo");
    if pin::possible() {
        pin::child(&mut command, pin::SERVER_CORE);
    }
    let text = ground::output(command.args(words).current_dir(ground::root()))?;
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let row: serde_json::Value = serde_json::from_str(line).context("a row of the bench")?;
        let name =
            row.get("name").and_then(|name| name.as_str()).context("a row without a name")?;
        let value = row.get("value").and_then(serde_json::Value::as_f64).context("no value")?;
        match row.get("unit").and_then(|unit| unit.as_str()) {
            Some("ms") => report.row(Row::figure(name, value, "ms", Bar::AtMost(10.0))),
            _ => report.row(Row::figure(name, value, "/s", Bar::AtLeast(2_000_000.0))),
        }
        rows += 1;
    }
    ensure!(rows > 0, "the bench of crates/social printed no row");
    Ok(())
}

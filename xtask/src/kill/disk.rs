//! The disk fills up: clear refusals, nothing corrupt, and service again when space returns.
//!
//! The data lie on a small file system in memory, which takes a mount; where that is not allowed
//! the step says so and is skipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::ground;
use crate::http::Client;
use crate::instance::{OPEN, Plan};
use crate::steps::Outcome;

/// Size of the disk. The program's own files take a few megabytes of it.
const DISK: &str = "size=96m";
/// Posts until it must be full, at most.
const POSTS_MAX: u32 = 200_000;

/// Fills, refuses, frees, recovers.
///
/// # Errors
/// When an answer was neither fine nor a clear refusal, or the database is damaged.
pub fn run() -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = Disk::mount(folder.path()) else {
        return Ok(Outcome::Skipped("a small disk cannot be mounted here".to_owned()));
    };
    let plan = Plan::new(&disk.at.join("data"), OPEN);
    let mut server = plan.start()?;
    plan.account("author")?;
    let mut author = Client::new(server.address, Some(&plan.token("author")?));
    let first = author.post("/api/v1/statuses", &json!({ "status": "before" }))?.fine()?;
    let ballast = disk.at.join("ballast");
    fill(&ballast)?;
    let mut last = super::ledger::id_of(&first)?;
    let refused = refusal(&mut author, &mut last)?;
    println!("  full: answered {refused}");
    let read = author.get(&format!("/api/v1/statuses/{last}"))?;
    ensure!(read.status == 200, "reading is answered {} while the disk is full", read.status);
    std::fs::remove_file(&ballast).context("free the disk")?;
    let start = ground::now();
    let mut number = 0_u32;
    let again = loop {
        number += 1;
        let text = format!("after {number}");
        let answer = author.post("/api/v1/statuses", &json!({ "status": text }))?;
        if answer.status == 200 {
            break super::ledger::id_of(&answer.json())?;
        }
        ensure!(start.elapsed() < Duration::from_secs(30), "still {} with space", answer.status);
        ground::pause(Duration::from_millis(100));
    };
    ensure!(server.lives(), "the server ended");
    for id in [last, again] {
        ensure!(author.get(&format!("/api/v1/statuses/{id}"))?.status == 200, "{id} is gone");
    }
    server.stop()?;
    super::sqlite_is_whole(&plan.data)?;
    Ok(Outcome::Done)
}

/// Posts until one is refused; the status of the refusal.
fn refusal(author: &mut Client, last: &mut String) -> Result<u16> {
    let long = "All work and no rest. ".repeat(22);
    for number in 0..POSTS_MAX {
        let body = json!({ "status": format!("{number} {long}") });
        let answer = author.post("/api/v1/statuses", &body)?;
        match answer.status {
            200 => *last = super::ledger::id_of(&answer.json())?,
            507 => return Ok(507),
            503 if answer.header("retry-after").is_some() => return Ok(503),
            other => bail!("a full disk was answered with {other}"),
        }
    }
    bail!("{POSTS_MAX} posts did not fill the disk")
}

/// Takes all space that is left.
fn fill(ballast: &Path) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(ballast)?;
    let piece = vec![0_u8; 64 * 1024];
    // The loop ends with the disk: nothing larger is mounted.
    for _ in 0..1_000_000 {
        if file.write_all(&piece).is_err() {
            return Ok(());
        }
    }
    bail!("the disk does not fill")
}

/// A small disk, unmounted when it is no longer needed.
struct Disk {
    at: PathBuf,
}

impl Disk {
    fn mount(at: &Path) -> Option<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(at);
        ground::output(&mut command).ok()?;
        Some(Self { at: at.to_owned() })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _left = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

//! The disk fills up: clear refusals, nothing corrupt, and service again when space returns.
//!
//! The data lie on a small file system in memory, which takes a mount; where that is not allowed
//! the step says so and is skipped.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::http::{Answer, Client};
use crate::instance::{OPEN, Plan};
use crate::steps::Outcome;
use crate::{ground, picture};

/// Size of the disk. The program's own files take a few megabytes of it.
const DISK: &str = "size=96m,mode=0700";
/// Posts until it must be full, at most.
const POSTS_MAX: u32 = 200_000;
/// Pixels of a picture's side, and the bytes it has at least as a file.
const SIDE: u16 = 512;
const PICTURE_BYTES: usize = 128 * 1024;
/// Time in which the server takes posts again once there is space.
const RECOVERY: Duration = Duration::from_secs(90);

/// Fills, refuses, is killed, starts full, frees, recovers.
///
/// # Errors
/// When an answer was neither fine nor a clear refusal, or the database is damaged.
pub fn run() -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = Disk::mount(&folder.path().join("data"))? else {
        return Ok(Outcome::Skipped("a small disk cannot be mounted here".to_owned()));
    };
    let plan = Plan::new(&disk.at, OPEN);
    let mut server = plan.start()?;
    plan.account("author")?;
    let token = plan.token("author")?;
    let mut author = Client::new(server.address, Some(&token));
    let first = author.post("/api/v1/statuses", &json!({ "status": "before" }))?.fine()?;
    let shown = uploaded(&mut author, 1)?;
    let ballast = disk.at.join("ballast");
    // Room for some rows, and none for a picture.
    fill(&ballast, PICTURE_BYTES / 2)?;
    let half = author.upload("/api/v2/media", "half.png", &picture::noise(SIDE, 2))?;
    println!("  no room for a picture: answered {}", refused(&half)?);
    fill(&ballast, 0)?;
    let mut last = super::ledger::id_of(&first)?;
    println!("  full: a post is answered {}", refusal(&mut author, &mut last)?);
    let none = author.upload("/api/v2/media", "none.png", &picture::noise(SIDE, 3))?;
    println!("  full: a picture is answered {}", refused(&none)?);
    readable(&mut author, &[&last], &shown)?;
    server.kill()?;
    server = plan.start().context("start on a full disk")?;
    author = Client::new(server.address, Some(&token));
    readable(&mut author, &[&last], &shown).context("started on a full disk")?;
    println!("  full: killed, started again in {:?}, everything is read", server.start_up);
    std::fs::remove_file(&ballast).context("free the disk")?;
    let again = ground::poll("a post is taken with space", RECOVERY, || {
        let answer = author.post("/api/v1/statuses", &json!({ "status": "after" })).ok()?;
        (answer.status == 200).then(|| answer.json())
    })?;
    let again = super::ledger::id_of(&again)?;
    let later = uploaded(&mut author, 4)?;
    ensure!(server.lives(), "the server ended");
    readable(&mut author, &[&last, &again], &shown)?;
    readable(&mut author, &[], &later)?;
    server.stop()?;
    super::sqlite_is_whole(&plan.data)?;
    no_fragments(&plan.data)?;
    Ok(Outcome::Done)
}

/// Uploads a picture; where it is shown.
fn uploaded(author: &mut Client, seed: u64) -> Result<String> {
    let sent = author.upload("/api/v2/media", "noise.png", &picture::noise(SIDE, seed))?;
    let mut media = sent.json();
    ensure!(matches!(sent.status, 200 | 202), "an upload is answered {}", sent.status);
    if sent.status == 202 {
        let path = format!("/api/v1/media/{}", super::ledger::id_of(&media)?);
        media = ground::poll("a picture is ready", RECOVERY, || {
            author.get(&path).ok().filter(|answer| answer.status == 200).map(|found| found.json())
        })?;
    }
    let url = media.get("url").and_then(Value::as_str).context("a picture without an address")?;
    let at = url.find("/media/").with_context(|| format!("no file of ours: {url}"))?;
    Ok(url.get(at..).unwrap_or_default().to_owned())
}

/// Posts and a picture are there, and the picture is whole.
fn readable(author: &mut Client, ids: &[&str], picture: &str) -> Result<()> {
    for id in ids {
        let answer = author.get(&format!("/api/v1/statuses/{id}"))?;
        ensure!(answer.status == 200, "{id} is answered {}", answer.status);
    }
    let file = author.get(picture)?;
    ensure!(file.status == 200, "{picture} is answered {}", file.status);
    ensure!(file.body.len() > PICTURE_BYTES / 2, "{picture} has only {} bytes", file.body.len());
    Ok(())
}

/// The status of a clear refusal: 507 or 503, when to come back, and Mastodon's body.
fn refused(answer: &Answer) -> Result<u16> {
    let start = String::from_utf8_lossy(answer.body.get(..300).unwrap_or(&answer.body));
    ensure!(
        matches!(answer.status, 503 | 507),
        "a full disk was answered with {}: {start}",
        answer.status
    );
    ensure!(answer.header("retry-after").is_some(), "a {} without Retry-After", answer.status);
    ensure!(answer.json().get("error").is_some_and(Value::is_string), "no error in {start}");
    Ok(answer.status)
}

/// Every file of media has its row: what a refusal began is not left behind.
fn no_fragments(data: &Path) -> Result<()> {
    let sqlite = rusqlite::Connection::open(crate::bench::database(data)?)?;
    let mut named = BTreeSet::new();
    let mut rows = sqlite.prepare("SELECT file, thumbnail FROM media")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        named.extend([row.get::<_, String>(0)?, row.get::<_, String>(1)?]);
    }
    let root = data.join("media");
    for folder in std::fs::read_dir(&root)?.collect::<Result<Vec<_>, _>>()? {
        if !folder.file_type()?.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(folder.path())?.collect::<Result<Vec<_>, _>>()? {
            let path = file.path();
            let key = path.strip_prefix(&root)?.to_string_lossy().into_owned();
            ensure!(named.contains(&key), "a refused upload left {key} behind");
        }
    }
    Ok(())
}

/// Posts until one is refused; the status of the refusal.
fn refusal(author: &mut Client, last: &mut String) -> Result<u16> {
    let long = "All work and no rest. ".repeat(22);
    for number in 0..POSTS_MAX {
        let body = json!({ "status": format!("{number} {long}") });
        let answer = author.post("/api/v1/statuses", &body)?;
        match answer.status {
            200 => *last = super::ledger::id_of(&answer.json())?,
            _ => return refused(&answer),
        }
    }
    bail!("{POSTS_MAX} posts did not fill the disk")
}

/// Takes all space that is left, but for so many bytes.
fn fill(ballast: &Path, but_bytes: usize) -> Result<()> {
    let mut file = File::options().create(true).append(true).open(ballast)?;
    let piece = vec![0_u8; 4 * 1024];
    // The loop ends with the disk: nothing larger is mounted.
    for _ in 0..1_000_000 {
        if file.write_all(&piece).is_err() {
            let taken = file.metadata()?.len();
            let but = u64::try_from(but_bytes)?;
            return file.set_len(taken.saturating_sub(but)).context("leave some space");
        }
    }
    bail!("the disk does not fill")
}

/// A small disk, unmounted when it is no longer needed.
struct Disk {
    at: PathBuf,
}

impl Disk {
    /// None where mounting is not allowed.
    fn mount(at: &Path) -> Result<Option<Self>> {
        std::fs::create_dir_all(at)?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(at);
        Ok(ground::output(&mut command).ok().map(|_| Self { at: at.to_owned() }))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _left = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

//! The ground that every word stands on: where the repository is, what surrounds it, how another
//! program is run. The one place of xtask that reads the environment and the clock.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The repository's root, from where this crate was compiled.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.to_path_buf(), Path::to_path_buf)
}

/// The one target folder that all words share.
pub fn target() -> PathBuf {
    match variable("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The variable that makes the words which try the server, and measure nothing, take the debug
/// build: it is there in seconds while one works. CI and the final word take the release.
const DEBUG: &str = "FULMAR_DEBUG";

/// Whether the debug build is tried.
pub fn tries_debug() -> bool {
    variable(DEBUG).is_some()
}

/// The program that is tried, where cargo puts it.
pub fn server_binary() -> PathBuf {
    target().join(if tries_debug() { "debug" } else { "release" }).join("fulmar")
}

/// A folder under `target/` for what a word keeps between runs; made when missing.
///
/// # Errors
/// When it cannot be made.
pub fn kept(name: &str) -> Result<PathBuf> {
    let folder = target().join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// An environment variable, when set and not empty.
#[expect(clippy::disallowed_methods, reason = "xtask's one home of the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "xtask's one home of the clock: it measures")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock in milliseconds, for rows that carry a date.
#[expect(clippy::disallowed_methods, reason = "xtask's one home of the clock")]
pub fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |passed| i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
}

/// Waits between two looks of a poll; never used as a substitute for a look.
#[expect(clippy::disallowed_methods, reason = "the pause inside polls that have a deadline")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Looks until `look` gives something or the deadline passes.
///
/// # Errors
/// When the deadline passed, naming what was awaited.
pub fn poll<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let start = now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if start.elapsed() > limit {
            bail!("{what}: not within {limit:?}");
        }
        pause(Duration::from_millis(20));
    }
}

/// Runs a program at the root with its output shown; an exit other than 0 is an error.
///
/// # Errors
/// When it cannot start or does not succeed.
pub fn sh<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    shown(&mut command)
}

/// Runs a prepared command with its output shown.
///
/// # Errors
/// When it cannot start or does not succeed.
pub fn shown(command: &mut Command) -> Result<()> {
    println!("$ {}", line(command));
    let status = command.stdin(Stdio::null()).status().with_context(|| line(command))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs a prepared command and gives its standard output; the rest is in the error.
///
/// # Errors
/// When it cannot start or does not succeed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| line(command))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {}", line(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Builds what is measured and tried: the server, and this program for its load. Both in one go,
/// so that what they share is built once.
///
/// # Errors
/// When it does not build, or when the debug build is asked for.
pub fn build_release() -> Result<()> {
    if tries_debug() {
        bail!("figures of a debug build mean nothing: unset {DEBUG}");
    }
    let words = ["build", "--release", "--locked", "--package", "server", "--package", "xtask"];
    sh("cargo", &words)
}

/// Builds the server alone, for words that try it and measure nothing.
///
/// # Errors
/// When it does not build.
pub fn build_server() -> Result<()> {
    let profile = if tries_debug() { "dev" } else { "release" };
    sh("cargo", &["build", "--profile", profile, "--locked", "--package", "server"])
}

/// Whether a program of that name can be found.
pub fn has(program: &str) -> bool {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    let mut line = words.join(" ");
    if line.len() > 200 {
        line = line.chars().take(200).collect::<String>() + " ...";
    }
    line
}

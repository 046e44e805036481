//! The ground that every word stands on: where the repository is, what surrounds it, how another
//! program is run. The one place of xtask that reads the environment and the clock.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
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

/// The profile of the release, and of the one that the long word tries in its place: optimised as
/// it is, but linked in seconds instead of minutes.
const RELEASE: &str = "release";
const TRIAL: &str = "trial";

static TRIES_TRIAL: AtomicBool = AtomicBool::new(false);

/// From now on what is tried is built with the profile `trial`.
pub fn try_trial() {
    TRIES_TRIAL.store(true, Relaxed);
}

fn profile() -> &'static str {
    match (tries_debug(), TRIES_TRIAL.load(Relaxed)) {
        (true, _) => "dev",
        (false, true) => TRIAL,
        (false, false) => RELEASE,
    }
}

/// The program that is tried, where cargo puts it.
pub fn server_binary() -> PathBuf {
    let folder = match profile() {
        "dev" => "debug",
        other => other,
    };
    target().join(folder).join("fulmar")
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

/// Time that one program may take: the longest is a build on a slow machine.
const PROGRAM_MAX: Duration = Duration::from_secs(40 * 60);

/// Pauses before something that the network gave badly is asked for once more.
const PAUSES_S: [u64; 3] = [2, 10, 30];

/// Runs a prepared command, printed first, with its output shown.
///
/// # Errors
/// When it cannot start, does not succeed, or does not end in time.
pub fn shown(command: &mut Command) -> Result<()> {
    println!("$ {}", line(command));
    let mut child = command.stdin(Stdio::null()).spawn().with_context(|| line(command))?;
    let status = ended(&mut child, PROGRAM_MAX).with_context(|| line(command))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs what asks a mirror or registry, and again after a while when it fails.
///
/// # Errors
/// With the last failure.
pub fn again(mut ask: impl FnMut() -> Result<()>) -> Result<()> {
    for pause_s in PAUSES_S {
        match ask() {
            Ok(()) => return Ok(()),
            Err(error) => println!("{error:#}; once more in {pause_s} s"),
        }
        pause(Duration::from_secs(pause_s));
    }
    ask()
}

/// Waits for a program's end. One that takes too long is ended with all that it started, so that
/// nothing stays behind and whoever waits for the word hears of it.
fn ended(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let status = poll("it ends", limit, || child.try_wait().ok().flatten());
    if status.is_err() {
        for process in family(child.id()) {
            let _gone = crate::instance::signal(process, libc::SIGKILL);
        }
        child.wait()?;
    }
    status
}

/// A process and its descendants, as far as the system tells.
pub fn family(first: u32) -> Vec<u32> {
    let parent = |process: u32| -> Option<u32> {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name, in brackets, may hold anything; state and parent follow it.
        text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parents: Vec<(u32, u32)> =
        names.filter_map(|process| Some((process, parent(process)?))).collect();
    let mut found = vec![first];
    let mut at = 0;
    while let Some(elder) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == elder).map(|(process, _)| process));
        at += 1;
    }
    found
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

/// Builds what is measured and tried: the server, and this program for its load. One after the
/// other: together their crates would get other features than `cargo run --release` gives them, and
/// the whole server would be built anew.
///
/// # Errors
/// When it does not build, or when the debug build is asked for.
pub fn build_release() -> Result<()> {
    if tries_debug() {
        bail!("figures of a debug build mean nothing: unset {DEBUG}");
    }
    build_server()?;
    sh("cargo", &["build", "--release", "--locked", "--package", "xtask"])
}

/// Builds the server alone, for words that try it and measure nothing.
///
/// # Errors
/// When it does not build.
pub fn build_server() -> Result<()> {
    shown(&mut server_build())
}

/// The command that builds it.
pub fn server_build() -> Command {
    let mut command = Command::new("cargo");
    command.args(["build", "--profile", profile(), "--locked", "--package", "server"]);
    command.current_dir(root());
    command
}

/// A build that goes on beside other steps, at the lowest priority: tests wait a lot, and a
/// compiler can use that time. The step that needs it gives the same command, which waits for this
/// one, says what is wrong where there is something, and has little left to do.
pub struct Ahead(Option<Child>);

impl Ahead {
    /// Starts it, where programs can be told to give way.
    pub fn start(command: &Command) -> Self {
        if !has("nice") {
            return Self(None);
        }
        println!("$ {} (beside what follows)", line(command));
        let mut nice = Command::new("nice");
        nice.args(["-n", "19"]).arg(command.get_program()).args(command.get_args());
        nice.current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => nice.env(name, value),
                None => nice.env_remove(name),
            };
        }
        nice.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(nice.spawn().ok())
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        let Some(child) = &mut self.0 else { return };
        if let Ok(None) = child.try_wait() {
            for process in family(child.id()) {
                let _gone = crate::instance::signal(process, libc::SIGKILL);
            }
        }
        let _ended = child.wait();
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_ended_with_all_that_it_started() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 3600 & echo $!; wait"]).stdout(Stdio::piped());
        let mut child = shell.spawn().expect("a shell");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        let below: u32 = line.trim().parse().expect("the process below it");
        assert!(family(child.id()).contains(&below));
        let error = ended(&mut child, Duration::ZERO).expect_err("it did not end");
        assert!(error.to_string().contains("not within"), "{error}");
        let gone = || (crate::instance::signal(below, 0).is_err() || is_over(below)).then_some(());
        poll("the one below is gone", Duration::from_secs(60), gone).unwrap();
    }

    /// Ended, and whoever inherited it has not asked for it yet.
    fn is_over(process: u32) -> bool {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        text.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
    }

    #[test]
    fn a_program_that_ends_in_time_is_left_to_itself() {
        let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().expect("a shell");
        let status = ended(&mut child, Duration::from_secs(60)).expect("its status");
        assert_eq!(status.code(), Some(3));
    }
}

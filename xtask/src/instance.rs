//! A server to try: the built binary on a data folder of its own and a free loopback port.
//!
//! It is met as a host meets it: a configuration file, the command line, `ready` on standard
//! output. It ends with this value, however the word ends. Whoever ends it on purpose hears of it
//! when something panicked within: a server that lives on has hidden that from its clients.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{ground, pin};

/// Time that a server may take until it is ready, recovery included.
const READY: Duration = Duration::from_secs(120);
/// Time that a server may take to drain and end.
const DRAIN: Duration = Duration::from_secs(60);

/// Scopes of the tokens that words use.
pub const SCOPES: &str = "read write follow push";

/// How a server is to be started.
#[derive(Clone)]
pub struct Plan {
    /// Where its data lie.
    pub data: PathBuf,
    /// Its address; port 0 is any free one.
    pub listen: String,
    /// The configuration file's text.
    pub config: String,
    /// The one core it may use.
    pub core: Option<usize>,
}

/// Configuration of an instance where anyone may sign up and use the account at once; test suites
/// of clients make all their users from one address.
pub const OPEN: &str = "[signup]\nopen = true\nper_address = 100000\n\
    [oauth]\napps_per_address = 100000\n";

impl Plan {
    /// On a folder, with a configuration.
    pub fn new(data: &Path, config: &str) -> Self {
        let listen = "127.0.0.1:0".to_owned();
        Self { data: data.to_owned(), listen, config: config.to_owned(), core: None }
    }

    /// With PostgreSQL as its store.
    pub fn on_postgres(mut self, url: &str) -> Self {
        self.config.push_str(&format!("[store]\npostgres_url = \"{url}\"\n"));
        self
    }

    /// Kept on one core.
    pub fn pinned(mut self) -> Self {
        self.core = pin::possible().then_some(pin::SERVER_CORE);
        self
    }

    fn config_file(&self) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.data)?;
        let path = self.data.with_extension("toml");
        std::fs::write(&path, &self.config).context("write the configuration")?;
        Ok(path)
    }

    /// The program with a command's words, the folder and the configuration.
    ///
    /// # Errors
    /// When the configuration cannot be written.
    pub fn command(&self, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(ground::server_binary());
        command.args(words).arg("--data").arg(&self.data).arg("--config").arg(self.config_file()?);
        Ok(command)
    }

    /// Runs a command of the program to its end and gives its output.
    ///
    /// # Errors
    /// When it fails.
    pub fn say(&self, words: &[&str]) -> Result<String> {
        ground::output(&mut self.command(words)?)
    }

    /// Makes an account, beside a running server or without one.
    ///
    /// # Errors
    /// When the program refuses.
    pub fn account(&self, name: &str) -> Result<()> {
        let mail = format!("{name}@example.org");
        let words = ["account", "create", name, "--email", &mail, "--password-stdin", "--json"];
        let mut command = self.command(&words)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("account create")?;
        let mut input = child.stdin.take().context("no standard input")?;
        writeln!(input, "{PASSWORD}").context("give the password")?;
        drop(input);
        let done = child.wait_with_output()?;
        if !done.status.success() {
            bail!("account create {name}: {}", String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(())
    }

    /// Makes a token for an account.
    ///
    /// # Errors
    /// When the program refuses.
    pub fn token(&self, name: &str) -> Result<String> {
        Ok(self.say(&["token", "create", name, "--scopes", SCOPES])?.trim().to_owned())
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Errors
    /// When it is not ready in time; with the end of what it said.
    pub fn start(&self) -> Result<Instance> {
        let log = self.data.with_extension("log");
        let mut command = self.command(&["serve", "--listen", &self.listen])?;
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let output = File::options().create(true).append(true).open(&log)?;
        // Those who ran on this folder before have answered for what they said.
        let said_before = output.metadata()?.len();
        command.stderr(output);
        if let Some(core) = self.core {
            pin::child(&mut command, core);
        }
        let started = ground::now();
        let mut child = command.spawn().with_context(|| {
            format!("{}: build it first (cargo build --release)", ground::server_binary().display())
        })?;
        let output = child.stdout.take().context("no standard output")?;
        // From here on whatever goes wrong ends the child, through `Drop`.
        let mut instance = Instance {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            plan: self.clone(),
            start_up: Duration::ZERO,
            log: Log { path: log.clone(), said_before },
        };
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let url = line.strip_prefix("ready http://");
                if let Some(url) = url.or_else(|| line.strip_prefix("ready https://")) {
                    let _gone = tell.send(url.trim_end_matches('/').to_owned());
                }
            }
        });
        let Ok(address) = told.recv_timeout(READY) else {
            bail!("the server was not ready in {READY:?}:\n{}", last_lines(&log));
        };
        instance.start_up = started.elapsed();
        instance.address = address.parse().with_context(|| format!("ready at {address}"))?;
        Ok(instance)
    }
}

/// The password of every account that words make.
pub const PASSWORD: &str = "correct horse battery staple";

/// What a server says on standard error, from where it began to.
struct Log {
    path: PathBuf,
    said_before: u64,
}

impl Log {
    /// What it has said until now.
    fn text(&self) -> Result<String> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.said_before))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).context("read the server's log")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// How the standard library's hook words what it says of a panic.
const PANIC: &str = "panicked at";

/// A running server.
pub struct Instance {
    log: Log,
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// How it was started.
    pub plan: Plan,
    /// From the start until it was ready.
    pub start_up: Duration,
}

impl Instance {
    /// Ends it as the loss of its process would: SIGKILL.
    ///
    /// # Errors
    /// When it cannot be ended, or something had panicked in it.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("kill")?;
        self.child.wait().context("wait")?;
        self.calm()
    }

    /// Looks whether anything has panicked in it.
    ///
    /// # Errors
    /// With what it said of the first panic.
    pub fn calm(&self) -> Result<()> {
        let text = self.log.text()?;
        let mut lines = text.lines().skip_while(|line| !line.contains(PANIC));
        match lines.next() {
            None => Ok(()),
            Some(line) => bail!("the server {line} {}", lines.next().unwrap_or_default()),
        }
    }

    /// Ends it as a host does: SIGTERM, and it drains.
    ///
    /// # Errors
    /// When it does not end in time, or not well, or something had panicked in it.
    pub fn stop(mut self) -> Result<()> {
        signal(self.child.id(), libc::SIGTERM)?;
        let end =
            ground::poll("the server drains", DRAIN, || self.child.try_wait().ok().flatten())?;
        if !end.success() {
            bail!("the server ended with {end}");
        }
        self.calm()
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Whether the same process is still there.
    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next()).context("VmRSS")?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.lives() {
            let _ended = self.child.kill();
            let _waited = self.child.wait();
        }
    }
}

/// Sends a signal to a process that this word started.
///
/// # Errors
/// When there is no such process.
#[expect(unsafe_code, reason = "std can only send SIGKILL")]
pub fn signal(process: u32, signal: i32) -> Result<()> {
    let process = libc::pid_t::try_from(process).context("process id")?;
    // SAFETY: a system call on two numbers.
    if unsafe { libc::kill(process, signal) } != 0 {
        return Err(std::io::Error::last_os_error()).context("signal");
    }
    Ok(())
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that says something on its standard error, as a server that began on a used log.
    fn saying(folder: &Path, words: &str) -> Instance {
        let path = folder.join("log");
        let before = "thread 'old' panicked at old.rs:1:1:\nof another run\n";
        std::fs::write(&path, before).unwrap();
        let script =
            format!("trap 'exit 0' TERM; {words}; echo ready; while :; do sleep 0.02; done");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped());
        let output = File::options().append(true).open(&path).unwrap();
        let mut child = command.stderr(output).spawn().unwrap();
        let said = child.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut String::new()).unwrap();
        Instance {
            log: Log { path, said_before: u64::try_from(before.len()).unwrap() },
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            plan: Plan::new(folder, OPEN),
            start_up: Duration::ZERO,
        }
    }

    #[test]
    fn a_server_in_which_something_panicked_ends_badly_however_it_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        for end in [Instance::stop, Instance::kill] {
            let quiet = saying(folder.path(), "echo 'WARN all is well' >&2");
            quiet.calm().unwrap();
            end(quiet).unwrap();
            // As the hook of the standard library says it.
            let words = "printf \"thread 'x' panicked at a.rs:2:3:\\nno bird\\n\" >&2";
            let error = end(saying(folder.path(), words)).unwrap_err().to_string();
            assert!(error.contains("a.rs:2:3") && error.contains("no bird"), "{error}");
        }
    }
}

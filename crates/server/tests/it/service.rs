//! A server whose log is read: what it says while it lives, beside what it answers.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use testkit::PATIENCE;

/// A running server; ended with its test.
pub struct Service {
    child: Child,
    address: SocketAddr,
    lines: Receiver<String>,
    /// Its log so far.
    pub log: String,
    _folder: TempDir,
}

/// An answer's head and body.
pub struct Heard {
    pub head: String,
    pub body: String,
}

impl Heard {
    /// Of the status line.
    pub fn status(&self) -> u16 {
        let word = self.head.split(' ').nth(1);
        word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{:?}", self.head))
    }
}

impl Service {
    /// With this configuration and environment, on a free port.
    pub fn start(config: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fulmar"));
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        Self::started(command, config, environment)
    }

    /// On a socket that somebody else has opened and keeps, as a service manager does.
    pub fn on_socket(socket: &TcpListener) -> Self {
        let address = socket.local_addr().expect("bound").to_string();
        let handed = OwnedFd::from(socket.try_clone().expect("another handle"));
        // The process must know its own number, which it keeps when it becomes another program.
        let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\" 3<&0 0</dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_fulmar"), "serve", "--listen", &address]);
        command.stdin(Stdio::from(handed));
        Self::started(command, "", &[])
    }

    fn started(mut command: Command, config: &str, environment: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("fulmar.toml");
        std::fs::write(&path, config).expect("a configuration");
        let mut child = command
            .arg("--config")
            .arg(&path)
            .arg("--data")
            .arg(folder.path().join("data"))
            .env_remove("NOTIFY_SOCKET")
            .env_remove("RUST_LOG")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let (told, lines) = channel();
        let log = BufReader::new(child.stderr.take().expect("standard error"));
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = told.send(line);
            }
        });
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("standard output"));
        out.read_line(&mut line).expect("a line");
        let ready = line.trim().strip_prefix("ready http").expect("ready");
        let address = ready.trim_start_matches('s').trim_start_matches("://").parse();
        let address = address.expect("an address");
        Self { child, address, lines, log: String::new(), _folder: folder }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next line of the log with this in it. What was waited for before is not looked at again.
    pub fn logged(&mut self, what: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.log.push_str(&line);
                    self.log.push('\n');
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(error) => panic!("no line with {what:?}: {error}; only\n{}", self.log),
            }
        }
    }

    /// All that it says until it has ended.
    pub fn last_words(&mut self) -> &str {
        let deadline = Instant::now() + PATIENCE * 3;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.log = format!("{}{line}\n", self.log),
                Err(RecvTimeoutError::Disconnected) => return &self.log,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.log),
            }
        }
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(told.expect("runs").success());
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> ExitStatus {
        self.last_words();
        self.child.wait().expect("gone")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that will not wait for ever.
pub fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(to).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a deadline");
    socket
}

/// What comes until the other side closes.
pub fn to_the_end(mut socket: TcpStream) -> Heard {
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Heard { head: head.to_lowercase(), body: body.to_owned() }
}

/// One request without a body, on a connection of its own.
pub fn get(from: SocketAddr, path: &str) -> Heard {
    ask(from, "GET", path)
}

/// The same by another method.
pub fn ask(from: SocketAddr, method: &str, path: &str) -> Heard {
    let mut socket = connect(from);
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {from}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).expect("sent");
    to_the_end(socket)
}

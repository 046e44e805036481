//! One running instance and its members: the only place where these tests touch processes and
//! sockets.

use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// A server process on a data folder of its own.
pub struct Instance {
    data: TempDir,
    config: PathBuf,
    child: Child,
    address: SocketAddr,
}

/// An answer: status, head, body.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

/// What a command said, and whether it did what it was asked.
pub struct Said {
    pub is_done: bool,
    pub out: String,
    pub err: String,
}

fn fulmar(data: &Path, config: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fulmar"));
    command.args(words).arg("--data").arg(data).arg("--config").arg(config);
    command
}

fn said(mut command: Command) -> Said {
    let ran = command.output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { is_done: ran.status.success(), out: text(ran.stdout), err: text(ran.stderr) }
}

fn start(data: &Path, config: &Path) -> (Child, SocketAddr) {
    start_with(data, config, &["serve", "--listen", "127.0.0.1:0"])
}

fn start_with(data: &Path, config: &Path, words: &[&str]) -> (Child, SocketAddr) {
    let mut command = fulmar(data, config, words);
    command.stderr(Stdio::null());
    spawned(command)
}

fn spawned(mut command: Command) -> (Child, SocketAddr) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("standard output");
    BufReader::new(out).read_line(&mut line).expect("a line");
    let address =
        line.trim().strip_prefix("ready http://").expect("ready").parse().expect("address");
    (child, address)
}

impl Instance {
    /// Started anew, with sign-up open.
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same, with its posts in a PostgreSQL database.
    pub fn on_postgres(url: &str) -> Self {
        Self::with(&format!("[store]\npostgres_url = \"{url}\"\n"))
    }

    /// The same, with more lines of configuration. All tests' people come from one address.
    pub fn with(more: &str) -> Self {
        Self::with_sign_ups(100_000, more)
    }

    /// Where an address may sign up so often, with more lines of configuration.
    pub fn with_sign_ups(per_address: u32, more: &str) -> Self {
        let data = TempDir::new().expect("a folder");
        let config = data.path().join("fulmar.toml");
        let text = format!("[signup]\nopen = true\nper_address = {per_address}\n{more}");
        std::fs::write(&config, text).expect("a configuration");
        let (child, address) = start(data.path(), &config);
        Self { data, config, child, address }
    }

    /// Started anew, with the sample community.
    pub fn demo() -> Self {
        let data = TempDir::new().expect("a folder");
        let config = data.path().join("fulmar.toml");
        std::fs::write(&config, "").expect("a configuration");
        let words = ["serve", "--listen", "127.0.0.1:0", "--demo"];
        let (child, address) = start_with(data.path(), &config, &words);
        Self { data, config, child, address }
    }

    /// Started anew, with its figures served; and where they are.
    pub fn measured() -> (Self, SocketAddr) {
        let data = TempDir::new().expect("a folder");
        let config = data.path().join("fulmar.toml");
        let text = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
        std::fs::write(&config, text).expect("a configuration");
        let words = ["serve", "--listen", "127.0.0.1:0"];
        let mut command = fulmar(data.path(), &config, &words);
        command.env_remove("RUST_LOG").stderr(Stdio::piped());
        let (mut child, address) = spawned(command);
        let mut log = BufReader::new(child.stderr.take().expect("standard error")).lines();
        let mut lines = log.by_ref().map_while(Result::ok);
        let line = lines.find(|line| line.contains("metrics are served")).expect("a line");
        let metrics = line.split("address=").nth(1).expect("an address").trim();
        let metrics = metrics.parse().expect("an address");
        // Whatever it says later is not to fill the pipe.
        std::thread::spawn(move || log.for_each(drop));
        (Self { data, config, child, address }, metrics)
    }

    /// Another instance, from a backup, with lines of configuration; and what the restore said.
    pub fn restored(archive: &Path, text: &str) -> (Self, Said) {
        let data = TempDir::new().expect("a folder");
        let config = data.path().join("fulmar.toml");
        std::fs::write(&config, text).expect("a configuration");
        let words = ["restore", archive.to_str().expect("text")];
        let said = said(fulmar(data.path(), &config, &words));
        assert!(said.is_done, "{}", said.err);
        let (child, address) = start(data.path(), &config);
        (Self { data, config, child, address }, said)
    }

    /// Killed without warning, and started on the same data.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
        (self.child, self.address) = start(self.data.path(), &self.config);
    }

    /// Killed, its rows changed, and started again: how hours pass in a test.
    pub fn change_while_killed(&mut self, statements: &[&'static str]) {
        self.kill();
        let options = store::Options::at(self.data.path().join("fulmar.db"));
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let clock = std::sync::Arc::new(testkit::clock::StillClock::default());
            let unheard = std::sync::Arc::new(model::ports::Unheard);
            let db = store::Db::open(&options, clock, unheard).expect("opens");
            let mut batch = store::Batch::new();
            for sql in statements {
                batch.add(sql, vec![]);
            }
            db.commit(batch).await.expect("commits");
        });
        (self.child, self.address) = start(self.data.path(), &self.config);
    }

    /// Killed without warning.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Waited for, until it has ended by itself.
    pub fn wait(&mut self) {
        self.child.wait().expect("gone");
    }

    /// Started on the same data, after it has ended.
    pub fn start_again(&mut self) {
        (self.child, self.address) = start(self.data.path(), &self.config);
    }

    /// Given another configuration, for what starts from now on.
    pub fn configure(&self, text: &str) {
        std::fs::write(&self.config, text).expect("a configuration");
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// A command on this instance, and what it said.
    pub fn command(&self, words: &[&str]) -> Said {
        self.command_at(self.data.path(), words)
    }

    /// The same, with a line on its standard input.
    pub fn command_with(&self, words: &[&str], line: &str) -> Said {
        let input = self.data.path().join("input");
        std::fs::write(&input, format!("{line}\n")).expect("an input");
        let mut command = fulmar(self.data.path(), &self.config, words);
        command.stdin(std::fs::File::open(&input).expect("an input"));
        said(command)
    }

    /// The same on another data folder.
    pub fn command_at(&self, data: &Path, words: &[&str]) -> Said {
        said(fulmar(data, &self.config, words))
    }

    /// A new member's token.
    pub fn member(&self, name: &str) -> String {
        let email = format!("{name}@example.org");
        let words = ["account", "create", name, "--email", &email];
        let made = fulmar(self.data.path(), &self.config, &words).output().expect("runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.token(name)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asked to stop, as a host's service manager does.
    pub fn terminate(&self) {
        let mut kill = Command::new("kill");
        let asked = kill.args(["-TERM", &self.child.id().to_string()]).status().expect("runs");
        assert!(asked.success());
    }

    /// A token for a member who exists.
    pub fn token(&self, name: &str) -> String {
        self.token_with(name, "read write follow")
    }

    /// One that may do only this.
    pub fn token_with(&self, name: &str, scopes: &str) -> String {
        let words = ["token", "create", name, "--scopes", scopes];
        let made = fulmar(self.data.path(), &self.config, &words).output().expect("runs");
        String::from_utf8(made.stdout).expect("text").trim().to_owned()
    }

    /// One request with a JSON body (or none), on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        self.send(method, path, token, "", &body.map_or(String::new(), |b| b.to_string()))
    }

    /// One request with more header lines and any body.
    pub fn send(&self, method: &str, path: &str, token: &str, more: &str, body: &str) -> Answer {
        let more = format!("{more}content-type: application/json\r\n");
        let (head, body) = self.exchange(method, path, token, &more, body.as_bytes());
        Answer {
            status: head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status"),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            head,
        }
    }

    /// One request with any header lines and any bytes; the head and the bytes of its answer.
    pub fn exchange(
        &self,
        method: &str,
        path: &str,
        token: &str,
        more: &str,
        body: &[u8],
    ) -> (String, Vec<u8>) {
        let mut socket = TcpStream::connect(self.address).expect("connected");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a deadline");
        let auth = match token {
            "" => String::new(),
            token => format!("authorization: Bearer {token}\r\n"),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{auth}{more}\
             content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body)).expect("sent");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("answered");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let body = answer.split_off(end + 4);
        (String::from_utf8(answer).expect("a head of text"), body)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

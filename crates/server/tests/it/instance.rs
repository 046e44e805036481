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

fn fulmar(data: &Path, config: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fulmar"));
    command.args(words).arg("--data").arg(data).arg("--config").arg(config);
    command
}

fn start(data: &Path, config: &Path) -> (Child, SocketAddr) {
    let mut child = fulmar(data, config, &["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
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
        let data = TempDir::new().expect("a folder");
        let config = data.path().join("fulmar.toml");
        std::fs::write(&config, "[signup]\nopen = true\n").expect("a configuration");
        let (child, address) = start(data.path(), &config);
        Self { data, config, child, address }
    }

    /// Killed without warning, and started on the same data.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
        (self.child, self.address) = start(self.data.path(), &self.config);
    }

    /// A new member's token.
    pub fn member(&self, name: &str) -> String {
        let email = format!("{name}@example.org");
        let words = ["account", "create", name, "--email", &email];
        let made = fulmar(self.data.path(), &self.config, &words).output().expect("runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.token(name)
    }

    /// A token for a member who exists.
    pub fn token(&self, name: &str) -> String {
        let words = ["token", "create", name];
        let made = fulmar(self.data.path(), &self.config, &words).output().expect("runs");
        String::from_utf8(made.stdout).expect("text").trim().to_owned()
    }

    /// One request with a JSON body (or none), on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        self.send(method, path, token, "", &body.map_or(String::new(), |b| b.to_string()))
    }

    /// One request with more header lines and any body.
    pub fn send(&self, method: &str, path: &str, token: &str, more: &str, body: &str) -> Answer {
        let mut socket = TcpStream::connect(self.address).expect("connected");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a deadline");
        let auth = match token {
            "" => String::new(),
            token => format!("authorization: Bearer {token}\r\n"),
        };
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{auth}{more}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        socket.write_all(text.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        Answer {
            status: head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status"),
            head: head.to_owned(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

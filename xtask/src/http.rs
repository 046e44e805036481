//! A small blocking HTTP/1.1 client for words that care about answers, not about speed.
//!
//! One request at a time on a kept connection, everything under one deadline: a server that hangs
//! is a finding. Speaks to loopback only. The fast one, which hardly looks, is in `load`.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Bytes of an answer, at most; more is an error.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Time that one read or write may take. A server that needs longer hangs.
pub const HANG: Duration = Duration::from_secs(60);

/// One connection to a server, reopened when it was closed.
pub struct Client {
    address: SocketAddr,
    token: Option<String>,
    stream: Option<TcpStream>,
}

/// An answer with its body.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As received, chunks joined.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The answer's JSON when its status is 200.
    ///
    /// # Errors
    /// With status and the body's beginning otherwise.
    pub fn fine(&self) -> Result<Value> {
        let start = String::from_utf8_lossy(self.body.get(..300).unwrap_or(&self.body));
        ensure!(self.status == 200, "answered {}: {start}", self.status);
        Ok(self.json())
    }
}

/// Opens a connection to loopback; the one place of xtask that does so without tokio.
///
/// # Errors
/// When nobody listens there.
#[expect(clippy::disallowed_methods, reason = "xtask's one home of blocking connections, loopback")]
pub fn connect(address: SocketAddr) -> Result<TcpStream> {
    ensure!(address.ip().is_loopback(), "only loopback is spoken to, not {address}");
    let stream = TcpStream::connect_timeout(&address, HANG).context("connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANG))?;
    stream.set_write_timeout(Some(HANG))?;
    Ok(stream)
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(address: SocketAddr, token: Option<&str>) -> Self {
        Self { address, token: token.map(str::to_owned), stream: None }
    }

    /// GET.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], None)
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, &[], Some(body))
    }

    /// Any request, on the kept connection when the server has not ended that. A GET is sent once
    /// more when it ended just then; anything else is never sent twice, since it may have acted.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let bytes = self.bytes(method, path, headers, "application/json", body.as_bytes());
        self.exchanged(method, path, &bytes)
    }

    /// POST of a file as the part `file` of a multipart body (RFC 7578).
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn upload(&mut self, path: &str, name: &str, file: &[u8]) -> Result<Answer> {
        let mut body = format!(
            "--fulmar-edge\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--fulmar-edge--\r\n");
        let kind = "multipart/form-data; boundary=fulmar-edge";
        let bytes = self.bytes("POST", path, &[], kind, &body);
        self.exchanged("POST", path, &bytes)
    }

    fn exchanged(&mut self, method: &str, path: &str, bytes: &[u8]) -> Result<Answer> {
        if let Some(mut kept) = self.stream.take().filter(is_open) {
            match exchange(&mut kept, bytes) {
                Ok(answer) => return Ok(self.keep(kept, answer)),
                Err(error) if method != "GET" => {
                    return Err(error).with_context(|| format!("{method} {path}"));
                }
                Err(_) => {}
            }
        }
        let mut fresh = connect(self.address)?;
        let answer = exchange(&mut fresh, bytes).with_context(|| format!("{method} {path}"))?;
        Ok(self.keep(fresh, answer))
    }

    fn keep(&mut self, stream: TcpStream, answer: Answer) -> Answer {
        if answer.header("connection").is_none_or(|word| !word.eq_ignore_ascii_case("close")) {
            self.stream = Some(stream);
        }
        answer
    }

    fn bytes(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        kind: &str,
        body: &[u8],
    ) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for (name, value) in more {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" {
            let length = body.len();
            head.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

/// Whether a connection between two requests is as it should be: open, and silent.
fn is_open(stream: &TcpStream) -> bool {
    let silent = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
    stream.set_nonblocking(true).is_ok()
        && stream.peek(&mut [0]).is_err_and(silent)
        && stream.set_nonblocking(false).is_ok()
}

fn exchange(stream: &mut TcpStream, request: &[u8]) -> Result<Answer> {
    stream.write_all(request).context("write")?;
    let mut bytes = Vec::new();
    let mut piece = [0_u8; 16 * 1024];
    loop {
        match parse(&bytes)? {
            Some(answer) => return Ok(answer),
            None if bytes.len() > ANSWER_BYTES_MAX => bail!("the answer is too long"),
            None => {}
        }
        match stream.read(&mut piece) {
            Ok(0) => bail!("closed after {} bytes of an answer", bytes.len()),
            Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("no answer"),
        }
    }
}

/// The answer once all of it is there.
fn parse(bytes: &[u8]) -> Result<Option<Answer>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status: u16 = status.with_context(|| format!("no status line: {first}"))?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    let rest = bytes.get(end + 4..).unwrap_or_default();
    let whole = if answer.header("transfer-encoding").is_some() {
        chunks(rest)
    } else {
        let length = answer.header("content-length").unwrap_or("0").parse::<usize>()?;
        rest.get(..length).map(<[u8]>::to_vec)
    };
    Ok(whole.map(|body| {
        answer.body = body;
        answer
    }))
}

/// The joined chunks once the last one is there.
fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..line)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        let start = line + 2;
        body.extend_from_slice(rest.get(start..start + size)?);
        rest = rest.get(start + size + 2..)?;
        if size == 0 {
            return Some(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nA: b\r\n\r\n{}";
        assert!(parse(&text[..text.len() - 1]).unwrap().is_none());
        let answer = parse(text).unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (404, b"{}".as_slice()));
        assert_eq!(answer.header("a"), Some("b"));
        assert!(answer.fine().is_err());
    }

    #[test]
    fn chunks_are_joined() {
        let text =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert!(parse(&text[..text.len() - 2]).unwrap().is_none());
        assert_eq!(parse(text).unwrap().unwrap().body, b"abcd");
    }

    /// Answers so many requests on each connection, then ends it; counts connections.
    fn server(each: usize) -> (SocketAddr, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let count = std::sync::Arc::new(AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&count);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                for _ in 0..each {
                    let mut piece = [0; 4096];
                    if !matches!(stream.read(&mut piece), Ok(count) if count > 0) {
                        break;
                    }
                    let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
                }
            }
        });
        (address, count)
    }

    #[test]
    fn posts_share_a_connection_and_take_a_new_one_once_it_was_ended() {
        use std::sync::atomic::Ordering;
        let (address, count) = server(3);
        let mut client = Client::new(address, None);
        for _ in 0..3 {
            client.post("/", &Value::Null).unwrap().fine().unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let ended = || client.stream.as_ref().filter(|kept| !is_open(kept)).map(|_| ());
        crate::ground::poll("the end is seen", HANG, ended).unwrap();
        client.post("/", &Value::Null).unwrap().fine().unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_post_whose_answer_is_lost_is_not_sent_again() {
        use std::sync::atomic::Ordering;
        let (address, count) = server(0);
        let mut client = Client::new(address, None);
        assert!(client.post("/", &Value::Null).is_err());
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn other_machines_are_not_spoken_to() {
        assert!(connect("192.0.2.1:80".parse().unwrap()).is_err());
    }
}

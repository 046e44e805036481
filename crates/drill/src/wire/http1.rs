//! HTTP/1.1 as a client speaks it (RFC 9112): requests as text, answers by length, by chunks or to
//! the connection's end. Small on purpose: the same bytes cost a generator a third of what a whole
//! client costs, and an attacker must be able to stop in the middle of them.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::limits::{BODY_BYTES_KEPT, BODY_BYTES_MAX, HEAD_BYTES_MAX, READ_BYTES};

/// A request as it is sent.
pub(crate) struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub host: &'a str,
    /// Header fields in their order.
    pub fields: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl Request<'_> {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.path, self.host);
        for (name, value) in self.fields {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        if !self.body.is_empty() || self.method == "POST" {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(self.body);
        bytes
    }
}

/// An answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub status: u16,
    /// The head as it came.
    head: String,
    /// The body's first bytes, at most [`BODY_BYTES_KEPT`].
    pub body: Vec<u8>,
    /// Whether the connection may carry another request.
    pub is_kept: bool,
}

impl Answer {
    fn read(head: &str) -> Option<Self> {
        let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        let mut answer = Self { status, head: head.to_owned(), ..Self::default() };
        answer.is_kept = !answer.field("connection").is_some_and(|word| has_word(word, "close"));
        Some(answer)
    }

    /// The first header field of a name in small letters.
    pub(crate) fn field(&self, name: &'static str) -> Option<&str> {
        self.fields(name).next()
    }

    /// All header fields of a name in small letters.
    pub(crate) fn fields(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.head.split("\r\n").skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body's first bytes as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = BODY_BYTES_KEPT.saturating_sub(self.body.len()).min(bytes.len());
        self.body.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
}

/// A connection that speaks HTTP/1.1.
pub(crate) struct Wire<S> {
    pub stream: S,
    ahead: Vec<u8>,
    /// Answers read whole.
    pub answers: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new(), answers: 0 }
    }

    /// Sends bytes, all of them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads on; an end is an error, since whoever reads expects more.
    async fn more(&mut self) -> io::Result<()> {
        self.ahead.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.ahead).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The head of the next answer; what follows stays to be read. Interim answers are skipped.
    pub(crate) async fn head(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n\r\n") {
                let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
                let head = String::from_utf8_lossy(head.get(..end).unwrap_or_default());
                let answer = Answer::read(&head).ok_or(io::ErrorKind::InvalidData)?;
                if answer.status >= 200 {
                    return Ok(answer);
                }
            } else if self.ahead.len() > HEAD_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            } else {
                self.more().await?;
            }
        }
    }

    /// The next answer, whole.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head().await?;
        let is_bare = matches!(answer.status, 204 | 304);
        let chunked =
            answer.field("transfer-encoding").is_some_and(|word| has_word(word, "chunked"));
        let length = answer.field("content-length").map(str::parse::<u64>);
        match (is_bare, chunked, length) {
            (true, _, _) => {}
            (_, true, _) => self.chunks(&mut answer).await?,
            (_, _, Some(Ok(length))) => self.exactly(&mut answer, length).await?,
            (_, _, Some(Err(_))) => return Err(io::ErrorKind::InvalidData.into()),
            (_, _, None) => self.until_closed(&mut answer).await?,
        }
        self.answers += 1;
        Ok(answer)
    }

    async fn exactly(&mut self, answer: &mut Answer, length: u64) -> io::Result<()> {
        if length > BODY_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut left = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidData)?;
        while left > 0 {
            if self.ahead.is_empty() {
                self.more().await?;
            }
            let taken = left.min(self.ahead.len());
            answer.keep(self.ahead.get(..taken).unwrap_or_default());
            self.ahead.drain(..taken);
            left -= taken;
        }
        Ok(())
    }

    async fn chunks(&mut self, answer: &mut Answer) -> io::Result<()> {
        let mut total = 0_u64;
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            total = total.saturating_add(size);
            if total > BODY_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(());
            }
            self.exactly(answer, size).await?;
            self.line().await?;
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n") {
                let line: Vec<u8> = self.ahead.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(line.get(..end).unwrap_or_default()).into());
            }
            if self.ahead.len() > HEAD_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.more().await?;
        }
    }

    async fn until_closed(&mut self, answer: &mut Answer) -> io::Result<()> {
        answer.is_kept = false;
        let mut total = 0;
        loop {
            answer.keep(&self.ahead);
            total += self.ahead.len();
            self.ahead.clear();
            match self.more().await {
                Ok(()) if total as u64 <= BODY_BYTES_MAX => {}
                Ok(()) => return Err(io::ErrorKind::InvalidData.into()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads and throws away whatever comes, until the connection ends.
    pub(crate) async fn drain(&mut self) {
        loop {
            self.ahead.clear();
            if self.more().await.is_err() {
                return;
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read when these bytes come, two at a time.
    async fn read(bytes: &str) -> io::Result<(Answer, u64)> {
        let (near, mut far) = tokio::io::duplex(64);
        let text = bytes.as_bytes().to_vec();
        let sending = tokio::spawn(async move {
            for pair in text.chunks(2) {
                far.write_all(pair).await?;
            }
            Ok::<(), io::Error>(())
        });
        let mut wire = Wire::new(near);
        let answer = wire.answer().await;
        let answers = wire.answers;
        // Whoever still sends is told that nobody reads on.
        drop(wire);
        let _unread = sending.await;
        Ok((answer?, answers))
    }

    #[tokio::test]
    async fn answers_are_read_by_length_by_chunks_and_until_closed() {
        let table = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true),
            ("HTTP/1.1 503 x\r\ncontent-length: 0\r\nConnection: close\r\n\r\n", 503, "", false),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
                200,
                "hello",
                true,
            ),
            ("HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\n", 204, "", true),
        ];
        for (bytes, status, body, is_kept) in table {
            let (answer, answers) = read(bytes).await.expect(bytes);
            assert_eq!((answer.status, answer.text().as_str()), (status, body), "{bytes}");
            assert_eq!((answer.is_kept, answers), (is_kept, 1), "{bytes}");
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_refused() {
        let huge = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY_BYTES_MAX + 1);
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES_MAX));
        let table = [
            "",
            "HTTP/1.1 20",
            "GET / HTTP/1.1\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            &huge,
            &long,
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ];
        for bytes in table {
            assert!(read(bytes).await.is_err(), "{bytes:.40}");
        }
    }

    #[test]
    fn fields_are_found_whatever_their_letters() {
        let head = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nRetry-After: 3";
        let answer = Answer::read(head).expect("an answer");
        assert_eq!(answer.fields("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(answer.field("retry-after"), Some("3"));
        assert_eq!(answer.field("location"), None);
    }

    #[test]
    fn a_request_says_how_long_its_body_is() {
        let fields = [("Accept", "*/*")];
        let request = |method, body| {
            let request = Request { method, path: "/a", host: "b", fields: &fields, body };
            String::from_utf8(request.bytes()).expect("text")
        };
        assert_eq!(request("GET", b""), "GET /a HTTP/1.1\r\nHost: b\r\nAccept: */*\r\n\r\n");
        assert!(request("POST", b"xy").ends_with("Content-Length: 2\r\n\r\nxy"));
        assert!(request("POST", b"").contains("Content-Length: 0\r\n"));
    }
}

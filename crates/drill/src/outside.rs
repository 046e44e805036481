//! The other side: those whom an instance calls by itself, as far as a drill plays them. A mail
//! server, and the proxy through which an instance calls that hides where it stands. They look at
//! one thing: whether its listening address shows, in who calls or in what is said. Push, webhooks,
//! previews and other servers come here as the server learns to call them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    time::timeout,
};

use crate::{
    limits::{CONVERSATION_S, CONVERSATIONS_MAX, HEAD_BYTES_MAX, LETTER_BYTES_MAX},
    system,
    target::{LoopbackTarget, Source, listen},
};

/// Where the mail server is, and the proxy: addresses of the machine's own, as others' are not.
const MAIL: Source = Source::new(1, 1, 2);
const PROXY: Source = Source::new(1, 1, 1);

/// Whom an instance calls. They are there for as long as this is.
#[derive(Clone, Debug)]
pub struct Outside {
    mail: SocketAddr,
    proxy: SocketAddr,
    told: Arc<Told>,
    _end: Arc<oneshot::Sender<()>>,
}

/// What they were told.
#[derive(Debug)]
struct Told {
    origin: Ipv4Addr,
    letters: AtomicU64,
    passed: AtomicU64,
    shown: AtomicU64,
}

impl Outside {
    /// Those whom an instance calls that listens at this address.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(origin: Ipv4Addr) -> io::Result<Self> {
        let (mail, proxy) = (listen(MAIL)?, listen(PROXY)?);
        let (mail_at, proxy_at) = (mail.local_addr()?, proxy.local_addr()?);
        let [letters, passed, shown] = std::array::from_fn(|_| AtomicU64::new(0));
        let told = Arc::new(Told { origin, letters, passed, shown });
        let noted = Arc::clone(&told);
        let (end, ended) = oneshot::channel::<()>();
        thread::spawn(move || {
            system::load_core_here();
            let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = built else { return };
            runtime.block_on(async {
                let (Ok(mail), Ok(proxy)) =
                    (TcpListener::from_std(mail), TcpListener::from_std(proxy))
                else {
                    return;
                };
                let letters = each(&mail, Arc::clone(&noted), take_letters);
                let calls =
                    each(&proxy, noted, move |call, from, told| pass_on(call, from, told, mail_at));
                tokio::select! { () = letters => {}, () = calls => {}, _ = ended => {} }
            });
        });
        Ok(Self { mail: mail_at, proxy: proxy_at, told, _end: Arc::new(end) })
    }

    /// Where mail is taken, by SMTP without encryption.
    #[must_use]
    pub const fn mail(&self) -> SocketAddr {
        self.mail
    }

    /// Where the proxy is, asked by CONNECT.
    #[must_use]
    pub const fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// Letters that were taken.
    #[must_use]
    pub fn letters(&self) -> u64 {
        self.told.letters.load(Ordering::Relaxed)
    }

    /// Connections that came through the proxy.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.told.passed.load(Ordering::Relaxed)
    }

    /// Conversations in which the listening address showed.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.told.shown.load(Ordering::Relaxed)
    }
}

/// Holds each conversation of a listener, so many at once, each for so long.
async fn each<F>(
    listener: &TcpListener,
    told: Arc<Told>,
    hold: impl Fn(TcpStream, IpAddr, Arc<Told>) -> F,
) where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONVERSATIONS_MAX));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((call, from)) = listener.accept().await else { continue };
        let held = hold(call, from.ip(), Arc::clone(&told));
        tokio::spawn(async move {
            // Who leaves in the middle has said what was said.
            let _left = timeout(Duration::from_secs(CONVERSATION_S), held).await;
            drop(place);
        });
    }
}

/// A conversation with the mail server.
async fn take_letters(call: TcpStream, from: IpAddr, told: Arc<Told>) -> io::Result<()> {
    let (reader, mut writer) = call.into_split();
    // After the call itself, so that who sees it end finds it counted.
    let shows = from == IpAddr::from(told.origin);
    let mut look = Look { told, shows };
    let mut reader = BufReader::new(reader.take(LETTER_BYTES_MAX));
    let (mut line, mut is_letter) = (Vec::new(), false);
    writer.write_all(b"220 outside.example ESMTP\r\n").await?;
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&line);
        let said = said.trim_end();
        look.shows |= names(said, look.told.origin);
        let word = said.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match word.as_str() {
            "." if is_letter => {
                is_letter = false;
                look.told.letters.fetch_add(1, Ordering::Relaxed);
                b"250 taken\r\n"
            }
            _ if is_letter => continue,
            "DATA" => {
                is_letter = true;
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 outside.example\r\n",
        };
        writer.write_all(answer).await?;
    }
}

/// A conversation in which the address may show; counted once, however it ends.
struct Look {
    told: Arc<Told>,
    shows: bool,
}

impl Drop for Look {
    fn drop(&mut self) {
        self.told.shown.fetch_add(u64::from(self.shows), Ordering::Relaxed);
    }
}

/// Whether a line has this address in it, and not one that only begins or ends like it.
fn names(line: &str, address: Ipv4Addr) -> bool {
    let is_apart = |text: char| !text.is_ascii_digit() && text != '.';
    let address = address.to_string();
    line.match_indices(&address).any(|(at, found)| {
        let before = line.get(..at).and_then(|rest| rest.chars().next_back());
        let mut after = line.get(at + found.len()..).unwrap_or_default().chars();
        let follows = match after.next() {
            // The end of a sentence.
            Some('.') => after.next().is_none_or(|it| !it.is_ascii_digit()),
            next => next.is_none_or(is_apart),
        };
        before.is_none_or(is_apart) && follows
    })
}

/// A call that goes on through the proxy: to the mail server, by CONNECT (RFC 9110, 9.3.6), from
/// the proxy's own address. There is nobody else.
async fn pass_on(
    mut call: TcpStream,
    _from: IpAddr,
    told: Arc<Told>,
    mail: SocketAddr,
) -> io::Result<()> {
    let mut head = Vec::new();
    // A mail server speaks first, and its caller not before it: nothing comes with the head.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX || call.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_ascii_whitespace();
    let is_known = words.next() == Some("CONNECT") && words.next() == Some(&mail.to_string());
    if !is_known {
        return call.write_all(b"HTTP/1.1 404 Nobody\r\nContent-Length: 0\r\n\r\n").await;
    }
    let target = LoopbackTarget::at(mail).map_err(|error| io::Error::other(error.to_string()))?;
    let mut other = target.connect(PROXY).await?;
    told.passed.fetch_add(1, Ordering::Relaxed);
    call.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut call, &mut other).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Ipv4Addr = Ipv4Addr::LOCALHOST;

    #[test]
    fn an_address_is_found_where_it_stands_alone() {
        for line in ["127.0.0.1", "EHLO [127.0.0.1]", "at https://127.0.0.1:443/a", "by 127.0.0.1."]
        {
            assert!(names(line, ORIGIN), "{line}");
        }
        for line in ["", "127.0.0.10", "1127.0.0.1", "127.0.0.1.9", "EHLO drill.example"] {
            assert!(!names(line, ORIGIN), "{line}");
        }
    }

    /// Says these lines to the mail server, from an address, and waits until it has counted.
    async fn letter(outside: &Outside, from: Source, proxied: bool, hello: &str) {
        let to = if proxied { outside.proxy() } else { outside.mail() };
        let target = LoopbackTarget::at(to).expect("loopback");
        let mut call = target.connect(from).await.expect("there");
        if proxied {
            let asked = format!("CONNECT {} HTTP/1.1\r\nHost: a\r\n\r\n", outside.mail());
            call.write_all(asked.as_bytes()).await.expect("asked");
        }
        let said = format!(
            "EHLO {hello}\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: a\r\n\r\n.\r\n"
        );
        let mut seen = String::new();
        let mut reader = BufReader::new(&mut call);
        while !seen.contains("220 ") {
            reader.read_line(&mut seen).await.expect("a greeting");
        }
        call.write_all(said.as_bytes()).await.expect("said");
        let mut reader = BufReader::new(&mut call);
        while !seen.contains("250 taken") {
            assert!(reader.read_line(&mut seen).await.expect("an answer") > 0, "{seen}");
        }
        call.shutdown().await.expect("over");
        // Its end comes once all that was said is counted.
        while call.read_buf(&mut Vec::new()).await.is_ok_and(|bytes| bytes > 0) {}
    }

    #[tokio::test]
    async fn who_calls_from_the_listening_address_or_names_it_shows_it() {
        let origin = Source::new(0, 0, 1);
        let elsewhere = Source::new(16, 1, 1);
        let table = [
            (origin, true, "drill.example", 0),
            (elsewhere, false, "drill.example", 0),
            (origin, false, "drill.example", 1),
            (origin, true, "[127.0.0.1]", 1),
        ];
        for (from, proxied, hello, shown) in table {
            let outside = Outside::open(ORIGIN).expect("open");
            letter(&outside, from, proxied, hello).await;
            assert_eq!((outside.letters(), outside.shown()), (1, shown), "{from:?} {hello}");
            assert_eq!(outside.passed(), u64::from(proxied));
        }
    }

    #[tokio::test]
    async fn the_proxy_leads_to_nobody_else() {
        let outside = Outside::open(ORIGIN).expect("open");
        let target = LoopbackTarget::at(outside.proxy()).expect("loopback");
        let mut call = target.connect(Source::new(0, 0, 1)).await.expect("there");
        call.write_all(b"CONNECT 127.0.0.1:25 HTTP/1.1\r\n\r\n").await.expect("asked");
        let mut said = String::new();
        call.read_to_string(&mut said).await.expect("an answer");
        assert!(said.starts_with("HTTP/1.1 404") && outside.passed() == 0, "{said}");
    }
}

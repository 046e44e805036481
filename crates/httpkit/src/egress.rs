//! The way out: every connection that this server opens to somebody else is opened here, so that
//! one setting decides what the world sees of it. Directly, from an address of the host's choice;
//! or through a proxy, which then also resolves names: a question to a name server betrays as much
//! as a connection. Leaves to the callers TLS, what is spoken, and the deadline of the whole.
//!
//! The proxy's answer is read to its last byte and no further, since a mail server speaks first;
//! the tunnels of hyper-util lose what comes with that answer.
//!
//! The guard holds through a proxy as well as it can: addresses are judged as ever, and names that
//! lead inward by what they are called are refused. Where another name leads only the proxy knows,
//! so it is called by who verifies that it is the one (TLS), which nobody inside can prove to be.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::address::is_public;
use crate::limits::{
    ADDRESS_DEADLINE_S, ADDRESSES_MAX, CONNECT_DEADLINE_S, NAME_BYTES_MAX, PROXY_ANSWER_BYTES_MAX,
};

/// Whom we may call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// The public internet only: for addresses that strangers give.
    Public,
    /// Loopback too: for tests, and for demonstrations on one machine.
    PublicAndLoopback,
    /// Anywhere: for addresses that the host gave.
    Anywhere,
}

impl Reach {
    fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::Public => is_public(address),
            Self::PublicAndLoopback => is_public(address) || address.is_loopback(),
            Self::Anywhere => true,
        }
    }

    /// Whether a proxy may be asked for this one, of which only the proxy learns where it is.
    fn admits_unresolved(self, to: &Target<'_>) -> bool {
        match (self, to.host.parse::<IpAddr>()) {
            (_, Ok(address)) => self.admits(address),
            (Self::Anywhere, _) => true,
            (_, Err(_)) => to.is_verified && !leads_inward(to.host),
        }
    }
}

/// Whether a name is of those that no public name server answers for (RFC 6761, RFC 6762, RFC 8375
/// and custom), or a number, which some resolvers take for an address.
fn leads_inward(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let Some((_, last)) = name.rsplit_once('.') else { return true };
    let is_number = last.starts_with(|first: char| first.is_ascii_digit());
    let inner = ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "private"];
    is_number || inner.contains(&last) || name.ends_with(".home.arpa")
}

/// Where a connection shall lead.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// A name, or an address without brackets.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Whether the caller begins TLS at once and verifies that the other side is `host`.
    pub is_verified: bool,
}

/// How everything goes out that this server sends.
#[derive(Clone, Debug, Default)]
pub struct Egress(Arc<Way>);

#[derive(Debug, Default)]
struct Way {
    proxy: Option<Proxy>,
    address: Option<IpAddr>,
    direct: Vec<String>,
}

impl Egress {
    /// Through this proxy, and from this address of the machine, where they are given; but for the
    /// hosts in `direct`, which are reached as if neither were.
    #[must_use]
    pub fn new(proxy: Option<Proxy>, address: Option<IpAddr>, direct: Vec<String>) -> Self {
        Self(Arc::new(Way { proxy, address, direct }))
    }

    /// Whether this host is reached without a detour, whatever the others are.
    #[must_use]
    pub fn is_direct(&self, host: &str) -> bool {
        self.0.direct.iter().any(|direct| direct.eq_ignore_ascii_case(host))
    }

    /// Whether others see something else of this server than its usual address.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.proxy.is_some() || self.0.address.is_some()
    }

    /// Opens a connection. How long that may take is the caller's to say.
    ///
    /// # Errors
    /// `PermissionDenied` where the target is out of reach; else what network or proxy say.
    pub async fn open(&self, to: Target<'_>, reach: Reach) -> io::Result<TcpStream> {
        if !is_host(to.host) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if self.is_direct(to.host) {
            return connect(to, reach, None).await;
        }
        let Some(proxy) = &self.0.proxy else { return connect(to, reach, self.0.address).await };
        if !reach.admits_unresolved(&to) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let at = Target { host: &proxy.host, port: proxy.port, is_verified: false };
        let mut socket = connect(at, Reach::Anywhere, self.0.address).await?;
        match proxy.kind {
            Kind::Http => proxy.ask_http(&mut socket, to).await?,
            Kind::Socks5 => proxy.ask_socks5(&mut socket, to).await?,
        }
        Ok(socket)
    }
}

/// Whether a text is a name or an address, and nothing that would say more to a proxy.
fn is_host(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.parse::<IpAddr>().is_ok()
        || ((1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_name))
}

/// Resolves, keeps what may be called, and connects to exactly those addresses.
async fn connect(to: Target<'_>, reach: Reach, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((to.host, to.port)).await?.collect();
    let admitted = found.into_iter().filter(|address| reach.admits(address.ip()));
    let mut last = io::Error::from(io::ErrorKind::PermissionDenied);
    for address in admitted.take(ADDRESSES_MAX) {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(from) = from {
            if from.is_ipv4() != address.is_ipv4() {
                last = io::Error::other("it has no address of the family of ours (egress.address)");
                continue;
            }
            socket.bind(SocketAddr::new(from, 0))?;
        }
        #[allow(clippy::disallowed_methods, reason = "the one home of outgoing connections")]
        let connecting = socket.connect(address);
        let deadline = Duration::from_secs(ADDRESS_DEADLINE_S);
        match tokio::time::timeout(deadline, connecting).await {
            Ok(Ok(socket)) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// A proxy that opens connections for us.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    /// Who asks, and with which password.
    credentials: Option<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Http,
    Socks5,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// Without the credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Socks5 => "socks5",
        };
        write!(formatter, "{scheme}://{}", authority(&self.host, self.port))
    }
}

/// What is wrong with the address of a proxy. Never repeats it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Neither of the two kinds.
    #[error("it must begin with http:// or socks5://")]
    Scheme,
    /// No host.
    #[error("it names no host")]
    Host,
    /// No port.
    #[error("it must end with a port, like :1080")]
    Port,
    /// A user without a password, or too long for the protocol.
    #[error("user and password stand before the host as user:password@, 255 bytes each at most")]
    Credentials,
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let (kind, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Kind::Http, rest),
            Some(("socks5", rest)) => (Kind::Socks5, rest),
            _ => return Err(ProxyError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let (host, port) = place.rsplit_once(':').ok_or(ProxyError::Port)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(ProxyError::Port)?;
        let host = host.strip_prefix('[').and_then(|six| six.strip_suffix(']')).unwrap_or(host);
        if !is_host(host) {
            return Err(ProxyError::Host);
        }
        let credentials = user.map(|user| credentials(user).ok_or(ProxyError::Credentials));
        Ok(Self { kind, host: host.to_owned(), port, credentials: credentials.transpose()? })
    }
}

fn credentials(text: &str) -> Option<(String, String)> {
    let (user, password) = text.split_once(':')?;
    let plain = |text| {
        let text = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
        (1..=255).contains(&text.len()).then(|| text.into_owned())
    };
    Some((plain(user)?, plain(password)?))
}

/// As it stands in addresses.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// What a proxy said that is no yes.
fn refused(said: impl fmt::Display) -> io::Error {
    io::Error::other(format!("the proxy opened no connection: {said}"))
}

impl Proxy {
    /// By CONNECT (RFC 9110, section 9.3.6).
    async fn ask_http(&self, socket: &mut TcpStream, to: Target<'_>) -> io::Result<()> {
        let place = authority(to.host, to.port);
        let mut asked = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
        if let Some((user, password)) = &self.credentials {
            let proof = base64::engine::general_purpose::STANDARD;
            let proof = proof.encode(format!("{user}:{password}"));
            asked.push_str(&format!("Proxy-Authorization: Basic {proof}\r\n"));
        }
        asked.push_str("\r\n");
        socket.write_all(asked.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= PROXY_ANSWER_BYTES_MAX {
                return Err(refused("its answer is too long"));
            }
            answer.push(socket.read_u8().await?);
        }
        let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let status = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        match status {
            [b'2', _, _] if line.starts_with(b"HTTP/1.") => Ok(()),
            _ => Err(refused(format_args!("status {}", status.escape_ascii()))),
        }
    }

    /// As RFC 1928 has it, and RFC 1929 for the password.
    async fn ask_socks5(&self, socket: &mut TcpStream, to: Target<'_>) -> io::Result<()> {
        let method = if self.credentials.is_some() { 2 } else { 0 };
        socket.write_all(&[5, 1, method]).await?;
        if read::<2>(socket).await? != [5, method] {
            return Err(refused("it wants another way of proving who asks"));
        }
        if let Some((user, password)) = &self.credentials {
            let mut proof = vec![1];
            put(&mut proof, user)?;
            put(&mut proof, password)?;
            socket.write_all(&proof).await?;
            if read::<2>(socket).await?[1] != 0 {
                return Err(refused("it does not take this password"));
            }
        }
        let mut asked = vec![5, 1, 0];
        match to.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(four)) => asked.extend([&[1], &four.octets()[..]].concat()),
            Ok(IpAddr::V6(six)) => asked.extend([&[4], &six.octets()[..]].concat()),
            Err(_) => {
                asked.push(3);
                put(&mut asked, to.host)?;
            }
        }
        asked.extend(to.port.to_be_bytes());
        socket.write_all(&asked).await?;
        let [version, reply, _, kind] = read::<4>(socket).await?;
        if (version, reply) != (5, 0) {
            return Err(refused(format_args!("reply {reply}")));
        }
        // The address that it calls from: of no use, and yet to be read.
        let rest = match kind {
            1 => 4,
            3 => usize::from(socket.read_u8().await?),
            4 => 16,
            _ => return Err(refused("an answer of no known form")),
        };
        let mut bound = [0; 255 + 2];
        let bound = bound.get_mut(..rest + 2).unwrap_or_default();
        socket.read_exact(bound).await.map(drop)
    }
}

async fn read<const N: usize>(socket: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    socket.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// A text behind its length.
fn put(bytes: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let length = u8::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    bytes.push(length);
    bytes.extend(text.as_bytes());
    Ok(())
}

/// Opens connections for a client of hyper's, to addresses that the host gave; TLS is the client's.
#[derive(Clone, Debug)]
pub struct Dialler(pub Egress);

impl tower_service::Service<Uri> for Dialler {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let egress = self.0.clone();
        Box::pin(async move {
            let (host, port, is_verified) = parts(&address).ok_or(io::ErrorKind::InvalidInput)?;
            let to = Target { host, port, is_verified };
            let deadline = Duration::from_secs(CONNECT_DEADLINE_S);
            let opened = tokio::time::timeout(deadline, egress.open(to, Reach::Anywhere)).await;
            opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(TokioIo::new)
        })
    }
}

/// Host without brackets, port, and whether it is https.
pub(crate) fn parts(address: &Uri) -> Option<(&str, u16, bool)> {
    let host = address.host()?.trim_start_matches('[').trim_end_matches(']');
    let is_secure = match address.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let port = address.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    Some((host, port, is_secure))
}

#[cfg(test)]
mod tests;

//! What a drill may meet: an address of this machine's loopback, and nothing else. Every socket of
//! the crate is made here, and a [`LoopbackTarget`] cannot be had for another address; no flag
//! widens it. Clippy and a test hold the rest of the crate to it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

use crate::{limits::SENDERS, room::Room};

/// An address in 127.0.0.0/8, or ::1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoopbackTarget {
    address: SocketAddr,
}

/// Why an address is no target.
#[derive(Debug, thiserror::Error)]
pub enum NotLoopback {
    /// It is not of this machine's loopback.
    #[error(
        "{0} is not in 127.0.0.0/8 and not ::1: a drill attacks this machine's loopback and \
         nothing else, and no flag changes that"
    )]
    Elsewhere(IpAddr),
    /// The name has no address.
    #[error("{name} has no address")]
    Unknown {
        /// The name.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl LoopbackTarget {
    /// A target at an address.
    ///
    /// # Errors
    /// When it is not of this machine's loopback.
    pub fn at(address: SocketAddr) -> Result<Self, NotLoopback> {
        let ip = address.ip().to_canonical();
        if ip.is_loopback() {
            Ok(Self { address: SocketAddr::new(ip, address.port()) })
        } else {
            Err(NotLoopback::Elsewhere(address.ip()))
        }
    }

    /// A target by name or address: what the name means is asked once, here, and every answer must
    /// be of the loopback; the name is not asked for again, so that it cannot change its mind.
    ///
    /// # Errors
    /// When the name has no address, or one elsewhere.
    pub fn resolve(name: &str, port: u16) -> Result<Self, NotLoopback> {
        let unknown = |source| NotLoopback::Unknown { name: name.to_owned(), source };
        let found = (name, port).to_socket_addrs().map_err(unknown)?;
        let targets = found.map(Self::at).collect::<Result<Vec<_>, _>>()?;
        let none = || unknown(io::ErrorKind::AddrNotAvailable.into());
        targets.first().copied().ok_or_else(none)
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects from a source of the drill.
    ///
    /// # Errors
    /// What the system says.
    #[expect(clippy::disallowed_methods, reason = "the drill's one home of connections")]
    pub async fn connect(&self, from: Source) -> io::Result<TcpStream> {
        let address = match from.is_v6 {
            // The same server, by the other loopback address.
            true => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), self.address.port()),
            false => self.address,
        };
        let kind = Type::STREAM;
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if from.is_v6 {
            socket.bind(&SocketAddr::new(from.address_v6().into(), 0).into())?;
        } else if address.is_ipv4() {
            // The port is chosen as the connection is made: then one source has all ports for
            // each target, instead of one port for all.
            #[cfg(target_os = "linux")]
            crate::system::choose_port_late(&socket)?;
            socket.bind(&SocketAddr::new(IpAddr::V4(from.address()), 0).into())?;
        }
        let stream = TcpSocket::from_std_stream(socket.into()).connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Sends segments with a sender of their own choice to a target on IPv4, from inside a room. What
/// one socket has sent waits for room on the link, as one machine does for its own; a flood is of
/// many machines, and does not: so there are several sockets, and what finds no room is lost there.
pub(crate) struct Gun {
    sockets: Vec<Socket>,
    next: usize,
    address: SockAddr,
    /// Where to.
    pub to: (Ipv4Addr, u16),
}

impl LoopbackTarget {
    /// A gun. The room says that there is one, without a way out: the calling thread is in it.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn gun(&self, _room: &Room) -> io::Result<Gun> {
        let IpAddr::V4(ip) = self.address.ip() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let raw = || {
            // IPPROTO_RAW: what is sent begins with its IP header.
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let sockets = (0..SENDERS).map(|_| raw()).collect::<io::Result<_>>()?;
        let to = (ip, self.address.port());
        Ok(Gun { sockets, next: 0, address: self.address.into(), to })
    }
}

impl Gun {
    /// Sends one.
    #[expect(clippy::disallowed_methods, reason = "into a room without a way out")]
    pub(crate) fn shoot(&mut self, segment: &[u8]) -> io::Result<()> {
        self.next = (self.next + 1) % SENDERS;
        let socket = self.sockets.get(self.next).ok_or(io::ErrorKind::NotConnected)?;
        socket.send_to(segment, &self.address).map(drop)
    }
}

/// Listens at an address of the drill's own, on a free port.
///
/// # Errors
/// What the system says.
pub(crate) fn listen(at: Source) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((at.address(), 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// An address that the drill comes from: one of 127.0.0.0/8, all of which Linux lets anybody bind;
/// or, inside a namespace of the drill's own, one of 2001:db8::/32 (RFC 3849), each in another /64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Source {
    parts: [u8; 3],
    is_v6: bool,
}

impl Source {
    /// 127.a.b.c.
    #[must_use]
    pub const fn new(a: u8, b: u8, c: u8) -> Self {
        Self { parts: [a, b, c], is_v6: false }
    }

    /// By its number: the lower 24 bits are those of the address.
    #[must_use]
    pub const fn numbered(number: u32) -> Self {
        let [_, a, b, c] = number.to_be_bytes();
        Self::new(a, b, c)
    }

    /// 2001:db8:a:bc::1 by its number: of 24 bits the upper eight choose a /48, the others a /64
    /// in it.
    #[must_use]
    pub const fn numbered_v6(number: u32) -> Self {
        Self { is_v6: true, ..Self::numbered(number) }
    }

    /// Its number, below 2^24.
    #[must_use]
    pub const fn number(self) -> u32 {
        let [a, b, c] = self.parts;
        u32::from_be_bytes([0, a, b, c])
    }

    /// The address.
    #[must_use]
    pub const fn address(self) -> Ipv4Addr {
        let [a, b, c] = self.parts;
        Ipv4Addr::new(127, a, b, c)
    }

    fn address_v6(self) -> Ipv6Addr {
        let [a, b, c] = self.parts.map(u16::from);
        Ipv6Addr::new(0x2001, 0xdb8, a, b << 8 | c, 0, 0, 0, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, is_target: bool) {
        let address: IpAddr = address.parse().expect("an address");
        let found = LoopbackTarget::at(SocketAddr::new(address, 443));
        assert_eq!(found.is_ok(), is_target, "{address}");
        let named = LoopbackTarget::resolve(&address.to_string(), 443);
        assert_eq!(named.is_ok(), is_target, "{address} by name");
    }

    #[test]
    fn only_the_loopback_is_a_target() {
        for address in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.9"] {
            check(address, true);
        }
        let others = [
            "0.0.0.0",
            "::",
            "10.0.0.1",
            "192.168.1.1",
            "192.0.2.1",
            "126.255.255.255",
            "128.0.0.0",
            "169.254.1.1",
            "fe80::1",
            "fd00::1",
            "2001:db8::1",
            "::2",
            "::ffff:192.0.2.1",
            "::127.0.0.1",
            "64:ff9b::127.0.0.1",
            "255.255.255.255",
            "224.0.0.1",
        ];
        for address in others {
            check(address, false);
        }
    }

    #[test]
    fn a_source_is_always_of_the_loopback() {
        for number in [0, 1, 0xff_ffff, 0x0100_0000, u32::MAX] {
            assert!(Source::numbered(number).address().is_loopback());
        }
        let apart = |number| Source::numbered_v6(number).address_v6().segments();
        let (one, other) = (apart(0x01_0203), apart(0x01_0204));
        assert_eq!(one[..4], [0x2001, 0xdb8, 1, 0x203]);
        assert!(one[..3] == other[..3] && one[3] != other[3]);
        assert_eq!(Source::new(20, 1, 2).number(), 0x14_0102);
        assert_eq!(Source::numbered(0x14_0102), Source::new(20, 1, 2));
    }
}

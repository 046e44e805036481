//! Listening sockets and the loops that accept from them. A loop never spins and never ends early:
//! when the kernel is out of files it makes room, waits a little longer each time, and goes on.
//!
//! An address that served a member has a socket of its own beside the others (`steering`), whose
//! line is taken in at once. Strangers', while all their seats are taken, is taken in as fast as
//! they are answered: each that is accepted costs another its seat, so more would only be more who
//! go before anything came of them, unless it is known who of them is to be answered first. Where
//! there is but one line, it is taken in at once.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::connection::{ResponseBody, Serve, start};
use super::steering::Steering;
use super::{Options, Shared, limits, socket, tls};

/// One address to serve, with one socket or several that share it.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<StdListener>,
    /// The ones that networks of people and familiar addresses are sent to.
    reserved: Option<[StdListener; 2]>,
    address: SocketAddr,
}

/// Whose line it is that a loop accepts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Everybody,
    Strangers,
    Homes,
    Familiar,
}

impl Listener {
    /// Binds `address` with `options.listeners` sockets. Port 0 picks a free one.
    ///
    /// # Errors
    /// What the kernel says: the address is taken, or is not ours, or the port needs a privilege.
    pub fn bind(address: SocketAddr, options: &Options) -> io::Result<Self> {
        let count = options.listeners.clamp(1, limits::LISTENERS_MAX);
        // Alone, so that an address that another process has is found to be taken.
        let address = open(address, false)?.local_addr()?;
        let sockets: Vec<_> = (0..count).map(|_| open(address, true)).collect::<Result<_, _>>()?;
        let reserved = [open(address, true)?, open(address, true)?];
        let steered = Steering::new(count).begin(&reserved[0]);
        if let Err(error) = &steered {
            tracing::warn!(%address, %error, "members have no line of their own");
        }
        Ok(Self { sockets, reserved: steered.is_ok().then_some(reserved), address })
    }

    /// Serves sockets that already listen, such as those that systemd hands over.
    ///
    /// # Errors
    /// When there is none, or one does not listen.
    pub fn from_sockets(sockets: Vec<StdListener>) -> io::Result<Self> {
        let first = sockets.first().ok_or(io::ErrorKind::InvalidInput)?;
        let address = first.local_addr()?;
        for socket in &sockets {
            socket.set_nonblocking(true)?;
            let socket = socket2::SockRef::from(socket);
            set_options(&socket)?;
        }
        Ok(Self { sockets, reserved: None, address })
    }

    /// Takes over what whoever started this process has opened for it: `count` sockets, from
    /// descriptor 3 on, as sd_listen_fds(3) says. Sockets of one address are one listener. Only the
    /// first call gets any.
    ///
    /// # Errors
    /// When one of them is no listening TCP socket.
    pub fn inherited(count: usize) -> io::Result<Vec<Self>> {
        let mut groups: Vec<(SocketAddr, Vec<StdListener>)> = Vec::new();
        for socket in socket::inherited(count.min(limits::LISTENERS_MAX))? {
            let address = socket.local_addr()?;
            match groups.iter_mut().find(|(known, _)| *known == address) {
                Some((_, sockets)) => sockets.push(socket),
                None => groups.push((address, vec![socket])),
            }
        }
        groups.into_iter().map(|(_, sockets)| Self::from_sockets(sockets)).collect()
    }

    /// The address and port that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

fn open(address: SocketAddr, shared: bool) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    set_options(&socket)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(limits::BACKLOG)?;
    Ok(socket.into())
}

/// Set on the listener: on Linux every accepted socket inherits them, at no system call each.
fn set_options(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    let (idle, interval) = (Duration::from_secs(60), Duration::from_secs(10));
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(3),
    )?;
    // Also ends connections whose peer acknowledges, but whose window stays shut.
    socket.set_tcp_user_timeout(Some(Duration::from_millis(2 * limits::RATE_SPAN_MS)))
}

/// A listener and what is spoken on it.
pub struct Door {
    listener: Listener,
    tls: Option<tls::Acceptor>,
}

impl Door {
    /// HTTP/1.1 without encryption: loopback, a trusted proxy's side, or port 80.
    pub fn plain(listener: Listener) -> Self {
        Self { listener, tls: None }
    }

    /// HTTP/1.1 and HTTP/2 over TLS, as the peer prefers.
    pub fn tls(listener: Listener, acceptor: tls::Acceptor) -> Self {
        Self { listener, tls: Some(acceptor) }
    }

    /// The address and port that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// One accept loop for each socket. Each ends after `stop`, once its queue is empty.
    pub(super) fn open<S, B>(
        self,
        shared: &Arc<Shared>,
        service: &S,
        stop: &CancellationToken,
        loops: &mut tokio::task::JoinSet<()>,
    ) -> io::Result<()>
    where
        S: Serve<B>,
        B: ResponseBody,
    {
        let Listener { sockets, reserved, .. } = self.listener;
        let steering = Arc::new(Steering::new(sockets.len()));
        // A proxy's connections are everybody's.
        let has_lines = reserved.is_some() && shared.options.uncapped.is_empty();
        let line = if has_lines { Line::Strangers } else { Line::Everybody };
        let own = reserved.map(|[homes, own]| [(homes, Line::Homes), (own, Line::Familiar)]);
        let own = own.into_iter().flatten();
        for (socket, line) in sockets.into_iter().map(|socket| (socket, line)).chain(own) {
            let listener = TcpListener::from_std(socket)?;
            let (shared, tls) = (Arc::clone(shared), self.tls.clone());
            let (service, stop, steering) = (service.clone(), stop.clone(), Arc::clone(&steering));
            loops.spawn(async move {
                let welcome = |stream, peer| start(&shared, stream, peer, tls.as_ref(), &service);
                accept_until(&listener, (line, &steering), &shared, &stop, &welcome).await;
                drain(listener, limits::DRAINED_MAX, &welcome).await;
            });
        }
        Ok(())
    }
}

async fn accept_until(
    listener: &TcpListener,
    (line, steering): (Line, &Steering),
    shared: &Shared,
    stop: &CancellationToken,
    welcome: &impl Fn(TcpStream, SocketAddr),
) {
    let (shortest_ms, longest_ms) = limits::ACCEPT_PAUSE_MS;
    let (mut pause_ms, mut at_once) = (shortest_ms, 0);
    let mut stopped = std::pin::pin!(stop.cancelled());
    let mut is_narrow = false;
    loop {
        if line != Line::Everybody {
            let has_homes = steering.follow(listener, shared);
            if line == Line::Strangers {
                let narrows = has_homes && shared.stats.pressed.load(Relaxed);
                narrow(listener, narrows, &mut is_narrow);
            }
        }
        let next = async {
            if matches!(line, Line::Strangers | Line::Homes) {
                until_they_are_answered(line, is_narrow, shared).await;
            }
            listener.accept().await
        };
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => return,
            accepted = next => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause_ms = shortest_ms;
                welcome(stream, peer);
                // Now and then those who came have a turn, and those who were told to leave close
                // their sockets. Not after each where members may be waiting in this line.
                at_once += 1;
                let of_strangers = matches!(line, Line::Strangers | Line::Homes);
                let is_full = of_strangers && shared.seats.lock().is_full(shared);
                if is_full || at_once >= limits::ACCEPTED_AT_ONCE {
                    at_once = 0;
                    tokio::task::yield_now().await;
                }
            }
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) => {
                shared.stats.accept_failed.fetch_add(1, Relaxed);
                tracing::warn!(%error, pause_ms, "cannot accept: making room");
                shared.seats.lock().evict(shared, shared.clock.now());
                tokio::select! {
                    () = &mut stopped => return,
                    () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                }
                pause_ms = (pause_ms * 2).min(longest_ms);
            }
        }
    }
}

/// Waits while those who have a seat wait for our answers: where there is no seat free, and where
/// one who comes from anywhere would stand behind those who come from where people do. Nobody waits
/// for ever: a few are taken in whoever waits.
async fn until_they_are_answered(line: Line, is_narrow: bool, shared: &Shared) {
    let ahead = ahead_max(line, shared);
    for _ in 0..limits::ACCEPT_WAITS_MAX {
        let waits = shared.handshakes.waiting() >= ahead;
        if !waits || !(is_narrow || shared.seats.lock().is_full(shared)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(limits::ACCEPT_WAIT_MS)).await;
    }
}

/// How many may wait for our answers then: more where it is known whom to answer first, since the
/// kernel knows the order of their coming alone. Not so many that only they would have seats. Who
/// comes from anywhere waits for all of those.
fn ahead_max(line: Line, shared: &Shared) -> usize {
    let (few, many) = limits::HANDSHAKES_AHEAD_MAX;
    match line == Line::Homes && shared.networks.lock().can_compare() {
        true => many.min(shared.options.connections_max / 4).max(few),
        false => few,
    }
}

/// Makes the line short or long. What comes while a short one is full the kernel drops, for a few
/// microseconds each; its sender tries again after a second, and then after two.
fn narrow(listener: &TcpListener, narrows: bool, is_narrow: &mut bool) {
    if narrows == *is_narrow {
        return;
    }
    let length = if narrows { limits::BACKLOG_NARROW } else { limits::BACKLOG };
    match socket2::SockRef::from(listener).listen(length) {
        Ok(()) => *is_narrow = narrows,
        Err(error) => tracing::warn!(%error, length, "a line has not got another length"),
    }
}

/// Takes in all that the kernel has accepted already: closing the socket over them would reset
/// peers that see themselves as connected.
async fn drain(listener: TcpListener, most: usize, welcome: &impl Fn(TcpStream, SocketAddr)) {
    let Ok(listener) = listener.into_std() else { return };
    for taken in 1..=most {
        match listener.accept() {
            Ok((stream, peer)) => {
                let nonblocking = stream.set_nonblocking(true);
                if let (Ok(()), Ok(stream)) = (nonblocking, TcpStream::from_std(stream)) {
                    welcome(stream, peer);
                }
            }
            Err(error) if is_of_one_peer(&error) => {}
            Err(_) => return,
        }
        if taken % limits::ACCEPTED_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Errors of the connection that would have been accepted, not of the listener (accept(2)).
fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::Interrupted
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::TimedOut
    )
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::edge::Edge;

    #[test]
    fn where_it_is_known_who_comes_first_more_are_let_in_to_choose_from() {
        for (connections_max, many) in [(40, 32), (400, 100), (8_000, 1_024)] {
            let edge = Edge::new(Options { connections_max, ..Options::default() });
            let shared = &edge.shared;
            // The host may not allow that many.
            let many = many.min(shared.options.connections_max / 4).max(32);
            assert_eq!(ahead_max(Line::Homes, shared), 32);
            for network in 0..40 {
                shared.networks.lock().learn([198, 51, network, 1].into());
                shared.networks.lock().learn([198, network, 7, 1].into());
            }
            shared.networks.lock().see([198, 51, 0, 1].into());
            shared.networks.lock().turn(u64::MAX, false);
            assert_eq!(ahead_max(Line::Homes, shared), many);
            assert_eq!(ahead_max(Line::Strangers, shared), 32);
        }
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "peers connect from outside")]
    async fn what_waits_at_the_end_is_taken_in_up_to_a_bound_and_with_turns_for_others() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = SockAddr::from(listener.local_addr().expect("an address"));
        let connect = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.connect(&address).expect("connected");
            socket
        };
        let most = 2 * limits::ACCEPTED_AT_ONCE;
        let _waiting: Vec<Socket> = (0..most + 10).map(|_| connect()).collect();
        let turns = Arc::new(AtomicUsize::new(0));
        let others = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                others.fetch_add(1, Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let (came, between) = (Cell::new(0), Cell::new(0));
        let welcome = |_: TcpStream, _: SocketAddr| {
            came.set(came.get() + 1);
            between.set(turns.load(Relaxed));
        };
        drain(listener, most, &welcome).await;
        other.abort();
        assert_eq!(came.get(), most);
        assert!(between.get() > 0, "nobody else had a turn");
    }
}

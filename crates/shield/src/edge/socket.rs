//! The system calls that neither std nor socket2 wraps safely for a socket that another task owns.
//! All `unsafe` of the edge is here.
//!
//! Callers hold the table's lock, and a connection leaves the table (under the same lock) before
//! its socket is closed: so a descriptor found in the table is open and is the connection's own.

use std::io;
use std::net::TcpListener as StdListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use socket2::{SockRef, Socket, Type};

/// Bytes written to the socket that its peer has not acknowledged (SIOCOUTQ, tcp(7)); 0 when the
/// kernel does not say.
pub(super) fn unacknowledged(descriptor: RawFd) -> u64 {
    let mut bytes: libc::c_int = 0;
    // SAFETY: TIOCOUTQ (the same request as SIOCOUTQ) writes one int, which outlives the call.
    let outcome = unsafe { libc::ioctl(descriptor, libc::TIOCOUTQ, &raw mut bytes) };
    if outcome == 0 { u64::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// Ends a connection now: whoever reads or writes it is woken with an end or an error. With
/// `reset`, closing it also frees what the kernel still holds for a peer that does not read.
pub(super) fn cut(descriptor: RawFd, reset: bool) {
    // SAFETY: the descriptor is open for as long as the caller holds the table's lock (see above).
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let socket = SockRef::from(&borrowed);
    if reset {
        let _ = socket.set_linger(Some(Duration::ZERO));
    }
    // An error here means that the peer was faster.
    let _ = socket.shutdown(std::net::Shutdown::Both);
}

/// Has the kernel choose by this program among the sockets that share an address with this one, in
/// the order in which they began to listen.
///
/// # Errors
/// When the kernel does not take it.
pub(super) fn steer(listener: &impl AsFd, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    let size = libc::socklen_t::try_from(size_of_val(&program));
    let size = size.map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel reads one sock_fprog of this size and as many instructions as it says,
    // all of which outlive the call; the descriptor is borrowed from an open socket.
    let outcome = unsafe {
        libc::setsockopt(
            listener.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has a connection's close be a reset: nothing is left of it, and its peer is told with one
/// segment.
pub(super) fn reset_when_closed(descriptor: RawFd) {
    // SAFETY: the descriptor is open for as long as the caller holds the table's lock (see above).
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let _ = SockRef::from(&borrowed).set_linger(Some(Duration::ZERO));
}

/// Takes sockets that whoever started this process has opened for it (sd_listen_fds(3)): `count` of
/// them, from descriptor 3 on. Only the first call gets any: from then on they are its caller's.
///
/// # Errors
/// When one of these descriptors is not open, or is not a listening TCP socket.
pub(super) fn inherited(count: usize) -> io::Result<Vec<StdListener>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Relaxed) {
        return Ok(Vec::new());
    }
    let first: RawFd = 3;
    (first..).take(count).map(take_over).collect()
}

fn take_over(descriptor: RawFd) -> io::Result<StdListener> {
    // SAFETY: both calls take plain numbers, and answer -1 for what is not open.
    let outcome = unsafe {
        match libc::fcntl(descriptor, libc::F_GETFD) {
            -1 => -1,
            flags => libc::fcntl(descriptor, libc::F_SETFD, flags | libc::FD_CLOEXEC),
        }
    };
    if outcome == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, as was just seen, and nothing in this process closes it meanwhile.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    // Looked at before it is owned: what is no such socket may be somebody else's.
    let socket = SockRef::from(&borrowed);
    if !socket.is_listener()? || socket.r#type()? != Type::STREAM {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: nobody else in this process owns it: a listening socket with this number was there
    // before the first instruction, and this is done once.
    Ok(unsafe { Socket::from_raw_fd(descriptor) }.into())
}

/// How many files this process may have open.
///
/// # Errors
/// What getrlimit(2) says.
pub fn open_files_max() -> io::Result<usize> {
    let limit = files_limit()?;
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

/// Raises the number of files this process may have open to the most that its host allows, and
/// returns it. A server calls this once at start: the usual soft limit is 1,024.
///
/// # Errors
/// What getrlimit(2) or setrlimit(2) says.
pub fn raise_open_files() -> io::Result<usize> {
    let mut limit = files_limit()?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: setrlimit reads one rlimit, which outlives the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    open_files_max()
}

fn files_limit() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one rlimit, which outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit)
}

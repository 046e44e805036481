//! Tells the service manager how the server is: ready, alive, reading its files again, stopping.
//! The words are those of sd_notify(3): a datagram of lines on the socket that NOTIFY_SOCKET names.
//! Without that variable nothing is told, and nothing waits for an answer.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::Arc,
    time::Duration,
};

/// Whom to tell.
pub(crate) struct Manager(Option<(UnixDatagram, SocketAddr)>);

impl Manager {
    /// The one that started this process, if there is one.
    #[expect(clippy::disallowed_methods, reason = "the manager says so in the environment alone")]
    pub(crate) fn of_this_process() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Self(None) };
        // A name that begins with @ is one that no file stands for.
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
            _ => SocketAddr::from_pathname(&name),
        };
        let open = || {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok((socket, address?))
        };
        let opened: std::io::Result<_> = open();
        if let Err(error) = &opened {
            tracing::warn!(%error, "the service manager cannot be told anything");
        }
        Self(opened.ok())
    }

    /// It serves.
    pub(crate) fn ready(&self) {
        self.tell("READY=1\nSTATUS=serving");
    }

    /// It finishes what was begun, and then ends.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing what was begun");
    }

    /// It reads its files again; [`Self::ready`] follows.
    pub(crate) fn reloading(&self) {
        // The time lets the manager tell this announcement from an earlier one.
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
    }

    /// Says again and again that it lives, where the manager wants to hear that; never ends there.
    /// As it is said from where requests are answered, silence means that nothing is.
    #[expect(clippy::disallowed_methods, reason = "the manager says so in the environment alone")]
    pub(crate) async fn keep_telling(self: Arc<Self>) {
        let wanted = std::env::var("WATCHDOG_USEC").ok().and_then(|us| us.parse().ok());
        let Some(us) = wanted.filter(|us: &u64| *us > 0) else { return };
        // Half of the time that is granted, as sd_watchdog_enabled(3) advises.
        let mut beats = tokio::time::interval(Duration::from_micros(us.div_ceil(2)));
        loop {
            beats.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, words: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(words.as_bytes(), address) {
            tracing::warn!(%error, "the service manager was not told: {}", words.escape_debug());
        }
    }
}

/// The clock by which the manager compares, in µs.
fn monotonic_us() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to the one structure that it is handed, which is valid for writing.
    #[expect(unsafe_code, reason = "std hides the number behind its monotonic clock")]
    unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now);
    }
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000)
}

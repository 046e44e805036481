//! Listening sockets that the service manager opened and holds, so that a restart refuses nobody:
//! who connects while there is no server waits in the kernel for the next (sd_listen_fds(3)).
//! Without them the server opens its own. Leaves accepting to the shield's edge.

use anyhow::Context as _;
use shield::edge::{Listener, Options};
use std::net::SocketAddr;

use crate::hint;

/// What was handed over and not asked for yet.
pub(crate) struct Handed(Vec<Listener>);

impl Handed {
    /// By whoever started this process, if it says so.
    #[expect(clippy::disallowed_methods, reason = "the manager says so in the environment alone")]
    pub(crate) fn to_this_process() -> anyhow::Result<Self> {
        let number = |name| std::env::var(name).ok()?.parse::<usize>().ok();
        let meant = number("LISTEN_PID") == usize::try_from(std::process::id()).ok();
        let count = number("LISTEN_FDS").filter(|_| meant).unwrap_or(0);
        if count == 0 {
            return Ok(Self(Vec::new()));
        }
        let listeners = Listener::inherited(count)
            .context("the service manager handed over something that is no listening socket")?;
        Ok(Self(listeners))
    }

    /// The socket for this address: one that was handed over, or a new one.
    pub(crate) fn listen(
        &mut self,
        address: SocketAddr,
        options: &Options,
    ) -> anyhow::Result<Listener> {
        let serves = |listener: &Listener| {
            let local = listener.local_addr();
            // systemd's `ListenStream=443` is every address.
            local == address || (local.port() == address.port() && local.ip().is_unspecified())
        };
        match self.0.iter().position(serves) {
            Some(found) => Ok(self.0.swap_remove(found)),
            None => {
                Listener::bind(address, options).map_err(|error| hint::listening(address, &error))
            }
        }
    }

    /// Says in the log what nobody asked for: connections to it would wait for ever.
    pub(crate) fn close_rest(self) {
        for listener in self.0 {
            let address = listener.local_addr();
            tracing::warn!(%address, "no address of the configuration is this socket's");
        }
    }
}

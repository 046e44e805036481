//! Two network namespaces and a cable between them: what floods, floods there, and finds no way
//! out. Whatever a server sends to addresses that were made up goes to the peers as well, and ends.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use crate::{ground, pin};

/// Where servers are, as peers see them.
pub const SERVER: &str = "10.78.0.1";
/// Where the first peer is.
pub const PEER: &str = "10.78.0.2";

/// The namespaces; gone with this.
pub struct Cable {
    servers: String,
    /// Where attackers are.
    pub peers: Peers,
}

/// The namespace of who attacks.
#[derive(Clone)]
pub struct Peers(String);

impl Peers {
    /// A command there, on the core of loads.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        if pin::possible() {
            pin::child(&mut command, pin::LOAD_CORE);
        }
        command
    }
}

impl Cable {
    /// Makes them.
    ///
    /// # Errors
    /// Without root, or without `ip`.
    pub fn new() -> Result<Self> {
        let name = format!("fulmar-bench-{}", std::process::id());
        let made = Self { servers: format!("{name}-s"), peers: Peers(format!("{name}-p")) };
        let (s, Peers(p)) = (&made.servers, &made.peers);
        for words in [
            format!("netns add {s}"),
            format!("netns add {p}"),
            format!("-n {s} link add cable type veth peer name cable netns {p}"),
            format!("-n {s} addr add {SERVER}/24 dev cable"),
            format!("-n {p} addr add {PEER}/24 dev cable"),
            format!("-n {s} link set lo up"),
            format!("-n {s} link set cable up"),
            format!("-n {p} link set cable up"),
            format!("-n {s} route add default via {PEER}"),
        ] {
            ground::output(Command::new("ip").args(words.split(' ')))
                .context("namespaces need root")?;
        }
        Ok(made)
    }

    /// Does something where servers are: in a thread, whose sockets and commands are there.
    ///
    /// # Errors
    /// What it gives.
    pub fn serving<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = format!("/run/netns/{}", self.servers);
        let entered = move || {
            enter(&place)?;
            act()
        };
        std::thread::spawn(entered).join().map_err(|_| anyhow!("it panicked"))?
    }
}

/// A namespace of its own with nothing in it but loopback: what the kernel is told there concerns
/// nobody else. Gone with this.
pub struct Room(String);

impl Room {
    /// Makes it.
    ///
    /// # Errors
    /// Without root, or without `ip`.
    pub fn new(name: &str) -> Result<Self> {
        let room = Self(format!("fulmar-bench-{}-{name}", std::process::id()));
        for words in [format!("netns add {}", room.0), format!("-n {} link set lo up", room.0)] {
            ground::output(Command::new("ip").args(words.split(' ')))
                .context("namespaces need root")?;
        }
        Ok(room)
    }

    /// Does something there: this thread's sockets and commands are there meanwhile.
    ///
    /// # Errors
    /// What it gives.
    pub fn inside<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let home = File::open("/proc/thread-self/ns/net")?;
        enter(&format!("/run/netns/{}", self.0))?;
        let done = act();
        enter_open(&home)?;
        done
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _gone = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn enter(place: &str) -> Result<()> {
    enter_open(&File::open(place).with_context(|| place.to_owned())?)
}

#[expect(unsafe_code, reason = "std has no call for namespaces")]
fn enter_open(file: &File) -> Result<()> {
    // SAFETY: it changes where this thread's new sockets live, and nothing of memory.
    let done = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()).context("setns") }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in [&self.servers, &self.peers.0] {
            let _gone = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

/// A certificate as a host has one, ECDSA on P-256: `chain.pem` and `key.pem` in this folder.
///
/// # Errors
/// Without `openssl`.
pub fn certificate(folder: &Path) -> Result<()> {
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
                 -addext basicConstraints=critical,CA:FALSE -keyout key.pem \
                 -out chain.pem";
    let mut command = Command::new("openssl");
    ground::output(command.args(words.split_whitespace()).current_dir(folder)).map(drop)
}

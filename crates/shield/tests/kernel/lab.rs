//! Two network namespaces and the cable between them.

use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use shield::kernel::{DenySet, KernelError, Options};
use socket2::{Domain, Socket, Type};

/// Where servers listen.
pub const SERVER: &str = "10.77.0.1";
pub const SERVER_6: &str = "fd77::1";
/// How long a peer waits for a connection: the kernel asks a second time after a second.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long anything may take to come true.
const DEADLINE: Duration = Duration::from_secs(10);

/// The namespaces; they go when this is dropped.
pub struct Lab {
    servers: String,
    peers: String,
}

fn ran(words: &[&str]) -> Result<String, String> {
    let command = Command::new(words[0]).args(&words[1..]).output();
    let output = command.map_err(|error| format!("{}: {error}", words[0]))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{words:?}: {}", text(&output.stderr))),
    }
}

impl Lab {
    /// None, and says so, where this machine or user cannot have one.
    pub fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let tools = ran(&["nft", "--version"]).and(ran(&["ip", "-V"]));
        // SAFETY: it only reads this process's user.
        let is_root = unsafe { libc::geteuid() } == 0;
        if let (true, Ok(_)) = (is_root, tools) {
            let name = format!("shield-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
            let lab = Self { servers: format!("{name}-s"), peers: format!("{name}-p") };
            lab.wire();
            lab.settle();
            return Some(lab);
        }
        eprintln!(
            "NOT TESTED: the deny set needs root, `ip` (iproute2) and `nft` (nftables) to be \
             tested in network namespaces"
        );
        None
    }

    fn wire(&self) {
        let must = |words: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            ran(&words).expect("the laboratory");
        };
        let (s, p) = (&self.servers, &self.peers);
        must(&format!("ip netns add {s}"));
        must(&format!("ip netns add {p}"));
        must(&format!("ip -n {s} link add cable type veth peer name cable netns {p}"));
        must(&format!("ip -n {s} addr add {SERVER}/24 dev cable"));
        must(&format!("ip -n {s} addr add {SERVER_6}/64 dev cable nodad"));
        for last in 2..6 {
            must(&format!("ip -n {p} addr add 10.77.0.{last}/24 dev cable"));
        }
        must(&format!("ip -n {p} addr add fd77::2/64 dev cable nodad"));
        for namespace in [s, p] {
            must(&format!("ip -n {namespace} link set lo up"));
            must(&format!("ip -n {namespace} link set cable up"));
        }
        // Networks of other customers, behind the peers' end.
        for network in ["fd77:0:0:5", "fd77:0:0:6"] {
            for host in ["a", "b"] {
                must(&format!("ip -n {p} addr add {network}::{host}/128 dev lo nodad"));
            }
            must(&format!("ip -n {s} route add {network}::/64 via fd77::2"));
        }
    }

    /// Waits until the cable carries packets, both ways and by both protocols.
    fn settle(&self) {
        let (_listener, door) = self.listen("[::]:0");
        for (from, to) in [("10.77.0.2", SERVER), ("fd77:0:0:5::a", SERVER_6)] {
            comes_true("peers reach servers", || self.reaches(from, to, door.port()));
        }
    }

    /// Runs a command of words where servers are.
    pub fn run(&self, words: &[&str]) -> String {
        ran(&[&["ip", "netns", "exec", &self.servers], words].concat()).expect("it runs")
    }

    /// A command to be run where servers are.
    #[allow(dead_code, reason = "for the server's tests, which share this file")]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.servers, program]);
        command
    }

    /// Makes rules by `nft`.
    pub fn nft(&self, rules: &str) -> String {
        self.run(&["nft", rules])
    }

    fn within<T: Send>(namespace: &str, act: impl FnOnce() -> T + Send) -> T {
        let entered = || {
            let place = File::open(format!("/run/netns/{namespace}")).expect("a namespace");
            // SAFETY: it changes where this thread's new sockets live; the thread ends with `act`.
            let done = unsafe { libc::setns(place.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(done, 0, "cannot enter {namespace}");
            act()
        };
        std::thread::scope(|scope| scope.spawn(entered).join().expect("it went well"))
    }

    /// Runs something where servers are.
    pub fn serving<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        Self::within(&self.servers, act)
    }

    /// A listening socket of a server.
    pub fn listen(&self, address: &str) -> (TcpListener, SocketAddr) {
        let listener = self.serving(|| TcpListener::bind(address).expect("a listener"));
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    /// A deny set for servers there.
    pub fn open(&self, doors: &[SocketAddr], never: &[&str]) -> Result<DenySet, KernelError> {
        let never = never.iter().map(|network| network.parse().expect("a network")).collect();
        let options = Options { doors: doors.to_vec(), never };
        self.serving(|| DenySet::open(options))
    }

    /// Whether a peer from this address can connect there.
    pub fn reaches(&self, from: &str, to: &str, port: u16) -> bool {
        let from: IpAddr = from.parse().expect("an address");
        let to: IpAddr = to.parse().expect("an address");
        Self::within(&self.peers, || {
            let domain = Domain::for_address(SocketAddr::new(to, port));
            let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
            socket.bind(&SocketAddr::new(from, 0).into()).expect("it is the peer's address");
            socket.connect_timeout(&SocketAddr::new(to, port).into(), PATIENCE).is_ok()
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in [&self.servers, &self.peers] {
            let _ = ran(&["ip", "netns", "del", namespace]);
        }
    }
}

/// Waits until something is true that asks for a while by itself.
pub fn comes_true(what: &str, mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < DEADLINE, "it never came true that {what}");
    }
}

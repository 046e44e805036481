//! A room of its own for an attack that needs other addresses than the loopback's: a network
//! namespace that the drill makes, with nothing in it but a loopback device, and so without a way
//! out. Server, people and bots of the run live in it. It goes when the last of them does. Needs
//! root and the commands `ip` and `tc`; without them the vector is not run, and the report says so.

use std::{fs::File, io, net::Ipv4Addr, os::fd::AsRawFd as _, process::Command, sync::Arc, thread};

use serde_json::Value;

use crate::system;

/// A room.
#[derive(Clone, Debug)]
pub struct Room {
    network: Arc<File>,
    fitting: Fitting,
}

/// What a room must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fitting {
    /// Every address of 2001:db8::/32 (RFC 3849, never anybody's) is one of the machine's own.
    Addresses,
    /// Addresses that lead nowhere: [`SILENT`].
    Silence,
    /// A loopback that carries no more than [`LINK_BYTES_PER_S`], and so what everybody shares on
    /// the way to the server.
    NarrowLink,
}

/// The first of 131,072 addresses that lead nowhere (RFC 2544, for measurements).
pub(crate) const SILENT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// What a narrow link carries: 200 Mbit/s.
pub(crate) const LINK_BYTES_PER_S: u32 = 25_000_000;

impl Fitting {
    /// Commands (`ip` and `tc`), and settings of the system.
    fn works(self, has_defence: bool) -> (Vec<&'static str>, Vec<(&'static str, &'static str)>) {
        let mut commands = vec!["ip link set lo up"];
        let mut settings = Vec::new();
        match self {
            Self::Addresses => {
                commands.push("ip -6 route add local 2001:db8::/32 dev lo");
                // Addresses of a route are no device's: without this they cannot be bound.
                settings.push(("/proc/sys/net/ipv6/ip_nonlocal_bind", "1"));
            }
            Self::Silence => {
                // What goes into one end of a pair comes out of the other, where nobody is.
                commands.extend([
                    "ip link add silent type veth peer name nobody",
                    "ip link set silent arp off up",
                    "ip link set nobody up",
                    "ip route add 198.18.0.0/15 dev silent",
                ]);
                // Answers to them leave from the loopback's address.
                settings.push(("/proc/sys/net/ipv4/conf/silent/route_localnet", "1"));
                if !has_defence {
                    settings.push(("/proc/sys/net/ipv4/tcp_syncookies", "0"));
                }
            }
            Self::NarrowLink => {
                commands.push("tc qdisc add dev lo root tbf rate 200mbit burst 256kb latency 20ms");
            }
        }
        (commands, settings)
    }
}

impl Room {
    /// Makes one; without a defence the system's own is off too.
    ///
    /// # Errors
    /// Without root, or without the commands.
    #[cfg(target_os = "linux")]
    pub(crate) fn make(fitting: Fitting, has_defence: bool) -> io::Result<Self> {
        // The thread that makes it stays in it, so it is one that ends.
        let made = thread::spawn(move || {
            system::leave_the_network()?;
            let (commands, settings) = fitting.works(has_defence);
            for line in commands {
                let mut words = line.split(' ');
                let ended = Command::new(words.next().unwrap_or_default()).args(words).status()?;
                if !ended.success() {
                    return Err(io::Error::other(format!("`{line}` failed")));
                }
            }
            for (path, value) in settings {
                std::fs::write(path, value)?;
            }
            Ok(Self { network: Arc::new(File::open("/proc/thread-self/ns/net")?), fitting })
        });
        made.join().unwrap_or_else(|_| Err(io::Error::other("making a room broke off")))
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn make(_fitting: Fitting, _has_defence: bool) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Puts the calling thread into it, for as long as the thread lives; whether it is in it.
    pub(crate) fn enter_here(&self) -> bool {
        #[cfg(target_os = "linux")]
        return system::enter_network(&*self.network).is_ok();
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// What the kernel has dropped in it before a server saw it, of everybody's: connections asked
    /// for, by the listening socket and by a shield's own table; and where the link is narrow, the
    /// packets that it did not carry. Asked by a thread that is in it.
    pub(crate) fn dropped_here(&self) -> Option<u64> {
        let table = std::fs::read_to_string("/proc/thread-self/net/netstat").ok()?;
        let link = match self.fitting {
            Fitting::NarrowLink => lost(&said("tc -s -j qdisc show dev lo")?)?,
            Fitting::Addresses | Fitting::Silence => 0,
        };
        // Without the command nobody is denied by name either way: it is told as none.
        let denied = said("nft -j list counters").and_then(|it| denied(&it)).unwrap_or(0);
        Some(counted(&table, "ListenDrops")? + link + denied)
    }

    /// Connections asked for in it that the kernel has answered with a cookie, and so kept nothing
    /// of; asked by a thread that is in it.
    pub(crate) fn cookies_here(&self) -> Option<u64> {
        let table = std::fs::read_to_string("/proc/thread-self/net/netstat").ok()?;
        counted(&table, "SyncookiesSent")
    }

    /// Lets a command start in it; the room must be there when it does.
    pub fn start(&self, command: &mut Command) {
        #[cfg(target_os = "linux")]
        system::start_in(command, self.network.as_raw_fd());
    }
}

/// A figure of the table (proc_net_netstat(5)): a line of names and one of numbers.
fn counted(table: &str, wanted: &str) -> Option<u64> {
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut both = names.split(' ').zip(numbers.split(' '));
    both.find(|(name, _)| *name == wanted)?.1.parse().ok()
}

/// What a command says; none where it is missing, or fails.
fn said(line: &str) -> Option<Vec<u8>> {
    let mut words = line.split(' ');
    let output = Command::new(words.next()?).args(words).output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// Packets that a device's queues have dropped (`tc -s -j qdisc show`).
fn lost(queues: &[u8]) -> Option<u64> {
    let queues: Vec<Value> = serde_json::from_slice(queues).ok()?;
    Some(queues.iter().filter_map(|queue| queue.get("drops")?.as_u64()).sum())
}

/// Packets that a shield's table has dropped (`nft -j list counters`).
fn denied(counters: &[u8]) -> Option<u64> {
    let all: Value = serde_json::from_slice(counters).ok()?;
    let entries = all.get("nftables")?.as_array()?.iter().filter_map(|entry| entry.get("counter"));
    let dropped = entries.filter(|counter| counter.get("name") == Some(&DROPPED.into()));
    Some(dropped.filter_map(|counter| counter.get("packets")?.as_u64()).sum())
}

/// What a shield's table calls its counter.
const DROPPED: &str = "dropped";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_by_their_name() {
        let table = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 2 50\n\
                     IpExt: InNoRoutes\nIpExt: 0\n";
        assert_eq!(counted(table, "ListenDrops"), Some(50));
        assert_eq!(counted(table, "SyncookiesSent"), Some(1));
        assert_eq!(counted("IpExt: a\nIpExt: 1\n", "ListenDrops"), None);
        let queues = br#"[{"kind":"tbf","drops":7,"bytes":9},{"kind":"fq","drops":2},{}]"#;
        assert_eq!((lost(queues), lost(b"qdisc tbf")), (Some(9), None));
        let counters = br#"{"nftables":[{"metainfo":{}},{"counter":{"name":"dropped","packets":5}},
            {"counter":{"name":"seen","packets":80}}]}"#;
        assert_eq!((denied(counters), denied(b"{}")), (Some(5), None));
    }

    #[test]
    fn a_room_has_what_its_vector_needs() {
        for fitting in [Fitting::Addresses, Fitting::Silence, Fitting::NarrowLink] {
            match Room::make(fitting, false) {
                Ok(room) => assert_eq!(room.inside(Room::dropped_here), Some(0), "{fitting:?}"),
                // Whoever may not make one, or has no commands for it, is told so in the report.
                Err(error) => {
                    let has_none = error.kind() == io::ErrorKind::NotFound;
                    assert!(has_none || !may_make_networks(), "{fitting:?}: {error}");
                }
            }
        }
    }

    /// Whether this process has CAP_NET_ADMIN and CAP_SYS_ADMIN (capabilities(7)).
    fn may_make_networks() -> bool {
        let status = std::fs::read_to_string("/proc/self/status").expect("a status");
        let held = status.lines().find_map(|line| line.strip_prefix("CapEff:\t"));
        let held = u64::from_str_radix(held.expect("capabilities"), 16).expect("hexadecimal");
        held & 1 << 12 != 0 && held & 1 << 21 != 0
    }

    impl Room {
        /// Asks something inside.
        fn inside<T: Send + 'static>(&self, ask: fn(&Self) -> Option<T>) -> Option<T> {
            let room = self.clone();
            let asked = thread::spawn(move || {
                assert!(room.enter_here());
                ask(&room)
            });
            asked.join().expect("an answer")
        }
    }
}

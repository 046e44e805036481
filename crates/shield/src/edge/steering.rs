//! A lane of its own in the kernel for addresses that served a member. Whoever connects waits in
//! the kernel until it is accepted, in one line: behind thousands of bots that line takes a second,
//! and only who was accepted can be told apart. So an address has one more socket, and a small
//! program (classic BPF, SO_ATTACH_REUSEPORT_CBPF in socket(7)) sends familiar addresses there. It
//! needs no privilege, and costs a microsecond a connection. The networks that people come from in
//! peace have another: a flood from everywhere else fills its own line, and what does not fit there
//! the kernel drops before it costs an answer. Leaves the addresses to `known`, the networks to
//! `networks`, and what may be accepted when to `listener`.
//!
//! Where the kernel takes no such program, all wait in one line, and that is accepted as fast as
//! can be.

use std::io;
use std::os::fd::AsFd;

use libc::sock_filter;
use parking_lot::Mutex;

use super::Shared;
use super::limits::{HOMES_MAX, STEERED_MAX};
use super::networks::Wide;
use super::seats::Prefix;
use super::socket;

/// Where a packet's network header begins, for a program.
const NETWORK: u32 = libc::SKF_NET_OFF.cast_unsigned();
/// A random number, instead of the packet's hash: that is 0 where no network card reckons one, and
/// what is in the packet can be chosen by who sends it.
const RANDOM: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_RANDOM).cast_unsigned();

/// Places of fields in the headers of IP (RFC 791, 3.1; RFC 8200, 3).
const SOURCE_OF_V4: u32 = 12;
const SOURCE_OF_V6: u32 = 8;

/// Where a program keeps the two halves of a source's network.
const HIGH: u32 = 0;
const LOW: u32 = 1;

/// Instructions for one address, at most, and beside all of them.
const EACH_MAX: usize = 5;
const REST_MAX: usize = 20;

const _: () = assert!(
    STEERED_MAX * EACH_MAX + HOMES_MAX * 2 + REST_MAX <= libc::BPF_MAXINSNS as usize,
    "the kernel takes no longer program"
);

/// What the sockets of one address were told; whichever is told, all of them know.
pub(super) struct Steering {
    /// Sockets of all who stand in neither of the two lines.
    others: u32,
    told: Mutex<Told>,
}

/// Who has a line of their own.
#[derive(Default)]
struct Lines {
    /// Addresses that served a member, the latest last.
    familiar: Vec<Prefix>,
    /// Networks of people.
    homes: Vec<Wide>,
}

struct Told {
    lines: Lines,
    /// Which versions of the two that is.
    versions: (u64, u64),
    /// So many addresses the kernel has had room for.
    fits: usize,
}

impl Steering {
    pub(super) fn new(others: usize) -> Self {
        let others = u32::try_from(others).unwrap_or(1);
        let told = Told { lines: Lines::default(), versions: (0, 0), fits: STEERED_MAX };
        Self { others, told: Mutex::new(told) }
    }

    /// Tells the kernel who has a line of their own now, if others had when it was told last.
    /// Answers whether any network has one.
    pub(super) fn follow(&self, socket: &impl AsFd, shared: &Shared) -> bool {
        let mut told = self.told.lock();
        let Told { lines, versions, fits } = &mut *told;
        let familiar = shared.known.latest(versions.0);
        let homes = shared.networks.lock().homes(versions.1);
        if familiar.is_some() || homes.is_some() {
            if let Some(latest) = familiar {
                (versions.0, lines.familiar) = latest;
            }
            if let Some(latest) = homes {
                (versions.1, lines.homes) = latest;
            }
            if let Err(error) = self.attach(lines, fits, |it| socket::steer(socket, it)) {
                tracing::warn!(%error, "the kernel was not told who has a line of their own");
            }
        }
        !lines.homes.is_empty()
    }

    /// Tells it that nobody is familiar yet.
    ///
    /// # Errors
    /// When the kernel takes no such program.
    pub(super) fn begin(&self, socket: &impl AsFd) -> io::Result<()> {
        let told = &mut *self.told.lock();
        self.attach(&told.lines, &mut told.fits, |program| socket::steer(socket, program))
    }

    /// Has it take a program for as many of the latest as it has room for: until Linux 6.8 that is
    /// 20 KiB of what it makes of one (net.core.optmem_max), and how much it makes is its own
    /// affair.
    fn attach(
        &self,
        Lines { familiar, homes }: &Lines,
        fits: &mut usize,
        mut take: impl FnMut(&mut [sock_filter]) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let latest = familiar.len().saturating_sub(*fits);
            let familiar = familiar.get(latest..).unwrap_or_default();
            let mut program = program(familiar, homes, self.others);
            match take(&mut program) {
                Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && *fits > 0 => {
                    *fits = familiar.len().min(*fits) / 2;
                }
                outcome => return outcome,
            }
        }
    }
}

/// The program that sends familiar addresses to the last of `sockets + 2` sockets, networks of
/// people to the one before, and spreads all others over the rest.
fn program(familiar: &[Prefix], homes: &[Wide], sockets: u32) -> Vec<sock_filter> {
    let (to_homes, to_familiar) = (sockets, sockets.saturating_add(1));
    let latest = familiar.len().saturating_sub(STEERED_MAX);
    let familiar = familiar.get(latest..).unwrap_or_default();
    let mut of_v4 = vec![load(libc::BPF_W, SOURCE_OF_V4)];
    // Both halves are kept: the kernel makes a dozen instructions of one that looks into a packet.
    let mut of_v6 = vec![
        load(libc::BPF_W, SOURCE_OF_V6 + 4),
        instruction(libc::BPF_ST, LOW),
        load(libc::BPF_W, SOURCE_OF_V6),
        instruction(libc::BPF_ST, HIGH),
    ];
    for prefix in familiar {
        match prefix {
            Prefix::V4(address) => {
                of_v4.extend([unless_then_skip(*address, 1), answer(to_familiar)])
            }
            Prefix::V6(network) => {
                let [high, low] = [network >> 32, network & u64::from(u32::MAX)];
                let word = |half: u64| u32::try_from(half).unwrap_or_default();
                of_v6.extend([
                    instruction(libc::BPF_LD | libc::BPF_MEM, HIGH),
                    unless_then_skip(word(high), 3),
                    instruction(libc::BPF_LD | libc::BPF_MEM, LOW),
                    unless_then_skip(word(low), 1),
                    answer(to_familiar),
                ]);
            }
        }
    }
    of_v4.push(instruction(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 16));
    of_v6.push(instruction(libc::BPF_LD | libc::BPF_MEM, HIGH));
    for home in homes.iter().take(HOMES_MAX) {
        let (of_it, wide) = match home {
            Wide::V4(wide) => (&mut of_v4, u32::from(*wide)),
            Wide::V6(wide) => (&mut of_v6, *wide),
        };
        of_it.extend([unless_then_skip(wide, 1), answer(to_homes)]);
    }
    // Over those of the older protocol, to the newer, and over the newer to the end.
    of_v4.push(jump(of_v6.len()));
    let begin = [
        load(libc::BPF_B, 0),
        instruction(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 4),
        unless_then_skip(6, 1),
        jump(of_v4.len()),
    ];
    let spread = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, RANDOM),
        instruction(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, sockets.max(1)),
        instruction(libc::BPF_RET | libc::BPF_A, 0),
    ];
    [&begin[..], &of_v4, &of_v6, &spread].concat()
}

fn instruction(code: u32, value: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or_default(), jt: 0, jf: 0, k: value }
}

/// Loads a part of the network header.
fn load(size: u32, place: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_ABS | size, NETWORK.wrapping_add(place))
}

/// Leaves out so many instructions unless what was loaded is this.
fn unless_then_skip(value: u32, instructions: u8) -> sock_filter {
    let jumps = instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value);
    sock_filter { jf: instructions, ..jumps }
}

fn jump(instructions: usize) -> sock_filter {
    let code = libc::BPF_JMP | libc::BPF_JA;
    instruction(code, u32::try_from(instructions).unwrap_or_default())
}

fn answer(socket: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, socket)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const HASH: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_RXHASH).cast_unsigned();

    /// What the kernel would do with a packet from an address, by the meaning of the few
    /// instructions that are used.
    fn sent_to(program: &[sock_filter], address: IpAddr, random: u32) -> u32 {
        let mut header = [0; 40];
        match address {
            IpAddr::V4(four) => {
                header[0] = 0x45;
                header[12..16].copy_from_slice(&four.octets());
            }
            IpAddr::V6(six) => {
                header[0] = 0x60;
                header[8..24].copy_from_slice(&six.octets());
            }
        }
        let (mut at, mut loaded, mut kept) = (0, 0_u32, [0; 2]);
        loop {
            let one = program[at];
            at += 1;
            let place = one.k.wrapping_sub(NETWORK) as usize;
            match u32::from(one.code) {
                // No network card has reckoned a hash.
                0x20 if one.k == HASH => loaded = 0,
                0x20 if one.k == RANDOM => loaded = random,
                0x20 => {
                    let word = header[place..place + 4].try_into().expect("four bytes");
                    loaded = u32::from_be_bytes(word);
                }
                0x02 => kept[one.k as usize] = loaded,
                0x60 => loaded = kept[one.k as usize],
                0x30 => loaded = u32::from(header[place]),
                0x74 => loaded >>= one.k,
                0x94 => loaded %= one.k,
                0x15 => at += usize::from(if loaded == one.k { one.jt } else { one.jf }),
                0x05 => at += one.k as usize,
                0x06 => return one.k,
                0x16 => return loaded,
                other => panic!("an instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn familiar_addresses_have_a_socket_of_their_own() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let texts = ["192.0.2.1", "2001:db8:1:2::9", "198.51.100.7", "2001:db8:1:3::9"];
        let familiar: Vec<Prefix> = texts.iter().map(|text| Prefix::of(address(text))).collect();
        let homes = [Wide::V4(0xc612), Wide::V6(0x2001_0dba), Wide::V4(0xc633)];
        for sockets in [1, 3] {
            let program = program(&familiar, &homes, sockets);
            for text in texts.into_iter().chain(["2001:db8:1:2:7::8"]) {
                assert_eq!(sent_to(&program, address(text), 5), sockets + 1, "{text}");
            }
            for text in ["198.18.7.7", "198.51.100.8", "2001:dba:1:2::9"] {
                assert_eq!(sent_to(&program, address(text), 5), sockets, "{text}");
            }
            for text in ["192.0.2.2", "2001:db8:1:4::9", "2001:db9:1:2::9", "127.0.0.1", "::1"] {
                for random in 0..7 {
                    let socket = sent_to(&program, address(text), random);
                    assert_eq!(socket, random % sockets, "{text}");
                }
            }
        }
    }

    #[test]
    fn however_many_there_are_the_program_is_one_that_the_kernel_takes() {
        let familiar: Vec<Prefix> = (0..10_000_u64).map(|nth| Prefix::V6(nth << 20)).collect();
        let homes: Vec<Wide> = (0..10_000).map(Wide::V6).collect();
        let long = program(&familiar, &homes, 1);
        assert!(long.len() <= libc::BPF_MAXINSNS as usize, "{} instructions", long.len());
        assert_eq!(program(&[], &[], 1).len(), 15);
    }

    /// The kernel refuses programs beyond a size; see how many of so many addresses are told.
    #[track_caller]
    fn told_within(instructions: usize, addresses: u64) -> (Steering, Lines, usize) {
        let familiar: Vec<Prefix> = (0..addresses).map(|nth| Prefix::V6(nth << 20)).collect();
        let lines = Lines { familiar, homes: vec![Wide::V4(7)] };
        let steering = Steering::new(1);
        let mut taken = Vec::new();
        let outcome = steering.attach(&lines, &mut steering.told.lock().fits, |program| {
            if program.len() > instructions {
                return Err(io::Error::from_raw_os_error(libc::ENOMEM));
            }
            taken = program.to_vec();
            Ok(())
        });
        assert_eq!(outcome.is_ok(), !taken.is_empty());
        let is_told = |prefix: &&Prefix| match prefix {
            Prefix::V6(network) => {
                let address = std::net::Ipv6Addr::from_bits(u128::from(*network) << 64);
                !taken.is_empty() && sent_to(&taken, address.into(), 0) == 2
            }
            Prefix::V4(_) => false,
        };
        let told: Vec<Prefix> = lines.familiar.iter().filter(is_told).copied().collect();
        assert!(lines.familiar.ends_with(&told), "the latest");
        let count = told.len();
        (steering, lines, count)
    }

    #[test]
    fn where_the_kernel_has_little_room_the_latest_are_told() {
        assert_eq!(told_within(4_096, 600).2, 600);
        let (steering, lines, told) = told_within(1_000, 640);
        assert_eq!(told, 160);
        let mut asked = 0;
        let again = steering.attach(&lines, &mut steering.told.lock().fits, |_| {
            asked += 1;
            Ok(())
        });
        assert_eq!((again.is_ok(), asked), (true, 1), "it is remembered what fits");
        assert_eq!((told_within(30, 640).2, told_within(20, 640).2), (2, 0));
    }

    /// Sockets of one address, the last two of them lines of their own, and what the kernel was
    /// told.
    fn sockets(count: usize, lines: &Lines) -> (Vec<std::net::TcpListener>, Steering) {
        use socket2::{Domain, Socket, Type};
        let mut address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets = (0..count + 2).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.set_reuse_port(true).expect("an option");
            socket.bind(&address.into()).expect("a free port");
            socket.listen(256).expect("it listens");
            socket.set_nonblocking(true).expect("a mode");
            let listener = std::net::TcpListener::from(socket);
            address = listener.local_addr().expect("an address");
            listener
        });
        let sockets: Vec<_> = sockets.collect();
        let steering = Steering::new(count);
        let taken = steering.attach(lines, &mut steering.told.lock().fits, |program| {
            socket::steer(&sockets[0], program)
        });
        taken.expect("the kernel takes it");
        (sockets, steering)
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "peers connect from outside")]
    fn the_kernel_itself_sends_the_familiar_to_their_socket_and_spreads_all_others() {
        let four = |nth: u32| Prefix::V4(0x7f00_0100 + nth);
        let many_fours = (0..640).map(four).collect::<Vec<_>>();
        let sixes = (0..639).map(Prefix::V6).chain([four(639)]).collect::<Vec<_>>();
        for familiar in [many_fours, sixes, vec![four(639)]] {
            let homes =
                (0..HOMES_MAX).map(|nth| Wide::V4(0x7f10 + u16::try_from(nth).expect("few")));
            let lines = Lines { familiar, homes: homes.collect() };
            let (sockets, steering) = sockets(3, &lines);
            let to = sockets[0].local_addr().expect("an address").into();
            let connect = |from: u32| {
                let domain = socket2::Domain::IPV4;
                let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None);
                let socket = socket.expect("a socket");
                let from = std::net::SocketAddr::from((std::net::Ipv4Addr::from_bits(from), 0));
                socket.bind(&from.into()).expect("a loopback address");
                socket.connect(&to).expect("connected");
                socket
            };
            let mut all: Vec<_> = (0..90).map(|nth| connect(0x7f01_0000 + nth)).collect();
            all.extend((0..10).map(|_| connect(0x7f00_0100 + 639)));
            all.extend((0..7).map(|nth| connect(0x7f20_0001 + nth)));
            let count = |socket: &std::net::TcpListener| {
                std::iter::from_fn(|| socket.accept().ok()).take(256).count()
            };
            let came: Vec<usize> = sockets.iter().map(count).collect();
            assert_eq!((&came[3..], came.iter().sum()), (&[7, 10][..], all.len()), "{came:?}");
            assert!(came[..3].iter().all(|count| *count > 0), "{came:?}");
            assert!(steering.told.lock().fits > 0);
        }
    }
}

//! A lane of its own in the kernel for addresses that served a member. Whoever connects waits in
//! the kernel until it is accepted, in one line: behind thousands of bots that line takes a second,
//! and only who was accepted can be told apart. So an address has one more socket, and a small
//! program (classic BPF, SO_ATTACH_REUSEPORT_CBPF in socket(7)) sends familiar addresses there. It
//! needs no privilege, and costs a microsecond a connection. Leaves the addresses to `known`, and
//! what may be accepted when to `listener`.
//!
//! Where the kernel takes no such program, all wait in one line, and that is accepted as fast as
//! can be.

use libc::sock_filter;

use super::limits::STEERED_MAX;
use super::seats::Prefix;

/// Where a packet's network header begins, for a program.
const NETWORK: u32 = libc::SKF_NET_OFF.cast_unsigned();
const HASH: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_RXHASH).cast_unsigned();

/// Places of fields in the headers of IP (RFC 791, 3.1; RFC 8200, 3).
const SOURCE_OF_V4: u32 = 12;
const SOURCE_OF_V6: u32 = 8;

/// Instructions for one address, at most, and beside all of them.
const EACH_MAX: usize = 5;
const REST_MAX: usize = 10;

const _: () = assert!(
    STEERED_MAX * EACH_MAX + REST_MAX <= libc::BPF_MAXINSNS as usize,
    "the kernel takes no longer program"
);

/// The program that sends familiar addresses to the last of `sockets + 1` sockets, and spreads all
/// others over the ones before.
pub(super) fn program(familiar: &[Prefix], sockets: u32) -> Vec<sock_filter> {
    let familiar = familiar.get(..STEERED_MAX).unwrap_or(familiar);
    let mut of_v4 = vec![load(libc::BPF_W, SOURCE_OF_V4)];
    let mut of_v6 = Vec::new();
    for prefix in familiar {
        match prefix {
            Prefix::V4(address) => of_v4.extend([unless_then_skip(*address, 1), answer(sockets)]),
            Prefix::V6(network) => {
                let [high, low] = [network >> 32, network & u64::from(u32::MAX)];
                let word = |half: u64| u32::try_from(half).unwrap_or_default();
                of_v6.extend([
                    load(libc::BPF_W, SOURCE_OF_V6),
                    unless_then_skip(word(high), 3),
                    load(libc::BPF_W, SOURCE_OF_V6 + 4),
                    unless_then_skip(word(low), 1),
                    answer(sockets),
                ]);
            }
        }
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
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, HASH),
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

    /// What the kernel would do with a packet from an address, by the meaning of the few
    /// instructions that are used.
    fn sent_to(program: &[sock_filter], address: IpAddr, hash: u32) -> u32 {
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
        let (mut at, mut loaded) = (0, 0_u32);
        loop {
            let one = program[at];
            at += 1;
            let place = one.k.wrapping_sub(NETWORK) as usize;
            match u32::from(one.code) {
                0x20 if one.k == HASH => loaded = hash,
                0x20 => {
                    let word = header[place..place + 4].try_into().expect("four bytes");
                    loaded = u32::from_be_bytes(word);
                }
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
        for sockets in [1, 3] {
            let program = program(&familiar, sockets);
            for text in texts.into_iter().chain(["2001:db8:1:2:7::8"]) {
                assert_eq!(sent_to(&program, address(text), 5), sockets, "{text}");
            }
            for text in ["192.0.2.2", "2001:db8:1:4::9", "2001:db9:1:2::9", "127.0.0.1", "::1"] {
                for hash in 0..7 {
                    assert_eq!(sent_to(&program, address(text), hash), hash % sockets, "{text}");
                }
            }
        }
    }

    #[test]
    fn however_many_there_are_the_program_is_one_that_the_kernel_takes() {
        let familiar: Vec<Prefix> = (0..10_000_u64).map(|nth| Prefix::V6(nth << 20)).collect();
        let long = program(&familiar, 1);
        assert!(long.len() <= libc::BPF_MAXINSNS as usize, "{} instructions", long.len());
        assert_eq!(program(&[], 1).len(), 9);
    }
}

//! The table in the kernel: what it holds, as messages. As `nft list table inet fulmar` shows it:
//!
//! ```text
//! set denied4 { type ipv4_addr; size 32768; flags timeout; counter; }
//! set denied6 { type ipv6_addr; size 32768; flags timeout; counter; }
//! counter dropped { }
//! chain prerouting { type filter hook prerouting priority -450; policy accept;
//!     tcp dport 443 ip saddr @denied4 fib daddr type local counter name dropped drop
//!     tcp dport 443 ip6 saddr & ffff:ffff:ffff:ffff:: @denied6 fib daddr type local ... drop
//! }
//! chain entrance { type filter hook ingress devices = { eth0 } priority -500; policy accept;
//!     tcp dport 443 ip daddr @own4 ip saddr @denied4 counter name dropped drop
//!     ...
//! }
//! ```
//!
//! The entrance is the cheapest place there is in nftables, but stands only at interfaces that are
//! named, and knows no routing; `prerouting` catches whatever it misses, before the kernel follows
//! connections. A rule for each listening address, so that nothing is dropped that is not for this
//! server: not what other programs serve, and not what this machine passes on for others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::machine::{Machine, ip};
use super::netlink::{APPEND, Attributes, CREATE, DUMP, Failed, Netlink, Writer, number_64_be};
use super::{Counter, Entry, Listed, Why};
use crate::limits::kernel as limits;

/// `NFT_MSG_*`.
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const DELETE_CHAIN: u16 = 5;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENTS: u16 = 12;
const GET_ELEMENTS: u16 = 13;
const DELETE_ELEMENTS: u16 = 14;
const NEW_OBJECT: u16 = 18;
const GET_OBJECT: u16 = 19;

/// `NFTA_LIST_ELEM`.
const ITEM: u16 = 1;
/// The first register of an expression.
const REGISTER: u32 = 1;
/// `NFT_OBJECT_COUNTER`.
const COUNTER: u32 = 1;

const DROPPED: &str = "dropped";
const PREROUTING: &str = "prerouting";
const ENTRANCE: &str = "entrance";

/// An address family: its sets, and where a packet has its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Family {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    number: u8,
    /// The set of who is denied.
    denied: &'static str,
    /// The set of our own addresses.
    own: &'static str,
    /// Names of both within a transaction.
    ids: (u32, u32),
    /// How nft calls its type of key.
    key: u32,
    /// Bytes of an address.
    bytes: u32,
    /// Where the source and the destination stand in a packet.
    offsets: (u32, u32),
}

pub(super) const V4: Family = Family {
    number: 2,
    denied: "denied4",
    own: "own4",
    ids: (1, 3),
    key: 7,
    bytes: 4,
    offsets: (12, 16),
};
pub(super) const V6: Family = Family {
    number: 10,
    denied: "denied6",
    own: "own6",
    ids: (2, 4),
    key: 8,
    bytes: 16,
    offsets: (8, 24),
};

impl Family {
    pub(super) const fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { V4 } else { V6 }
    }
}

/// How a rule knows that a packet is for us.
#[derive(Clone, Copy)]
enum Ours {
    /// It is for the one address that is listened on.
    Exactly(IpAddr),
    /// It is for an address of the set of our own.
    InSet,
    /// Routing says so.
    ByRoute,
}

/// Removes the table.
pub(super) fn remove(writer: &mut Writer, table: &str) {
    writer.about(DELETE_TABLE, 0, |writer| writer.text(1, table));
}

/// Makes the table, with what does not depend on interfaces.
pub(super) fn create(writer: &mut Writer, table: &str, doors: &[SocketAddr]) {
    /// `NFT_TABLE_F_OWNER`: it goes with our socket, however this process ends, and until then
    /// nobody else changes it, also not by `flush ruleset`.
    const OWNER: u32 = 2;
    writer.about(NEW_TABLE, CREATE, |writer| {
        writer.text(1, table);
        writer.number(2, OWNER);
    });
    writer.about(NEW_OBJECT, CREATE, |writer| {
        writer.text(1, table);
        writer.text(2, DROPPED);
        writer.number(3, COUNTER);
        writer.nest(4, |_| ());
    });
    for family in [V4, V6] {
        denied_set(writer, table, family);
    }
    /// `NF_INET_PRE_ROUTING`; the priority lies before defragmentation and connection tracking.
    const HOOK: (u32, i32) = (0, -450);
    chain(writer, table, PREROUTING, HOOK, &[]);
    rules(writer, table, PREROUTING, doors, Ours::ByRoute);
}

/// Guards the entrances of the machine's interfaces.
pub(super) fn guard(writer: &mut Writer, table: &str, doors: &[SocketAddr], machine: &Machine) {
    for family in [V4, V6] {
        writer.about(NEW_SET, CREATE, |writer| {
            set_head(writer, table, (family.own, family.ids.1), family);
        });
        own_addresses(writer, table, family, machine);
    }
    /// `NF_INET_INGRESS`, before anything else there.
    const HOOK: (u32, i32) = (5, -500);
    chain(writer, table, ENTRANCE, HOOK, &machine.interfaces);
    rules(writer, table, ENTRANCE, doors, Ours::InSet);
}

/// Takes the guard from the entrances: what it needs comes new with the next.
pub(super) fn unguard(writer: &mut Writer, table: &str) {
    writer.about(DELETE_CHAIN, 0, |writer| {
        writer.text(1, table);
        writer.text(3, ENTRANCE);
    });
    for family in [V4, V6] {
        flush_set(writer, table, family.own);
    }
}

fn set_head(writer: &mut Writer, table: &str, (name, id): (&str, u32), family: Family) {
    writer.text(1, table);
    writer.text(2, name);
    writer.number(4, family.key);
    writer.number(5, family.bytes);
    writer.number(10, id);
}

fn denied_set(writer: &mut Writer, table: &str, family: Family) {
    /// `NFT_SET_TIMEOUT`.
    const TIMEOUT: u32 = 0x10;
    writer.about(NEW_SET, CREATE, |writer| {
        set_head(writer, table, (family.denied, family.ids.0), family);
        writer.number(3, TIMEOUT);
        writer.nest(9, |writer| writer.number(1, limits::ENTRIES_MAX));
        // Every entry counts what it drops.
        writer.nest(17, |writer| {
            writer.text(1, "counter");
            writer.nest(2, |_| ());
        });
    });
}

fn own_addresses(writer: &mut Writer, table: &str, family: Family, machine: &Machine) {
    let own: Vec<&IpAddr> =
        machine.addresses.iter().filter(|own| Family::of(**own) == family).collect();
    if own.is_empty() {
        return;
    }
    writer.about(NEW_ELEMENTS, CREATE, |writer| {
        writer.text(1, table);
        writer.text(2, family.own);
        writer.nest(3, |writer| {
            for address in own {
                writer.nest(ITEM, |writer| key(writer, *address));
            }
        });
    });
}

fn chain(
    writer: &mut Writer,
    table: &str,
    name: &str,
    (hook, priority): (u32, i32),
    interfaces: &[String],
) {
    writer.about(NEW_CHAIN, CREATE, |writer| {
        writer.text(1, table);
        writer.text(3, name);
        writer.nest(4, |writer| {
            writer.number(1, hook);
            writer.number(2, priority.cast_unsigned());
            if !interfaces.is_empty() {
                writer.nest(4, |writer| {
                    interfaces.iter().for_each(|interface| writer.text(1, interface));
                });
            }
        });
        // Its policy is to accept.
        writer.number(5, 1);
        writer.text(7, "filter");
    });
}

/// The rules of all doors; `wide` says how a door on every address knows what is ours.
fn rules(writer: &mut Writer, table: &str, chain: &str, doors: &[SocketAddr], wide: Ours) {
    for door in doors {
        let ours = if door.ip().is_unspecified() { wide } else { Ours::Exactly(door.ip()) };
        // A socket on every IPv6 address takes IPv4 as well.
        let takes_both = door.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        for family in [V4, V6] {
            if Family::of(door.ip()) == family || takes_both {
                rule(writer, (table, chain), door.port(), family, ours);
            }
        }
    }
}

fn rule(writer: &mut Writer, (table, chain): (&str, &str), port: u16, family: Family, ours: Ours) {
    writer.about(NEW_RULE, CREATE | APPEND, |writer| {
        writer.text(1, table);
        writer.text(2, chain);
        writer.nest(4, |writer| {
            /// `NFT_META_NFPROTO` and `NFT_META_L4PROTO`.
            const META: (u32, u32) = (15, 16);
            const TCP: u8 = 6;
            meta_is(writer, META.0, family.number);
            meta_is(writer, META.1, TCP);
            load(writer, 2, (2, 2));
            is(writer, &port.to_be_bytes());
            let (source, destination) = family.offsets;
            if let Ours::Exactly(address) = ours {
                load(writer, 1, (destination, family.bytes));
                with_octets(address, |octets| is(writer, octets));
            } else if let Ours::InSet = ours {
                load(writer, 1, (destination, family.bytes));
                is_in(writer, family.own);
            }
            load(writer, 1, (source, family.bytes));
            if family == V6 {
                keep_prefix(writer);
            }
            is_in(writer, family.denied);
            if let Ours::ByRoute = ours {
                is_for_us(writer);
            }
            drop_it(writer);
        });
    });
}

fn expression(writer: &mut Writer, name: &str, fill: impl FnOnce(&mut Writer)) {
    writer.nest(ITEM, |writer| {
        writer.text(1, name);
        writer.nest(2, fill);
    });
}

fn value(writer: &mut Writer, kind: u16, bytes: &[u8]) {
    writer.nest(kind, |writer| writer.attribute(1, bytes));
}

fn is(writer: &mut Writer, bytes: &[u8]) {
    expression(writer, "cmp", |writer| {
        writer.number(1, REGISTER);
        writer.number(2, 0);
        value(writer, 3, bytes);
    });
}

fn meta_is(writer: &mut Writer, what: u32, byte: u8) {
    expression(writer, "meta", |writer| {
        writer.number(2, what);
        writer.number(1, REGISTER);
    });
    is(writer, &[byte]);
}

/// Loads bytes of the network header (1) or the transport header (2): from where, and how many.
fn load(writer: &mut Writer, header: u32, (from, bytes): (u32, u32)) {
    expression(writer, "payload", |writer| {
        writer.number(1, REGISTER);
        writer.number(2, header);
        writer.number(3, from);
        writer.number(4, bytes);
    });
}

/// Keeps the first half of an IPv6 address: the network that somebody has.
fn keep_prefix(writer: &mut Writer) {
    let mask = (u128::MAX << 64).to_be_bytes();
    expression(writer, "bitwise", |writer| {
        writer.number(1, REGISTER);
        writer.number(2, REGISTER);
        writer.number(3, 16);
        value(writer, 4, &mask);
        value(writer, 5, &[0; 16]);
    });
}

fn is_in(writer: &mut Writer, set: &str) {
    expression(writer, "lookup", |writer| {
        writer.text(1, set);
        writer.number(2, REGISTER);
    });
}

fn is_for_us(writer: &mut Writer) {
    /// `NFT_FIB_RESULT_ADDRTYPE`, asked of the destination (`NFTA_FIB_F_DADDR`), and `RTN_LOCAL`.
    const FIB: (u32, u32, u32) = (3, 2, 2);
    expression(writer, "fib", |writer| {
        writer.number(1, REGISTER);
        writer.number(2, FIB.0);
        writer.number(3, FIB.1);
    });
    is(writer, &FIB.2.to_ne_bytes());
}

fn drop_it(writer: &mut Writer) {
    expression(writer, "objref", |writer| {
        writer.number(1, COUNTER);
        writer.text(2, DROPPED);
    });
    expression(writer, "immediate", |writer| {
        writer.number(1, 0);
        // A verdict, and its code: to drop.
        writer.nest(2, |writer| writer.nest(2, |writer| writer.number(1, 0)));
    });
}

fn with_octets<R>(address: IpAddr, then: impl FnOnce(&[u8]) -> R) -> R {
    match address {
        IpAddr::V4(address) => then(&address.octets()),
        IpAddr::V6(address) => then(&address.octets()),
    }
}

fn key(writer: &mut Writer, address: IpAddr) {
    with_octets(address, |octets| value(writer, 1, octets));
}

/// Adds entries of one family.
pub(super) fn add(writer: &mut Writer, table: &str, family: Family, entries: &[Entry]) {
    writer.about(NEW_ELEMENTS, CREATE, |writer| {
        writer.text(1, table);
        writer.text(2, family.denied);
        writer.nest(3, |writer| {
            for entry in entries {
                writer.nest(ITEM, |writer| {
                    key(writer, entry.address);
                    writer.attribute(4, &entry.lasts_ms.to_be_bytes());
                    writer.attribute(6, &comment(entry.why));
                });
            }
        });
    });
}

/// A comment as nft writes and shows it: its type, its length, and text that ends with a zero.
fn comment(why: Why) -> Vec<u8> {
    let code = why.code().as_bytes();
    let length = u8::try_from(code.len() + 1).unwrap_or(u8::MAX);
    [&[0, length], code, &[0]].concat()
}

/// Takes one entry out.
pub(super) fn take(writer: &mut Writer, table: &str, address: IpAddr) {
    writer.about(DELETE_ELEMENTS, 0, |writer| {
        writer.text(1, table);
        writer.text(2, Family::of(address).denied);
        writer.nest(3, |writer| writer.nest(ITEM, |writer| key(writer, address)));
    });
}

/// Takes all entries out.
pub(super) fn flush(writer: &mut Writer, table: &str) {
    flush_set(writer, table, V4.denied);
    flush_set(writer, table, V6.denied);
}

fn flush_set(writer: &mut Writer, table: &str, set: &str) {
    writer.about(DELETE_ELEMENTS, 0, |writer| {
        writer.text(1, table);
        writer.text(2, set);
    });
}

/// All entries of one family; and whether they are of one moment.
pub(super) fn list(
    netlink: &mut Netlink,
    table: &str,
    family: Family,
) -> Result<(Vec<Listed>, bool), Failed> {
    let mut found = Vec::new();
    let is_whole = netlink.ask(
        |writer| {
            writer.about(GET_ELEMENTS, DUMP, |writer| {
                writer.text(1, table);
                writer.text(2, family.denied);
            });
        },
        |body| {
            let attributes = Attributes(body.get(4..).unwrap_or_default());
            found.extend(attributes.inside(3).filter_map(|(_, entry)| listed(&Attributes(entry))));
        },
    )?;
    Ok((found, is_whole))
}

fn listed(entry: &Attributes<'_>) -> Option<Listed> {
    let counter = entry.inside(7).inside(2);
    let comment = entry.get(6).and_then(|comment| comment.get(2..)).unwrap_or_default();
    Some(Listed {
        address: ip(entry.inside(1).get(1)?)?,
        lasts_ms: entry.get(4).and_then(number_64_be).unwrap_or(0),
        left_ms: entry.get(5).and_then(number_64_be).unwrap_or(0),
        why: Why::of(comment.strip_suffix(&[0]).unwrap_or(comment)),
        dropped: counted(&counter),
    })
}

fn counted(counter: &Attributes<'_>) -> Counter {
    let figure = |kind| counter.get(kind).and_then(number_64_be).unwrap_or(0);
    Counter { packets: figure(2), bytes: figure(1) }
}

/// What all entries together have dropped, those that are gone as well.
pub(super) fn dropped(netlink: &mut Netlink, table: &str) -> Result<Counter, Failed> {
    let mut found = Counter::default();
    netlink.ask(
        |writer| {
            writer.about(GET_OBJECT, 0, |writer| {
                writer.text(1, table);
                writer.text(2, DROPPED);
                writer.number(3, COUNTER);
            });
        },
        |body| {
            let attributes = Attributes(body.get(4..).unwrap_or_default());
            found = counted(&attributes.inside(4));
        },
    )?;
    Ok(found)
}

/// An entry's address as the sets have it: IPv6 by its /64.
pub(super) fn stored(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & (u128::MAX << 64)).into(),
    }
}

/// No entry stands for every address.
pub(super) fn is_an_address(address: IpAddr) -> bool {
    address != IpAddr::V4(Ipv4Addr::UNSPECIFIED) && !address.is_multicast()
}

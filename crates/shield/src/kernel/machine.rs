//! Which interfaces and addresses this machine has. The rule at an interface's entrance asks
//! whether a packet is for us before routing has said so, and so needs them; what is not known here
//! is dropped a little later. Link-local addresses are left out, and with them the interfaces that
//! have no other: those of containers, which come and go by the hundred.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{Attributes, DUMP, Failed, Netlink, number_32};
use crate::limits::kernel as limits;

/// `RTM_GETLINK`, and the length of what its answers begin with (`struct ifinfomsg`).
const GET_LINKS: (u16, usize) = (18, 16);
/// `IFLA_IFNAME`.
const NAME: u16 = 3;
/// `RTM_GETADDR`, and the length of what its answers begin with (`struct ifaddrmsg`).
const GET_ADDRESSES: (u16, usize) = (22, 8);
/// `IFA_ADDRESS`, and `IFA_LOCAL`, which is the own one where there are two.
const ADDRESS: (u16, u16) = (1, 2);

/// What the machine has.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    /// Names of the interfaces that have an address.
    pub interfaces: Vec<String>,
    /// Their addresses.
    pub addresses: Vec<IpAddr>,
}

/// Looks.
pub(super) fn look() -> Result<Machine, Failed> {
    let mut route = Netlink::open(libc::NETLINK_ROUTE)?;
    let mut names = BTreeMap::new();
    let (get, fixed) = GET_LINKS;
    route.ask(
        |writer| writer.message(get, DUMP, &[0; 16], |_| ()),
        |body| names.extend(interface(body, fixed)),
    )?;
    let mut found = Machine::default();
    let (get, fixed) = GET_ADDRESSES;
    route.ask(
        |writer| writer.message(get, DUMP, &[0; 8], |_| ()),
        |body| {
            let Some((index, address)) = address(body, fixed) else { return };
            let name = names.get(&index).filter(|_| !is_of_the_link(address));
            if let Some(name) = name {
                found.interfaces.push(name.clone());
                found.addresses.push(address);
            }
        },
    )?;
    found.interfaces.sort();
    found.interfaces.dedup();
    found.interfaces.truncate(limits::INTERFACES_MAX);
    found.addresses.sort();
    found.addresses.dedup();
    found.addresses.truncate(limits::ADDRESSES_MAX);
    Ok(found)
}

fn interface(body: &[u8], fixed: usize) -> Option<(u32, String)> {
    let index = number_32(body.get(4..)?)?;
    let name = Attributes(body.get(fixed..)?).get(NAME)?;
    let name = name.strip_suffix(&[0]).unwrap_or(name);
    Some((index, String::from_utf8(name.to_vec()).ok()?))
}

fn address(body: &[u8], fixed: usize) -> Option<(u32, IpAddr)> {
    let index = number_32(body.get(4..)?)?;
    let attributes = Attributes(body.get(fixed..)?);
    let value = attributes.get(ADDRESS.1).or_else(|| attributes.get(ADDRESS.0))?;
    Some((index, ip(value)?))
}

/// An address of four or sixteen bytes.
pub(super) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
        _ => None,
    }
}

fn is_of_the_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

//! The deny set: addresses whose packets the kernel drops before anything of ours sees them. A
//! table of our own in nftables, spoken to by netlink; needs the capability `CAP_NET_ADMIN` and a
//! kernel from 5.12 on, and says clearly what is missing where it cannot be had.
//!
//! What it promises:
//! - only what is sent to this server's own addresses and ports is dropped, so a host whose address
//!   is denied still gets in by SSH and can take it out;
//! - every entry ends by itself;
//! - the table belongs to our socket: it is gone when this process is, however that ends, and
//!   nobody else's table is touched;
//! - no network that the host names is ever in it.
//!
//! Leaves to `decide` who is denied (never an address that served a member within a day), and to
//! the caller when: every call here asks the kernel and waits for it, so tasks call from threads
//! that may wait.

mod machine;
mod netlink;
mod table;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use parking_lot::Mutex;

use crate::decide::Denial;
use crate::limits::kernel as limits;
use machine::Machine;
use netlink::{Failed, Netlink};
use table::Family;

/// The table's name; with a port behind it where another server has taken that.
pub const TABLE: &str = "fulmar";

/// What is guarded, and against whom never.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The addresses that the server listens on.
    pub doors: Vec<SocketAddr>,
    /// Networks of which nobody is denied.
    pub never: Vec<IpNet>,
}

/// Why there is no deny set, or a step did not happen.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// There is no nftables to be reached.
    #[error("the kernel offers no nftables here")]
    Unsupported(#[source] io::Error),
    /// The capability is missing.
    #[error("CAP_NET_ADMIN is missing")]
    NotPermitted,
    /// It would leave a table behind if we were killed.
    #[error("the kernel is older than 5.12, and would keep the table if this server were killed")]
    TooOld,
    /// Others have our names.
    #[error("other programs hold the table {TABLE}")]
    Held,
    /// The address is in a network that is never denied.
    #[error("it is in a network that is never denied")]
    Spared,
    /// No single address of somebody.
    #[error("this is no address that somebody could have")]
    NoAddress,
    /// The kernel refused.
    #[error("the kernel refused to {what}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

/// Why an address is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It went on as a suspect.
    Offender,
    /// An operator said so.
    Operator,
    /// Nobody knows: another version wrote it.
    Unknown,
}

impl Why {
    /// Its word, which is stable; also the entry's comment in the kernel.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Offender => "offender",
            Self::Operator => "operator",
            Self::Unknown => "unknown",
        }
    }

    fn of(code: &[u8]) -> Self {
        let known = [Self::Offender, Self::Operator];
        known.into_iter().find(|why| why.code().as_bytes() == code).unwrap_or(Self::Unknown)
    }
}

/// An address to be denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which; an IPv6 one stands for its /64.
    pub address: IpAddr,
    /// For how long.
    pub lasts_ms: u64,
    /// Why.
    pub why: Why,
}

impl Entry {
    /// What `decide` wants denied, a moment shorter than there.
    #[must_use]
    pub fn of(denial: Denial) -> Self {
        let lasts_ms = u64::from(denial.seconds.min(limits::DENIED_S_MAX)) * 1_000;
        let lasts_ms = lasts_ms.saturating_sub(limits::SHORTER_MS).max(limits::SHORTER_MS);
        Self { address: denial.address, lasts_ms, why: Why::Offender }
    }

    /// What an operator wants denied.
    #[must_use]
    pub fn by_operator(address: IpAddr, seconds: u32) -> Self {
        let seconds = seconds.clamp(1, limits::DENIED_S_MAX);
        Self { address, lasts_ms: u64::from(seconds) * 1_000, why: Why::Operator }
    }
}

/// What the kernel counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// An entry as it is in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Who; an IPv6 network by its first address.
    pub address: IpAddr,
    /// For how long it was made.
    pub lasts_ms: u64,
    /// How long it still lasts.
    pub left_ms: u64,
    /// Why.
    pub why: Why,
    /// What it has dropped.
    pub dropped: Counter,
}

/// What became of entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// In the set now.
    pub denied: usize,
    /// Of networks that are never denied.
    pub spared: usize,
    /// No room was left for them.
    pub full: usize,
}

/// Whether this process could open a set; changes nothing.
///
/// # Errors
/// What is missing.
pub fn probe() -> Result<(), KernelError> {
    let part = libc::NETLINK_NETFILTER;
    let mut netlink = Netlink::open(part).map_err(KernelError::Unsupported)?;
    match table::dropped(&mut netlink, TABLE) {
        Ok(_) => Ok(()),
        Err(failed) if failed.code() == libc::ENOENT => Ok(()),
        Err(failed) => Err(refused("answer", failed)),
    }
}

/// The set in the kernel. Dropped, it is gone there too.
pub struct DenySet {
    table: String,
    options: Options,
    desk: Mutex<Desk>,
}

struct Desk {
    netlink: Netlink,
    machine: Machine,
    at_entrance: bool,
}

impl DenySet {
    /// Makes the table, empty, in the place of one that was left behind.
    ///
    /// # Errors
    /// What is missing.
    pub fn open(mut options: Options) -> Result<Self, KernelError> {
        options.doors.truncate(limits::DOORS_MAX);
        let part = libc::NETLINK_NETFILTER;
        let mut netlink = Netlink::open(part).map_err(KernelError::Unsupported)?;
        let table = free_name(&mut netlink, &options.doors)?;
        let made = netlink.transact(|writer| table::create(writer, &table, &options.doors));
        made.map_err(|failed| match (failed.at, failed.code()) {
            (1, libc::EINVAL | libc::EOPNOTSUPP) => KernelError::TooOld,
            _ => refused("make its table", failed),
        })?;
        let desk = Desk { netlink, machine: Machine::default(), at_entrance: false };
        let set = Self { table, options, desk: Mutex::new(desk) };
        set.look_again();
        Ok(set)
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Whether packets are dropped at the entrance of interfaces, and not only before routing.
    #[must_use]
    pub fn at_entrance(&self) -> bool {
        self.desk.lock().at_entrance
    }

    /// Looks for interfaces and addresses that came or went, and guards those that there are.
    pub fn look_again(&self) {
        let mut desk = self.desk.lock();
        let machine = match machine::look() {
            Ok(machine) => machine,
            Err(Failed { error, .. }) => {
                tracing::debug!(%error, "the machine's interfaces stay as they were known");
                return;
            }
        };
        if machine == desk.machine {
            return;
        }
        let (table, doors) = (&self.table, &self.options.doors);
        let had_one = desk.at_entrance;
        // Where the last interface has gone, the kernel may have taken the old guard away itself.
        let mut guarded = Err(io::Error::from(io::ErrorKind::NotFound).into());
        for take_old in [had_one, false] {
            guarded = desk.netlink.transact(|writer| {
                if take_old {
                    table::unguard(writer, table);
                }
                if !machine.interfaces.is_empty() {
                    table::guard(writer, table, doors, &machine);
                }
            });
            if guarded.is_ok() {
                break;
            }
        }
        desk.at_entrance = guarded.is_ok() && !machine.interfaces.is_empty();
        desk.machine = machine;
        if let Err(Failed { error, .. }) = guarded {
            tracing::info!(%error, "the kernel drops before routing, and not at the entrance");
        }
    }

    /// Whether an entry for this address would deny somebody of a network that is never denied.
    #[must_use]
    pub fn is_spared(&self, address: IpAddr) -> bool {
        let stored = table::stored(address);
        let bits = if stored.is_ipv4() { 32 } else { 64 };
        let Ok(entry) = IpNet::new(stored, bits) else { return true };
        let never = &self.options.never;
        never.iter().any(|network| network.contains(&entry) || entry.contains(network))
    }

    /// Denies these addresses.
    ///
    /// # Errors
    /// What the kernel refused; what came before it is done.
    pub fn deny(&self, entries: impl IntoIterator<Item = Entry>) -> Result<Outcome, KernelError> {
        let mut outcome = Outcome::default();
        let mut batches = [(table::V4, Vec::new()), (table::V6, Vec::new())];
        for entry in entries {
            let address = table::stored(entry.address);
            if self.is_spared(address) || !table::is_an_address(address) {
                outcome.spared += 1;
            } else if let Some((_, batch)) =
                batches.iter_mut().find(|(family, _)| *family == Family::of(address))
            {
                batch.push(Entry { address, ..entry });
            }
        }
        let mut desk = self.desk.lock();
        for (family, batch) in &batches {
            for part in batch.chunks(limits::BATCH_MAX) {
                let add = |writer: &mut _| table::add(writer, &self.table, *family, part);
                match desk.netlink.transact(add) {
                    Ok(()) => outcome.denied += part.len(),
                    Err(failed) if failed.code() == libc::ENFILE => outcome.full += part.len(),
                    Err(failed) => return Err(refused("deny addresses", failed)),
                }
            }
        }
        Ok(outcome)
    }

    /// Denies one address for an operator.
    ///
    /// # Errors
    /// Why not.
    pub fn deny_one(&self, entry: Entry) -> Result<(), KernelError> {
        if !table::is_an_address(table::stored(entry.address)) {
            return Err(KernelError::NoAddress);
        }
        let outcome = self.deny([entry])?;
        let full = || io::Error::from_raw_os_error(libc::ENFILE);
        match outcome {
            Outcome { denied: 1, .. } => Ok(()),
            Outcome { full: 1, .. } => {
                Err(KernelError::Refused { what: "deny more addresses", source: full() })
            }
            _ => Err(KernelError::Spared),
        }
    }

    /// Takes an address out; answers whether it was in.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn forgive(&self, address: IpAddr) -> Result<bool, KernelError> {
        let address = table::stored(address);
        let take = |writer: &mut _| table::take(writer, &self.table, address);
        match self.desk.lock().netlink.transact(take) {
            Ok(()) => Ok(true),
            Err(failed) if failed.code() == libc::ENOENT => Ok(false),
            Err(failed) => Err(refused("forgive an address", failed)),
        }
    }

    /// Takes all addresses out.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn clear(&self) -> Result<(), KernelError> {
        let flush = |writer: &mut _| table::flush(writer, &self.table);
        let done = self.desk.lock().netlink.transact(flush);
        done.map_err(|failed| refused("forgive all addresses", failed))
    }

    /// All that are in it, by address.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn list(&self) -> Result<Vec<Listed>, KernelError> {
        const ATTEMPTS: usize = 3;
        let mut desk = self.desk.lock();
        let mut found = Vec::new();
        for family in [table::V4, table::V6] {
            let mut part = Vec::new();
            for _ in 0..ATTEMPTS {
                let (entries, is_whole) = table::list(&mut desk.netlink, &self.table, family)
                    .map_err(|failed| refused("list addresses", failed))?;
                part = entries;
                if is_whole {
                    break;
                }
            }
            found.append(&mut part);
        }
        found.sort_by_key(|entry| entry.address);
        found.dedup_by_key(|entry| entry.address);
        Ok(found)
    }

    /// What it has dropped since it was opened.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn dropped(&self) -> Result<Counter, KernelError> {
        let counted = table::dropped(&mut self.desk.lock().netlink, &self.table);
        counted.map_err(|failed| refused("count", failed))
    }
}

impl Drop for DenySet {
    fn drop(&mut self) {
        // The socket's end takes it away too; this way it is gone when we say so.
        let remove = |writer: &mut _| table::remove(writer, &self.table);
        let _ = self.desk.get_mut().netlink.transact(remove);
    }
}

fn refused(what: &'static str, failed: Failed) -> KernelError {
    match (failed.at, failed.code()) {
        (0, libc::EPERM) => KernelError::NotPermitted,
        _ => KernelError::Refused { what, source: failed.error },
    }
}

/// A name that is free: what is left of a table of that name is removed, unless its owner lives.
fn free_name(netlink: &mut Netlink, doors: &[SocketAddr]) -> Result<String, KernelError> {
    let port = doors.first().map_or(0, SocketAddr::port);
    for name in [TABLE.to_owned(), format!("{TABLE}_{port}")] {
        match netlink.transact(|writer| table::remove(writer, &name)) {
            Ok(()) => return Ok(name),
            Err(failed) => match (failed.at, failed.code()) {
                (1, libc::ENOENT) => return Ok(name),
                // Another server of this machine lives.
                (1, libc::EPERM) => {}
                _ => return Err(refused("clear its table", failed)),
            },
        }
    }
    Err(KernelError::Held)
}

//! How many may come in at once, and from where. Holds no socket: it hands out permits, and when
//! all are taken tells the slowest connection of whoever hoards most to close.
//!
//! Addresses are counted as one host may own them: an IPv4 address, an IPv6 /64. Memory grows with
//! connections, never with addresses seen.

use super::meter::Meter;
use super::pace::Cut;
use crate::limits;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells whether an address is known from calmer days.
pub type Familiar = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// The caps on connections, shared by all listeners of a process.
pub struct Gate {
    connections_max: usize,
    reserved: usize,
    per_address_max: usize,
    exempt: Vec<IpNet>,
    familiar: Option<Familiar>,
    held: Mutex<Held>,
    counts: Counters,
}

#[derive(Default)]
struct Held {
    total: usize,
    by_prefix: HashMap<IpAddr, Vec<Arc<Meter>>>,
    /// The same prefixes by how many they hold, so that the greatest is found at once.
    order: BTreeSet<(usize, IpAddr)>,
}

#[derive(Default)]
struct Counters {
    admitted: AtomicU64,
    refused_full: AtomicU64,
    refused_address: AtomicU64,
    cut: [AtomicU64; Cut::ALL.len()],
}

/// What the gate has done since it was made, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections open now.
    pub open: usize,
    /// Connections let in.
    pub admitted: u64,
    /// Closed at once since all were taken.
    pub refused_full: u64,
    /// Closed at once since their address had its share.
    pub refused_address: u64,
    /// Closed later, by reason, in the order of [`Cut::ALL`].
    pub cut: [u64; Cut::ALL.len()],
}

impl Counts {
    /// Connections cut for this reason.
    pub fn cut_for(&self, reason: Cut) -> u64 {
        Cut::ALL.iter().zip(self.cut).find(|(cut, _)| **cut == reason).map_or(0, |(_, n)| n)
    }
}

/// Why a newcomer is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Address,
}

/// A place in the gate, given back when dropped.
pub(crate) struct Permit {
    gate: Arc<Gate>,
    prefix: Option<IpAddr>,
    pub(crate) meter: Arc<Meter>,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate::new(limits::CONNECTIONS_MAX, limits::CONNECTIONS_PER_ADDRESS)
            .with_reserve(limits::CONNECTIONS_RESERVED, None)
    }
}

impl Gate {
    /// A gate for so many connections in all, and so many of one address.
    pub fn new(connections_max: usize, per_address_max: usize) -> Gate {
        Gate {
            connections_max,
            reserved: 0,
            per_address_max,
            exempt: Vec::new(),
            familiar: None,
            held: Mutex::default(),
            counts: Counters::default(),
        }
    }

    /// Keeps so many of all for addresses that `familiar` knows. Without it nothing is kept.
    #[must_use]
    pub fn with_reserve(mut self, reserved: usize, familiar: Option<Familiar>) -> Gate {
        self.reserved = reserved.min(self.connections_max);
        self.familiar = familiar;
        self
    }

    /// Networks without a cap per address: trusted proxies, which bring everybody's connections.
    #[must_use]
    pub fn with_exempt(mut self, networks: Vec<IpNet>) -> Gate {
        self.exempt = networks;
        self
    }

    /// What it has done and holds.
    pub fn counts(&self) -> Counts {
        let mut cut = [0; Cut::ALL.len()];
        for (shown, counted) in cut.iter_mut().zip(&self.counts.cut) {
            *shown = counted.load(Ordering::Relaxed);
        }
        Counts {
            open: self.held.lock().total,
            admitted: self.counts.admitted.load(Ordering::Relaxed),
            refused_full: self.counts.refused_full.load(Ordering::Relaxed),
            refused_address: self.counts.refused_address.load(Ordering::Relaxed),
            cut,
        }
    }

    pub(crate) fn crowded(&self) -> bool {
        self.held.lock().total >= self.connections_max.saturating_mul(3) / 4
    }

    pub(crate) fn count_cut(&self, reason: Cut) {
        for (cut, counter) in Cut::ALL.iter().zip(&self.counts.cut) {
            if *cut == reason {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Lets a connection in, or says why not.
    pub(crate) fn admit(
        self: &Arc<Gate>,
        address: IpAddr,
        meter: Arc<Meter>,
    ) -> Result<Permit, Refused> {
        let address = address.to_canonical();
        let exempt = self.exempt.iter().any(|network| network.contains(&address));
        let prefix = (!exempt).then(|| prefix(address));
        let max = match &self.familiar {
            Some(familiar) if !exempt && !familiar(address) => self.connections_max - self.reserved,
            _ => self.connections_max,
        };
        let mut held = self.held.lock();
        let own = prefix.map_or(0, |prefix| held.count(prefix));
        if prefix.is_some() && own >= self.per_address_max {
            self.counts.refused_address.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::Address);
        }
        if held.total >= max && !held.make_room(own + 1) {
            self.counts.refused_full.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::Full);
        }
        held.total += 1;
        if let Some(prefix) = prefix {
            held.add(prefix, meter.clone());
        }
        self.counts.admitted.fetch_add(1, Ordering::Relaxed);
        Ok(Permit { gate: self.clone(), prefix, meter })
    }

    /// Closes one connection of whoever holds most, if anybody holds more than one: the process
    /// is out of descriptors.
    pub(crate) fn relieve(&self) -> bool {
        self.held.lock().make_room(1)
    }
}

impl Held {
    fn count(&self, prefix: IpAddr) -> usize {
        self.by_prefix.get(&prefix).map_or(0, Vec::len)
    }

    fn add(&mut self, prefix: IpAddr, meter: Arc<Meter>) {
        let meters = self.by_prefix.entry(prefix).or_default();
        self.order.remove(&(meters.len(), prefix));
        meters.push(meter);
        self.order.insert((meters.len(), prefix));
    }

    /// Forgets a connection; `false` when it had been told to make room before.
    fn remove(&mut self, prefix: IpAddr, meter: &Arc<Meter>) -> bool {
        let Some(meters) = self.by_prefix.get_mut(&prefix) else { return false };
        let Some(at) = meters.iter().position(|held| Arc::ptr_eq(held, meter)) else {
            return false;
        };
        self.order.remove(&(meters.len(), prefix));
        meters.swap_remove(at);
        if meters.is_empty() {
            self.by_prefix.remove(&prefix);
        } else {
            self.order.insert((meters.len(), prefix));
        }
        true
    }

    /// Closes the least worth of the prefix that holds most, where that is more than `than`.
    fn make_room(&mut self, than: usize) -> bool {
        let Some((most, prefix)) = self.order.last().copied() else { return false };
        if most <= than {
            return false;
        }
        let Some(victim) = self.by_prefix.get(&prefix).and_then(|meters| {
            meters.iter().min_by_key(|meter| meter.tell(|pace, now, _| pace.worth(now))).cloned()
        }) else {
            return false;
        };
        // Its place is free at once; its permit finds it gone.
        self.remove(prefix, &victim);
        self.total = self.total.saturating_sub(1);
        victim.close(Cut::Hoarding);
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.gate.held.lock();
        let counted = self.prefix.is_none_or(|prefix| held.remove(prefix, &self.meter));
        if counted {
            held.total = held.total.saturating_sub(1);
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Gate")
            .field("connections_max", &self.connections_max)
            .field("per_address_max", &self.per_address_max)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// What one host may own: an IPv4 address, an IPv6 /64.
fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

//! Where people come from in peace, and where everybody comes from now: by wide networks, an IPv4
//! /16 or an IPv6 /32, of which a botnet of homes all over the world has many and the visitors of
//! one place have few. It is all that can be seen of a stranger before the handshake, which costs
//! more than many requests; so under pressure strangers from networks that are more common in peace
//! than now are answered first (history-based filtering, Peng 2003; PacketScore's ratio of shares).
//! Nobody is shut out by it: some turns are everybody's.
//!
//! Against who would teach it: what is learnt counts only after minutes of peace, an address
//! teaches a network little, and a network that bots made common is more common still while they
//! attack. Leaves what a place in the order is worth to `handshakes`.

use std::net::IpAddr;

use super::limits::{
    NETWORKS, NETWORKS_LEAST, NETWORKS_MEMORY_S, NETWORKS_NOW_S, NETWORKS_STAGED_S,
};

/// Shares are smoothed by this: what was never seen is not infinitely rare.
const SMOOTH: f32 = 0.000_5;

/// Counts of one network.
#[derive(Clone, Copy, Default)]
struct Count {
    peace: f32,
    staged: f32,
    now: f32,
}

/// All of them.
pub(super) struct Networks {
    counts: Box<[Count]>,
    all: Count,
    turned_s: u64,
    staged_s: u64,
}

/// The place of an address's network. IPv4 networks have one each, IPv6 networks share them.
fn place(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            usize::from(u16::from_be_bytes([first, second]))
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => place(IpAddr::V4(address)),
            None => {
                let [a, b, ..] = address.segments();
                let mixed = (u32::from(a) << 16 | u32::from(b)).wrapping_mul(0x9e37_79b1);
                usize::try_from(mixed >> 16).unwrap_or(0)
            }
        },
    }
}

impl Networks {
    /// Knows none.
    pub(super) fn new(now_s: u64) -> Self {
        let counts = vec![Count::default(); NETWORKS].into_boxed_slice();
        Self { counts, all: Count::default(), turned_s: now_s, staged_s: now_s }
    }

    /// Somebody came.
    pub(super) fn see(&mut self, address: IpAddr) {
        if let Some(count) = self.counts.get_mut(place(address)) {
            count.now += 1.0;
            self.all.now += 1.0;
        }
    }

    /// Somebody was served in peace.
    pub(super) fn learn(&mut self, address: IpAddr) {
        if let Some(count) = self.counts.get_mut(place(address)) {
            // The hundredth of a network teaches a tenth of what the first did.
            let weight = 1.0 / (1.0 + count.staged).sqrt();
            count.staged += weight;
            self.all.staged += weight;
        }
    }

    /// The logarithm of the network's share in peace to its share now; 0 says nothing.
    pub(super) fn merit(&self, address: IpAddr) -> f32 {
        let Some(count) = self.counts.get(place(address)) else { return 0.0 };
        if self.all.peace < NETWORKS_LEAST || self.all.now < 1.0 {
            return 0.0;
        }
        let peace = count.peace / self.all.peace + SMOOTH;
        let now = count.now / self.all.now + SMOOTH;
        (peace / now).ln()
    }

    /// Lets time pass; what was learnt under pressure, or shortly before, is forgotten.
    pub(super) fn turn(&mut self, now_s: u64, pressed: bool) {
        if now_s.saturating_sub(self.turned_s) >= NETWORKS_NOW_S {
            self.turned_s = now_s;
            // Of an idle server no table is touched.
            if self.all.now > 0.0 {
                self.each(|count| count.now = faded(count.now));
            }
        }
        let staged_s = now_s.saturating_sub(self.staged_s);
        if pressed {
            if self.all.staged > 0.0 {
                self.each(|count| count.staged = 0.0);
            }
            self.staged_s = now_s;
        } else if staged_s >= NETWORKS_STAGED_S {
            self.staged_s = now_s;
            if self.all.staged + self.all.peace == 0.0 {
                return;
            }
            let kept = kept(staged_s);
            self.each(|count| count.peace = count.peace * kept + std::mem::take(&mut count.staged));
        }
    }

    fn each(&mut self, mut change: impl FnMut(&mut Count)) {
        self.counts.iter_mut().for_each(&mut change);
        change(&mut self.all);
    }

    /// What was learnt in peace, as bytes.
    pub(super) fn save(&self) -> Vec<u8> {
        let learnt = |count: &Count| count.peace + count.staged;
        let mut bytes = Vec::new();
        for (place, count) in (0_u32..).zip(&self.counts).filter(|(_, it)| learnt(it) > 0.0) {
            bytes.extend(place.to_le_bytes());
            bytes.extend(learnt(count).to_le_bytes());
        }
        bytes
    }

    /// Takes in what was saved so long ago; what is not such bytes is left out.
    pub(super) fn load(&mut self, bytes: &[u8], age_s: u64) {
        let kept = kept(age_s);
        for [a, b, c, d, e, f, g, h] in bytes.as_chunks::<8>().0 {
            let place = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d]));
            let value = f32::from_le_bytes([*e, *f, *g, *h]);
            if !value.is_finite() || value <= 0.0 {
                continue;
            }
            if let Some(count) = place.ok().and_then(|place| self.counts.get_mut(place)) {
                count.peace += value * kept;
                self.all.peace += value * kept;
            }
        }
    }
}

/// Half, and nothing instead of next to nothing.
fn faded(now: f32) -> f32 {
    if now < 0.01 { 0.0 } else { now * 0.5 }
}

/// The part of what was learnt that is left after so long.
fn kept(age_s: u64) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "seconds of a server's life")]
    let age_s = age_s as f32;
    (-age_s / NETWORKS_MEMORY_S).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(network: u8, host: u8) -> IpAddr {
        IpAddr::from([198, network, 7, host])
    }

    /// A place whose visitors come from four networks.
    fn learnt() -> Networks {
        let mut networks = Networks::new(0);
        for visit in 0..200_u8 {
            networks.see(home(visit % 4, visit));
            networks.learn(home(visit % 4, visit));
        }
        networks.turn(NETWORKS_STAGED_S, false);
        networks
    }

    /// The botnet comes from two hundred networks, people's own among them.
    fn attack(networks: &mut Networks) {
        for bot in 0..20_000_u16 {
            let network = u8::try_from(bot % 200).expect("below 200");
            networks.see(home(network, 9));
            if bot % 50 == 0 {
                networks.see(home(u8::try_from(bot / 50 % 4).expect("below 4"), 1));
            }
        }
    }

    #[test]
    fn who_comes_from_where_people_come_from_goes_first() {
        let mut networks = learnt();
        attack(&mut networks);
        for people in 0..4 {
            for bots in 4..200 {
                let [people, bots] = [people, bots].map(|network| networks.merit(home(network, 1)));
                assert!(people > 1.0 && bots < -1.0, "{people} {bots}");
            }
        }
        assert!(networks.merit(IpAddr::from([203, 0, 113, 1])) > networks.merit(home(9, 1)));
    }

    #[test]
    fn a_network_that_bots_made_common_is_more_common_still_while_they_attack() {
        let mut networks = Networks::new(0);
        for visit in 0..200_u8 {
            networks.learn(home(visit % 4, visit));
            // Twice as many visits as people's, all from one network.
            networks.learn(home(99, visit));
            networks.learn(home(99, visit));
        }
        networks.turn(NETWORKS_STAGED_S, false);
        (0..5_000).for_each(|_| networks.see(home(99, 3)));
        (0..100_u8).for_each(|visit| networks.see(home(visit % 4, visit)));
        assert!(networks.merit(home(99, 3)) < 0.0 && networks.merit(home(2, 1)) > 0.0);
    }

    #[test]
    fn what_comes_shortly_before_pressure_teaches_nothing() {
        let mut networks = learnt();
        let before = networks.merit(home(99, 1));
        (0..500).for_each(|_| networks.learn(home(99, 1)));
        let soon = 2 * NETWORKS_STAGED_S - 1;
        networks.turn(soon, true);
        networks.turn(soon + NETWORKS_STAGED_S, false);
        assert!(networks.merit(home(99, 1)) <= before);
    }

    #[test]
    fn nothing_is_said_before_there_is_something_to_compare_with() {
        let mut networks = Networks::new(0);
        attack(&mut networks);
        assert!(networks.merit(home(1, 1)).abs() < f32::EPSILON);
    }

    #[test]
    fn what_was_learnt_is_kept_and_fades() {
        let bytes = learnt().save();
        for (age_s, least) in [(0, 1.0), (5 * 86_400, 1.0)] {
            let mut networks = Networks::new(0);
            networks.load(&bytes, age_s);
            attack(&mut networks);
            assert!(networks.merit(home(1, 1)) > least, "after {age_s} s");
        }
        let mut networks = Networks::new(0);
        networks.load(&[0xff; 8 * 64 + 3], 0);
        assert!(networks.all.peace.abs() < f32::EPSILON, "nonsense is left out");
    }

    #[test]
    fn every_network_of_ipv4_has_its_place_and_mapped_addresses_the_same() {
        let mapped = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(place(mapped("::ffff:198.51.100.7")), place(IpAddr::from([198, 51, 0, 1])));
        assert_ne!(place(IpAddr::from([198, 51, 0, 1])), place(IpAddr::from([198, 52, 0, 1])));
        assert_eq!(place(mapped("2001:db8::1")), place(mapped("2001:db8:ffff::9")));
        assert_ne!(place(mapped("2001:db8::1")), place(mapped("2001:db9::1")));
        assert!(place(mapped("ffff:ffff::1")) < NETWORKS);
    }
}

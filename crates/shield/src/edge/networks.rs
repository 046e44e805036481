//! Where people come from in peace, and where everybody comes from now: by wide networks, an IPv4
//! /16 or an IPv6 /32, of which a botnet of homes all over the world has many and the visitors of
//! one place have few. It is all that can be seen of a stranger before the handshake, which costs
//! more than many requests; so under pressure strangers from networks that are more common in peace
//! than now are answered first (history-based filtering, Peng 2003; PacketScore's ratio of shares).
//! Nobody is shut out by it: some turns are everybody's.
//!
//! Against who would teach it: only who was served a request teaches, an address once a day, and a
//! network's hundredth little; what is learnt counts only after minutes of peace, also over a
//! restart; and a network that bots made common is more common still while they attack. Leaves what
//! a place in the order is worth to `handshakes`.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;

use super::limits::{
    FAMILIAR_MAX, HOME_SHARE, HOMES_MAX, NETWORKS, NETWORKS_LEAST, NETWORKS_MEMORY_S,
    NETWORKS_NOW_S, NETWORKS_STAGED_S, NETWORKS_TAUGHT_S,
};
use super::seats::Prefix;
use crate::decide::sketch::Filter;

/// How what is saved begins: the format, then the time, then each network.
const MAGIC: &[u8; 8] = b"network\x01";

/// Shares are smoothed by this: what was never seen is not infinitely rare.
const SMOOTH: f32 = 0.000_5;

/// Counts of one network.
#[derive(Clone, Copy, Default)]
struct Count {
    peace: f32,
    staged: f32,
    now: f32,
}

/// A wide network by name: the first 16 bits of an IPv4 address, or the first 32 of an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wide {
    V4(u16),
    V6(u32),
}

/// All of them.
pub(super) struct Networks {
    counts: Box<[Count]>,
    /// Of the IPv6 networks that share a place, the one that people came from last; 0 is none.
    latest_v6: Box<[u32]>,
    /// How often what is known of peace has changed.
    version: u64,
    all: Count,
    turned_s: u64,
    staged_s: u64,
    /// Who taught since then.
    taught: Filter,
    taught_s: u64,
    key: RandomState,
}

/// The place of an address's network. IPv4 networks have one each, IPv6 networks share them.
fn place(address: IpAddr) -> usize {
    match Wide::of(address) {
        Wide::V4(wide) => usize::from(wide),
        Wide::V6(wide) => usize::try_from(wide.wrapping_mul(0x9e37_79b1) >> 16).unwrap_or(0),
    }
}

impl Wide {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => {
                let [first, second, ..] = address.octets();
                Self::V4(u16::from_be_bytes([first, second]))
            }
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => Self::of(IpAddr::V4(address)),
                None => {
                    let [a, b, ..] = address.segments();
                    Self::V6((u32::from(a) << 16) | u32::from(b))
                }
            },
        }
    }
}

impl Networks {
    /// Knows none.
    pub(super) fn new(now_s: u64) -> Self {
        let counts = vec![Count::default(); NETWORKS].into_boxed_slice();
        Self {
            counts,
            latest_v6: vec![0; NETWORKS].into_boxed_slice(),
            version: 0,
            all: Count::default(),
            turned_s: now_s,
            staged_s: now_s,
            taught: Filter::new(FAMILIAR_MAX),
            taught_s: now_s,
            key: RandomState::new(),
        }
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
        let hash = self.key.hash_one(Prefix::of(address));
        if self.taught.contains(hash) {
            return;
        }
        self.taught.insert(hash);
        if let Some(count) = self.counts.get_mut(place(address)) {
            // The hundredth of a network teaches a tenth of what the first did.
            let weight = 1.0 / (1.0 + count.staged).sqrt();
            count.staged += weight;
            self.all.staged += weight;
        }
        if let (Wide::V6(wide), Some(latest)) =
            (Wide::of(address), self.latest_v6.get_mut(place(address)))
        {
            *latest = wide;
        }
    }

    /// The networks that people come from most in peace, the most common first, and which version
    /// of them it is; None where it is still this one. None of them below a thousandth of all, and
    /// none at all before enough is known.
    pub(super) fn homes(&self, version: u64) -> Option<(u64, Vec<Wide>)> {
        if version == self.version {
            return None;
        }
        let least = (self.all.peace * HOME_SHARE).max(f32::MIN_POSITIVE);
        let mut most: Vec<_> = (0_u16..=u16::MAX)
            .zip(self.counts.iter().zip(&self.latest_v6))
            .filter(|(_, (count, _))| count.peace >= least && self.all.peace >= NETWORKS_LEAST)
            .collect();
        most.sort_unstable_by(|one, other| other.1.0.peace.total_cmp(&one.1.0.peace));
        let names = most.into_iter().flat_map(|(place, (_, latest_v6))| {
            // One name too many only gives a network a better line.
            [Some(Wide::V4(place)), (*latest_v6 != 0).then_some(Wide::V6(*latest_v6))]
        });
        Some((self.version, names.flatten().take(HOMES_MAX).collect()))
    }

    /// The logarithm of the network's share in peace to its share now; 0 says nothing.
    pub(super) fn merit(&self, address: IpAddr) -> f32 {
        let Some(count) = self.counts.get(place(address)) else { return 0.0 };
        if !self.can_compare() || self.all.now < 1.0 {
            return 0.0;
        }
        let peace = count.peace / self.all.peace + SMOOTH;
        let now = count.now / self.all.now + SMOOTH;
        (peace / now).ln()
    }

    /// Whether enough was learnt to tell one network from another.
    pub(super) fn can_compare(&self) -> bool {
        self.all.peace >= NETWORKS_LEAST
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
        if now_s.saturating_sub(self.taught_s) >= NETWORKS_TAUGHT_S {
            self.taught_s = now_s;
            self.taught.clear();
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
            self.version += 1;
        }
    }

    fn each(&mut self, mut change: impl FnMut(&mut Count)) {
        self.counts.iter_mut().for_each(&mut change);
        change(&mut self.all);
    }

    /// What was learnt in peace, as bytes; what is not yet sure of it, as such.
    pub(super) fn save(&self, now_s: u64) -> Vec<u8> {
        let mut bytes = [&MAGIC[..], &now_s.to_le_bytes()].concat();
        let learnt = |count: &Count| count.peace + count.staged;
        for (place, count) in (0_u32..).zip(&self.counts).filter(|(_, it)| learnt(it) > 0.0) {
            let words =
                [place.to_le_bytes(), count.peace.to_le_bytes(), count.staged.to_le_bytes()];
            bytes.extend(words.as_flattened());
        }
        bytes
    }

    /// Takes in what was saved, aged by the time since then; what is not such bytes is left out.
    /// What was not sure then has to prove itself again, since nobody looked meanwhile.
    pub(super) fn load(&mut self, bytes: &[u8], now_s: u64) {
        let Some((saved_s, networks)) = saved(bytes) else { return };
        self.version += 1;
        let kept = kept(now_s.saturating_sub(saved_s));
        for (place, values) in networks {
            let [peace, staged] = values.map(|value| value * kept);
            let place = usize::try_from(place).ok();
            if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
                for count in [count, &mut self.all] {
                    count.peace += peace;
                    count.staged += staged;
                }
            }
        }
    }
}

/// Says of what was saved that it was saved so many days earlier, and that peace lasted after it:
/// for whoever makes a record of peace and wants to begin from it at once. Of what is no such bytes
/// it says nothing.
pub fn backdate(bytes: &mut Vec<u8>, days: u64) {
    let Some((saved_s, networks)) = saved(bytes) else { return };
    let saved_s = saved_s.saturating_sub(days.saturating_mul(86_400));
    let mut earlier = [&MAGIC[..], &saved_s.to_le_bytes()].concat();
    for (place, [peace, staged]) in networks {
        let words = [place.to_le_bytes(), (peace + staged).to_le_bytes(), [0; 4]];
        earlier.extend(words.as_flattened());
    }
    *bytes = earlier;
}

/// When it was saved, and the networks: where they stand, and what was sure and not yet sure of
/// them.
fn saved(bytes: &[u8]) -> Option<(u64, impl Iterator<Item = (u32, [f32; 2])>)> {
    let (saved_s, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    let networks = rest.as_chunks::<12>().0.iter().filter_map(|bytes| {
        let [place, values @ ..] = bytes.as_chunks::<4>().0 else { return None };
        let values = <[[u8; 4]; 2]>::try_from(values).ok()?.map(f32::from_le_bytes);
        let are_sound = values.iter().all(|value| value.is_finite() && *value >= 0.0);
        are_sound.then_some((u32::from_le_bytes(*place), values))
    });
    Some((u64::from_le_bytes(*saved_s), networks))
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

    #[test]
    fn the_networks_of_people_are_told_by_name_once_each_time_that_they_change() {
        let mut networks = learnt();
        let (version, homes) = networks.homes(0).expect("they have changed");
        let mut expected: Vec<Wide> = (0..4).map(|network| Wide::of(home(network, 1))).collect();
        assert!(homes.iter().all(|home| expected.contains(home)) && homes.len() == 4, "{homes:?}");
        assert_eq!(networks.homes(version), None);
        let six = |site: u16| IpAddr::from([0x2001, 0xdb8, 1, site, 3, 4, 5, 6]);
        (0..50).for_each(|site| networks.learn(six(site)));
        networks.turn(2 * NETWORKS_STAGED_S, true);
        assert_eq!(networks.homes(version), None, "it was learnt as pressure began");
        (50..100).for_each(|site| networks.learn(six(site)));
        networks.turn(4 * NETWORKS_STAGED_S, false);
        let (version, homes) = networks.homes(version).expect("they have changed");
        expected.push(Wide::V6(0x2001_0db8));
        assert!(expected.iter().all(|wide| homes.contains(wide)), "{homes:?}");
        let mut restarted = Networks::new(0);
        assert_eq!(restarted.homes(0), None);
        restarted.load(&networks.save(0), 0);
        let (_, told) = restarted.homes(0).expect("they have changed");
        assert!(expected[..4].iter().all(|wide| told.contains(wide)), "{told:?} {version}");
    }

    #[test]
    fn of_few_visits_no_network_is_told() {
        let mut networks = Networks::new(0);
        (0..10).for_each(|host| networks.learn(home(1, host)));
        networks.turn(NETWORKS_STAGED_S, false);
        assert_eq!(networks.homes(0).map(|(_, homes)| homes.len()), Some(0));
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
            // Twice as many as people, all from one network.
            networks.learn(home(99, visit));
            networks.learn(IpAddr::from([198, 99, 8, visit]));
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
        (0..500_u16).for_each(|nth| {
            let [high, low] = nth.to_be_bytes();
            networks.learn(IpAddr::from([198, 99, 8 + high, low]));
        });
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
    fn an_address_teaches_once_a_day_however_often_it_comes() {
        let mut networks = Networks::new(0);
        (0..100).for_each(|_| networks.learn(home(1, 1)));
        (1..=3).for_each(|host| networks.learn(home(2, host)));
        let staged = |networks: &Networks, network| networks.counts[place(home(network, 1))].staged;
        assert!((staged(&networks, 1) - 1.0).abs() < f32::EPSILON);
        assert!(staged(&networks, 2) > 2.0);
        networks.turn(NETWORKS_TAUGHT_S - 1, false);
        networks.learn(home(1, 1));
        assert!(staged(&networks, 1).abs() < f32::EPSILON, "a second too early");
        networks.turn(NETWORKS_TAUGHT_S, false);
        networks.learn(home(1, 1));
        assert!(staged(&networks, 1) > 0.0);
    }

    #[test]
    fn what_was_learnt_is_kept_and_fades_while_nobody_serves() {
        let bytes = learnt().save(1_000);
        let before = learnt().all.peace;
        for (age_s, left) in [(0, 1.0), (14 * 86_400, (-1.0_f32).exp())] {
            let mut networks = Networks::new(0);
            networks.load(&bytes, 1_000 + age_s);
            assert!((networks.all.peace - before * left).abs() < 0.1, "after {age_s} s");
            attack(&mut networks);
            let merit = networks.merit(home(1, 1));
            assert!(left < 1.0 || merit > 1.0, "after {age_s} s: {merit}");
        }
        for nonsense in [vec![0xff; 8 * 64 + 3], [&bytes[..16], &[0xff; 36][..]].concat(), vec![]] {
            let mut networks = Networks::new(0);
            networks.load(&nonsense, 1_000);
            assert!(networks.all.peace.abs() < f32::EPSILON, "nonsense is left out");
            let mut kept = nonsense.clone();
            backdate(&mut kept, 3);
            assert!(kept.len() <= nonsense.len());
        }
    }

    #[test]
    fn what_was_not_sure_before_a_restart_is_not_sure_after_it() {
        let mut networks = Networks::new(0);
        for visit in 0..200 {
            networks.learn(home(visit % 4, visit));
        }
        let mut bytes = networks.save(10);
        let mut networks = Networks::new(20);
        networks.load(&bytes, 20);
        assert!(networks.all.peace.abs() < f32::EPSILON && networks.all.staged > 10.0);
        networks.turn(21, true);
        networks.turn(21 + NETWORKS_STAGED_S, false);
        assert!(networks.all.peace.abs() < f32::EPSILON, "an attack followed");
        // Unless somebody says that peace followed.
        backdate(&mut bytes, 3);
        networks.load(&bytes, 20);
        assert!(networks.all.peace > 10.0 && networks.all.staged.abs() < f32::EPSILON);
        let mut fresh = Networks::new(0);
        fresh.load(&bytes, 10);
        assert!(fresh.all.peace > 10.0);
        assert_eq!(saved(&bytes).map(|(saved_s, _)| saved_s), Some(0));
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

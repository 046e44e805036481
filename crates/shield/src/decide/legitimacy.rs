//! How much a stranger looks like those who come in peace: the sum over the traits of a request of
//! log(share in peace / share now), each term bounded (PacketScore's conditional legitimate
//! probability, at the level of requests). An unknown attack needs no rule: whatever is
//! over-represented now, sinks.
//!
//! Against who poisons the profile: it is not learnt under pressure, nor from the five minutes
//! before pressure began; one network teaches less with each request of a day; it moves over 14
//! days; and a trait that bots made common in peace is still more common during their attack.

use super::facts::{Facts, TRAITS};
use super::keyed::Mixer;
use super::number::{place, real};
use super::sketch::HistoryError;
use crate::limits::decide as limits;

/// Traits that are scored: those of the wiring, the network and the route.
const SCORED: usize = TRAITS + 2;
const BINS: usize = limits::TRAIT_BINS;
/// Counts are smoothed by this share. A value unseen in peace has a little less of it than one
/// unseen now: what nobody ever sent weighs against its sender, mildly.
const SMOOTH_PEACE: f64 = 0.000_5;
const SMOOTH_NOW: f64 = 0.001;

/// Requests that share a value, or would in peace, at which it counts half.
const EVIDENCE: f64 = 8.0;

/// The bins of one request.
pub(super) type Bins = [usize; SCORED];

/// One bin: what was seen in peace, and what in this window and the one before.
#[derive(Clone, Copy, Default)]
struct Bin {
    peace: f32,
    staged: f32,
    now: f32,
    before: f32,
}

/// What strangers look like in peace, and now.
pub(super) struct Legitimacy {
    mixer: Mixer,
    bins: Box<[Bin]>,
    /// Sums of any trait's bins; all traits have the same.
    totals: Bin,
    turned_us: u64,
    staged_unix_s: u64,
}

impl Legitimacy {
    pub(super) fn new(mixer: Mixer, now_us: u64, unix_s: u64) -> Self {
        Self {
            mixer,
            bins: vec![Bin::default(); SCORED * BINS].into_boxed_slice(),
            totals: Bin::default(),
            turned_us: now_us,
            staged_unix_s: unix_s,
        }
    }

    /// Where a request's traits lie.
    pub(super) fn bins(&self, facts: &Facts, network: u64) -> Bins {
        let mut bins = [0; SCORED];
        let added = [network, u64::from(facts.route.id.0)];
        let values = facts.traits.iter().chain(&added);
        for (at, (bin, value)) in bins.iter_mut().zip(values).enumerate() {
            // The trait's number keeps equal values of different traits apart.
            let hash = self.mixer.mix(value.rotate_left(5) ^ at as u64);
            *bin = at * BINS + place(hash, BINS - 1);
        }
        bins
    }

    /// Counts a request as one of those that come now.
    pub(super) fn see(&mut self, bins: &Bins) {
        for at in bins {
            if let Some(bin) = self.bins.get_mut(*at) {
                bin.now += 1.0;
            }
        }
        self.totals.now += 1.0;
    }

    /// Learns from a request that was served in peace, with less than 1 where its network has
    /// taught much today.
    pub(super) fn learn(&mut self, bins: &Bins, weight: f32) {
        for at in bins {
            if let Some(bin) = self.bins.get_mut(*at) {
                bin.staged += weight;
            }
        }
        self.totals.staged += weight;
    }

    /// The score of a request in nats: 0 says nothing.
    pub(super) fn score(&self, bins: &Bins) -> f64 {
        let peace_all = f64::from(self.totals.peace);
        let now_all = f64::from(self.totals.now + self.totals.before);
        if peace_all < limits::PROFILE_LEAST || now_all < 1.0 {
            return 0.0;
        }
        let one = |at: &usize| {
            let Some(bin) = self.bins.get(*at) else { return 0.0 };
            let peace = f64::from(bin.peace) / peace_all + SMOOTH_PEACE;
            let now = f64::from(bin.now + bin.before) / now_all + SMOOTH_NOW;
            let term = (peace / now).ln().clamp(-limits::TRAIT_BOUND, limits::TRAIT_BOUND);
            // Few requests say little: on a quiet day everybody's own visit makes their own traits
            // more common than they ever were.
            let evidence = f64::from(bin.now + bin.before).max(peace * now_all);
            term * evidence / (evidence + EVIDENCE)
        };
        bins.iter().map(one).sum()
    }

    /// Lets time pass: what is common now fades, what was learnt joins the profile.
    pub(super) fn turn(&mut self, now_us: u64, unix_s: u64, pressed: bool) {
        if now_us.saturating_sub(self.turned_us) >= limits::TRAITS_WINDOW_US {
            self.turned_us = now_us;
            let end = |bin: &mut Bin| bin.before = std::mem::take(&mut bin.now);
            self.each(end);
        }
        let staged_s = unix_s.saturating_sub(self.staged_unix_s);
        if pressed {
            if self.totals.staged > 0.0 {
                self.each(|bin| bin.staged = 0.0);
            }
            self.staged_unix_s = unix_s;
        } else if staged_s >= limits::PROFILE_STAGED_S {
            let kept = (-real(staged_s) / limits::PROFILE_MEMORY_S).exp();
            #[expect(clippy::cast_possible_truncation, reason = "a factor from 0 to 1")]
            let kept = kept as f32;
            self.each(|bin| bin.peace = bin.peace * kept + std::mem::take(&mut bin.staged));
            self.staged_unix_s = unix_s;
        }
    }

    fn each(&mut self, mut change: impl FnMut(&mut Bin)) {
        self.bins.iter_mut().for_each(&mut change);
        change(&mut self.totals);
    }

    /// Requests that the profile rests on.
    pub(super) fn known(&self) -> f64 {
        f64::from(self.totals.peace)
    }

    /// Bytes that the profile takes once saved.
    pub(super) fn saved_bytes(&self) -> usize {
        8 + 4 * (1 + self.bins.len())
    }

    /// The profile as bytes: its sum, then its bins. What was learnt in the last minutes of peace
    /// is in it: a server that is restarted each day at noon learns from noon as well.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        let learnt = |bin: &Bin| (bin.peace + bin.staged).to_le_bytes();
        out.extend((self.bins.len() as u64).to_le_bytes());
        out.extend(learnt(&self.totals));
        self.bins.iter().for_each(|bin| out.extend(learnt(bin)));
    }

    /// Takes in what was saved, whole or not at all, aged by the time since then.
    pub(super) fn load(&mut self, bytes: &mut &[u8], age_s: u64) -> Result<(), HistoryError> {
        if super::sketch::take(bytes)? != self.bins.len() as u64 {
            return Err(HistoryError::OfAnother);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a factor from 0 to 1")]
        let kept = (-real(age_s) / limits::PROFILE_MEMORY_S).exp() as f32;
        let mut next = || -> Result<f32, HistoryError> {
            let (head, rest) = bytes.split_first_chunk().ok_or(HistoryError::Malformed)?;
            *bytes = rest;
            let value = f32::from_le_bytes(*head);
            let fine = value.is_finite() && value >= 0.0;
            if fine { Ok(value * kept) } else { Err(HistoryError::Malformed) }
        };
        let total = next()?;
        let read = (0..self.bins.len()).map(|_| next()).collect::<Result<Vec<_>, _>>()?;
        self.bins.iter_mut().zip(read).for_each(|(bin, peace)| bin.peace = peace);
        self.totals.peace = total;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Credentials, Criticality, Door, Route, RouteId, Work};
    use super::super::keyed::Key;
    use super::*;

    const MIX: u64 = 20;

    fn facts(value: u64) -> Facts {
        let route = Route {
            id: RouteId(1),
            criticality: Criticality::Usual,
            work: Work::Plain,
            door: Door::Page,
        };
        Facts {
            address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            direct: true,
            credentials: Credentials::default(),
            route,
            traits: [value; TRAITS],
        }
    }

    /// A profile of a thousand requests of twenty kinds, and of one kind for a part of them.
    fn learnt(poisoned: u64) -> (Legitimacy, u64) {
        let mut legitimacy = Legitimacy::new(Key::new([5; 16]).mixer(), 0, 0);
        for at in 0..1_000 {
            let value = if at % 100 < poisoned { 999 } else { at % MIX };
            let bins = legitimacy.bins(&facts(value), at);
            legitimacy.learn(&bins, 1.0);
        }
        let later = limits::PROFILE_STAGED_S;
        legitimacy.turn(later * 1_000_000, later, false);
        (legitimacy, later)
    }

    fn score(legitimacy: &Legitimacy, value: u64) -> f64 {
        legitimacy.score(&legitimacy.bins(&facts(value), 5_000))
    }

    #[test]
    fn what_is_over_represented_sinks_and_others_rise() {
        let (mut legitimacy, _) = learnt(0);
        for at in 0..2_000 {
            let value = if at % 20 == 0 { at / 20 % MIX } else { 7 };
            let bins = legitimacy.bins(&facts(value), at);
            legitimacy.see(&bins);
        }
        assert!(score(&legitimacy, 7) < -15.0, "{}", score(&legitimacy, 7));
        assert!(score(&legitimacy, 3) > 5.0, "{}", score(&legitimacy, 3));
    }

    #[test]
    fn on_a_quiet_day_nobody_sinks_for_being_alone() {
        let (mut legitimacy, _) = learnt(0);
        for at in 0..10 {
            let bins = legitimacy.bins(&facts(at), at);
            legitimacy.see(&bins);
        }
        assert!(score(&legitimacy, 3).abs() < 4.0, "{}", score(&legitimacy, 3));
    }

    #[test]
    fn a_third_of_the_profile_does_not_make_a_flood_look_like_people() {
        let (mut legitimacy, _) = learnt(33);
        for at in 0..2_000 {
            let value = if at % 20 == 0 { at / 20 % MIX } else { 999 };
            let bins = legitimacy.bins(&facts(value), at);
            legitimacy.see(&bins);
        }
        assert!(score(&legitimacy, 999) < -5.0, "{}", score(&legitimacy, 999));
        assert!(score(&legitimacy, 3) > score(&legitimacy, 999) + 10.0);
    }

    #[test]
    fn what_comes_before_pressure_is_not_learnt() {
        let (mut legitimacy, later) = learnt(0);
        let known = legitimacy.known();
        for at in 0..500 {
            let bins = legitimacy.bins(&facts(999), at);
            legitimacy.learn(&bins, 1.0);
        }
        let soon = later + limits::PROFILE_STAGED_S - 1;
        legitimacy.turn(soon * 1_000_000, soon, false);
        legitimacy.turn(soon * 1_000_000, soon, true);
        let much_later = soon + limits::PROFILE_STAGED_S;
        legitimacy.turn(much_later * 1_000_000, much_later, false);
        assert!(legitimacy.known() <= known);
    }
}

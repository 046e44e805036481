//! Which networks use most: space-saving (Metwally 2005) in small sets, so that an update looks at
//! eight places. For people to read; no decision asks it.

use crate::decide::number::place;

/// Places of a set.
const WAYS: usize = 8;
/// Sets: a power of two.
const SETS: usize = 32;

/// One that uses much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<L> {
    /// Which it is.
    pub label: L,
    /// What it used lately, in units of the caller; too high by what was here before it, at most.
    pub amount: u64,
}

/// A place, and the hash of who has it.
type Place<L> = Option<(u64, Entry<L>)>;

/// Those who use most.
pub struct Top<L> {
    places: Box<[Place<L>]>,
}

impl<L: Copy> Top<L> {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self { places: vec![None; SETS * WAYS].into_boxed_slice() }
    }

    /// Adds what one used. Where there is no place, the least of its set makes way and leaves its
    /// amount, so that nobody large is missed.
    pub fn add(&mut self, hash: u64, label: L, amount: u64) {
        let base = place(hash, SETS - 1) * WAYS;
        let Some(set) = self.places.get_mut(base..base + WAYS) else { return };
        if let Some((_, entry)) = set.iter_mut().flatten().find(|(key, _)| *key == hash) {
            entry.amount = entry.amount.saturating_add(amount);
            return;
        }
        let held = |place: &Place<L>| place.map_or(0, |(_, entry)| entry.amount);
        if let Some(least) = set.iter_mut().min_by_key(|place| held(place)) {
            let amount = held(least).saturating_add(amount);
            *least = Some((hash, Entry { label, amount }));
        }
    }

    /// Lets what was used before count half.
    pub fn fade(&mut self) {
        for place in &mut self.places {
            if let Some((_, entry)) = place {
                entry.amount /= 2;
            }
            *place = place.filter(|(_, entry)| entry.amount > 0);
        }
    }

    /// The largest, largest first.
    #[must_use]
    pub fn largest(&self, count: usize) -> Vec<Entry<L>> {
        let mut all: Vec<_> = self.places.iter().flatten().map(|(_, entry)| *entry).collect();
        all.sort_by_key(|entry| std::cmp::Reverse(entry.amount));
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::hash;
    use super::*;

    #[test]
    fn the_large_are_found_among_very_many_small() {
        let mut top = Top::new();
        for round in 0..50_000_u64 {
            top.add(hash(round + 10), round + 10, 1);
            top.add(hash(round % 3), round % 3, 5);
        }
        let mut found: Vec<u64> = top.largest(3).iter().map(|entry| entry.label).collect();
        found.sort_unstable();
        assert_eq!(found, [0, 1, 2]);
        assert!(top.largest(3).iter().all(|entry| entry.amount >= 83_000));
    }

    #[test]
    fn what_nobody_uses_any_more_fades_away() {
        let mut top = Top::new();
        top.add(hash(1), 1, 8);
        (0..4).for_each(|_| top.fade());
        assert!(top.largest(5).is_empty());
    }
}

//! How much each of very many keys used lately: a count-min sketch with conservative update over
//! two windows, of which the older fades while the younger fills.
//!
//! A cell carries the number of its window. It is brought up to date when it is touched, so that
//! nothing ever sweeps the table and untouched pages stay unmapped. Estimates are never too low; at
//! one key for three cells about one key in ten is read too high by about one other key's use.
//!
//! The cells of a key lie in one page of memory: the processor finds three cells of a table of
//! megabytes in little more time than it takes to find out where one page is, and a key takes one
//! page of an idle server's memory, not three.

use crate::decide::number::{place, real, small, whole, wide_part};

/// Cells of a key: an estimate is the least of them.
const CELLS: usize = 3;
/// Cells of a block: a page of 4 KiB. So many that keys fall evenly enough: those of a block are a
/// tenth more than of another, seldom a fifth.
const BLOCK: usize = 512;
/// Bits that choose one of them.
const BLOCK_BITS: u32 = BLOCK.trailing_zeros();
/// Bits of an amount in a cell; more is held at the maximum.
const AMOUNT_BITS: u32 = 24;
/// The largest amount of a window.
const AMOUNT_MAX: u32 = (1 << AMOUNT_BITS) - 1;

/// One cell, unpacked: the window it was last touched in, and what it held there and before.
#[derive(Clone, Copy)]
struct Cell {
    window: u16,
    current: u32,
    previous: u32,
}

impl Cell {
    #[inline]
    fn unpack(word: u64, window: u16) -> Self {
        let amount = |word: u64| small(word & u64::from(AMOUNT_MAX));
        let (current, previous) = (amount(word >> AMOUNT_BITS), amount(word));
        let written = small(word >> (2 * AMOUNT_BITS));
        match window.wrapping_sub(u16::try_from(written).unwrap_or(0)) {
            0 => Self { window, current, previous },
            1 => Self { window, current: 0, previous: current },
            _ => Self { window, current: 0, previous: 0 },
        }
    }

    #[inline]
    fn pack(self) -> u64 {
        u64::from(self.window) << (2 * AMOUNT_BITS)
            | u64::from(self.current) << AMOUNT_BITS
            | u64::from(self.previous)
    }
}

/// What each of very many keys used over about one window.
pub struct Meter {
    cells: Box<[u64]>,
    window_us: u64,
    /// The window that was added to last, and when it began: a request divides for none of this.
    latest: (u16, u64),
    share_a_us: f64,
    owed: [Owed; OWED],
    owed_count: usize,
}

/// What is still to be added.
#[derive(Clone, Copy, Default)]
struct Owed {
    hash: u64,
    amount: u32,
    now_us: u64,
}

/// How much may be owed: what one request of a stranger adds.
const OWED: usize = 2;

impl Meter {
    /// A sketch for about so many keys (a power of two, else the next one), fading over a window.
    #[must_use]
    pub fn new(keys: usize, window_us: u64) -> Self {
        let blocks = (keys.next_power_of_two() * CELLS).div_ceil(BLOCK);
        let cells = vec![0; blocks * BLOCK].into_boxed_slice();
        let window_us = window_us.max(1);
        let share_a_us = 1.0 / real(window_us);
        // The first window has this number: see `moment`.
        let owed = [Owed::default(); OWED];
        Self { cells, window_us, latest: (2, 0), share_a_us, owed, owed_count: 0 }
    }

    /// Adds to a key what counts from now on. Its cells are most likely far from the processor:
    /// they are asked for, and written once something else has been done, instead of waited for.
    pub fn add_soon(&mut self, hash: u64, amount: u32, now_us: u64) {
        if self.owed_count >= OWED {
            self.add_owed();
        }
        let (places, base) = self.places(hash);
        places.into_iter().filter_map(|at| self.cells.get(base + at)).for_each(fetch);
        if let Some(owed) = self.owed.get_mut(self.owed_count) {
            *owed = Owed { hash, amount, now_us };
            self.owed_count += 1;
        }
    }

    fn add_owed(&mut self) {
        let (owed, count) = (self.owed, std::mem::take(&mut self.owed_count));
        for Owed { hash, amount, now_us } in owed.into_iter().take(count) {
            self.put(hash, amount, now_us);
        }
    }

    /// Adds to a key, and answers what it has used with it.
    pub fn add(&mut self, hash: u64, amount: u32, now_us: u64) -> u32 {
        self.add_owed();
        self.put(hash, amount, now_us)
    }

    fn put(&mut self, hash: u64, amount: u32, now_us: u64) -> u32 {
        self.reach(now_us);
        let (window, fading) = self.moment(now_us);
        let (places, base) = self.places(hash);
        let Some(block) = self.cells.get_mut(base..base + BLOCK) else { return amount };
        let mut least = (AMOUNT_MAX, AMOUNT_MAX);
        for at in places {
            let cell = Cell::unpack(block.get(at).copied().unwrap_or(0), window);
            least = (least.0.min(cell.current), least.1.min(cell.previous));
        }
        let current = least.0.saturating_add(amount).min(AMOUNT_MAX);
        for word in places {
            let Some(word) = block.get_mut(word) else { continue };
            let mut cell = Cell::unpack(*word, window);
            cell.current = cell.current.max(current);
            *word = cell.pack();
        }
        faded(current, least.1, fading)
    }

    /// What a key has used.
    #[must_use]
    pub fn estimate(&self, hash: u64, now_us: u64) -> u32 {
        let (window, fading) = self.moment(now_us);
        let (places, base) = self.places(hash);
        let mut least = (AMOUNT_MAX, AMOUNT_MAX);
        for at in places {
            let cell = Cell::unpack(self.cells.get(base + at).copied().unwrap_or(0), window);
            least = (least.0.min(cell.current), least.1.min(cell.previous));
        }
        let owed = self.owed.iter().take(self.owed_count).filter(|owed| owed.hash == hash);
        let current = owed.fold(least.0, |sum, owed| sum.saturating_add(owed.amount));
        faded(current, least.1, fading)
    }

    /// Bytes of its table.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.cells)
    }

    /// The window's number, and how much of the one before still counts. Numbers start at 2: a cell
    /// never written must not pass for one of this window or the last. They come round after 65,536
    /// windows (six days of 8 s), when a cell untouched since then would count once more, for one
    /// window.
    #[inline]
    fn moment(&self, now_us: u64) -> (u16, f64) {
        let (window, began_us) = self.latest;
        // Who read the clock before another took a longer way here: it is the window's beginning.
        let now_us = now_us.max(began_us);
        let passed_us = now_us - began_us;
        if passed_us < self.window_us {
            return (window, 1.0 - real(passed_us) * self.share_a_us);
        }
        let window = (now_us / self.window_us + 2) & u64::from(u16::MAX);
        let passed = real(now_us % self.window_us) * self.share_a_us;
        (u16::try_from(window).unwrap_or(0), 1.0 - passed)
    }

    /// Remembers the window of a time.
    #[inline]
    fn reach(&mut self, now_us: u64) {
        let (_, began_us) = self.latest;
        if now_us.saturating_sub(began_us) >= self.window_us {
            let (window, _) = self.moment(now_us);
            self.latest = (window, now_us - now_us % self.window_us);
        }
    }

    /// Where a key's cells are in their block, and where that begins. The upper bits of the hash
    /// choose the block, lower ones the cells.
    #[inline]
    fn places(&self, hash: u64) -> ([usize; CELLS], usize) {
        let at = |cell: u32| place(hash >> (cell * BLOCK_BITS), BLOCK - 1);
        ([at(0), at(1), at(2)], wide_part(hash, self.cells.len() / BLOCK) * BLOCK)
    }
}

/// Asks for a cell, and goes on.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the instruction takes a pointer")]
fn fetch(cell: &u64) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: it reads nothing into the program, and the pointer is a reference's.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(cell).cast()) }
}

/// Elsewhere it is waited for.
#[cfg(not(target_arch = "x86_64"))]
fn fetch(_: &u64) {}

fn faded(current: u32, previous: u32, fading: f64) -> u32 {
    current.saturating_add(small(whole(f64::from(previous) * fading)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::hash;
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn who_read_the_clock_before_another_makes_nothing_forgotten() {
        let mut meter = Meter::new(1024, 8 * SECOND);
        meter.add(hash(1), 100, 8 * SECOND);
        assert_eq!(meter.add(hash(1), 100, 8 * SECOND - 1), 200);
        assert_eq!(meter.estimate(hash(1), 0), 200);
        assert_eq!(meter.add(hash(1), 100, 9 * SECOND), 300);
    }

    #[test]
    fn it_remembers_for_one_window_and_lets_go_over_the_next() {
        let mut meter = Meter::new(1024, 8 * SECOND);
        assert_eq!(meter.add(hash(1), 100, 0), 100);
        assert_eq!(meter.add(hash(1), 100, 7 * SECOND), 200);
        assert_eq!(meter.estimate(hash(1), 8 * SECOND), 200);
        assert_eq!(meter.estimate(hash(1), 12 * SECOND), 100);
        assert_eq!(meter.estimate(hash(1), 16 * SECOND), 0);
        assert_eq!(meter.estimate(hash(2), 0), 0);
    }

    #[test]
    fn what_is_owed_counts_at_once_and_once() {
        let mut meter = Meter::new(1024, 8 * SECOND);
        for key in 1..=5 {
            meter.add_soon(hash(key), 100, 0);
            assert!((1..=key).all(|key| meter.estimate(hash(key), 0) == 100), "{key}");
        }
        meter.add_soon(hash(5), 100, 0);
        assert_eq!(meter.estimate(hash(5), 0), 200);
        assert_eq!(meter.add(hash(5), 100, 0), 300);
        assert_eq!(meter.estimate(hash(5), 0), 300);
    }

    #[test]
    fn an_amount_beyond_its_bits_is_held_at_the_maximum() {
        let mut meter = Meter::new(64, SECOND);
        meter.add(hash(1), u32::MAX, 0);
        assert_eq!(meter.add(hash(1), u32::MAX, 0), AMOUNT_MAX);
    }

    /// As many sources as the sketch is made for, each of weight 10, and a few of them checked: the
    /// sketch may judge nobody too low and few too high.
    #[test]
    fn as_many_sources_as_cells_are_rarely_judged_too_high() {
        let sources = 1 << 16;
        let mut meter = Meter::new(sources, 8 * SECOND);
        for source in 0..sources as u64 {
            meter.add(hash(source), 10, 0);
        }
        let read = |source| meter.estimate(hash(source), 0);
        assert!((0..sources as u64).all(|source| read(source) >= 10), "never too low");
        let doubled = (0..sources as u64).filter(|source| read(*source) >= 20).count();
        assert!(doubled * 8 < sources, "{doubled} of {sources} read as twice their use");
        let tripled = (0..sources as u64).filter(|source| read(*source) >= 30).count();
        assert!(tripled * 100 < sources, "{tripled} of {sources} read as three times their use");
    }
}

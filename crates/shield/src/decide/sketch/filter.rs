//! Whether a key was seen: blocked Bloom filters, and the history of good addresses made of three.
//!
//! A key sets six bits within one cache line, so that a question costs one miss. At the number of
//! keys that a filter is made for (32 bits a key) one stranger in ten thousand passes for seen.

use thiserror::Error;

use crate::decide::number::place;
use crate::limits::decide as limits;

/// Words of a block: one cache line.
const BLOCK_WORDS: usize = 8;
/// Bits that a key sets.
const BITS: u32 = 6;
/// Bits of table for each key that it is made for.
const BITS_A_KEY: usize = 32;

/// A set that never forgets one of its keys, and seldom takes another for one of them.
pub struct Filter {
    words: Box<[u64]>,
    mask: usize,
}

impl Filter {
    /// For about so many keys.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        let blocks = (keys.max(64) * BITS_A_KEY / (BLOCK_WORDS * 64)).next_power_of_two();
        Self { words: vec![0; blocks * BLOCK_WORDS].into_boxed_slice(), mask: blocks - 1 }
    }

    /// Puts a key in.
    pub fn insert(&mut self, hash: u64) {
        let base = place(hash, self.mask) * BLOCK_WORDS;
        for (word, bit) in bits(hash) {
            if let Some(held) = self.words.get_mut(base + word) {
                *held |= bit;
            }
        }
    }

    /// Whether a key was put in.
    #[must_use]
    pub fn contains(&self, hash: u64) -> bool {
        let base = place(hash, self.mask) * BLOCK_WORDS;
        bits(hash)
            .all(|(word, bit)| self.words.get(base + word).is_some_and(|held| held & bit != 0))
    }

    /// Empties it; pages that were never written stay so.
    pub fn clear(&mut self) {
        for word in self.words.iter_mut().filter(|word| **word != 0) {
            *word = 0;
        }
    }

    /// Takes in all of another of the same size.
    fn take_in(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words).filter(|(_, more)| **more != 0)
        {
            *word |= more;
        }
    }

    /// Bytes of its table.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.words)
    }
}

/// The word of its block and the bit in it, for each bit of a key.
#[inline]
fn bits(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    // The lower bits chose the block: these come from a product that depends on all of them.
    let spread = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 10;
    (0..BITS).map(move |at| {
        let nine = spread >> (9 * at);
        (place(nine >> 6, BLOCK_WORDS - 1), 1 << (nine & 63))
    })
}

/// Why a history could not be read back.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum HistoryError {
    /// It is cut off, or of another kind or version.
    #[error("these bytes are no saved history")]
    Malformed,
    /// It was kept under another key, or in another size.
    #[error("the history was saved under another key or size")]
    OfAnother,
}

/// Addresses that were served in peace. One counts from the day after it was first seen, and for
/// one to two spans: who warms up its bots does so a day ahead, and every fortnight again.
pub struct History {
    today: Filter,
    before: [Filter; 2],
    day: u64,
    span: u64,
}

/// How much of a history is saved: see [`History::save_piece`].
#[derive(Debug, Default)]
pub struct Saved {
    /// Where it begins.
    start: usize,
    day: Option<u64>,
    filters: usize,
    words: usize,
    /// Words of the filter at hand that were saved, and where their number stands.
    held: u64,
    held_at: usize,
}

impl Saved {
    /// Nothing yet, behind so many bytes.
    #[must_use]
    pub fn from(start: usize) -> Self {
        Self { start, ..Self::default() }
    }
}

/// Days of each of the two generations.
const SPAN_DAYS: u64 = 7;

impl History {
    /// For about so many addresses, from this day on.
    #[must_use]
    pub fn new(keys: usize, day: u64) -> Self {
        let filter = || Filter::new(keys);
        Self { today: filter(), before: [filter(), filter()], day, span: day / SPAN_DAYS }
    }

    /// Notes that an address was served in peace.
    pub fn insert(&mut self, hash: u64) {
        self.today.insert(hash);
    }

    /// Whether an address was served in peace on an earlier day.
    #[must_use]
    pub fn contains(&self, hash: u64) -> bool {
        self.before.iter().any(|filter| filter.contains(hash))
    }

    /// Lets time pass: at a day's end its addresses join the others.
    pub fn turn(&mut self, day: u64) {
        if day <= self.day {
            return;
        }
        if day / SPAN_DAYS > self.span {
            let gone = day / SPAN_DAYS - self.span;
            self.before.swap(0, 1);
            self.before.iter_mut().take(if gone > 1 { 2 } else { 1 }).for_each(Filter::clear);
            self.span = day / SPAN_DAYS;
        }
        let [current, _] = &mut self.before;
        current.take_in(&self.today);
        self.today.clear();
        self.day = day;
    }

    /// Saves the next piece of its non-empty words, so that a quiet instance saves little; false
    /// once all is saved. Between two pieces the history may go on: what is new may be missing, and
    /// a day that ends has it begin anew.
    pub fn save_piece(&self, saved: &mut Saved, out: &mut Vec<u8>) -> bool {
        if saved.day != Some(self.day) {
            *saved = Saved { day: Some(self.day), ..Saved::from(saved.start) };
            out.truncate(saved.start);
            out.extend(self.day.to_le_bytes());
        }
        let Some(filter) = self.all().nth(saved.filters) else { return false };
        if saved.words == 0 {
            out.extend((filter.words.len() as u64).to_le_bytes());
            (saved.held, saved.held_at) = (0, out.len());
            out.extend(saved.held.to_le_bytes());
        }
        let rest = filter.words.iter().enumerate().skip(saved.words);
        for (at, word) in rest.take(limits::SAVED_AT_ONCE).filter(|(_, word)| **word != 0) {
            out.extend((at as u64).to_le_bytes());
            out.extend(word.to_le_bytes());
            saved.held += 1;
        }
        saved.words += limits::SAVED_AT_ONCE;
        if saved.words >= filter.words.len() {
            if let Some(held) = out.get_mut(saved.held_at..).and_then(<[u8]>::first_chunk_mut) {
                *held = saved.held.to_le_bytes();
            }
            (saved.filters, saved.words) = (saved.filters + 1, 0);
        }
        saved.filters <= self.before.len()
    }

    /// Bytes that it takes once saved, at most.
    #[must_use]
    pub fn saved_bytes_max(&self) -> usize {
        8 + self.all().map(|filter| 16 + 2 * filter.bytes()).sum::<usize>()
    }

    /// Takes in what was saved, whole or not at all.
    ///
    /// # Errors
    /// When the bytes are no history of this size.
    pub fn load(&mut self, bytes: &mut &[u8], today: u64) -> Result<(), HistoryError> {
        let day = take(bytes)?;
        let mut read = Self {
            today: self.today.alike(),
            before: self.before.each_ref().map(Filter::alike),
            day,
            span: day / SPAN_DAYS,
        };
        let Self { today: filter, before: [one, two], .. } = &mut read;
        for filter in [filter, one, two] {
            if take(bytes)? != filter.words.len() as u64 {
                return Err(HistoryError::OfAnother);
            }
            let held = take(bytes)?.min(filter.words.len() as u64);
            for _ in 0..held {
                let (at, word) = (take(bytes)?, take(bytes)?);
                let at = usize::try_from(at).map_err(|_| HistoryError::Malformed)?;
                *filter.words.get_mut(at).ok_or(HistoryError::Malformed)? = word;
            }
        }
        read.turn(today);
        *self = read;
        Ok(())
    }

    /// Bytes of its tables.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.all().map(Filter::bytes).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Filter> {
        std::iter::once(&self.today).chain(&self.before)
    }
}

impl Filter {
    fn alike(&self) -> Self {
        Self { words: vec![0; self.words.len()].into_boxed_slice(), mask: self.mask }
    }
}

/// The next number of a saved thing.
pub(in crate::decide) fn take(bytes: &mut &[u8]) -> Result<u64, HistoryError> {
    let (head, rest) = bytes.split_first_chunk().ok_or(HistoryError::Malformed)?;
    *bytes = rest;
    Ok(u64::from_le_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::super::testing::hash;
    use super::*;

    #[test]
    fn a_full_filter_holds_its_keys_and_few_others() {
        let keys = 1 << 15;
        let mut filter = Filter::new(keys);
        (0..keys as u64).for_each(|key| filter.insert(hash(key)));
        assert!((0..keys as u64).all(|key| filter.contains(hash(key))));
        let strangers = 100_000..300_000;
        let taken = strangers.clone().filter(|key| filter.contains(hash(*key))).count();
        assert!(taken < 60, "{taken} of 200,000 strangers were taken for one of the keys");
        filter.clear();
        assert!(!filter.contains(hash(1)));
    }

    #[test]
    fn an_address_counts_from_the_next_day_and_for_a_week_at_least() {
        let mut history = History::new(1024, 0);
        history.insert(hash(1));
        assert!(!history.contains(hash(1)), "seen today is no history");
        for day in 1..=6 {
            history.turn(day);
            assert!(history.contains(hash(1)), "day {day}");
        }
        history.turn(13);
        assert!(history.contains(hash(1)));
        history.turn(14);
        assert!(!history.contains(hash(1)));
    }

    #[test]
    fn long_absence_forgets_all_but_what_was_seen_last() {
        let mut history = History::new(1024, 0);
        history.insert(hash(1));
        history.turn(1);
        history.insert(hash(2));
        history.turn(60);
        assert!(!history.contains(hash(1)));
    }

    /// Saves a history of addresses 0 to 1,000, of which half came on the day before, while that
    /// day ends after so many pieces; answers the pieces. Nobody is lost.
    #[track_caller]
    fn check_saving(today: u64, ends_after: usize) -> usize {
        let keys = 1 << 16;
        let mut history = History::new(keys, today - 1);
        (0..500).for_each(|key| history.insert(hash(key)));
        history.turn(today);
        (500..1_000).for_each(|key| history.insert(hash(key)));
        let (mut bytes, mut pieces) = (vec![7; 3], 0);
        let mut saved = Saved::from(bytes.len());
        while history.save_piece(&mut saved, &mut bytes) {
            pieces += 1;
            if pieces == ends_after {
                history.turn(today + 1);
            }
        }
        assert!(bytes.len() - 3 <= history.saved_bytes_max());
        let mut other = History::new(keys, today);
        other.load(&mut &bytes[3..], today + 1).expect("it is whole");
        let lost = (0..1_000).filter(|key| !other.contains(hash(*key))).count();
        assert_eq!(lost, 0, "day {today} ended after piece {ends_after}");
        pieces
    }

    #[test]
    fn a_day_that_ends_between_two_pieces_loses_nobody() {
        // The second is the last of its span.
        for today in [8, 13] {
            let pieces = check_saving(today, usize::MAX);
            assert!(pieces > 8, "{pieces}");
            (1..=pieces).for_each(|piece| {
                check_saving(today, piece);
            });
        }
    }

    #[test]
    fn a_history_comes_back_as_it_was_saved() {
        let mut history = History::new(1024, 3);
        history.insert(hash(1));
        history.turn(4);
        history.insert(hash(2));
        let (mut saved, mut bytes) = (Saved::default(), Vec::new());
        while history.save_piece(&mut saved, &mut bytes) {}
        let mut other = History::new(1024, 5);
        other.load(&mut &bytes[..], 5).expect("it is whole");
        assert!(other.contains(hash(1)) && other.contains(hash(2)));
        let cut = &bytes[..bytes.len() - 1];
        let mut third = History::new(1024, 5);
        assert_eq!(third.load(&mut &cut[..], 5), Err(HistoryError::Malformed));
        assert!(!third.contains(hash(1)), "nothing of it was taken in");
        let mut smaller = History::new(64, 5);
        assert_eq!(smaller.load(&mut &bytes[..], 5), Err(HistoryError::OfAnother));
    }
}

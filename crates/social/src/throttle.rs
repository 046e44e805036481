//! How often somebody may try a password: token buckets kept as one time each (GCRA, the generic
//! cell rate algorithm of ITU-T I.371), in a sketch of fixed size, so that strangers cannot grow
//! it. A try is charged before anything is hashed and given back when it was right.
//!
//! An attacker must not be able to lock a member out: a browser that has logged in before has a
//! bucket of its own, which nobody else's failures touch. Keys that share all their cells share a
//! bucket; with a secret seed nobody chooses whom to share with.

use crate::{
    VerbError,
    limits::{
        LETTER_BURST, LETTER_BURST_ADDRESS, LETTER_EVERY_MS, LETTER_EVERY_MS_ADDRESS, TRY_BURST,
        TRY_BURST_ADDRESS, TRY_CELLS, TRY_EVERY_MS, TRY_EVERY_MS_ADDRESS, TRY_ROWS,
    },
};
use aws_lc_rs::digest;
use model::{AccountId, Timestamp};
use parking_lot::Mutex;

/// Whose tries are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key<'a> {
    /// An account, by the kind of name that was typed: that an address and a username belong
    /// together must not show.
    Account(AccountId, bool),
    /// A name that nobody has. Refused as soon as one that somebody has.
    Nobody(&'a str),
    /// An address (IPv6: the first 64 bits).
    Address(u64),
    /// A browser that logged in before, by the number that it got then.
    Device(u64),
    /// An e-mail address that letters are asked for, whether somebody has it or not.
    LetterTo(&'a str),
    /// Where letters are asked for, as `Address`.
    LetterFrom(u64),
    /// An account that letters are asked for by whoever signed it up.
    LettersOf(AccountId),
}

impl Key<'_> {
    fn write(self, hash: &mut digest::Context) {
        let mut add = |kind: u8, bytes: &[u8]| {
            hash.update(&[kind]);
            hash.update(bytes);
        };
        match self {
            Self::Account(id, is_email) => add(u8::from(is_email), &id.get().to_be_bytes()),
            Self::Nobody(name) => add(2, name.to_lowercase().as_bytes()),
            Self::Address(number) => add(3, &number.to_be_bytes()),
            Self::Device(number) => add(4, &number.to_be_bytes()),
            Self::LetterTo(email) => add(5, email.to_lowercase().as_bytes()),
            Self::LetterFrom(number) => add(6, &number.to_be_bytes()),
            Self::LettersOf(id) => add(7, &id.get().to_be_bytes()),
        }
    }

    /// The time that a try costs, and how much of it may be owed, in milliseconds.
    const fn terms(self) -> (i64, i64) {
        match self {
            Self::Address(_) => {
                (TRY_EVERY_MS_ADDRESS, TRY_EVERY_MS_ADDRESS * (TRY_BURST_ADDRESS - 1))
            }
            Self::LetterTo(_) | Self::LettersOf(_) => {
                (LETTER_EVERY_MS, LETTER_EVERY_MS * (LETTER_BURST - 1))
            }
            Self::LetterFrom(_) => {
                (LETTER_EVERY_MS_ADDRESS, LETTER_EVERY_MS_ADDRESS * (LETTER_BURST_ADDRESS - 1))
            }
            _ => (TRY_EVERY_MS, TRY_EVERY_MS * (TRY_BURST - 1)),
        }
    }
}

/// What a try was charged: where, and how much of it.
#[derive(Debug)]
pub(crate) struct Charge([(usize, i64); TRY_ROWS]);

/// The buckets of everybody.
pub(crate) struct Throttle {
    seed: [u8; 16],
    /// When each cell has nothing left to pay, in milliseconds since 1970.
    cells: Mutex<Box<[i64]>>,
}

impl Throttle {
    /// With a secret seed.
    pub fn new(seed: [u8; 16]) -> Self {
        Self { seed, cells: Mutex::new(vec![0; TRY_ROWS * TRY_CELLS].into()) }
    }

    /// The key's cell in each row.
    fn places(&self, key: Key) -> [usize; TRY_ROWS] {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&self.seed);
        key.write(&mut hash);
        let hash = hash.finish();
        let mut words = hash.as_ref().chunks_exact(4);
        std::array::from_fn(|row| {
            let word =
                words.next().and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes);
            row * TRY_CELLS + usize::try_from(word).unwrap_or(0) % TRY_CELLS
        })
    }

    /// Charges a try to a key, or says how long to wait.
    pub fn charge(&self, key: Key, now: Timestamp) -> Result<Charge, VerbError> {
        let (cost_ms, owed_ms_max) = key.terms();
        let places = self.places(key);
        let mut cells = self.cells.lock();
        let least = places.iter().filter_map(|at| cells.get(*at)).min().copied().unwrap_or(0);
        let paid = least.max(now.ms());
        let wait_ms = paid - now.ms() - owed_ms_max;
        if wait_ms > 0 {
            let retry_after_s = u32::try_from((wait_ms + 999) / 1_000).unwrap_or(u32::MAX);
            return Err(VerbError::TooMany { retry_after_s });
        }
        let next = paid + cost_ms;
        Ok(Charge(places.map(|at| {
            let Some(cell) = cells.get_mut(at) else { return (at, 0) };
            let was = (*cell).max(now.ms());
            *cell = (*cell).max(next);
            (at, (next - was).max(0))
        })))
    }

    /// Gives back exactly what was charged, so that being right never pays for other failures.
    pub fn refund(&self, charge: Charge) {
        let mut cells = self.cells.lock();
        for (at, part_ms) in charge.0 {
            if let Some(cell) = cells.get_mut(at) {
                *cell = cell.saturating_sub(part_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_700_000_000_000 + ms)
    }

    fn tries(throttle: &Throttle, key: Key, now: Timestamp) -> i64 {
        (0..1_000).take_while(|_| throttle.charge(key, now).is_ok()).count().try_into().unwrap()
    }

    fn account(number: i64) -> Key<'static> {
        Key::Account(AccountId::new(number).unwrap(), false)
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_at_a_time() {
        for (key, burst, every_ms) in [
            (account(1), TRY_BURST, TRY_EVERY_MS),
            (Key::Nobody("x"), TRY_BURST, TRY_EVERY_MS),
            (Key::Device(1), TRY_BURST, TRY_EVERY_MS),
            (Key::Address(1), TRY_BURST_ADDRESS, TRY_EVERY_MS_ADDRESS),
        ] {
            let throttle = Throttle::new([7; 16]);
            assert_eq!(tries(&throttle, key, at(0)), burst, "{key:?}");
            assert_eq!(tries(&throttle, key, at(every_ms - 1)), 0, "{key:?}");
            assert_eq!(tries(&throttle, key, at(every_ms)), 1, "{key:?}");
            assert_eq!(tries(&throttle, key, at(every_ms * (burst + 1) * 2)), burst, "{key:?}");
        }
    }

    #[test]
    fn keys_do_not_touch_each_other_and_kinds_do_not_mix() {
        let throttle = Throttle::new([7; 16]);
        let one = AccountId::new(1).unwrap();
        assert_eq!(tries(&throttle, account(1), at(0)), TRY_BURST);
        for other in [account(2), Key::Account(one, true), Key::Device(1), Key::Nobody("1")] {
            assert_eq!(tries(&throttle, other, at(0)), TRY_BURST, "{other:?}");
        }
        assert_eq!(tries(&throttle, Key::Nobody("X"), at(0)), TRY_BURST);
        assert_eq!(tries(&throttle, Key::Nobody("x"), at(0)), 0, "the same name");
    }

    #[test]
    fn being_right_costs_nothing_and_forgives_nothing() {
        let throttle = Throttle::new([7; 16]);
        for _ in 0..100 {
            throttle.refund(throttle.charge(account(1), at(0)).expect("never used up"));
        }
        for _ in 0..TRY_BURST - 1 {
            throttle.charge(account(1), at(0)).expect("left");
            throttle.refund(throttle.charge(account(1), at(0)).expect("left"));
        }
        assert_eq!(tries(&throttle, account(1), at(0)), 1, "the failures still count");
    }

    #[test]
    fn a_flood_of_names_fills_no_memory_and_tells_how_long_to_wait() {
        let throttle = Throttle::new([7; 16]);
        for number in 0..1_000 {
            let _ = throttle.charge(Key::Nobody(&number.to_string()), at(0));
        }
        assert_eq!(throttle.cells.lock().len(), TRY_ROWS * TRY_CELLS);
        tries(&throttle, account(5), at(0));
        let Err(VerbError::TooMany { retry_after_s }) = throttle.charge(account(5), at(0)) else {
            panic!("refused");
        };
        let wait_ms = i64::from(retry_after_s) * 1_000;
        assert!(throttle.charge(account(5), at(wait_ms)).is_ok(), "{retry_after_s} s are enough");
    }
}

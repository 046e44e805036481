//! How many of something dear are open at once, in all and of whom: streams, and uploads that are
//! being read. A seat is held for as long as the thing is.

use crate::limits::{
    STREAMS_MAX, STREAMS_PER_ACCOUNT, UPLOADS_MAX, UPLOADS_PER_ACCOUNT, UPLOADS_PER_ADDRESS,
    UPLOADS_SCARCE,
};
use httpkit::ApiError;
use model::AccountId;
use parking_lot::Mutex;
use std::{collections::HashMap, hash::Hash, sync::Arc};

/// How many each of something has.
struct Held<K>(HashMap<K, u32>);

impl<K: Eq + Hash> Held<K> {
    fn of(&self, key: &K) -> u32 {
        self.0.get(key).copied().unwrap_or_default()
    }

    fn add(&mut self, key: K) {
        let held = self.0.entry(key).or_default();
        *held = held.saturating_add(1);
    }

    fn take(&mut self, key: &K) {
        if let Some(held) = self.0.get_mut(key) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.0.remove(key);
            }
        }
    }
}

struct Taken {
    all: usize,
    by_account: Held<AccountId>,
    by_address: Held<u64>,
}

/// How many there may be, and what is answered where there are too many.
#[derive(Clone, Copy)]
struct Bounds {
    all: usize,
    of_account: u32,
    of_address: u32,
    /// So many taken, an account has one at a time.
    scarce: usize,
    retry_after_s: u32,
    reason: &'static str,
}

/// All seats of one kind.
#[derive(Clone)]
pub struct Seats {
    bounds: Bounds,
    taken: Arc<Mutex<Taken>>,
}

/// One seat, given back when it is dropped.
pub(crate) struct Seat {
    seats: Seats,
    account: AccountId,
    address: Option<u64>,
}

impl Seats {
    /// Of open streams. They cost little each, and an address may be many people's: only the
    /// account is counted.
    pub fn of_streams() -> Self {
        Self::of(Bounds {
            all: STREAMS_MAX,
            of_account: STREAMS_PER_ACCOUNT,
            of_address: u32::MAX,
            scarce: STREAMS_MAX,
            retry_after_s: 30,
            reason: "streams",
        })
    }

    /// Of uploads that are read or worked on.
    pub fn of_uploads() -> Self {
        Self::of(Bounds {
            all: UPLOADS_MAX,
            of_account: UPLOADS_PER_ACCOUNT,
            of_address: UPLOADS_PER_ADDRESS,
            scarce: UPLOADS_SCARCE,
            retry_after_s: 5,
            reason: "uploads",
        })
    }

    fn of(bounds: Bounds) -> Self {
        let (by_account, by_address) = (Held(HashMap::new()), Held(HashMap::new()));
        let taken = Taken { all: 0, by_account, by_address };
        Self { bounds, taken: Arc::new(Mutex::new(taken)) }
    }

    /// How many are taken.
    pub fn taken(&self) -> u64 {
        self.taken.lock().all as u64
    }

    /// A seat for an account at an address (its number, where addresses are counted), or 429 and
    /// 503 where there is none.
    pub(crate) fn take(&self, account: AccountId, address: Option<u64>) -> Result<Seat, ApiError> {
        let Bounds { all, of_account, of_address, scarce, retry_after_s, reason } = self.bounds;
        let mut taken = self.taken.lock();
        let own_max = if taken.all < scarce { of_account } else { 1 };
        let at_address = address.map_or(0, |address| taken.by_address.of(&address));
        if taken.by_account.of(&account) >= own_max || at_address >= of_address {
            return Err(ApiError::too_many(retry_after_s));
        }
        if taken.all >= all {
            return Err(ApiError::unavailable(retry_after_s, reason));
        }
        taken.by_account.add(account);
        if let Some(address) = address {
            taken.by_address.add(address);
        }
        taken.all += 1;
        Ok(Seat { seats: self.clone(), account, address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        taken.by_account.take(&self.account);
        if let Some(address) = &self.address {
            taken.by_address.take(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(seats: &Seats, account: usize, address: u64) -> Result<Seat, u16> {
        let id = AccountId::new(i64::try_from(account).expect("small") + 1).expect("an id");
        seats.take(id, Some(address)).map_err(|error| error.status().as_u16())
    }

    /// Every account at an address of its own.
    #[test]
    fn an_account_has_so_many_all_have_so_many_and_they_come_back() {
        for seats in [Seats::of_streams(), Seats::of_uploads()] {
            let take = |n: usize| take(&seats, n, u64::try_from(n).expect("small"));
            let of_one = usize::try_from(seats.bounds.of_account).expect("small");
            let mut held: Vec<Seat> = (0..of_one).map(|_| take(0).expect("a seat")).collect();
            assert_eq!(take(0).err(), Some(429));
            assert_eq!(take(1).err(), None);
            held.pop();
            assert_eq!(take(0).err(), None);
            while seats.taken() < seats.bounds.all as u64 {
                held.push(take(held.len()).expect("a seat"));
            }
            assert_eq!(take(seats.bounds.all + 1).err(), Some(503));
            drop(held);
            let taken = seats.taken.lock();
            assert!(taken.by_account.0.is_empty() && taken.by_address.0.is_empty());
            assert_eq!(taken.all, 0);
        }
    }

    /// Accounts that each take all they can, wherever they are.
    #[test]
    fn a_few_accounts_cannot_take_all_seats_of_uploads_and_neither_can_a_few_addresses() {
        let seats = Seats::of_uploads();
        let greedy = 20;
        let mut held = Vec::new();
        for account in 0..greedy {
            while let Ok(seat) = take(&seats, account, u64::try_from(account).expect("small")) {
                held.push(seat);
            }
        }
        assert!(held.len() > UPLOADS_SCARCE, "they were stopped long before it was full");
        assert!(take(&seats, greedy, 1_000).is_ok(), "somebody else still has a place");
        drop(held);
        let mut held = Vec::new();
        for account in 0..200 {
            while let Ok(seat) = take(&seats, account, u64::from(account % 3 == 0)) {
                held.push(seat);
            }
        }
        assert_eq!(held.len(), 2 * usize::try_from(UPLOADS_PER_ADDRESS).expect("small"));
        assert!(take(&seats, 200, 1_000).is_ok(), "another address still has a place");
    }
}

//! How many of something dear are open at once, in all and of whom: streams, and uploads that are
//! being read. A seat is held for as long as the thing is.

use crate::limits::{STREAMS_MAX, STREAMS_PER_ACCOUNT, UPLOADS_MAX, UPLOADS_PER_ACCOUNT};
use httpkit::ApiError;
use model::AccountId;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<AccountId, u32>,
}

/// How many there may be, and what is answered where there are too many.
#[derive(Clone, Copy)]
struct Bounds {
    all: usize,
    of_one: u32,
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
}

impl Seats {
    /// Of open streams.
    pub fn of_streams() -> Self {
        let (all, of_one) = (STREAMS_MAX, STREAMS_PER_ACCOUNT);
        Self::of(Bounds { all, of_one, retry_after_s: 30, reason: "streams" })
    }

    /// Of uploads that are read or worked on.
    pub fn of_uploads() -> Self {
        let (all, of_one) = (UPLOADS_MAX, UPLOADS_PER_ACCOUNT);
        Self::of(Bounds { all, of_one, retry_after_s: 5, reason: "uploads" })
    }

    fn of(bounds: Bounds) -> Self {
        Self { bounds, taken: Arc::default() }
    }

    /// How many are taken.
    pub fn taken(&self) -> u64 {
        self.taken.lock().all as u64
    }

    /// A seat, or 429 and 503 where there is none.
    pub(crate) fn take(&self, account: AccountId) -> Result<Seat, ApiError> {
        let Bounds { all, of_one, retry_after_s, reason } = self.bounds;
        let mut taken = self.taken.lock();
        let own = taken.by.get(&account).copied().unwrap_or_default();
        if own >= of_one {
            return Err(ApiError::too_many(retry_after_s));
        }
        if taken.all >= all {
            return Err(ApiError::unavailable(retry_after_s, reason));
        }
        taken.by.insert(account, own + 1);
        taken.all += 1;
        Ok(Seat { seats: self.clone(), account })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by.get_mut(&self.account) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_so_many_all_have_so_many_and_they_come_back() {
        for seats in [Seats::of_streams(), Seats::of_uploads()] {
            let account = |n: usize| AccountId::new(i64::try_from(n).expect("small") + 1);
            let take = |n| seats.take(account(n).expect("an id"));
            let status = |n| take(n).err().map(|error| error.status().as_u16());
            let of_one = usize::try_from(seats.bounds.of_one).expect("small");
            let mut held: Vec<Seat> = (0..of_one).map(|_| take(0).expect("a seat")).collect();
            assert_eq!(status(0), Some(429));
            assert_eq!(status(1), None);
            held.pop();
            assert_eq!(status(0), None);
            while seats.taken() < seats.bounds.all as u64 {
                held.push(take(held.len()).expect("a seat"));
            }
            assert_eq!(status(seats.bounds.all + 1), Some(503));
            drop(held);
            assert!(seats.taken.lock().by.is_empty() && seats.taken() == 0);
        }
    }
}

//! How many streams are open, in all and of whom. A seat is held for as long as the stream is.

use crate::limits::{STREAMS_MAX, STREAMS_PER_ACCOUNT};
use httpkit::ApiError;
use model::AccountId;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<AccountId, u32>,
}

/// All seats.
#[derive(Clone, Default)]
pub struct Seats(Arc<Mutex<Taken>>);

/// One stream's seat, given back when it is dropped.
pub(crate) struct Seat {
    seats: Seats,
    account: AccountId,
}

impl Seats {
    /// How many are taken.
    pub fn taken(&self) -> u64 {
        self.0.lock().all as u64
    }

    /// A seat, or 429 and 503 where there is none.
    pub(crate) fn take(&self, account: AccountId) -> Result<Seat, ApiError> {
        let mut taken = self.0.lock();
        if taken.all >= STREAMS_MAX {
            return Err(ApiError::unavailable(30, "streams"));
        }
        let own = taken.by.entry(account).or_default();
        if *own >= STREAMS_PER_ACCOUNT {
            return Err(ApiError::too_many(30));
        }
        *own += 1;
        taken.all += 1;
        Ok(Seat { seats: self.clone(), account })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock();
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
    fn an_account_has_so_many_and_gets_them_back() {
        let seats = Seats::default();
        let (ann, bob) = (AccountId::new(1).expect("an id"), AccountId::new(2).expect("an id"));
        let mut held: Vec<Seat> =
            (0..STREAMS_PER_ACCOUNT).map(|_| seats.take(ann).expect("a seat")).collect();
        assert_eq!(seats.take(ann).err().map(|e| e.status().as_u16()), Some(429));
        assert!(seats.take(bob).is_ok());
        held.pop();
        assert!(seats.take(ann).is_ok());
        drop(held);
        assert!(seats.0.lock().by.is_empty() && seats.0.lock().all == 0);
    }
}

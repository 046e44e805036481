//! The line of those whose pictures are developed or wait for it. Each holds its bytes in memory,
//! so places are few; and no account may have so many that others find none.

use crate::{
    VerbError,
    limits::{PICTURES_PER_ACCOUNT, PICTURES_RETRY_S, PICTURES_SCARCE, PICTURES_WAITING_MAX},
};
use model::AccountId;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

#[derive(Default)]
struct Taken {
    all: usize,
    by: HashMap<AccountId, usize>,
}

/// All places. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Line(Arc<Mutex<Taken>>);

/// A place, given back when it is dropped.
pub(super) struct Place {
    line: Line,
    account: AccountId,
}

impl Line {
    /// A place for an account: `TooMany` where it has its share, `Busy` where there is none.
    pub(super) fn join(&self, account: AccountId) -> Result<Place, VerbError> {
        let mut taken = self.0.lock();
        let share = if taken.all < PICTURES_SCARCE { PICTURES_PER_ACCOUNT } else { 1 };
        let own = taken.by.get(&account).copied().unwrap_or_default();
        if own >= share {
            return Err(VerbError::TooMany { retry_after_s: PICTURES_RETRY_S });
        }
        if taken.all >= PICTURES_WAITING_MAX {
            return Err(VerbError::Busy);
        }
        taken.all += 1;
        taken.by.insert(account, own + 1);
        Ok(Place { line: self.clone(), account })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.line.0.lock();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.by.get(&self.account).map_or(0, |own| own.saturating_sub(1));
        if left == 0 {
            taken.by.remove(&self.account);
        } else {
            taken.by.insert(self.account, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: usize) -> AccountId {
        AccountId::new(i64::try_from(number).unwrap() + 1).unwrap()
    }

    #[test]
    fn a_few_accounts_cannot_take_all_places_and_they_come_back() {
        let line = Line::default();
        let mut held = Vec::new();
        for number in 0..4 {
            while let Ok(place) = line.join(account(number)) {
                held.push(place);
            }
            assert!(matches!(line.join(account(number)), Err(VerbError::TooMany { .. })));
        }
        assert!(held.len() >= PICTURES_SCARCE && held.len() < PICTURES_WAITING_MAX);
        for number in 4.. {
            match line.join(account(number)) {
                Ok(place) => held.push(place),
                Err(VerbError::Busy) => break,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(held.len(), PICTURES_WAITING_MAX);
        drop(held);
        let left = |line: &Line| {
            let taken = line.0.lock();
            (taken.all, taken.by.len())
        };
        assert_eq!(left(&line), (0, 0));
        assert!(line.join(account(0)).is_ok());
    }
}

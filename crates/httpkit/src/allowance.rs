//! Allowances that are refused when they are used up, unlike those that [`crate::rate`] only
//! reports: sign-ups of an address, uploads of an account. A principal's count is its own and no
//! other's, so nobody is refused for what a stranger did. Memory is fixed: where a set is full, who
//! used least is forgotten first, which only ever errs on the side of letting in.

use crate::{
    limits::{ALLOWANCE_SETS, ALLOWANCE_WAYS},
    rate::{Report, Rule},
};
use std::sync::{Mutex, PoisonError};

#[derive(Clone, Copy, Default)]
struct Entry {
    principal: u64,
    window: i64,
    used: u32,
}

/// Counts uses in windows.
pub struct Allowance {
    rule: Rule,
    seed: u64,
    sets: Mutex<Box<[[Entry; ALLOWANCE_WAYS]]>>,
}

impl Allowance {
    /// Of a rule; the seed is random, so that nobody foresees who shares a set.
    #[must_use]
    pub fn new(rule: Rule, seed: u64) -> Self {
        let sets = vec![[Entry::default(); ALLOWANCE_WAYS]; ALLOWANCE_SETS];
        Self { rule, seed, sets: Mutex::new(sets.into()) }
    }

    /// Uses one; `Err` where none is left, with what the answer reports.
    ///
    /// # Errors
    /// When the principal's allowance in this window is used up.
    pub fn take(&self, principal: u64, now_ms: i64) -> Result<Report, Report> {
        let (window, reset_ms) = self.rule.window(now_ms);
        let limit = self.rule.limit;
        let report = |remaining| Report { limit, remaining, reset_ms };
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(set) = sets.get_mut(self.set(principal)) else { return Ok(report(limit)) };
        let own = |e: &&mut Entry| e.window == window && e.used > 0 && e.principal == principal;
        if let Some(entry) = set.iter_mut().find(own) {
            if entry.used >= limit {
                return Err(report(0));
            }
            entry.used += 1;
            return Ok(report(limit - entry.used));
        }
        if limit == 0 {
            return Err(report(0));
        }
        // An entry of another window counts for nothing; else the least used one gives way.
        let spare = set.iter_mut().min_by_key(|e| if e.window == window { e.used } else { 0 });
        if let Some(entry) = spare {
            *entry = Entry { principal, window, used: 1 };
        }
        Ok(report(limit - 1))
    }

    fn set(&self, principal: u64) -> usize {
        let mask = u64::try_from(ALLOWANCE_SETS - 1).unwrap_or(0);
        usize::try_from(crate::rate::mixed(principal ^ self.seed) & mask).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::SIGN_UP;

    #[test]
    fn used_up_it_is_refused_until_the_window_ends() {
        let allowance = Allowance::new(SIGN_UP, 3);
        for left in (0..5).rev() {
            assert_eq!(allowance.take(1, 10).map(|r| r.remaining), Ok(left));
        }
        let refused = allowance.take(1, 10).expect_err("used up");
        assert_eq!((refused.remaining, refused.reset_ms), (0, SIGN_UP.window_ms));
        assert!(allowance.take(2, 10).is_ok(), "another's is another's");
        assert!(allowance.take(1, SIGN_UP.window_ms).is_ok(), "a window later");
        let none = Allowance::new(Rule { limit: 0, ..SIGN_UP }, 3);
        assert!(none.take(1, 10).is_err());
    }

    #[test]
    fn a_crowd_of_strangers_gets_nobody_refused() {
        let allowance = Allowance::new(SIGN_UP, 3);
        let crowd = u64::try_from(ALLOWANCE_SETS * ALLOWANCE_WAYS * 4).expect("a number");
        for principal in 0..crowd {
            assert!(allowance.take(principal, 10).is_ok(), "{principal}");
        }
        assert_eq!(allowance.take(crowd, 10).map(|r| r.remaining), Ok(4));
    }
}

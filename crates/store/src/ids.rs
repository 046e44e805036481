//! Where ids come from: issued one after the other by the one that commits, so that the order of
//! ids is the order of commits. Never repeats and never goes back, even where the clock does.

use crate::limits::NODES_MAX;
use model::Timestamp;

/// Low bits of every id that name the node, so that several nodes never issue the same one.
const NODE_BITS: u32 = 6;
const _: () = assert!(NODES_MAX == 1 << NODE_BITS);
const _: () = assert!(NODE_BITS < model::id::SEQUENCE_BITS);

/// Issues the ids of one node.
#[derive(Debug)]
pub(crate) struct Issuer {
    last: i64,
    node: i64,
}

impl Issuer {
    /// Goes on after `last`, the highest id in use. Nodes count from 0; past the last they wrap.
    pub fn after(last: i64, node: u16) -> Self {
        Self { last, node: i64::from(node) % i64::from(NODES_MAX) }
    }

    /// Stays above ids that somebody else issued.
    pub fn raise(&mut self, last: i64) {
        self.last = self.last.max(last);
    }

    /// The highest id known to be in use.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// The next id: of this millisecond, or just above the last where many are issued at once.
    pub fn issue(&mut self, now: Timestamp) -> i64 {
        let above = ((self.last >> NODE_BITS) + 1) << NODE_BITS;
        self.last = above.max(now.floor_id()) + self.node;
        self.last
    }

    /// A bound that every id issued from now on reaches or passes, and every earlier one is below.
    pub fn bound(&mut self, now: Timestamp) -> i64 {
        let bound = (self.last + 1).max(now.floor_id());
        self.last = bound - 1;
        bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_whatever_the_clock_does() {
        let mut issuer = Issuer::after(0, 3);
        let mut last = 0;
        for ms in [1_000, 1_000, 1_000, 900, 0, 1_001, 5_000, 4_999] {
            for _ in 0..2_000 {
                let id = issuer.issue(Timestamp::from_ms(ms));
                assert!(id > last && id % i64::from(NODES_MAX) == 3, "{last} then {id} at {ms}");
                last = id;
            }
        }
    }

    #[test]
    fn no_id_is_issued_below_a_bound_that_was_given() {
        let mut issuer = Issuer::after(0, 1);
        for ms in [10, 10, 9, 11, 11] {
            let before = issuer.issue(Timestamp::from_ms(ms));
            let bound = issuer.bound(Timestamp::from_ms(ms));
            assert!(before < bound, "{before} is not below {bound}");
            let after = issuer.issue(Timestamp::from_ms(ms - 5));
            assert!(after >= bound, "{after} is below {bound}");
        }
    }

    #[test]
    fn two_nodes_never_issue_the_same() {
        let now = Timestamp::from_ms(77);
        let (mut a, mut b) = (Issuer::after(0, 0), Issuer::after(0, 1));
        let first: Vec<i64> = (0..3_000).map(|_| a.issue(now)).collect();
        assert!((0..3_000).all(|_| !first.contains(&b.issue(now))));
    }
}

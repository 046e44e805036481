//! Sketches: what is remembered of strangers, in memory that does not grow with them. Each takes
//! keyed hashes and knows nothing of what they stand for.
//!
//! All tables are allocated zeroed and never written before they are used, so that an instance that
//! nobody attacks does not pay for their pages.

mod cardinality;
mod filter;
mod meter;
mod top;

pub use cardinality::Active;
pub(super) use filter::take;
pub use filter::{Filter, History, HistoryError, Saved};
pub use meter::Meter;
pub use top::{Entry, Top};

#[cfg(test)]
pub(super) mod testing {
    //! A hash of a number, as good as random, for the tests of sketches.

    use crate::decide::keyed::{Domain, Key};

    pub(in crate::decide) fn hash(number: u64) -> u64 {
        Key::new(*b"sixteen letters.").hash(Domain::Address, 0, number)
    }
}

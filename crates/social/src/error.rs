//! Why a verb did not do what was asked: a variant for each thing a front says differently.

use model::StoreError;

/// A refused or failed verb.
#[derive(Debug, thiserror::Error)]
pub enum VerbError {
    /// It does not exist, or the asker may not see it: the same answer for both.
    #[error("not found")]
    NotFound,
    /// The asker may see it and may not do that.
    #[error("{0}")]
    Forbidden(&'static str),
    /// What was sent breaks a rule; the sentence says which.
    #[error("{0}")]
    Invalid(String),
    /// This was tried too often.
    #[error("tried too often: wait {retry_after_s} seconds")]
    TooMany {
        /// When it may be tried again.
        retry_after_s: u32,
    },
    /// Too much of it is under way.
    #[error("busy")]
    Busy,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

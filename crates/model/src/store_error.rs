//! What can go wrong beneath every port of the store: one variant for each thing that a caller
//! would do differently. "Not found" is no error: it is `Ok(None)`.

/// A store that could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or is overloaded: 503 with Retry-After.
    #[error("the database is away")]
    Away {
        /// When to try again, in seconds.
        retry_after_s: u32,
    },
    /// A deed was under way for so long that nobody waits any more: it may take effect yet, whole,
    /// or not at all. 503, and words that say so; whoever sends it again with the same idempotency
    /// key gets what the first one made.
    #[error("it is not known whether the database took this in")]
    Unsettled {
        /// When to look or try again, in seconds.
        retry_after_s: u32,
    },
    /// No space is left: 507. Nothing was written.
    #[error("the disk is full")]
    Full,
    /// A key, a foreign key or a check refused the deed, and the caller has to read back.
    /// Carries the statement's name or table.
    #[error("a constraint refused the write: {0}")]
    Conflict(&'static str),
    /// A stored row that cannot be: a defect of ours. Names table and column, never user data.
    #[error("inconsistent data: {0}")]
    Inconsistent(String),
    /// Anything else the engine said. Logged, never shown.
    #[error("the database failed: {0}")]
    Broken(String),
}

//! Points in time, as the store keeps them. Calendar formats belong to the protocols.

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From Unix milliseconds.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }
    /// Unix milliseconds.
    pub const fn ms(self) -> i64 {
        self.0
    }
    /// This time and `ms` milliseconds, saturating.
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
    /// Milliseconds from `earlier` to this, negative when `earlier` is later.
    pub const fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
    /// When its day began, UTC.
    pub const fn day(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(86_400_000)))
    }
    /// The lowest id that can be issued at this time; for "older than" queries by id.
    pub const fn floor_id(self) -> i64 {
        self.0 << crate::id::SEQUENCE_BITS
    }
}

impl From<Timestamp> for i64 {
    fn from(t: Timestamp) -> i64 {
        t.0
    }
}

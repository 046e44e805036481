//! Paging by id, as Mastodon's `max_id`, `since_id` and `min_id` have it.
//! Source: <https://docs.joinmastodon.org/api/guidelines/#pagination>.

/// A window on a list ordered by id, newest first in the answer whatever the direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// Only ids below this.
    pub max_id: Option<i64>,
    /// Only ids above this; the newest of them are returned.
    pub since_id: Option<i64>,
    /// Only ids above this; the OLDEST of them are returned (still newest first in the answer).
    pub min_id: Option<i64>,
    /// How many at most; at least 1.
    pub limit: u32,
}

impl Page {
    /// The newest `limit` entries.
    pub const fn newest(limit: u32) -> Self {
        Self { max_id: None, since_id: None, min_id: None, limit }
    }
    /// Upper bound, exclusive, for SQL.
    pub const fn below(&self) -> i64 {
        match self.max_id {
            Some(id) => id,
            None => i64::MAX,
        }
    }
    /// Lower bound, exclusive, for SQL. `min_id` wins over `since_id`.
    pub const fn above(&self) -> i64 {
        match (self.min_id, self.since_id) {
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => 0,
        }
    }
    /// Whether the page grows upwards from its lower bound (`min_id`): select ascending, then
    /// reverse.
    pub const fn ascending(&self) -> bool {
        self.min_id.is_some()
    }
}

//! The shield: how Fulmar stays up. `edge` is the only way in: it accepts, times and counts.
//! Leaves to its callers what a request means; knows nothing of accounts, posts or storage.

pub mod decide;
pub mod edge;
pub mod limits;

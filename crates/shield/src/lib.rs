//! The shield: how Fulmar stays up. `edge` is the only way in: it accepts, times and counts.
//! `decide` says who is served when not all can be, and `gate` asks it about every request;
//! `kernel` has the proven offenders among them dropped before they reach any of this;
//! `sim` searches for attacks that such decisions do not withstand.
//! Leaves to its callers what a request means; knows nothing of accounts, posts or storage.

pub mod decide;
pub mod edge;
pub mod gate;
pub mod kernel;
pub mod limits;
pub mod sim;

//! How Fulmar holds under load and attack: `edge` accepts, times and counts connections.
//!
//! Nothing here knows what a post or an account is; the rooms behind it are one service.

pub mod edge;
pub mod limits;

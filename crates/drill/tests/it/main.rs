//! The drill from outside: no socket but through its target, and each part against a server of the
//! test's own on loopback.

#![allow(clippy::indexing_slicing, reason = "a panic here is a failed test")]

mod runs;
mod sockets;
mod toy;

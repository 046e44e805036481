//! Attacks on a real edge, with real sockets on loopback: each is cut within its bound, and a good
//! client is served all the while. One binary; `stand` alone knows how an edge is set up.

#![allow(clippy::indexing_slicing, reason = "a panic here is a failed test")]
#![allow(clippy::disallowed_methods, reason = "peers connect from outside")]

mod bodies;
mod caps;
mod drain;
mod files;
mod flows;
mod frames;
mod hoards;
mod lanes;
mod proxies;
mod stand;
mod tickets;
mod tls;
mod traps;
mod turns;
mod waits;

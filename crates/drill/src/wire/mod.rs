//! The protocols as clients speak them, written here so that an attacker's form of them can be
//! written too: HTTP/1.1 for everybody, HTTP/2 frames by hand, TLS with and without resumption.

pub(crate) mod dial;
pub(crate) mod frames;
pub(crate) mod http1;
mod link;
pub(crate) mod segments;

pub(crate) use dial::{Dialer, Failure};
pub(crate) use http1::{Answer, Request, Wire};
pub(crate) use link::Link;

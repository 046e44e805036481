//! The parsers that strangers' bytes reach, each as a function of bytes that panics on a fault.
//!
//! Two programs call them: libFuzzer's, one for each target, which see what an input reached and
//! need the nightly compiler; and `blind`, which needs nothing, changes the inputs of `seeds/` by
//! chance, and prints what replays a finding.

pub mod body;
mod bounds;
pub mod forwarded;
pub mod frames;
pub mod greeting;
pub mod ids;
pub mod multipart;
pub mod oauth;
pub mod paging;
pub mod passes;
pub mod proxy;
pub mod sealed;
pub mod text;

/// A target: its name, and what tries one input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 12] = [
    ("body", body::run),
    ("forwarded", forwarded::run),
    ("frames", frames::run),
    ("greeting", greeting::run),
    ("ids", ids::run),
    ("multipart", multipart::run),
    ("oauth", oauth::run),
    ("paging", paging::run),
    ("passes", passes::run),
    ("proxy", proxy::run),
    ("sealed", sealed::run),
    ("text", text::run),
];

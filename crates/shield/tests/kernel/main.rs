//! The deny set against the kernel itself, in network namespaces that each test makes: one where a
//! server listens, one where its peers are, and a cable between them. It needs root, `ip` and `nft`
//! (a witness that is not ours); where they are missing, every test says so and tests nothing.

#![allow(clippy::indexing_slicing, reason = "the whole crate is a test: a panic is its verdict")]
#![allow(clippy::disallowed_methods, reason = "peers connect from outside")]

mod lab;
mod set;

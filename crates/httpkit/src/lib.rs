//! What every front needs and no front should write twice: one body extractor for all encodings,
//! one error shape, paging with `Link`, sealed strings (tokens, cookies, form tokens).
//!
//! It knows the nouns of `model` only to turn its errors and pages; it has no routes and no rules.

pub mod body;
pub mod error;
pub mod lenient;
pub mod limits;
pub mod nested;
pub mod paging;
pub mod seal;

pub use body::{Body, Query};
pub use error::ApiError;
pub use paging::PageQuery;
pub use seal::Sealer;

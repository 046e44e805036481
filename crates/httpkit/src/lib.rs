//! What every front needs and no front should write twice: one body extractor for all encodings,
//! one error shape, paging with `Link`, sealed strings (tokens, cookies, form tokens), cookies,
//! forms' protection, security headers, request ids, validators, and calls to other servers.
//!
//! It knows the nouns of `model` only to turn its errors and pages; it has no routes and no rules.
//! Connections, deadlines and refusing under load belong to `shield`.

pub mod address;
pub mod allowance;
pub mod body;
pub mod client_address;
pub mod cookie;
pub mod cors;
pub mod csrf;
pub mod egress;
pub mod error;
pub mod etag;
pub mod form;
pub mod hook;
pub mod json;
pub mod lenient;
pub mod limits;
pub mod multipart;
pub mod oauth;
pub mod outbound;
pub mod paging;
pub mod pass;
pub mod puzzle;
pub mod rate;
pub mod reader;
pub mod request_id;
pub mod seal;
pub mod security;
pub mod shared_front;
pub mod shared_page;
pub mod upload;
pub mod value;

pub use body::{Body, BodyLimit, Query};
pub use client_address::{ForwardedBy, client_address};
pub use error::ApiError;
pub use paging::PageQuery;
pub use seal::Sealer;
pub use shared_front::SharedFront;
pub use shared_page::{SharedPage, SharedPages};
pub use upload::UploadedFile;

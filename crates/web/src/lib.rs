//! Pages: rendered on the server, without scripts, so that they work in any browser and cost one
//! rendering however many visitors ask. A handler gathers through the verbs as the visitor that
//! somebody is, fills a typed page, and its template escapes every text.
//!
//! No rules and no SQL here. What a page may load and where its forms may go is said by its Content
//! Security Policy: our own files, nothing inline.

mod asking;
mod authorize;
mod browser;
mod cards;
mod confirmation;
mod doorstep;
mod failure;
mod files;
mod frame;
mod front;
mod leaving;
mod limits;
mod login;
mod password;
mod post;
mod profile;
mod proof;
mod refusal;
mod routes;
#[cfg(test)]
mod samples;
mod sessions;
mod settings;
mod tag;
mod urls;

pub use browser::{SessionSaid, session_said};
pub use doorstep::{CHALLENGE_AGAIN_S, Doorstep, NotReady, Notice};
pub use failure::FailuresAsPages;
pub use routes::{ROUTES, router};

use social::Social;
use std::{net::IpAddr, sync::Arc};

/// Tells where a request comes from, past the proxies of this place.
pub type AddressOf = Box<dyn Fn(&http::Extensions, &http::HeaderMap) -> IpAddr + Send + Sync>;

/// What every page has.
#[derive(Clone)]
pub struct Site(pub Arc<Parts>);

/// The parts of [`Site`].
pub struct Parts {
    /// The verbs.
    pub social: Arc<Social>,
    /// Pages that visitors share.
    pub shared: Arc<httpkit::SharedPages>,
    /// Where a request comes from.
    pub address_of: AddressOf,
    /// Opens and makes cookies and the marks of forms.
    pub sealer: Arc<httpkit::Sealer>,
    /// Where this instance lives: `https://example.org`, without a slash at the end.
    pub base_url: String,
    /// `server.domain`.
    pub domain: String,
    /// What this instance is called.
    pub title: String,
    /// One sentence about it.
    pub description: String,
}

impl std::ops::Deref for Site {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

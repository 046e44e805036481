//! The Mastodon client API: parse, call one verb, render. No rules and no SQL here; what an
//! endpoint may answer stands in its handler, on one screen.
//!
//! Source of names, shapes and limits: <https://docs.joinmastodon.org/api/>.

mod accounts;
mod caller;
mod emails;
mod instance;
mod kept;
pub mod limits;
mod lists;
mod media;
mod meter;
mod notifications;
mod oauth;
mod refusal;
mod relations;
mod reports;
mod routes;
mod scheduled;
mod search;
mod seats;
mod statuses;
mod streaming;
mod timelines;
pub mod wire;

pub use caller::{Bearer, Opened, bearer, issue_token, open_token, token_of};
pub use instance::Readiness;
pub use kept::{HomeFront, HomePages};
pub use meter::Allowances;
pub use routes::{ROUTES, cors, router};
pub use seats::Seats;

use httpkit::{Sealer, allowance::Allowance, rate::RateMeter};
use social::Social;
use std::{net::IpAddr, sync::Arc};

/// Tells where a request comes from, past the proxies of this place.
pub type AddressOf = Box<dyn Fn(&http::Extensions, &http::HeaderMap) -> IpAddr + Send + Sync>;

/// What every handler has.
#[derive(Clone)]
pub struct Api(pub Arc<Parts>);

/// The parts of [`Api`].
pub struct Parts {
    /// The verbs.
    pub social: Arc<Social>,
    /// Takes pictures in and keeps their files.
    pub darkroom: social::media::Darkroom,
    /// Answers that visitors share.
    pub shared: Arc<httpkit::SharedPages>,
    /// Members' home timelines as they were sent.
    pub homes: Arc<HomePages>,
    /// Counts requests, to be reported.
    pub meter: RateMeter,
    /// Sign-ups of an address, which are refused when used up.
    pub sign_ups: Allowance,
    /// Apps that an address registers; of [`limits::APPS`].
    pub apps: Allowance,
    /// Tokens of apps themselves that an address asks for; of [`limits::APP_TOKENS`].
    pub app_tokens: Allowance,
    /// Where a request comes from.
    pub address_of: AddressOf,
    /// Of open streams.
    pub seats: Seats,
    /// Of uploads that are read.
    pub upload_seats: Seats,
    /// Uploads of an account, which are refused when used up.
    pub uploads: Allowance,
    /// What is known of the store's answering.
    pub readiness: Readiness,
    /// The server stops: streams end.
    pub stopping: tokio_util::sync::CancellationToken,
    /// Opens and makes tokens.
    pub sealer: Arc<Sealer>,
    /// Where this instance lives: `https://example.org`, without a slash at the end.
    pub base_url: String,
    /// `server.domain`.
    pub domain: String,
    /// What this instance is called.
    pub title: String,
    /// One sentence about it.
    pub description: String,
    /// Where people can write to who runs this place; empty where nobody said.
    pub contact_email: String,
    /// Codes of the languages mostly written here, the main one first.
    pub languages: Vec<String>,
    /// Rules of this place, a sentence each.
    pub rules: Vec<String>,
    /// Whether apps may trade a member's password for a token (RFC 6749 section 4.3).
    pub password_grant: bool,
    /// Version of the software.
    pub version: &'static str,
}

impl std::ops::Deref for Api {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

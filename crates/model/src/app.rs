//! Client applications. Source: <https://docs.joinmastodon.org/entities/Application/>.

use crate::{AppId, Timestamp, token::Scopes};

/// A registered client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Public identifier.
    pub client_id: String,
    /// SHA-256 of its secret: the secret itself is shown once and never stored.
    pub client_secret_hash: Vec<u8>,
    /// Shown name.
    pub name: String,
    /// Its home page.
    pub website: Option<String>,
    /// Where a code may be sent; exact matches only.
    pub redirect_uris: Vec<String>,
    /// The most it may ask for.
    pub scopes: Scopes,
    /// When it registered.
    pub created: Timestamp,
}

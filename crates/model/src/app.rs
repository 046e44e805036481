//! Client applications. Source: <https://docs.joinmastodon.org/entities/Application/>.

use crate::{AppId, Timestamp, scope, token::Scopes};

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

/// Why an app does not get the scopes that it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScopeRefusal {
    /// One of them does not exist.
    Unknown,
    /// The app did not register for one of them.
    NotRegistered,
}

impl App {
    /// The scopes that a text asks for, `read` where it asks for none, if the app registered them.
    ///
    /// # Errors
    /// With why it does not get them.
    pub fn grant(&self, asked: Option<&str>) -> Result<Scopes, ScopeRefusal> {
        let text = asked.filter(|text| !text.trim().is_empty()).unwrap_or("read");
        let scopes = scope::parse(text).ok_or(ScopeRefusal::Unknown)?;
        if self.scopes.contains(scopes) { Ok(scopes) } else { Err(ScopeRefusal::NotRegistered) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_gets_what_it_registered_and_no_more() {
        let app = App {
            id: AppId::new(1).expect("an id"),
            client_id: String::new(),
            client_secret_hash: vec![],
            name: String::new(),
            website: None,
            redirect_uris: vec![],
            scopes: scope::parse("read write:statuses").expect("scopes"),
            created: Timestamp::from_ms(0),
        };
        let read = scope::parse("read").expect("a scope");
        for (asked, expected) in [
            (None, Ok(read)),
            (Some(" "), Ok(read)),
            (Some("read"), Ok(read)),
            (Some("write"), Err(ScopeRefusal::NotRegistered)),
            (Some("read nonsense"), Err(ScopeRefusal::Unknown)),
        ] {
            assert_eq!(app.grant(asked), expected, "{asked:?}");
        }
    }
}

//! The configuration: one TOML file, every key with a default, unknown keys refused so that a
//! misspelt one is noticed.

use crate::Place;
use anyhow::Context as _;
use serde::Deserialize;
use std::net::SocketAddr;

/// All of it.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// `[server]`
    pub server: Server,
    /// `[signup]`
    pub signup: Signup,
}

/// `[server]`: where this instance lives and how it is called.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Name in addresses (`@name@domain`). Without it links use the listening address.
    pub domain: Option<String>,
    /// Address and port.
    pub listen: SocketAddr,
    /// What this place is called.
    pub title: String,
    /// One sentence about it.
    pub description: String,
    /// Most characters in a post.
    pub status_characters: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            domain: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            title: "Fulmar".to_owned(),
            description: "A small social network".to_owned(),
            status_characters: model::limits::STATUS_CHARACTERS,
        }
    }
}

/// `[signup]`: who may join.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Signup {
    /// Whether anybody may sign up. Closed unless said so.
    pub open: bool,
}

/// Reads the file, if one was named.
pub(crate) fn load(place: &Place) -> anyhow::Result<Config> {
    let Some(path) = &place.config else { return Ok(Config::default()) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("in {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_defaults_and_misspelt_ones_are_noticed() {
        let config: Config = toml::from_str("[signup]\nopen = true").unwrap();
        assert!(config.signup.open);
        assert_eq!(config.server.listen.port(), 8080);
        let error = toml::from_str::<Config>("[signup]\nopne = true").unwrap_err().to_string();
        assert!(error.contains("opne"), "{error}");
    }
}

//! The vectors: each one file that says what it models, where that was seen, its parameters, and
//! its code. `fulmar drill --list` prints this table.

mod flood;
mod front;
mod hoard;
mod streams;

mod cache_bust;
mod conn_hoard;
mod continuation;
mod control_flood;
mod direct_origin;
mod forged_forwarded_for;
mod forged_token;
mod handshake_flood;
mod header_bomb;
mod link_full;
mod login_flood;
mod low_and_wide;
mod made_you_reset;
mod mutate;
mod origin_leak;
mod page_flood;
mod pulse;
mod rapid_reset;
mod rapid_reset_paced;
mod search_flood;
mod shared_prefix;
mod signup_flood;
mod silent_tls;
mod sleeper_cookies;
mod sleepers;
mod slow_body;
mod slow_headers;
mod slow_read;
mod solver;
mod sse_hoard;
mod syn_flood;
mod upload_flood;
mod v6_rotate;
pub(crate) mod warmed;
mod window_stall;
mod ws_hoard;

use std::{future::Future, pin::Pin, sync::Arc};

use serde::Serialize;

use crate::room::Fitting;

pub(crate) use front::{Front, Ledger, Offer};
pub(crate) use link_full::SEGMENT_BYTES;

/// A running attack.
pub(crate) type Attack = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What vectors have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Many requests.
    Floods,
    /// Many sources, each like a person.
    Botnets,
    /// Few bytes, held for long.
    Slow,
    /// Sequences of HTTP/2 frames.
    Http2,
    /// Handshakes.
    Tls,
    /// Below HTTP and TLS: segments and packets.
    Network,
    /// Round the door: proxies that stand in front, and what comes past them.
    Door,
}

impl Family {
    /// All of them, in the order of lists.
    pub const ALL: [Self; 7] = [
        Self::Floods,
        Self::Botnets,
        Self::Network,
        Self::Slow,
        Self::Http2,
        Self::Tls,
        Self::Door,
    ];

    /// What the command line calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floods => "floods",
            Self::Botnets => "botnets",
            Self::Slow => "slow",
            Self::Http2 => "http2",
            Self::Tls => "tls",
            Self::Network => "network",
            Self::Door => "door",
        }
    }
}

/// What of the server a vector uses up, and so what its overload is counted in.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Processor time: requests offered x measured cost of one / one core.
    Processor,
    /// The same, of attackers whose connections a server may end: counted in what they would have
    /// sent had it not, since ending them is the defence.
    Streams,
    /// Connections: those that want one at once / those that the server may hold. The server's open
    /// files are bounded for it, and the bound is printed.
    Seats {
        /// How many want one for each that there is.
        times: f64,
    },
    /// Memory: what is offered to be held / the bound on memory.
    Memory {
        /// Connections that hold.
        connections: usize,
        /// What an unprotected server was measured to hold for each, in bytes.
        held_bytes: u64,
    },
    /// Places of connections that are being opened: those asked for while one is kept / those there
    /// are.
    HalfOpen {
        /// How many there are.
        places: u32,
    },
    /// What the server sends by itself: letters that have come to the other side / the one that it
    /// takes to show an address.
    Letters,
    /// The link itself: bytes that are sent / bytes that it carries.
    Link {
        /// What it carries in a second.
        bytes_per_s: u32,
    },
}

/// A vector.
pub struct Vector {
    /// What it is called.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    /// What it models.
    pub models: &'static str,
    /// Where that was seen or described.
    pub source: &'static str,
    /// What it does, in figures.
    pub parameters: &'static str,
    /// What it uses up.
    pub resource: Resource,
    /// What the network of its own must have that it needs; none where the loopback will do.
    pub(crate) room: Option<Fitting>,
    /// Its code: offers load until the front's end.
    pub(crate) attack: fn(Arc<Front>) -> Attack,
}

/// All vectors, in the order of lists and runs.
pub const VECTORS: [&Vector; 36] = [
    &page_flood::VECTOR,
    &cache_bust::VECTOR,
    &search_flood::VECTOR,
    &login_flood::VECTOR,
    &signup_flood::VECTOR,
    &forged_token::VECTOR,
    &upload_flood::VECTOR,
    &ws_hoard::VECTOR,
    &sse_hoard::VECTOR,
    &low_and_wide::VECTOR,
    &shared_prefix::VECTOR,
    &solver::VECTOR,
    &sleepers::VECTOR,
    &pulse::VECTOR,
    &mutate::VECTOR,
    &warmed::VECTOR,
    &sleeper_cookies::VECTOR,
    &v6_rotate::VECTOR,
    &syn_flood::VECTOR,
    &link_full::VECTOR,
    &slow_headers::VECTOR,
    &slow_body::VECTOR,
    &slow_read::VECTOR,
    &conn_hoard::VECTOR,
    &silent_tls::VECTOR,
    &rapid_reset::VECTOR,
    &rapid_reset_paced::VECTOR,
    &made_you_reset::VECTOR,
    &continuation::VECTOR,
    &header_bomb::VECTOR,
    &window_stall::VECTOR,
    &control_flood::VECTOR,
    &handshake_flood::VECTOR,
    &direct_origin::VECTOR,
    &forged_forwarded_for::VECTOR,
    &origin_leak::VECTOR,
];

impl Vector {
    /// Whether its bots have come in peace before, each once.
    #[must_use]
    pub fn visits_in_peace(&self) -> bool {
        self.name == warmed::VECTOR.name
    }

    /// Whether it attacks TLS itself, or what only comes with it (HTTP/2).
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        matches!(self.family, Family::Http2 | Family::Tls) || self.name == "silent-tls"
    }

    /// Whether it needs other addresses than the loopback's, and so a network of its own.
    #[must_use]
    pub fn needs_room(&self) -> bool {
        self.room.is_some()
    }

    /// Whether what it fills is not the server's, so that no server can help: members are expected
    /// to be lost while it lasts, and well again after it.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self.resource, Resource::Link { .. })
    }
}

/// A vector by its name.
#[must_use]
pub fn vector(name: &str) -> Option<&'static Vector> {
    VECTORS.into_iter().find(|vector| vector.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_vector_says_what_it_is_and_has_its_own_name() {
        let names: BTreeSet<_> = VECTORS.iter().map(|vector| vector.name).collect();
        assert_eq!(names.len(), VECTORS.len());
        for vector in VECTORS {
            let Vector { name, models, source, parameters, .. } = vector;
            assert!(models.len() > 20 && source.len() > 10 && parameters.len() > 10, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        }
    }

    #[test]
    fn every_family_has_vectors_and_names_are_found() {
        for family in Family::ALL {
            assert!(VECTORS.iter().any(|vector| vector.family == family), "{family:?}");
        }
        assert_eq!(vector("page-flood").map(|vector| vector.family), Some(Family::Floods));
        assert!(vector("page").is_none());
    }
}

//! What a drill is handed: a running instance and who lives there. Making it is the business of
//! whoever calls; the drill only attacks it and looks at its process.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    outside::Outside,
    room::Room,
    system::Process,
    target::{LoopbackTarget, Source},
};

/// What stands between an attack and the instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Defence {
    /// The shield, as a host runs it.
    Shield,
    /// In its place a plain limiter: so many requests a second for each address, whoever it is.
    Limiter,
    /// Nothing of either.
    None,
    /// Whatever another server brings along.
    Own,
}

impl Defence {
    /// What reports call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shield => "shield",
            Self::Limiter => "limiter",
            Self::None => "none",
            Self::Own => "own",
        }
    }

    /// Its place in tables.
    pub(crate) const fn order(self) -> u8 {
        match self {
            Self::Shield => 0,
            Self::Limiter => 1,
            Self::None => 2,
            Self::Own => 3,
        }
    }
}

/// How an instance is to be started.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Open files that it may hold, so that what hoards connections meets a bound that this
    /// machine can reach; none leaves it as it is.
    pub files: Option<u64>,
    /// What protects it.
    pub defence: Defence,
    /// Where, if not in the machine's own network: there it listens on all addresses.
    pub room: Option<Room>,
    /// Whether people reach it through proxies ([`crate::atlas::PROXIES`], which announce whom they
    /// speak for by the PROXY protocol), and by its own rule in no other way.
    pub has_proxies: bool,
    /// Whether it sends mail, to who looks where it comes from ([`Outside`]): through the proxy
    /// there, and without a defence directly.
    pub has_outside: bool,
    /// Whether its shield remembers bots that came in peace.
    pub knows_bots: bool,
}

/// A member of the scratch instance.
#[derive(Clone)]
pub struct Member {
    /// Username.
    pub name: String,
    /// An access token with read and write.
    pub token: String,
}

/// A public post.
#[derive(Clone)]
pub struct Post {
    /// Who wrote it.
    pub author: String,
    /// Its id, as in its address `/@AUTHOR/ID`.
    pub id: String,
}

/// Makes a visit cookie, `name=value`, as the instance gave it to an address so many days ago.
pub type VisitCookie = Arc<dyn Fn(Source, u64) -> String + Send + Sync>;

/// Makes the cookie, `name=value`, that a solved challenge earns whoever sends this user agent from
/// an address.
pub type ClearanceCookie = Arc<dyn Fn(Source, &str) -> String + Send + Sync>;

/// A running instance.
#[derive(Clone)]
pub struct Scene {
    /// Where it listens.
    pub target: LoopbackTarget,
    /// Certificate (DER) of the authority that signed its own, for `localhost`; none where it
    /// speaks without TLS.
    pub authority: Option<Vec<u8>>,
    /// What requests call it, `Host`.
    pub host: String,
    /// Its process.
    pub process: Process,
    /// Members, whose service is measured.
    pub members: Vec<Member>,
    /// Accounts that bots have taken over: their tokens are theirs.
    pub taken: Vec<Member>,
    /// Public posts, to be read by anybody.
    pub posts: Vec<Post>,
    /// Makes the cookies of visitors who were here before; none where the instance gives none.
    pub visit_cookie: Option<VisitCookie>,
    /// Makes what solving a challenge earns; none where there are no challenges.
    pub clearance_cookie: Option<ClearanceCookie>,
    /// Whom it calls by itself, where somebody looks at that.
    pub outside: Option<Outside>,
}

/// Why there is no instance to drill.
#[derive(Debug, thiserror::Error)]
#[error("the scratch instance did not start: {0}")]
pub struct StageError(pub String);

/// Who makes scratch instances: a fresh one for each vector, so that none meets what another left.
pub trait Stage {
    /// Starts one, and ends the one before.
    ///
    /// # Errors
    /// When it does not start.
    fn raise(&mut self, setting: Setting) -> Result<Scene, StageError>;

    /// Ends the one there is.
    fn strike(&mut self);

    /// What the best policy could serve of members, returning visitors, newcomers and newcomers
    /// without scripts, while a vector offers so many times the capacity. None where nobody knows.
    fn ceiling(&self, _vector: &str, _overload: f64, _seed: u64) -> Option<[f64; 4]> {
        None
    }
}

//! What a drill is handed: a running instance and who lives there. Making it is the business of
//! whoever calls; the drill only attacks it and looks at its process.

use crate::{system::Process, target::LoopbackTarget};

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

/// A running instance.
#[derive(Clone)]
pub struct Scene {
    /// Where it listens, with TLS.
    pub target: LoopbackTarget,
    /// Certificate (DER) of the authority that signed its own, for `localhost`.
    pub authority: Vec<u8>,
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
}

/// Why there is no instance to drill.
#[derive(Debug, thiserror::Error)]
#[error("the scratch instance did not start: {0}")]
pub struct StageError(pub String);

/// Who makes scratch instances: a fresh one for each vector, so that none meets what another left.
pub trait Stage {
    /// Starts one, and ends the one before. With `files` it may hold only so many open files, so
    /// that what hoards connections meets a bound that this machine can reach.
    ///
    /// # Errors
    /// When it does not start.
    fn raise(&mut self, files: Option<u64>) -> Result<Scene, StageError>;

    /// Ends the one there is.
    fn strike(&mut self);
}

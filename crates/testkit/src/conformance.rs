//! Every store test runs on both engines: a case is written once and handed a fresh database of
//! each in turn.

use crate::{clock::StillClock, heard::Heard, postgres::Cluster};
use model::ports::{Announcer, Clock};
use std::{future::Future, sync::Arc};
use store::{Db, Engine, Options, PostgresOptions, SqlStore};
use tempfile::TempDir;

/// The engines that there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A file of its own.
    Sqlite,
    /// A database of its own on the shared cluster.
    Postgres,
}

/// Both.
pub const KINDS: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

/// A fresh place for a database; it goes with its last clone.
#[derive(Clone)]
pub struct Ground {
    /// How it is opened.
    pub engine: Engine,
    /// Which it is.
    pub kind: Kind,
    folder: Arc<TempDir>,
}

impl Ground {
    /// Empty ground.
    pub async fn fresh(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        let engine = match kind {
            Kind::Sqlite => Engine::Sqlite(Options::at(folder.path().join("fulmar.db"))),
            Kind::Postgres => {
                let cluster = Cluster::shared();
                let name = cluster.database().await;
                Engine::Postgres(PostgresOptions::at(cluster.url(&name)))
            }
        };
        Self { engine, kind, folder: Arc::new(folder) }
    }

    /// A folder that goes with it.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The same place, met as another of its nodes; a file has one.
    pub fn as_node(&self, node: u16) -> Self {
        let mut same = self.clone();
        if let Engine::Postgres(options) = &mut same.engine {
            options.node = node;
        }
        same
    }

    /// Opens what is there.
    pub async fn open(&self, clock: Arc<dyn Clock>, announcer: Arc<dyn Announcer>) -> Db {
        let opened = Db::connect(&self.engine, clock, announcer).await;
        opened.unwrap_or_else(|e| panic!("{:?} did not open: {e}", self.kind))
    }
}

/// A case's own store, with hands on its clock and ears on its events.
#[derive(Clone)]
pub struct Case {
    /// The nouns.
    pub store: SqlStore,
    /// The engine beneath.
    pub db: Db,
    /// Stands still until moved.
    pub clock: Arc<StillClock>,
    /// What was announced.
    pub heard: Arc<Heard>,
    /// Where it lives.
    pub ground: Ground,
}

impl Case {
    /// On fresh ground.
    pub async fn fresh(kind: Kind) -> Self {
        let ground = Ground::fresh(kind).await;
        let (clock, heard) = (Arc::new(StillClock::default()), Arc::new(Heard::default()));
        let db = ground.open(clock.clone(), heard.clone()).await;
        Self { store: SqlStore::new(db.clone()), db, clock, heard, ground }
    }
}

/// Runs a case on every engine, each on a runtime of its own. The name of the engine is printed
/// first, so that a failure says where it was.
pub fn check<F, Fut>(case: F)
where
    F: Fn(Case) -> Fut,
    Fut: Future<Output = ()>,
{
    for kind in KINDS {
        check_on(kind, &case);
    }
}

/// Runs a case on one engine.
pub fn check_on<F, Fut>(kind: Kind, case: F)
where
    F: Fn(Case) -> Fut,
    Fut: Future<Output = ()>,
{
    println!("on {kind:?}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap_or_else(|e| panic!("no runtime: {e}"));
    runtime.block_on(async { case(Case::fresh(kind).await).await });
}

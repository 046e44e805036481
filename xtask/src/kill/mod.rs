//! `cargo xtask kill`: what was acknowledged is there, whatever happened to the server.
//!
//! Writers over HTTP note every id they were given. The server is ended by SIGKILL at a random
//! moment and started again, and everything noted is asked for. Then the same claim under other
//! misfortunes: the database cut off and restored, a disk that is full, a backup taken under load.
//! SIGKILL keeps what the system has cached, so power loss is tested elsewhere, with a file system
//! in `crates/store` that forgets what was not synchronised.

mod backup;
mod disk;
mod ledger;
mod outage;
mod rounds;
mod verify;

use std::path::Path;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::chance::Chance;
use crate::ground;
use crate::instance::{OPEN, Plan};
use crate::postgres::{self, Postgres};
use crate::steps::{Outcome, Steps};

/// Which store is put to the test.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The default, in the data folder.
    Sqlite,
    /// A server of its own on loopback.
    Postgres,
}

impl Engine {
    const fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// How the word is to be run.
pub struct Wish {
    /// Rounds on each engine.
    pub rounds: u32,
    /// One engine, or both.
    pub engine: Option<Engine>,
    /// The seed of all chance.
    pub seed: Option<u64>,
}

/// Runs everything on the engines that are wished for.
///
/// # Errors
/// When anything that was acknowledged is missing, or a step could not be run.
pub fn run(wish: &Wish) -> Result<()> {
    let mut steps = Steps::default();
    steps.step("build", || ground::build_server().map(|()| Outcome::Done));
    add(&mut steps, wish);
    steps.close()
}

/// The same, as steps of a longer word.
pub fn add(steps: &mut Steps, wish: &Wish) {
    let seed = Chance::seed(wish.seed);
    println!("kill: seed {seed} (replay with --seed {seed})");
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if wish.engine.is_some_and(|only| only != engine) {
            continue;
        }
        let word = engine.word();
        steps.step(&format!("kill -9, {} rounds, {word}", wish.rounds), || {
            on(engine, |plan| rounds::run(plan, wish.rounds, seed))
        });
        steps.step(&format!("backup under load, {word}"), || {
            on(engine, |plan| backup::run(plan, seed))
        });
        if engine == Engine::Postgres {
            steps.step("PostgreSQL cut and restored", || {
                needs_postgres()?;
                outage::run(&Postgres::start()?)?;
                Ok(Outcome::Done)
            });
        } else {
            steps.step("full disk, SQLite", disk::run);
        }
    }
}

/// Runs a test on a fresh data folder with that engine.
fn on(engine: Engine, test: impl FnOnce(&Plan) -> Result<()>) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let plan = Plan::new(&folder.path().join("data"), OPEN);
    match engine {
        Engine::Sqlite => test(&plan)?,
        Engine::Postgres => {
            needs_postgres()?;
            let database = Postgres::start()?;
            test(&plan.on_postgres(&database.url()))?;
        }
    }
    Ok(Outcome::Done)
}

fn needs_postgres() -> Result<()> {
    if !postgres::installed() {
        bail!("PostgreSQL is not installed; `cargo xtask test` installs it");
    }
    Ok(())
}

/// An unfinished SQLite database shows in its own check.
///
/// # Errors
/// When the check finds anything.
fn sqlite_is_whole(data: &Path) -> Result<()> {
    let sqlite = rusqlite::Connection::open(crate::bench::database(data)?)?;
    let check: String = sqlite.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if check != "ok" {
        bail!("SQLite's integrity check says: {check}");
    }
    let orphans: i64 =
        sqlite.query_row("SELECT COUNT(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    if orphans != 0 {
        bail!("{orphans} rows refer to rows that are gone");
    }
    Ok(())
}

//! Wires the parts: data folder, key, store, hub, verbs.

use crate::{
    Place,
    config::Config,
    world::{SystemChance, WallClock},
};
use anyhow::Context as _;
use httpkit::Sealer;
use model::ports::Random as _;
use object_store::local::LocalFileSystem;
use social::{
    Hub, Settings, Social,
    media::{Darkroom, Files},
};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
};
use store::{Db, Engine, Options, PostgresOptions, SqlStore};

/// An opened instance.
pub(crate) struct Instance {
    pub social: Arc<Social>,
    pub sealer: Arc<Sealer>,
    pub darkroom: Darkroom,
}

/// Makes the data folder where it is missing, for the owner of the process only.
pub(crate) fn folder(data: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make the data folder {}", data.display()))
}

/// Opens the instance in the data folder, making what is missing.
#[expect(clippy::disallowed_methods, reason = "the one home of the operating system's chance")]
pub(crate) async fn open(place: &Place, config: &Config) -> anyhow::Result<Instance> {
    let data = &place.data;
    folder(data)?;
    let chance = Arc::new(SystemChance(aws_lc_rs::rand::SystemRandom::new()));
    let key = key(data, &chance)?;
    let clock = Arc::new(WallClock);
    let hub = Arc::new(Hub::default());
    let db = Db::connect(&engine(data, config), Arc::clone(&clock) as _, Arc::clone(&hub) as _)
        .await
        .context("cannot open the database")?;
    let settings = Settings {
        signup_open: config.signup.open,
        status_characters: config.server.status_characters.count(),
        rules: config.server.rules.len(),
    };
    let store = Arc::new(SqlStore::new(db));
    let social = Arc::new(Social::new(store, hub, clock, chance, settings));
    Ok(Instance { social, sealer: Arc::new(Sealer::new(&key)), darkroom: darkroom(data)? })
}

/// Where everything but pictures is kept: a file in the data folder, unless a server is named.
fn engine(data: &Path, config: &Config) -> Engine {
    match &config.store.postgres_url {
        Some(url) => Engine::Postgres(PostgresOptions::at(url.reveal())),
        None => Engine::Sqlite(Options::at(data.join("fulmar.db"))),
    }
}

/// Where pictures lie: `DATA/media`.
fn darkroom(data: &Path) -> anyhow::Result<Darkroom> {
    let folder = data.join("media");
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.with_context(|| format!("cannot make the folder of media {}", folder.display()))?;
    // Synced before an upload is called ready: its row survives the loss of power, so must it.
    let objects = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
    Ok(Darkroom::new(Files::new(Arc::new(objects))))
}

/// The key that seals tokens: made once, readable by the owner of the process only.
fn key(data: &Path, chance: &SystemChance) -> anyhow::Result<[u8; 32]> {
    let path = data.join("token.key");
    if !path.exists() {
        let mut fresh = [0_u8; 32];
        chance.fill(&mut fresh);
        write_secret(&path, &fresh)?;
    }
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    <[u8; 32]>::try_from(bytes.as_slice())
        .map_err(|_| anyhow::anyhow!("{} is damaged: it must have 32 bytes", path.display()))
}

/// Writes a file that nobody else may read; whole or not at all.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
    let mut file = file.with_context(|| format!("cannot write {}", unfinished.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    Ok(())
}

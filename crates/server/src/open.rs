//! Wires the parts: data folder, key, store, hub, verbs.

use crate::{
    Place,
    backup::{self, Backups},
    config::Config,
    hint,
    shielding::{Shield, kernel::Kernel},
    smtp,
    world::{SystemChance, WallClock},
};
use anyhow::Context as _;
use httpkit::Sealer;
use model::ports::{Clock, Random as _};
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
    sync::{Arc, OnceLock},
};
use store::{Db, Engine, Options, PostgresOptions, SqlStore};

/// An opened instance.
pub(crate) struct Instance {
    pub social: Arc<Social>,
    pub sealer: Arc<Sealer>,
    pub darkroom: Darkroom,
    pub backups: Backups,
    /// The deny set in the kernel, where a server runs.
    pub kernel: Option<Arc<Kernel>>,
    /// The shield around it, where it is served.
    pub shield: OnceLock<Shield>,
}

/// Makes the data folder where it is missing, for the owner of the process only.
pub(crate) fn folder(data: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.map_err(|error| hint::reaching("make the data folder", data, &error))
}

/// Opens the instance in the data folder, making what is missing.
pub(crate) async fn open(place: &Place, config: &Config) -> anyhow::Result<Instance> {
    open_at(place, config, Arc::new(WallClock)).await
}

/// The same on another clock.
#[expect(clippy::disallowed_methods, reason = "the one home of the operating system's chance")]
pub(crate) async fn open_at(
    place: &Place,
    config: &Config,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Instance> {
    let data = &place.data;
    folder(data)?;
    if let Some(why) = backup::is_unfinished(data) {
        anyhow::bail!("{why}");
    }
    backup::sweep(data);
    let engine = engine(data, config);
    if let Engine::Postgres(options) = &engine
        && let Some(host) = options.in_the_clear()
    {
        tracing::warn!(
            host,
            "the database is spoken to in the clear over a network: whoever is on the way can read \
             and change everything; add ?sslmode=require to store.postgres_url"
        );
    }
    save_before_migration(data, &engine).await?;
    if matches!(engine, Engine::Sqlite(_)) {
        own_file(&data.join(backup::DATABASE))?;
    }
    let chance = Arc::new(SystemChance(aws_lc_rs::rand::SystemRandom::new()));
    let key = key(data, &chance)?;
    let hub = Arc::new(Hub::default());
    let db = Db::connect(&engine, Arc::clone(&clock), Arc::clone(&hub) as _)
        .await
        .map_err(hint::opening)?;
    let settings = Settings {
        signup_open: config.signup.open,
        domain: config.server.domain.as_ref().map(|domain| domain.as_str().to_owned()),
        status_characters: config.server.status_characters.count(),
        rules: config.server.rules.len(),
    };
    let backups = Backups::new(data, db.clone());
    let store = Arc::new(SqlStore::new(db));
    let social = Social::new(store, hub, clock, chance, settings);
    let social = Arc::new(match smtp::from_config(config)? {
        Some((settings, mailer)) => social.with_mail(settings, mailer),
        None => social,
    });
    let (sealer, darkroom) = (Arc::new(Sealer::new(&key)), darkroom(data)?);
    let (kernel, shield) = (None, OnceLock::new());
    Ok(Instance { social, sealer, darkroom, backups, kernel, shield })
}

/// Where this version is about to change how data is kept, what is there is saved first.
async fn save_before_migration(data: &Path, engine: &Engine) -> anyhow::Result<()> {
    // Asked apart: a database that does not answer is no old data.
    Db::pending_migrations(engine).await.map_err(hint::opening)?;
    let saved = backup::before_migration(data, engine).await.context(
        "the data is of an older version and could not be saved before it \
                               is brought up to this one; nothing was changed",
    )?;
    if let Some(path) = saved {
        tracing::info!(path = %path.display(), "the data was saved before it is migrated");
    }
    Ok(())
}

/// Where everything but pictures is kept: a file in the data folder, unless a server is named.
pub(crate) fn engine(data: &Path, config: &Config) -> Engine {
    match &config.store.postgres_url {
        Some(url) => {
            let options = PostgresOptions::at(url.reveal());
            Engine::Postgres(PostgresOptions { alone: true, ..options })
        }
        None => Engine::Sqlite(Options::at(data.join(backup::DATABASE))),
    }
}

/// Makes the file of the database where there is none, so that nobody else may read it, whatever
/// the folder allows; what the engine writes beside it has the same mode.
fn own_file(path: &Path) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    let made = options.write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|error| hint::reaching("open", path, &error))
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
    let bytes = fs::read(&path).map_err(|error| hint::reaching("read", &path, &error))?;
    <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
        anyhow::anyhow!(
            "{} is damaged: it must have 32 bytes. Put it back from a backup; or move it away, and \
             the next start makes another, with which everybody has to log in again",
            path.display()
        )
    })
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

//! `fulmar backup` and `fulmar restore`: everything of an instance in one file, and back. The
//! database is copied first, at one moment; the pictures follow, and none that the copy names is
//! removed before it was read. What the file looks like is `archive`'s business.

mod archive;
mod progress;
mod restore;

pub(crate) use archive::{DATABASE, TABLES};
pub(crate) use progress::Progress;
pub(crate) use restore::{is_unfinished, keeps_an_older_state, restore, sweep};

use crate::{
    Place,
    control::{Reply, Request, Session},
    hint,
    limits::MIGRATION_BACKUPS_KEPT,
    open::write_secret,
    plural::plural,
    world::WallClock,
};
use anyhow::{Context as _, bail, ensure};
use archive::{Header, MEDIA, Manifest, Writer, is_key, is_media};
use model::ports::Clock as _;
use serde::{Deserialize, Serialize};
use social::media::Darkroom;
use std::{
    fs::{self, File},
    io::BufWriter,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use store::{Db, Engine, Inspection, Look};

/// Where a copy of the database lies while it is packed.
const STAGE: &str = "backing-up";
/// Where backups before migrations lie.
const FOLDER: &str = "backups";
/// What is noted of the last backup that was taken.
const NOTE: &str = "last-backup.json";
/// How the names of backups before migrations begin.
const BEFORE: &str = "before-migration-";

/// A backup that was taken.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Taken {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// When it was begun, RFC 3339.
    pub created: String,
    /// Accounts in it.
    pub accounts: i64,
    /// Posts in it.
    pub posts: i64,
    /// Files of pictures in it.
    pub media_files: u64,
}

/// The last backup that was taken by command, if any.
pub(crate) fn last(data: &Path) -> Option<Taken> {
    serde_json::from_slice(&fs::read(data.join(NOTE)).ok()?).ok()
}

/// Takes backups of an open instance, one at a time.
pub(crate) struct Backups {
    data: PathBuf,
    db: Db,
    turn: Arc<tokio::sync::Mutex<()>>,
    current: parking_lot::Mutex<Arc<Progress>>,
}

/// Calls a backup off when nobody waits for it any more.
struct Waiting(Arc<Progress>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Backups {
    pub(crate) fn new(data: &Path, db: Db) -> Self {
        Self { data: data.to_owned(), db, turn: Arc::default(), current: Default::default() }
    }

    /// Bytes done, and of how many, of the backup that is being taken.
    pub(crate) fn progress(&self) -> (u64, u64) {
        self.current.lock().read()
    }

    /// Takes one into a file that is not there yet, unless `force`.
    ///
    /// # Errors
    /// When it could not be taken; then there is no new file.
    pub(crate) async fn take(
        &self,
        room: &Darkroom,
        file: &Path,
        force: bool,
    ) -> anyhow::Result<Taken> {
        let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() else {
            bail!("another backup is being taken: try again when it is done")
        };
        let progress = Arc::new(Progress::default());
        *self.current.lock() = Arc::clone(&progress);
        let _waiting = Waiting(Arc::clone(&progress));
        let (db, room, data) = (self.db.clone(), room.clone(), self.data.clone());
        let target = Target::new(file, force)?;
        // On its own, so that what it has begun it also cleans away, whoever leaves meanwhile.
        let work = tokio::spawn(async move {
            let _turn = turn;
            let hold = room.hold();
            let created = created();
            let stage = Stage::make(&data)?;
            let snapshot = stage.0.join(if db.is_file() { DATABASE } else { TABLES });
            db.backup(snapshot.clone()).await.context("the database cannot be copied")?;
            let found = Db::inspect_copy(&snapshot, Look::Counts).await;
            let found = found.context("the copy of the database")?;
            let packed = tokio::task::spawn_blocking(move || {
                let _stage = stage;
                let taken = pack(&data, &snapshot, &found, target, created, true, &progress)?;
                write_secret(&data.join(NOTE), &serde_json::to_vec(&taken)?)?;
                anyhow::Ok(taken)
            });
            let taken = packed.await?;
            drop(hold);
            room.remove_held().await;
            taken
        });
        work.await?
    }
}

fn created() -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(WallClock.now().ms()).unwrap_or_default()
}

/// A folder for the copy of the database; gone when this is dropped.
struct Stage(PathBuf);

impl Stage {
    fn make(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(STAGE);
        // What a killed process left.
        let _ = fs::remove_dir_all(&path);
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file that has its name once it is whole.
struct Target {
    path: PathBuf,
    unfinished: PathBuf,
    force: bool,
    is_done: bool,
}

impl Target {
    fn new(path: &Path, force: bool) -> anyhow::Result<Self> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".part");
        let (path, unfinished) = (path.to_owned(), PathBuf::from(unfinished));
        let target = Self { path, unfinished, force, is_done: false };
        target.check()?;
        Ok(target)
    }

    fn check(&self) -> anyhow::Result<()> {
        let path = self.path.display();
        ensure!(!self.path.is_dir(), "{path} is a folder: name a file in it");
        let is_there = fs::symlink_metadata(&self.path).is_ok();
        ensure!(!is_there || self.force, "{path} is there already: --force overwrites it");
        Ok(())
    }

    /// Opens it anew, for the owner of the process only. Not through a link that somebody laid.
    fn create(&self) -> anyhow::Result<File> {
        let _ = fs::remove_file(&self.unfinished);
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(&self.unfinished);
        file.with_context(|| {
            let path = self.unfinished.display();
            format!("cannot write {path}: name a file in a folder that the server may write to")
        })
    }

    /// Gives it its name, for good.
    fn finish(&mut self, file: &File) -> anyhow::Result<u64> {
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        self.check()?;
        fs::rename(&self.unfinished, &self.path)?;
        self.is_done = true;
        sync_parent(&self.path)?;
        Ok(bytes)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

/// Makes a new name in a folder survive the loss of power.
fn sync_parent(path: &Path) -> anyhow::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?)
}

/// Packs a copy of the database with keys and, where asked for, pictures.
fn pack(
    data: &Path,
    snapshot: &Path,
    found: &Inspection,
    mut target: Target,
    created: jiff::Timestamp,
    media: bool,
    progress: &Progress,
) -> anyhow::Result<Taken> {
    let mut files = if snapshot.is_dir() {
        tables(snapshot)?
    } else {
        // SQLite folds what it wrote beside into the file when the last connection closes.
        vec![(DATABASE.to_owned(), snapshot.to_owned())]
    };
    files.extend(keys(data)?);
    if media {
        files.extend(pictures(&data.join(MEDIA))?);
    }
    let total = files.iter().filter_map(|(_, path)| fs::metadata(path).ok());
    progress.expect(total.map(|found| found.len()).sum());
    let file = target.create()?;
    let header = Header::new(created.to_string(), media);
    let created_s = u64::try_from(created.as_second())?;
    let mut writer = Writer::begin(BufWriter::new(file), &header, created_s)?;
    for (name, path) in files {
        let said = || format!("cannot save {}", path.display());
        let open = match File::open(&path) {
            // Its row had gone before the database was copied.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && name.contains('/') => {
                continue;
            }
            open => open.with_context(said)?,
        };
        let bytes = open.metadata().with_context(said)?.len();
        writer.add(&name, bytes, open, progress).with_context(said)?;
    }
    let (file, manifest) = writer.finish(found)?;
    let file = file.into_inner().map_err(|error| error.into_error())?;
    let bytes = target.finish(&file)?;
    Ok(taken(&target.path, bytes, &header, &manifest))
}

fn taken(path: &Path, bytes: u64, header: &Header, manifest: &Manifest) -> Taken {
    Taken {
        path: path.to_owned(),
        bytes,
        created: header.created.clone(),
        accounts: manifest.accounts,
        posts: manifest.posts,
        media_files: manifest.media_files,
    }
}

/// The files of a copied PostgreSQL database, by name.
fn tables(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        found.push((format!("{TABLES}/{}", entry.file_name().to_string_lossy()), entry.path()));
    }
    found.sort();
    Ok(found)
}

/// The keys in the data folder, by name.
fn keys(data: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().filter(|name| is_key(name))
            && entry.file_type()?.is_file()
        {
            found.push((name.to_owned(), entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// The files of pictures, by name. Names that are not ours (a file that is being written) are
/// passed over: no row of the copied database names them.
fn pictures(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for first in fs::read_dir(folder)? {
        let first = first?;
        if !first.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(first.path())? {
            let entry = entry?;
            let (folder, name) = (first.file_name(), entry.file_name());
            let key = format!("{}/{}", folder.to_string_lossy(), name.to_string_lossy());
            if is_media(&key) {
                found.push((format!("{MEDIA}/{key}"), entry.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Saves database and keys before a migration changes the data, and keeps the last few such
/// backups. Nothing to do for a fresh folder, or where nothing is to be migrated.
///
/// # Errors
/// When it could not be saved: then nothing is migrated either.
pub(crate) async fn before_migration(
    data: &Path,
    engine: &Engine,
) -> anyhow::Result<Option<PathBuf>> {
    let pending = Db::pending_migrations(engine).await.map_err(hint::opening)?;
    if pending.is_empty() {
        return Ok(None);
    }
    let folder = data.join(FOLDER);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let created = created();
    let path = folder.join(format!("{BEFORE}{}.tar.zst", dated(created)));
    let stage = Stage::make(data)?;
    let is_file = matches!(engine, Engine::Sqlite(_));
    let snapshot = stage.0.join(if is_file { DATABASE } else { TABLES });
    Db::snapshot(engine, &snapshot).await?;
    let found = Db::inspect_copy(&snapshot, Look::Counts).await?;
    let target = Target::new(&path, true)?;
    let data = data.to_owned();
    let packed = tokio::task::spawn_blocking(move || {
        let _stage = stage;
        pack(&data, &snapshot, &found, target, created, false, &Progress::default())?;
        keep_last(&folder)
    });
    packed.await??;
    Ok(Some(path))
}

/// A moment as a part of a file's name that sorts.
fn dated(at: jiff::Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%S%3fZ").to_string()
}

fn keep_last(folder: &Path) -> anyhow::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|n| n.starts_with(BEFORE) && n.ends_with(".tar.zst")) {
            kept.push(name);
        }
    }
    kept.sort();
    let surplus = kept.len().saturating_sub(MIGRATION_BACKUPS_KEPT);
    for name in kept.into_iter().take(surplus) {
        fs::remove_file(folder.join(name))?;
    }
    Ok(())
}

/// `fulmar backup`: has the running server take one, or takes it here.
pub(crate) async fn run(place: &Place, file: &Path, force: bool) -> anyhow::Result<()> {
    // The server has a working folder of its own.
    let path = std::path::absolute(file)?;
    let said = path.to_str().context("the name of the file must be UTF-8")?.to_owned();
    let mut session = Session::open(place, false).await?;
    let bar = progress::bar("backing up");
    let request = Request::Backup { path: said, force };
    let reply = session.ask_showing(request, &|at| progress::show(&bar, at)).await;
    bar.finish_and_clear();
    let Reply::Backup { taken } = reply? else { bail!("an answer to something else") };
    if fs::metadata(&path).map_or(0, |found| found.len()) != taken.bytes {
        bail!(
            "the server wrote {} where this command does not see it (a private /tmp, perhaps): \
             name a file in a folder that both see",
            path.display()
        );
    }
    let Taken { path, bytes, accounts, posts, media_files, .. } = taken;
    println!(
        "saved {}, {} and {} in {} ({bytes} bytes). It holds the keys too: keep it where nobody \
         else reads it",
        plural(accounts, "account", "accounts"),
        plural(posts, "post", "posts"),
        plural(media_files, "file of pictures", "files of pictures"),
        path.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{Batch, Options, PostgresOptions};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn old_data_is_saved_before_it_is_migrated_and_three_such_backups_stay() {
        let cluster = testkit::postgres::Cluster::shared();
        let url = cluster.url(&cluster.database().await);
        let server = Engine::Postgres(PostgresOptions::at(url));
        for engine in [None, Some(server)] {
            let folder = tempfile::tempdir().unwrap();
            let file = Engine::Sqlite(Options::at(folder.path().join(DATABASE)));
            saves(folder.path(), &engine.unwrap_or(file)).await;
        }
    }

    async fn saves(data: &Path, engine: &Engine) {
        let (clock, unheard) = (Arc::new(WallClock), Arc::new(model::ports::Unheard));
        assert!(before_migration(data, engine).await.unwrap().is_none());
        let db = Db::connect(engine, clock, unheard).await.unwrap();
        write_secret(&data.join("token.key"), &[7; 32]).unwrap();
        assert!(before_migration(data, engine).await.unwrap().is_none());
        let mut batch = Batch::new();
        let last = i64::try_from(store::migrate::MIGRATIONS.len()).unwrap();
        batch.add("DELETE FROM migration WHERE version = ?1", vec![store::Value::Int(last)]);
        db.commit(batch).await.unwrap();
        drop(db);
        let mut taken = vec![];
        while taken.len() < 5 {
            let path = before_migration(data, engine).await.unwrap().expect("a backup");
            if taken.last() != Some(&path) {
                taken.push(path);
            }
        }
        let there: Vec<bool> = taken.iter().map(|path| path.exists()).collect();
        assert_eq!(there, [false, false, true, true, true]);
        let into = data.join("unpacked");
        fs::create_dir(&into).unwrap();
        let file = File::open(taken.last().unwrap()).unwrap();
        let (header, manifest) = archive::unpack(file, &into, &Progress::default()).unwrap();
        assert!(!header.media);
        assert_eq!(manifest.migration, last - 1);
        assert_eq!(fs::read(into.join("token.key")).unwrap(), [7; 32]);
    }
}

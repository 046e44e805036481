//! Puts a backup into a data folder, and its tables into PostgreSQL where posts are kept there.
//! Everything is unpacked beside and verified first; only then, with a marker on the disk that says
//! so, do things take their places: tables first, in one transaction that leaves a mark there. An
//! interrupted restore is either nothing yet or finished by the next one; no instance opens in
//! between.

use super::{
    archive::{self, DATABASE, Header, MEDIA, Manifest, TABLES, is_key},
    created, dated, progress, sync_parent,
};
use crate::{
    Place, config, hint,
    lock::{self, Holder},
    open, owner,
    plural::plural,
};
use anyhow::{Context as _, bail, ensure};
use model::StoreError;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::BufReader,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};
use store::{Db, Engine, Look, OpenError, Restoring};

/// Where a backup is unpacked to.
const STAGE: &str = "restoring";
/// What the stage is called once everything has its place, or was given up, until it is gone.
const RESTORED: &str = "restored";
/// Its marker: what is in the stage is whole, and is being moved to its places.
const MARKER: &str = "moving.json";
/// Where in the stage the new entries are.
const NEW: &str = "new";
/// What its tables are called once they are in the database, until they are gone.
const PUT: &str = "tables-put";
/// How the name of a folder for what was there before begins.
const BEFORE: &str = "before-restore-";

/// The marker's text.
#[derive(Serialize, Deserialize, Debug)]
struct Moving {
    /// Which backup.
    file: PathBuf,
    /// Where what was there goes, in the data folder.
    aside: String,
    /// Whether tables that were there go into a schema beside.
    #[serde(default)]
    tables_aside: bool,
    header: Header,
    accounts: i64,
    posts: i64,
    media_files: u64,
}

/// Removes what a restore left that was killed when all but its own cleaning was done.
pub(crate) fn sweep(data: &Path) {
    let gone = data.join(RESTORED);
    if !gone.exists() {
        return;
    }
    match fs::remove_dir_all(&gone) {
        Ok(()) => tracing::info!("what an ended restore had left was cleaned away"),
        Err(error) => tracing::warn!(%error, "what an ended restore left stays"),
    }
}

/// Whether there is a folder of what was there before a restore, for the host to remove.
pub(crate) fn keeps_an_older_state(data: &Path) -> bool {
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(BEFORE))
}

/// Whether a restore was begun here and has not ended; what to do about it.
pub(crate) fn is_unfinished(data: &Path) -> Option<String> {
    let stage = data.join(STAGE);
    if !stage.exists() {
        return None;
    }
    let shown = stage.display();
    Some(if stage.join(MARKER).exists() {
        format!("a restore was interrupted in {shown}: run `fulmar restore` again to finish it")
    } else {
        format!(
            "a restore was interrupted in {shown} before it changed anything: run `fulmar \
             restore` again, or remove that folder to go on with what is here"
        )
    })
}

/// `fulmar restore`.
pub(crate) async fn restore(place: &Place, file: &Path, force: bool) -> anyhow::Result<()> {
    let config = config::load(place)?;
    let (data, file) = (place.data.clone(), std::path::absolute(file)?);
    let engine = open::engine(&data, &config);
    open::folder(&data)?;
    owner::fits(&data)?;
    let lock = match lock::try_take(&data, Holder::Command)? {
        Ok(lock) => lock,
        Err(by) => bail!("{} is in use: {by}. Stop it first, then restore", data.display()),
    };
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || {
        let _lock = lock;
        Restore { data: &data, engine: &engine, runtime }.put(&file, force)
    });
    println!("{}", done.await??);
    Ok(())
}

/// Where a restore goes to.
struct Restore<'a> {
    data: &'a Path,
    engine: &'a Engine,
    runtime: tokio::runtime::Handle,
}

impl Restore<'_> {
    /// Does it; what was done, in words.
    fn put(&self, file: &Path, force: bool) -> anyhow::Result<String> {
        let data = self.data;
        let stage = data.join(STAGE);
        if stage.join(MARKER).exists() {
            let moving: Moving = serde_json::from_slice(&fs::read(stage.join(MARKER))?)
                .with_context(|| format!("{} cannot be read", stage.join(MARKER).display()))?;
            self.move_in(&moving)?;
            let said = said(data, &moving);
            ensure!(
                moving.file == file,
                "an earlier restore was finished first: {said}. For {}, run this again with \
                 --force",
                file.display()
            );
            return Ok(said);
        }
        let old = taken_names(data, true)?;
        if let Some(name) = old.first().filter(|_| !force) {
            bail!(
                "{} is not empty (there is {name}): choose another folder with --data, or let \
                 --force move what is there into before-restore-DATE inside it",
                data.display()
            );
        }
        let is_empty = self.runtime.block_on(Db::is_empty(self.engine));
        let is_empty =
            is_empty.context("cannot look into the database that the configuration names")?;
        ensure!(
            is_empty || force,
            "the database that the configuration names is not empty: name another one, or let \
             --force move its tables into a schema beside"
        );
        let _ = fs::remove_dir_all(&stage);
        let unpacked = self.unpack(&stage, file);
        let (header, manifest) = match unpacked {
            Ok(unpacked) => unpacked,
            Err(error) => {
                let _ = fs::remove_dir_all(&stage);
                return Err(error.context(format!("{} was not restored", file.display())));
            }
        };
        let moving = Moving {
            file: file.to_owned(),
            aside: format!("{BEFORE}{}", dated(created())),
            tables_aside: !is_empty && matches!(self.engine, Engine::Postgres(_)),
            header,
            accounts: manifest.accounts,
            posts: manifest.posts,
            media_files: manifest.media_files,
        };
        open::write_secret(&stage.join(MARKER), &serde_json::to_vec(&moving)?)?;
        sync_parent(&stage.join(MARKER))?;
        self.move_in(&moving)?;
        Ok(said(data, &moving))
    }

    /// Unpacks and verifies: each file by its digest, the database by SQLite's own check, tables by
    /// their numbers of rows.
    fn unpack(&self, stage: &Path, file: &Path) -> anyhow::Result<(Header, Manifest)> {
        let data = self.data;
        let new = stage.join(NEW);
        let opened = File::open(file).map_err(|error| hint::reaching("open", file, &error))?;
        ensure!(
            archive::may_be_one(&opened)?,
            "it is no backup of Fulmar: name a file that `fulmar backup` wrote"
        );
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&new)?;
        sync_parent(stage)?;
        let bar = progress::bar("restoring");
        bar.set_length(opened.metadata()?.len());
        let reader = BufReader::new(bar.wrap_read(opened));
        let unpacked = archive::unpack(reader, &new, &progress::Progress::default());
        bar.finish_and_clear();
        let (header, manifest) = unpacked?;
        let database = match (self.engine, new.join(TABLES).exists()) {
            (Engine::Sqlite(_), false) => new.join(DATABASE),
            (Engine::Postgres(_), true) => new.join(TABLES),
            (Engine::Sqlite(_), true) => bail!(
                "it holds tables of PostgreSQL, and the configuration names none: set \
             store.postgres_url to an empty database"
            ),
            (Engine::Postgres(_), false) => bail!(
                "it holds an SQLite database, and the configuration names PostgreSQL: take \
             store.postgres_url out of it"
            ),
        };
        let found = self.runtime.block_on(Db::inspect_copy(&database, Look::Pages));
        let found = found.context("its database cannot be used by this version")?;
        if let Some(damage) = found.damage {
            bail!("its database is damaged: {damage}");
        }
        let is_said = (found.level, found.accounts, found.statuses)
            == (manifest.migration, manifest.accounts, manifest.posts);
        ensure!(is_said, "its database holds something else than its manifest says");
        if header.media {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(new.join(MEDIA))?;
        } else if !data.join(MEDIA).exists() {
            tracing::warn!("this backup holds no pictures, and there are none in the folder");
        }
        sync_folders(&new)?;
        Ok((header, manifest))
    }

    /// Puts the tables into the database, all or nothing. Begun anew it finds its mark there.
    fn put_tables(&self, stage: &Path, moving: &Moving) -> anyhow::Result<()> {
        let tables = stage.join(NEW).join(TABLES);
        if !tables.exists() {
            return Ok(());
        }
        let Engine::Postgres(options) = self.engine else {
            bail!(
                "a restore into PostgreSQL was interrupted, and the configuration names no \
                 PostgreSQL any more: put store.postgres_url back, or remove {} to give it up",
                stage.display()
            )
        };
        let aside = schema_aside(&moving.aside);
        let aside = moving.tables_aside.then_some(aside.as_str());
        let how = Restoring { mark: Some(&moving.aside), aside };
        let done = self.runtime.block_on(Db::restore_tables(options, &tables, how));
        let error = match done {
            // At once: from here on nothing here is a part of the copy any more.
            Ok(()) => return discard(&tables, &stage.join(PUT)),
            Err(error) => error,
        };
        if proves_nothing_was_done(&error) {
            // At once, with the marker: a stage that was removed by half must never be moved in.
            discard(stage, &self.data.join(RESTORED))?;
            return Err(error).context("the tables could not be restored, and nothing was changed");
        }
        // Perhaps it was done and only the answer was lost: the next one will see.
        Err(anyhow::Error::new(error).context(format!(
            "it is not known whether the tables are in the database: mend what is said here and \
             run `fulmar restore` again, which finds out and goes on. Until then {} stays",
            stage.display()
        )))
    }

    /// Moves what was there aside, and what was unpacked to its places. Begun anew it goes on where
    /// it was: a name that is still in the stage has not been moved, so what has that name is old;
    /// and what only the old instance had is no less old for as long as nobody could open this
    /// folder.
    fn move_in(&self, moving: &Moving) -> anyhow::Result<()> {
        let data = self.data;
        let stage = data.join(STAGE);
        self.put_tables(&stage, moving)?;
        let (new, aside) = (stage.join(NEW), data.join(&moving.aside));
        // Which names are new was settled before the first of them moved.
        let list = stage.join("names");
        if !list.exists() {
            let mut names = Vec::new();
            for entry in fs::read_dir(&new)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            open::write_secret(&list, &serde_json::to_vec(&names)?)?;
            sync_parent(&list)?;
        }
        let names: Vec<String> = serde_json::from_slice(&fs::read(&list)?)?;
        for name in taken_names(data, moving.header.media)? {
            if names.contains(&name) && !new.join(&name).exists() {
                continue;
            }
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
            fs::rename(data.join(&name), aside.join(&name))?;
        }
        for name in names {
            if new.join(&name).exists() {
                fs::rename(new.join(&name), data.join(&name))?;
            }
        }
        File::open(data)?.sync_all()?;
        if aside.exists() {
            File::open(&aside)?.sync_all()?;
        }
        // At once, with the marker: from here on the folder opens again.
        discard(&stage, &data.join(RESTORED))
    }
}

/// Whether a refusal to put tables in came for sure before any of them was there for others.
fn proves_nothing_was_done(error: &OpenError) -> bool {
    match error {
        OpenError::NotEmpty | OpenError::AsideRights | OpenError::Copy { .. } => true,
        OpenError::Store(error) => {
            !matches!(error, StoreError::Away { .. } | StoreError::Unsettled { .. })
        }
        // It was not even asked whether an earlier try had been done.
        OpenError::Address
        | OpenError::Unreachable { .. }
        | OpenError::Refused { .. }
        | OpenError::Version { .. }
        | OpenError::Encoding { .. }
        | OpenError::Rights
        | OpenError::Taken { .. } => false,
    }
}

/// Takes a folder away at once, by another name beside it, and then removes it: killed or failing
/// in between, it leaves the whole of it or nothing under the name that means something.
fn discard(folder: &Path, gone: &Path) -> anyhow::Result<()> {
    // What an earlier one left.
    let _ = fs::remove_dir_all(gone);
    fs::rename(folder, gone)
        .with_context(|| format!("{} cannot be moved to {}", folder.display(), gone.display()))?;
    for parent in [folder.parent(), gone.parent()].into_iter().flatten() {
        File::open(parent)?.sync_all()?;
    }
    if let Err(error) = fs::remove_dir_all(gone) {
        tracing::warn!(folder = %gone.display(), %error, "it is not needed any more, and stays");
    }
    Ok(())
}

/// Syncs the names in a folder and in those below it.
fn sync_folders(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    Ok(File::open(folder)?.sync_all()?)
}

/// What belongs to an instance in the data folder, by name.
fn taken_names(data: &Path, media: bool) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        // The database with what SQLite keeps beside it.
        let is_database = name == DATABASE
            || name.strip_prefix(DATABASE).is_some_and(|rest| rest == "-wal" || rest == "-shm");
        let is_note = name == "owner-password";
        if is_database || is_key(name) || is_note || (media && name == MEDIA) {
            found.push(name.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// The schema for tables that were there, named as a host types it without quotes.
fn schema_aside(folder: &str) -> String {
    folder.replace('-', "_").to_lowercase()
}

fn said(data: &Path, moving: &Moving) -> String {
    let Moving { accounts, posts, media_files, header, .. } = moving;
    let pictures = if header.media {
        plural(*media_files, "file of pictures", "files of pictures")
    } else {
        "no pictures (it was taken before a migration, which leaves them alone)".to_owned()
    };
    let mut text = format!(
        "restored {}, {} and {pictures} as of {} (version {}) into {}",
        plural(*accounts, "account", "accounts"),
        plural(*posts, "post", "posts"),
        header.created,
        header.version,
        data.display()
    );
    let aside = data.join(&moving.aside);
    if aside.exists() {
        text.push_str(&format!("; what was there before is in {}", aside.display()));
    }
    if moving.tables_aside {
        let schema = schema_aside(&moving.aside);
        text.push_str(&format!("; the tables that were there are in the schema {schema}"));
    }
    text
}

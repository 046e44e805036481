//! The archive: a tar within zstd, of a few known names. What it is stands first, so that a wrong
//! file is known at once; the manifest with a digest of each file stands last, so that an archive
//! that was cut short is known too. Leaves where files come from and go to to its neighbours.

use super::progress::Progress;
use crate::limits::{
    BACKUP_ENTRIES_MAX, BACKUP_HEADER_BYTES_MAX, BACKUP_KEY_NAME_MAX, BACKUP_MANIFEST_BYTES_MAX,
};
use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Name of the first entry.
const HEADER: &str = "fulmar-backup.json";
/// Name of the last entry.
const MANIFEST: &str = "manifest.json";
/// Name of the database, here and in the data folder.
pub(crate) const DATABASE: &str = "fulmar.db";
/// Name of the folder of tables, where posts are in PostgreSQL.
pub(crate) const TABLES: &str = "database";
/// What a copy of a PostgreSQL database always has.
const TABLE_LIST: &str = "database/tables.json";
/// Name of the folder of pictures, here and in the data folder.
pub(crate) const MEDIA: &str = "media";
/// Ending of the names of keys.
const KEY: &str = ".key";
/// The form of archive that this program writes; it reads no later one.
const FORMAT: u32 = 1;
/// Compression level of zstd. Pictures do not get smaller, and rows do at any level.
const LEVEL: i32 = 3;

/// What an archive is.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(super) struct Header {
    /// The form of the archive.
    pub fulmar_backup: u32,
    /// The program that wrote it.
    pub version: String,
    /// When, RFC 3339.
    pub created: String,
    /// Whether pictures are in it. They are left out before a migration, which does not touch them.
    pub media: bool,
}

impl Header {
    pub(super) fn new(created: String, media: bool) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { fulmar_backup: FORMAT, version, created, media }
    }
}

/// What is in an archive.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(super) struct Manifest {
    /// The last migration that the database has seen.
    pub migration: i64,
    /// Accounts in it.
    pub accounts: i64,
    /// Posts in it.
    pub posts: i64,
    /// Files of pictures.
    pub media_files: u64,
    /// Every entry before this one, by name.
    pub files: BTreeMap<String, Digest>,
}

/// What an entry must be.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(super) struct Digest {
    /// Its length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// What an entry is, by its name. Every other name is refused, so that no name leads out of the
/// folder it is unpacked to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Header,
    Database,
    Key,
    Media,
    Manifest,
}

fn kind(name: &str) -> Option<Kind> {
    match name {
        HEADER => Some(Kind::Header),
        MANIFEST => Some(Kind::Manifest),
        DATABASE => Some(Kind::Database),
        _ if is_key(name) => Some(Kind::Key),
        _ if is_table(name) => Some(Kind::Database),
        _ => {
            let key = name.strip_prefix(MEDIA)?.strip_prefix('/')?;
            social::media::content_type(key).map(|_| Kind::Media)
        }
    }
}

/// Whether an entry is a table of a PostgreSQL database, or the list of them.
fn is_table(name: &str) -> bool {
    let Some(file) = name.strip_prefix(TABLES).and_then(|rest| rest.strip_prefix('/')) else {
        return false;
    };
    let is_plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
    let is_rows = |stem: &str| {
        !stem.is_empty() && stem.len() <= BACKUP_KEY_NAME_MAX && stem.bytes().all(is_plain)
    };
    name == TABLE_LIST || file.strip_suffix(".copy").is_some_and(is_rows)
}

/// Whether a file of this name in the data folder is a key, to be saved with the rest.
pub(super) fn is_key(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(KEY) else { return false };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !stem.is_empty() && name.len() <= BACKUP_KEY_NAME_MAX && stem.bytes().all(is_plain)
}

/// Whether a name within the folder of pictures is one of ours.
pub(super) fn is_media(key: &str) -> bool {
    social::media::content_type(key).is_some()
}

/// Counts and digests what is read through it.
struct Digesting<'p, R> {
    from: R,
    hash: digest::Context,
    bytes: u64,
    progress: &'p Progress,
}

impl<'p, R: Read> Digesting<'p, R> {
    fn new(from: R, progress: &'p Progress) -> Self {
        Self { from, hash: digest::Context::new(&digest::SHA256), bytes: 0, progress }
    }

    fn finish(self) -> Digest {
        let mut sha256 = String::new();
        for byte in self.hash.finish().as_ref() {
            let _ = write!(sha256, "{byte:02x}");
        }
        Digest { bytes: self.bytes, sha256 }
    }
}

impl<R: Read> Read for Digesting<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.progress.is_cancelled() {
            return Err(std::io::Error::other("it was called off"));
        }
        let read = self.from.read(into)?;
        self.hash.update(into.get(..read).unwrap_or_default());
        let read_bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(read_bytes);
        Ok(read)
    }
}

/// An archive that is being written.
pub(super) struct Writer<W: Write> {
    tar: tar::Builder<zstd::Encoder<'static, W>>,
    files: BTreeMap<String, Digest>,
    created_s: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(into: W, header: &Header, created_s: u64) -> anyhow::Result<Self> {
        let mut zstd = zstd::Encoder::new(into, LEVEL)?;
        zstd.include_checksum(true)?;
        let tar = tar::Builder::new(zstd);
        let mut writer = Self { tar, files: BTreeMap::new(), created_s };
        let text = serde_json::to_vec_pretty(header)?;
        writer.add(HEADER, u64::try_from(text.len())?, text.as_slice(), &Progress::default())?;
        Ok(writer)
    }

    /// Adds a file of a known name and length.
    pub(super) fn add(
        &mut self,
        name: &str,
        bytes: u64,
        from: impl Read,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        ensure!(kind(name).is_some(), "{name} has no place in a backup");
        ensure!(self.files.len() < BACKUP_ENTRIES_MAX, "there are more files than a backup takes");
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(self.created_s);
        header.set_path(name)?;
        header.set_cksum();
        let mut reader = Digesting::new(from.take(bytes), progress);
        self.tar.append(&header, &mut reader)?;
        let digest = reader.finish();
        ensure!(digest.bytes == bytes, "{name} became shorter while it was read");
        progress.add(bytes);
        self.files.insert(name.to_owned(), digest);
        Ok(())
    }

    /// Adds the manifest; the file beneath, to be synced, and how many files there are.
    pub(super) fn finish(mut self, found: &store::Inspection) -> anyhow::Result<(W, Manifest)> {
        let is_media = |name: &&String| kind(name) == Some(Kind::Media);
        let manifest = Manifest {
            migration: found.level,
            accounts: found.accounts,
            posts: found.statuses,
            media_files: u64::try_from(self.files.keys().filter(is_media).count())?,
            files: std::mem::take(&mut self.files),
        };
        let text = serde_json::to_vec(&manifest)?;
        let bytes = u64::try_from(text.len())?;
        ensure!(bytes <= BACKUP_MANIFEST_BYTES_MAX, "there are more files than a backup takes");
        self.add(MANIFEST, bytes, text.as_slice(), &Progress::default())?;
        Ok((self.tar.into_inner()?.finish()?, manifest))
    }
}

/// Whether a file begins as all archives do (RFC 8878, section 3.1.1), or is too short to tell.
pub(super) fn may_be_one(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let mut begin = [0; 4];
    let read = file.read_at(&mut begin, 0)?;
    Ok(read < begin.len() || begin == 0xFD2F_B528_u32.to_le_bytes())
}

/// Reads an archive to its end into an empty folder, and compares everything with the manifest.
/// What is in the folder is to be used only if this succeeds.
///
/// # Errors
/// When it is no archive of ours, or of a later form, or not whole, or not as it was written.
pub(super) fn unpack(
    from: impl Read,
    into: &Path,
    progress: &Progress,
) -> anyhow::Result<(Header, Manifest)> {
    const CUT: &str = "it is cut short or damaged";
    let mut tar = tar::Archive::new(zstd::Decoder::new(from)?);
    let (mut header, mut manifest) = (None, None);
    let mut seen: BTreeMap<String, Digest> = BTreeMap::new();
    // Raw: extensions (long names, sparse files) are entries of no known name, and are refused.
    for entry in tar.entries()?.raw(true) {
        let entry = entry.context(CUT)?;
        let path = entry.path_bytes();
        let name = std::str::from_utf8(&path).unwrap_or("?").to_owned();
        drop(path);
        let kind = kind(&name).filter(|_| entry.header().entry_type().is_file());
        let Some(kind) = kind else { bail!("it holds {name:?}, which no backup has") };
        ensure!(manifest.is_none(), "something stands after its end");
        ensure!(seen.len() < BACKUP_ENTRIES_MAX && !seen.contains_key(&name), "{name} comes twice");
        ensure!(header.is_some() == (kind != Kind::Header), "it does not begin as a backup does");
        if kind == Kind::Manifest {
            let text = text_of(entry, BACKUP_MANIFEST_BYTES_MAX).context(CUT)?;
            manifest = Some(serde_json::from_slice::<Manifest>(&text).context(CUT)?);
            continue;
        }
        let mut reader = Digesting::new(entry, progress);
        if kind == Kind::Header {
            let text = text_of(&mut reader, BACKUP_HEADER_BYTES_MAX).context(CUT)?;
            let read: Header = serde_json::from_slice(&text).context(CUT)?;
            let (has, knows) = (read.fulmar_backup, FORMAT);
            ensure!(has == knows, "its form is {has}, and this version reads form {knows}");
            header = Some(read);
        } else {
            let said = || format!("{name} cannot be unpacked, because of the archive or the disk");
            write(&mut reader, &into.join(&name)).with_context(said)?;
        }
        seen.insert(name, reader.finish());
    }
    // To the end of the compressed frame, whose checksum is there.
    let rest = text_of(tar.into_inner(), BACKUP_HEADER_BYTES_MAX).context(CUT)?;
    ensure!(rest.iter().all(|byte| *byte == 0), "something stands after its end");
    let (Some(header), Some(manifest)) = (header, manifest) else { bail!("{CUT}") };
    compare(&manifest.files, &seen)?;
    let (file, tables) = (seen.contains_key(DATABASE), seen.contains_key(TABLE_LIST));
    ensure!(file != tables, "it holds {}", if file { "two databases" } else { "no database" });
    ensure!(seen.keys().any(|name| is_key(name)), "it holds no key");
    Ok((header, manifest))
}

fn compare(said: &BTreeMap<String, Digest>, seen: &BTreeMap<String, Digest>) -> anyhow::Result<()> {
    for (name, digest) in said {
        match seen.get(name) {
            Some(found) if found == digest => {}
            Some(_) => bail!("{name} is not what was saved"),
            None => bail!("{name} is missing"),
        }
    }
    match seen.keys().find(|name| !said.contains_key(*name)) {
        Some(name) => bail!("{name} was added afterwards"),
        None => Ok(()),
    }
}

fn text_of(from: impl Read, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(bytes_max + 1).read_to_end(&mut text)?;
    ensure!(u64::try_from(text.len())? <= bytes_max, "it is too long");
    Ok(text)
}

/// Writes a fresh file for the owner of the process only, and syncs it.
fn write(from: &mut impl Read, path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    std::io::copy(from, &mut file)?;
    Ok(file.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_have_a_place() {
        let media = format!("media/ab/{}.jpg", "0f".repeat(15));
        for (name, expected) in [
            ("fulmar-backup.json", Some(Kind::Header)),
            ("manifest.json", Some(Kind::Manifest)),
            ("fulmar.db", Some(Kind::Database)),
            ("database/tables.json", Some(Kind::Database)),
            ("database/status_tag.copy", Some(Kind::Database)),
            ("database/../token.copy", None),
            ("database/.copy", None),
            ("database/Status.copy", None),
            ("database/a/b.copy", None),
            ("database/token.key", None),
            ("databases/status.copy", None),
            ("token.key", Some(Kind::Key)),
            (media.as_str(), Some(Kind::Media)),
            ("../token.key", None),
            ("/etc/token.key", None),
            ("..key", None),
            (".key", None),
            ("a/b.key", None),
            ("fulmar.db-wal", None),
            ("fulmar.toml", None),
            ("media/../../etc/passwd", None),
            ("media/ab/x.jpg", None),
            ("media/", None),
            ("", None),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }

    /// A hand-made archive; what is said of it.
    fn said(entries: &[(&str, tar::EntryType, &[u8])]) -> String {
        let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
        for (name, kind, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            header.set_entry_type(*kind);
            // Past the crate's own check of names.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        }
        let bytes = tar.into_inner().unwrap().finish().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("in");
        fs::create_dir(&into).unwrap();
        let done = unpack(bytes.as_slice(), &into, &Progress::default());
        let outside: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(outside.len(), 1, "something was written outside");
        format!("{:#}", done.unwrap_err())
    }

    #[test]
    fn what_no_backup_has_is_refused() {
        let file = tar::EntryType::Regular;
        let header = serde_json::to_vec(&Header::new("now".into(), true)).unwrap();
        let later = br#"{"fulmar_backup":2,"version":"9","created":"x","media":true}"#;
        let none = br#"{"migration":1,"accounts":0,"posts":0,"media_files":0,"files":{}}"#;
        let first = ("fulmar-backup.json", file, header.as_slice());
        let last = ("manifest.json", file, none.as_slice());
        let db = ("fulmar.db", file, b"x".as_slice());
        for (entries, expected) in [
            (vec![db], "does not begin"),
            (vec![first, first], "comes twice"),
            (vec![first, db, db], "comes twice"),
            (vec![("fulmar-backup.json", file, later.as_slice())], "form is 2"),
            (vec![first, ("../evil.key", file, b"x")], "which no backup has"),
            (vec![first, ("/tmp/evil.key", file, b"x")], "which no backup has"),
            (vec![first, ("a.key", tar::EntryType::Symlink, b"")], "which no backup has"),
            (vec![first, ("././@LongLink", tar::EntryType::GNULongName, b"x")], "no backup has"),
            (vec![first, db], "cut short"),
            (vec![first, last, db], "after its end"),
            (vec![first, db, last], "added afterwards"),
            (vec![], "cut short"),
        ] {
            let said = said(&entries);
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
}

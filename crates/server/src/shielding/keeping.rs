//! What the shield has learnt, in `DATA/shield.state`: the key under which it was learnt, what is
//! remembered of members, where people come from (`shield::edge`), and the state of `decide`.
//! Written whole or not at all, now and then and when the server stops. Nothing that anybody posted
//! is in it; without it the shield learns anew.

use super::members::Members;
use crate::{limits::SHIELD_STATE_BYTES_MAX, open};
use anyhow::{Context as _, ensure};
use std::{fs, io::Read as _, path::Path};

/// Its name in the data folder.
pub(crate) const FILE: &str = "shield.state";
/// How it begins: the format and its version.
const MAGIC: &[u8] = b"fulmar shield 2\n";
/// The version before, which knew nothing of networks.
const MAGIC_1: &[u8] = b"fulmar shield 1\n";

/// What was kept.
pub(super) struct Kept {
    pub key: [u8; 16],
    pub members: Members,
    /// For `edge::Handle::remember`.
    pub door: Vec<u8>,
    /// For `Gate::load`.
    pub state: Vec<u8>,
}

/// Reads what was kept; begins anew, with a fresh key, where there is nothing, or where it cannot
/// be used, and says so.
pub(super) fn load(data: &Path, fresh: impl FnOnce() -> [u8; 16], now_s: u64) -> Kept {
    match read(data) {
        Ok(Some(kept)) => return kept,
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "what the shield had learnt is lost");
        }
    }
    Kept { key: fresh(), members: Members::beginning_at(now_s), door: vec![], state: vec![] }
}

fn read(data: &Path) -> anyhow::Result<Option<Kept>> {
    let path = data.join(FILE);
    let said = || format!("cannot read {}", path.display());
    let file = match fs::File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(said)?,
    };
    let mut bytes = Vec::new();
    file.take(SHIELD_STATE_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(said)?;
    ensure!(bytes.len() as u64 <= SHIELD_STATE_BYTES_MAX, "{} is too large", path.display());
    let parsed = parse(&bytes);
    Ok(Some(parsed.with_context(|| format!("{} is damaged", path.display()))?))
}

fn parse(bytes: &[u8]) -> Option<Kept> {
    let (is_first, rest) = match bytes.strip_prefix(MAGIC_1) {
        Some(rest) => (true, rest),
        None => (false, bytes.strip_prefix(MAGIC)?),
    };
    let (key, mut rest) = rest.split_first_chunk::<16>()?;
    let members = Members::load(&mut rest)?;
    let mut door = &[][..];
    if !is_first {
        let (length, after) = rest.split_first_chunk()?;
        (door, rest) = after.split_at_checked(u32::from_le_bytes(*length).try_into().ok()?)?;
    }
    Some(Kept { key: *key, members, door: door.to_vec(), state: rest.to_vec() })
}

/// What is to be written.
pub(super) fn written(key: &[u8; 16], members: &Members, door: &[u8], state: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC, key].concat();
    members.save(&mut bytes);
    // Of more there is none: a table of 65,536 networks.
    let length = u32::try_from(door.len()).unwrap_or(0);
    bytes.extend(length.to_le_bytes());
    bytes.extend_from_slice(door.get(..length as usize).unwrap_or_default());
    bytes.extend_from_slice(state);
    bytes
}

/// Says of what was kept that it was learnt so many days earlier: for whoever records peace and
/// wants to begin from it at once.
pub(crate) fn backdate(data: &Path, days: u64) -> anyhow::Result<()> {
    let mut kept = read(data)?.context("nothing was kept")?;
    shield::decide::backdate(&mut kept.state, days)?;
    shield::edge::backdate(&mut kept.door, days);
    save(data, &written(&kept.key, &kept.members, &kept.door, &kept.state))
}

/// Writes it.
pub(super) fn save(data: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    open::write_secret(&data.join(FILE), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_again_and_what_is_damaged_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let fresh = load(folder.path(), || [7; 16], 5);
        assert_eq!((fresh.key, fresh.state.len()), ([7; 16], 0));
        let bytes = written(&[9; 16], &fresh.members, b"door", b"state");
        save(folder.path(), &bytes).expect("written");
        let kept = load(folder.path(), || [7; 16], 6);
        assert_eq!((kept.key, kept.state.as_slice()), ([9; 16], &b"state"[..]));
        assert_eq!(kept.door, b"door");
        let mut before = [MAGIC_1, &[9; 16]].concat();
        fresh.members.save(&mut before);
        save(folder.path(), &[&before[..], b"state"].concat()).expect("written");
        let kept = load(folder.path(), || [7; 16], 6);
        assert_eq!((kept.door.len(), kept.state.as_slice()), (0, &b"state"[..]));
        for damaged in [&bytes[..20], b"", b"fulmar shield 3\n"] {
            save(folder.path(), damaged).expect("written");
            assert_eq!(load(folder.path(), || [7; 16], 6).key, [7; 16]);
        }
        let names: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
        assert_eq!(names.len(), 1, "nothing unfinished is left: {names:?}");
    }

    #[test]
    fn all_that_was_kept_is_dated_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let members = load(folder.path(), || [7; 16], 5).members;
        let now = shield::decide::Now { us: 0, unix_s: 100 * 86_400 };
        let settings = shield::decide::Settings::for_cores(1);
        let state = shield::decide::State::new(settings, [7; 16], now).save(now);
        let edge = shield::edge::Edge::new(shield::edge::Options::default());
        let mut door = edge.handle().learnt();
        save(folder.path(), &written(&[7; 16], &members, &door, &state)).expect("written");
        backdate(folder.path(), 3).expect("there is something");
        let kept = load(folder.path(), || [0; 16], 6);
        assert!(kept.state != state && kept.door != door);
        shield::edge::backdate(&mut door, 3);
        assert_eq!((kept.key, kept.door), ([7; 16], door));
    }
}

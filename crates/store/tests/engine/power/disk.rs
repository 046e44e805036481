//! A disk that forgets: for every file what is kept by a synchronisation, and what is still loose.
//!
//! The files themselves, as a running process sees them, lie with the platform; this notes beside
//! them what a loss of power would leave. Names are as loose as contents: a file that was made or
//! deleted may be absent or back again until its folder is synchronised. No unsafe code is here.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Choices that a seed replays: `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) struct Chance(pub u64);

impl Chance {
    /// Below a bound that is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// There is no power: nothing is written, synchronised or deleted any more.
#[derive(Debug)]
pub(super) struct Dark;

/// What happens to that which is loose.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// All of it is gone.
    Gone,
    /// Each change by itself is kept, gone, or torn: the disk writes in its own order.
    Scattered,
    /// Kept up to some moment, gone from there on.
    Prefix,
}

enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Default)]
struct Node {
    kept: Vec<u8>,
    /// With the number of the deed that each was.
    loose: Vec<(usize, Change)>,
}

/// The disk.
#[derive(Default)]
pub(super) struct Disk {
    nodes: Vec<Node>,
    /// Names as a running process sees them.
    names: BTreeMap<PathBuf, usize>,
    kept_names: BTreeMap<PathBuf, usize>,
    loose_names: Vec<(usize, PathBuf, Option<usize>)>,
    /// Changes and synchronisations so far.
    deeds: usize,
    dark_at: Option<usize>,
}

impl Disk {
    /// Power goes with the deed of that number, counted from now.
    pub(super) fn cut_after(&mut self, deeds: usize) {
        self.dark_at = Some(self.deeds + deeds);
    }
    /// Power goes now.
    pub(super) fn cut(&mut self) {
        self.cut_after(0);
    }
    /// Whether it has gone.
    pub(super) fn is_dark(&self) -> bool {
        self.dark_at.is_some_and(|at| self.deeds >= at)
    }
    /// Changes that a loss of power could take now.
    pub(super) fn loose(&self) -> usize {
        self.nodes.iter().map(|node| node.loose.len()).sum::<usize>() + self.loose_names.len()
    }
    fn deed(&mut self) -> Result<(), Dark> {
        self.deeds += 1;
        if self.is_dark() { Err(Dark) } else { Ok(()) }
    }
    /// A file is opened: one that is new, or one that is there and then wholly kept.
    pub(super) fn opened(&mut self, path: &Path, is_new: bool) -> Result<usize, Dark> {
        if self.is_dark() {
            return Err(Dark);
        }
        if let Some(node) = self.names.get(path) {
            return Ok(*node);
        }
        let kept = if is_new { Vec::new() } else { std::fs::read(path).unwrap_or_default() };
        let number = self.nodes.len();
        self.nodes.push(Node { kept, loose: Vec::new() });
        self.names.insert(path.to_owned(), number);
        if is_new {
            self.loose_names.push((self.deeds, path.to_owned(), Some(number)));
        } else {
            self.kept_names.insert(path.to_owned(), number);
        }
        Ok(number)
    }
    /// The write with which power goes may still be there, in part or as a whole.
    pub(super) fn write(&mut self, node: usize, at: usize, bytes: &[u8]) -> Result<(), Dark> {
        self.change(node, Change::Write { at, bytes: bytes.to_vec() })
    }
    pub(super) fn set_length(&mut self, node: usize, length: usize) -> Result<(), Dark> {
        self.change(node, Change::Length(length))
    }
    fn change(&mut self, node: usize, change: Change) -> Result<(), Dark> {
        if self.is_dark() {
            return Err(Dark);
        }
        let number = self.deeds;
        self.nodes[node].loose.push((number, change));
        self.deed()
    }
    /// Keeps what the file holds, and with `folder` which names there are.
    pub(super) fn sync(&mut self, node: usize, folder: bool) -> Result<(), Dark> {
        self.deed()?;
        let Node { kept, loose } = &mut self.nodes[node];
        for (_, change) in loose.drain(..) {
            apply(kept, &change, usize::MAX);
        }
        if folder {
            self.sync_names();
        }
        Ok(())
    }
    fn sync_names(&mut self) {
        for (_, path, node) in self.loose_names.drain(..) {
            rename(&mut self.kept_names, path, node);
        }
    }
    pub(super) fn delete(&mut self, path: &Path, folder: bool) -> Result<(), Dark> {
        self.deed()?;
        if self.names.remove(path).is_some() {
            self.loose_names.push((self.deeds, path.to_owned(), None));
        }
        if folder {
            self.sync_names();
        }
        Ok(())
    }
    /// What the disk holds when power comes back, written out into a fresh folder. Then nothing is
    /// loose and there is power.
    pub(super) fn wake(&mut self, fate: Fate, chance: &mut Chance, into: &Path) {
        let last = match fate {
            Fate::Gone => 0,
            Fate::Scattered => usize::MAX,
            Fate::Prefix => self.first_loose() + chance.below(self.deeds + 1 - self.first_loose()),
        };
        let mut survives = |number: usize| match fate {
            Fate::Scattered => chance.below(2) == 0,
            _ => number < last,
        };
        let mut names = std::mem::take(&mut self.kept_names);
        for (number, path, node) in self.loose_names.drain(..) {
            if survives(number) {
                rename(&mut names, path, node);
            }
        }
        for (path, node) in names {
            let Node { kept, loose } = &mut self.nodes[node];
            for (number, change) in loose.drain(..) {
                if survives(number) {
                    let torn = matches!(fate, Fate::Scattered) && survives(number);
                    let bytes = if torn { SECTOR * (number % 8) } else { usize::MAX };
                    apply(kept, &change, bytes);
                }
            }
            std::fs::write(into.join(path.file_name().unwrap()), kept).unwrap();
        }
        *self = Self::default();
    }
    fn first_loose(&self) -> usize {
        let changes = self.nodes.iter().filter_map(|node| node.loose.first().map(|(n, _)| *n));
        let names = self.loose_names.first().map(|(number, ..)| *number);
        changes.chain(names).min().unwrap_or(self.deeds)
    }
}

/// Disks write sectors as a whole; a page is eight of them.
const SECTOR: usize = 512;

fn rename(names: &mut BTreeMap<PathBuf, usize>, path: PathBuf, node: Option<usize>) {
    match node {
        Some(node) => names.insert(path, node),
        None => names.remove(&path),
    };
}

/// Carries out a change, of a write at most so many bytes.
fn apply(file: &mut Vec<u8>, change: &Change, bytes_max: usize) {
    match change {
        Change::Length(length) => file.resize(*length, 0),
        Change::Write { at, bytes } => {
            let part = &bytes[..bytes.len().min(bytes_max)];
            let end = at + part.len();
            file.resize(file.len().max(end), 0);
            file[*at..end].copy_from_slice(part);
        }
    }
}

#[test]
fn only_what_was_synchronised_is_there_after_a_loss_of_power() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, loose) = (folder.path().join("kept"), folder.path().join("loose"));
    let mut disk = Disk::default();
    let first = disk.opened(&kept, true).unwrap();
    disk.write(first, 2, b"ab").unwrap();
    disk.sync(first, true).unwrap();
    disk.write(first, 0, b"xxxxxx").unwrap();
    let second = disk.opened(&loose, true).unwrap();
    disk.write(second, 0, b"y").unwrap();
    // The content is kept, but nobody knows the name.
    disk.sync(second, false).unwrap();
    assert_eq!(disk.loose(), 2);
    disk.cut();
    assert!(disk.write(first, 0, b"z").is_err() && disk.sync(first, true).is_err());
    let after = tempfile::tempdir().unwrap();
    disk.wake(Fate::Gone, &mut Chance(1), after.path());
    assert_eq!(std::fs::read(after.path().join("kept")).unwrap(), b"\0\0ab");
    assert!(!after.path().join("loose").exists() && !disk.is_dark());
}

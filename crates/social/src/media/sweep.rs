//! Files that no row names: a profile picture that was replaced, an upload or a deletion, when the
//! server was killed in between; files that a backup held back when it was. They cost room and
//! nothing else, so they are looked for slowly.
//!
//! A sixteenth of all keys at a time (their first digit): the names that rows give are gathered
//! first, as hashes; then what the folder has besides and is old goes. A key is never given twice,
//! so what no row names now none will; and a file that is being made is young.

use super::{Darkroom, content_type, files::FilesError};
use crate::{
    Social, VerbError,
    limits::{NAMED_FILES_MAX, ORPHAN_HOURS, ROWS_AT_ONCE, UNNAMED_AT_ONCE},
};
use foldhash::fast::RandomState;
use hashbrown::HashSet;
use model::Timestamp;
use std::hash::BuildHasher as _;

/// Parts that all files are looked through in.
pub const PARTS: u8 = 16;

/// The names that rows give to files of one part. Two names of one hash keep a file, which is
/// looked at anew with other hashes the next time.
struct Named {
    digit: char,
    hasher: RandomState,
    hashes: HashSet<u64, RandomState>,
}

impl Named {
    fn new(part: u8) -> Self {
        let digit = char::from_digit(u32::from(part % PARTS), 16).unwrap_or('0');
        Self { digit, hasher: RandomState::default(), hashes: HashSet::default() }
    }
    fn note(&mut self, key: &str) {
        if key.starts_with(self.digit) {
            self.hashes.insert(self.hasher.hash_one(key));
        }
    }
    fn has(&self, key: &str) -> bool {
        self.hashes.contains(&self.hasher.hash_one(key))
    }
    fn is_too_large(&self) -> bool {
        self.hashes.len() > NAMED_FILES_MAX
    }
}

impl Social {
    /// Removes files of one part (`0..PARTS`) that no row names and that are a day old. How many
    /// went; as many as [`UNNAMED_AT_ONCE`] means that there may be more.
    pub async fn sweep_files(&self, room: &Darkroom, part: u8) -> Result<usize, VerbError> {
        let Some(named) = self.named(part).await? else {
            tracing::warn!("more files than can be looked through: those that no row names stay");
            return Ok(0);
        };
        let before = Timestamp::from_ms(self.now().ms() - ORPHAN_HOURS * 3_600_000);
        let unnamed = room.unnamed(&named, before).await?;
        for key in &unnamed {
            room.remove(key).await;
        }
        Ok(unnamed.len())
    }

    /// What rows name of a part; `None`: too much to remember.
    async fn named(&self, part: u8) -> Result<Option<Named>, VerbError> {
        let mut named = Named::new(part);
        let mut after = None;
        loop {
            let rows = self.store.media_files(after, ROWS_AT_ONCE).await?;
            rows.iter().flat_map(|(_, keys)| keys).for_each(|key| named.note(key));
            match rows.last() {
                Some((last, _)) if !named.is_too_large() => after = Some(*last),
                Some(_) => return Ok(None),
                None => break,
            }
        }
        let mut after = None;
        loop {
            let rows = self.store.profile_files(after, ROWS_AT_ONCE).await?;
            rows.iter().flat_map(|(_, keys)| keys).for_each(|key| named.note(key));
            match rows.last() {
                Some((last, _)) if !named.is_too_large() => after = Some(*last),
                Some(_) => return Ok(None),
                None => return Ok(Some(named)),
            }
        }
    }
}

impl Darkroom {
    /// Files of a part that are older than that and that no row names. Only names of this room's
    /// own making: what else lies there is somebody else's.
    async fn unnamed(&self, named: &Named, before: Timestamp) -> Result<Vec<String>, FilesError> {
        let mut found = Vec::new();
        for second in "0123456789abcdef".chars() {
            let folder = format!("{}{second}", named.digit);
            for (key, modified_ms) in self.files.list(&folder).await? {
                let is_old = modified_ms < before.ms();
                if is_old && content_type(&key).is_some() && !named.has(&key) {
                    found.push(key);
                }
                if found.len() == UNNAMED_AT_ONCE {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

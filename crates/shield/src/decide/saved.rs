//! What outlives a restart: the peace profile and the history of good addresses, as bytes. They
//! mean nothing under another key, and say so.

use thiserror::Error;

use super::State;
use super::facts::Now;
use super::sketch::{HistoryError, Saved, take};

/// Names the format and its version.
const MAGIC: u64 = u64::from_le_bytes(*b"fulmar\x00\x01");

/// Why saved state could not be used. Nothing of it was.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SavedError {
    /// Cut off, damaged, or of another version.
    #[error("the saved state of the shield is damaged or of another version")]
    Malformed,
    /// Saved under another key or with other settings.
    #[error("the state of the shield was saved under another key or size")]
    OfAnother,
}

impl From<HistoryError> for SavedError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Malformed => Self::Malformed,
            HistoryError::OfAnother => Self::OfAnother,
        }
    }
}

/// What is being saved, piece by piece: whoever shares the state with others lets them have it
/// between two pieces.
#[derive(Debug)]
pub struct Saving {
    out: Vec<u8>,
    history: Saved,
}

impl Saving {
    /// What was saved.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

impl State {
    /// What was learnt in peace, up to now. Some megabytes on a busy instance; save it hourly and
    /// at the end.
    #[must_use]
    pub fn save(&self, now: Now) -> Vec<u8> {
        let mut saving = self.begin_saving(now);
        while self.save_piece(&mut saving) {}
        saving.into_bytes()
    }

    /// Begins to save: with all but the history of addresses.
    #[must_use]
    pub fn begin_saving(&self, now: Now) -> Saving {
        // Room for all is asked for once, and taken as it is written to: never while others wait
        // is what was written copied.
        let most = 3 * 8 + self.legitimacy.saved_bytes() + self.history.saved_bytes_max();
        let mut out = Vec::with_capacity(most);
        for word in [MAGIC, self.key.fingerprint(), now.unix_s] {
            out.extend(word.to_le_bytes());
        }
        self.legitimacy.save(&mut out);
        let history = Saved::from(out.len());
        Saving { out, history }
    }

    /// Saves the next piece of the history; false once all is saved.
    pub fn save_piece(&self, saving: &mut Saving) -> bool {
        self.history.save_piece(&mut saving.history, &mut saving.out)
    }

    /// Takes in what was saved, aged by the time since then.
    ///
    /// # Errors
    /// When the bytes are not of this key, size and version; the state knows as much as before, or
    /// the profile without the history.
    pub fn load(&mut self, mut bytes: &[u8], now: Now) -> Result<(), SavedError> {
        if take(&mut bytes)? != MAGIC {
            return Err(SavedError::Malformed);
        }
        if take(&mut bytes)? != self.key.fingerprint() {
            return Err(SavedError::OfAnother);
        }
        let age_s = now.unix_s.saturating_sub(take(&mut bytes)?);
        self.legitimacy.load(&mut bytes, age_s)?;
        self.history.load(&mut bytes, now.unix_s / 86_400)?;
        Ok(())
    }
}

/// Says of saved state that it was saved so many days earlier. What was learnt today becomes what
/// was known before: for whoever makes a record of peace and wants to begin from it at once.
///
/// # Errors
/// When these bytes are no saved state.
pub fn backdate(bytes: &mut [u8], days: u64) -> Result<(), SavedError> {
    let mut rest = &*bytes;
    if take(&mut rest)? != MAGIC {
        return Err(SavedError::Malformed);
    }
    let _key = take(&mut rest)?;
    let saved_unix_s = take(&mut rest)?;
    let bins = usize::try_from(take(&mut rest)?).map_err(|_| SavedError::Malformed)?;
    // Behind the profile, its sum and its bins, stands the day of the history.
    let day_at = bins.checked_add(1).and_then(|all| all.checked_mul(4)?.checked_add(4 * 8));
    let day_at = day_at.ok_or(SavedError::Malformed)?;
    let mut earlier = |at: usize, by: u64| {
        let word = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<8>);
        let word = word.ok_or(SavedError::Malformed)?;
        *word = u64::from_le_bytes(*word).saturating_sub(by).to_le_bytes();
        Ok(())
    };
    earlier(day_at, days)?;
    debug_assert!(saved_unix_s > 0, "saved before 1970");
    earlier(2 * 8, days.saturating_mul(86_400))
}

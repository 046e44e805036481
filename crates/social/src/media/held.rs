//! Files whose rows are gone stay while somebody copies files: a backup takes the rows first, and
//! must then find every file that they name.

use super::Darkroom;
use crate::limits::HELD_FILES_MAX;
use parking_lot::Mutex;
use std::sync::Arc;

/// How many hold, and what is to be removed afterwards.
#[derive(Default)]
pub(super) struct Held {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    holders: usize,
    keys: Vec<String>,
}

/// No file is removed until this is dropped.
pub struct Hold(Arc<Held>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.state.lock().holders -= 1;
    }
}

/// What becomes of a file that is no longer needed.
enum Fate {
    Removed,
    Kept,
    /// Too many are kept: this one stays for good, which costs room and nothing else.
    Forgotten,
}

impl Held {
    fn fate(&self, key: &str) -> Fate {
        let mut state = self.state.lock();
        if state.holders == 0 {
            return Fate::Removed;
        }
        if state.keys.len() >= HELD_FILES_MAX {
            return Fate::Forgotten;
        }
        state.keys.push(key.to_owned());
        Fate::Kept
    }
}

impl Darkroom {
    /// Holds the removal of files back. Taken before the rows are read, every file that they name
    /// is there for as long as it lasts.
    pub fn hold(&self) -> Hold {
        self.held.state.lock().holders += 1;
        Hold(Arc::clone(&self.held))
    }

    /// Removes a file whose row is gone, at once or after whoever reads files now.
    pub(super) async fn remove(&self, key: &str) {
        match self.held.fate(key) {
            Fate::Kept => return,
            Fate::Forgotten => {
                tracing::warn!(key, "a file was left behind");
                return;
            }
            Fate::Removed => {}
        }
        if let Err(error) = self.files.delete(key).await {
            tracing::warn!(%error, key, "a file was left behind");
        }
    }

    /// Removes what was held back, unless somebody still holds.
    pub async fn remove_held(&self) {
        let keys = {
            let mut state = self.held.state.lock();
            if state.holders > 0 {
                return;
            }
            std::mem::take(&mut state.keys)
        };
        for key in keys {
            self.remove(&key).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Files;
    use object_store::{ObjectStore as _, ObjectStoreExt as _, memory::InMemory, path::Path};

    #[tokio::test]
    async fn a_file_goes_once_nobody_holds() {
        let objects = Arc::new(InMemory::new());
        let room = Darkroom::new(Files::new(Arc::clone(&objects) as _));
        let path = Path::from("ab/cd.png");
        let is_there = || async { objects.get_opts(&path, Default::default()).await.is_ok() };
        objects.put(&path, "x".into()).await.unwrap();
        let (first, second) = (room.hold(), room.hold());
        room.remove("ab/cd.png").await;
        drop(first);
        room.remove_held().await;
        assert!(is_there().await);
        drop(second);
        assert!(is_there().await);
        room.remove_held().await;
        assert!(!is_there().await);
        objects.put(&path, "x".into()).await.unwrap();
        room.remove("ab/cd.png").await;
        assert!(!is_there().await);
    }
}

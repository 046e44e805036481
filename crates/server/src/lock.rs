//! One process at a time works on a data folder: two would issue the same ids. The lock is the
//! kernel's (`flock` on `DATA/lock`), so it ends with its process however that ends; what the file
//! says is only for people.

use crate::{
    hint,
    limits::{FOLDER_LOOK_MS, FOLDER_WAIT_S},
};
use anyhow::{Context as _, bail};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

/// Held until it is dropped.
pub(crate) struct Lock {
    _file: File,
}

/// What a process does with the folder it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    /// It serves, until it is stopped.
    Server,
    /// It carries out one command.
    Command,
}

impl Holder {
    const fn word(self) -> &'static str {
        match self {
            Self::Server => "serving",
            Self::Command => "working on",
        }
    }
}

/// Takes the lock at once, or says what the other process says of itself.
///
/// # Errors
/// When the file cannot be made or locked.
pub(crate) fn try_take(data: &Path, holder: Holder) -> anyhow::Result<Result<Lock, String>> {
    let path = data.join("lock");
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = file.open(&path);
    let mut file = file.map_err(|error| hint::reaching("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "process {} is {} this folder", std::process::id(), holder.word())?;
            Ok(Ok(Lock { _file: file }))
        }
        Err(TryLockError::WouldBlock) => {
            let mut said = String::new();
            let _ = (&file).take(200).read_to_string(&mut said);
            let said = said.trim().to_owned();
            let unsaid = "another process is working on this folder".to_owned();
            Ok(Err(if said.is_empty() { unsaid } else { said }))
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Takes the lock for a server: waits for a command to end, never for another server.
///
/// # Errors
/// When the folder stays taken; says by whom.
pub(crate) async fn take_for_server(data: &Path) -> anyhow::Result<Lock> {
    let mut taken = String::new();
    for _ in 0..=FOLDER_WAIT_S * 1_000 / FOLDER_LOOK_MS {
        match try_take(data, Holder::Server)? {
            Ok(lock) => return Ok(lock),
            Err(by) if by.contains(Holder::Server.word()) => {
                taken = by;
                break;
            }
            Err(by) => taken = by,
        }
        tokio::time::sleep(Duration::from_millis(FOLDER_LOOK_MS)).await;
    }
    bail!(
        "{} is taken: {taken}. Stop that one first, or choose another folder with --data",
        data.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_at_a_time() {
        let data = tempfile::tempdir().unwrap();
        let first = try_take(data.path(), Holder::Server).unwrap().ok();
        assert!(first.is_some());
        let refused = try_take(data.path(), Holder::Command).unwrap().err().unwrap();
        assert!(refused.contains("serving"), "{refused}");
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        assert!(try_take(data.path(), Holder::Command).unwrap().is_ok());
    }
}

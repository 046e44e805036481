//! How a command reaches an instance. Beside a running server it asks that server through
//! `DATA/control.sock`, so that what it does is known there at once; otherwise it takes the data
//! folder's lock and does the same on the store itself. Both ways run [`perform`].
//!
//! One request a line, in JSON; one line back, after any number of signs of life. The socket is
//! for the owner of the data folder and for root: whoever can open it commands the instance.

mod ask;
mod deny;
mod listen;
mod perform;
mod wire;

pub(crate) use listen::Desk;
pub(crate) use perform::{join, token};
pub(crate) use wire::{DeniedShown, Member, Reply, Request};

use crate::{
    Place, config, hint,
    limits::{FOLDER_LOOK_MS, FOLDER_WAIT_S, PROGRESS_LOOK_MS},
    lock::{self, Holder},
    open,
};
use anyhow::bail;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Name of the socket in the data folder.
const SOCKET: &str = "control.sock";
/// Longest path of a socket's address (`sockaddr_un`), with room for the zero at its end.
const SOCKET_PATH_MAX: usize = 107;

/// An address for the socket however long the folder's path is: past what fits, by way of the
/// folder's own descriptor, which the caller keeps open.
fn address(folder: &std::fs::File, data: &Path, name: &str) -> PathBuf {
    use std::os::{fd::AsRawFd as _, unix::ffi::OsStrExt as _};
    let plain = data.join(name);
    if plain.as_os_str().as_bytes().len() <= SOCKET_PATH_MAX {
        return plain;
    }
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

/// Hears bytes done, and of how many.
type Show<'s> = dyn Fn((u64, u64)) + Sync + 's;

/// Whether an instance lives in this folder.
///
/// # Errors
/// When this user may not look.
pub(crate) fn is_instance(data: &Path) -> anyhow::Result<bool> {
    let key = data.join("token.key");
    match key.try_exists() {
        // A file in the place of the folder: certainly no instance.
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(false),
        found => found.map_err(|error| hint::reaching("look into the data folder", data, &error)),
    }
}

/// Whether a server runs there and takes commands.
pub(crate) async fn is_served(data: &Path) -> bool {
    matches!(ask::Connection::open(data).await, Ok(Some(_)))
}

/// Has a request carried out by the running server, or here.
///
/// # Errors
/// What the request was refused for, or why it could not be carried out.
pub(crate) async fn run(place: &Place, request: Request) -> anyhow::Result<Reply> {
    let mut session = Session::open(place, request.may_begin()).await?;
    session.ask(request).await
}

/// A way to the instance, for one or more requests.
pub(crate) enum Session {
    /// Through the socket of the running server.
    Served(ask::Connection),
    /// On the store itself.
    Own(Box<open::Instance>, #[expect(dead_code, reason = "held, not read")] lock::Lock),
}

impl Session {
    /// Finds the running server, or opens the instance here. `begins`: the folder may be empty.
    ///
    /// # Errors
    /// When there is no instance, or another process holds it and does not answer.
    pub(crate) async fn open(place: &Place, begins: bool) -> anyhow::Result<Self> {
        let data = &place.data;
        if !begins && !is_instance(data)? {
            bail!(
                "there is no instance in {}: name its data folder with --data, or begin one with \
                 `fulmar serve`",
                data.display()
            );
        }
        open::folder(data)?;
        let mut taken = String::new();
        for _ in 0..=FOLDER_WAIT_S * 1_000 / FOLDER_LOOK_MS {
            if let Some(connection) = ask::Connection::open(data).await? {
                return Ok(Self::Served(connection));
            }
            match lock::try_take(data, Holder::Command)? {
                Ok(lock) => {
                    let instance = open::open(place, &config::load(place)?).await?;
                    return Ok(Self::Own(Box::new(instance), lock));
                }
                // A server that starts or stops, or another command: neither lasts.
                Err(by) => taken = by,
            }
            tokio::time::sleep(Duration::from_millis(FOLDER_LOOK_MS)).await;
        }
        bail!("{} is taken and nobody answers there: {taken}. Try again later", data.display())
    }

    /// Has one request carried out.
    ///
    /// # Errors
    /// What it was refused for.
    pub(crate) async fn ask(&mut self, request: Request) -> anyhow::Result<Reply> {
        self.ask_showing(request, &|_| ()).await
    }

    /// The same for what takes long; `show` hears now and then how far it is.
    ///
    /// # Errors
    /// What it was refused for.
    pub(crate) async fn ask_showing(
        &mut self,
        request: Request,
        show: &Show<'_>,
    ) -> anyhow::Result<Reply> {
        let instance = match self {
            Self::Served(connection) => return connection.ask(&request, show).await,
            Self::Own(instance, _) => instance,
        };
        let mut work = std::pin::pin!(perform::perform(instance, request));
        loop {
            let look = Duration::from_millis(PROGRESS_LOOK_MS);
            match tokio::time::timeout(look, &mut work).await {
                Ok(done) => return done,
                Err(_) => show(instance.backups.progress()),
            }
        }
    }
}

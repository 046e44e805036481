//! The answering end: a desk inside the running server. Commands are few and from the host, but a
//! stuck one must not hold the desk: every line has a length and a deadline.

use super::{
    SOCKET, address,
    perform::perform,
    wire::{Reply, Request},
};
use crate::{
    limits::{
        CONTROL_AT_ONCE, CONTROL_LINE_BYTES_MAX, CONTROL_LINE_S, CONTROL_PULSE_S, FOLDER_LOOK_MS,
    },
    open::Instance,
};
use anyhow::Context as _;
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// A bound control socket; its file goes when this is dropped.
pub(crate) struct Desk {
    listener: UnixListener,
    path: PathBuf,
    /// Whose the socket is: who runs this server.
    owner: u32,
}

impl Desk {
    /// Binds the socket, in the place of one that a killed server left. Only who holds the
    /// folder's lock may call this.
    ///
    /// # Errors
    /// When the folder refuses.
    pub(crate) fn open(data: &Path) -> anyhow::Result<Self> {
        const UNFINISHED: &str = "control.sock.new";
        let folder = fs::File::open(data)?;
        let (unfinished, path) = (data.join(UNFINISHED), data.join(SOCKET));
        let said = || format!("cannot make the control socket {}", path.display());
        let _ = fs::remove_file(&unfinished);
        let listener = UnixListener::bind(address(&folder, data, UNFINISHED)).with_context(said)?;
        // Closed to others before it has its name.
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600)).with_context(said)?;
        fs::rename(&unfinished, &path).with_context(said)?;
        let owner = fs::metadata(&path).with_context(said)?.uid();
        Ok(Self { listener, path, owner })
    }

    /// Answers until the server stops.
    pub(crate) async fn serve(self, instance: Arc<Instance>, stopping: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONTROL_AT_ONCE));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let socket = match accepted {
                Ok((socket, _)) => socket,
                Err(error) => {
                    // Out of files, most likely: it passes, and a tight loop would not help.
                    tracing::warn!(%error, "a command could not be heard");
                    tokio::time::sleep(Duration::from_millis(FOLDER_LOOK_MS)).await;
                    continue;
                }
            };
            let (instance, stopping) = (Arc::clone(&instance), stopping.clone());
            let owner = self.owner;
            tokio::spawn(async move {
                let _place = place;
                let talk = talk(&instance, socket, owner);
                if let Some(Err(error)) = stopping.run_until_cancelled(talk).await {
                    tracing::info!(%error, "a command left before its end");
                }
            });
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn talk(instance: &Instance, socket: UnixStream, owner: u32) -> anyhow::Result<()> {
    if !socket.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == 0) {
        anyhow::bail!("it is not from the owner of this server");
    }
    let mut socket = BufReader::new(socket);
    let bytes_max = u64::try_from(CONTROL_LINE_BYTES_MAX)?;
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut socket).take(bytes_max);
        let read = bounded.read_until(b'\n', &mut line);
        let read = timeout(Duration::from_secs(CONTROL_LINE_S), read).await;
        if read.context("it said nothing")?? == 0 {
            return Ok(());
        }
        let reply = if line.last() != Some(&b'\n') {
            Reply::Refused { why: "that is too long, or was cut off".into() }
        } else {
            match serde_json::from_slice::<Request>(&line) {
                Ok(request) => answer(instance, request, socket.get_mut()).await?,
                Err(error) => Reply::Refused {
                    why: format!(
                        "the running server (version {}) does not understand this ({error}): is \
                         it older than this command? Restart it first",
                        env!("CARGO_PKG_VERSION")
                    ),
                },
            }
        };
        let is_whole = line.last() == Some(&b'\n');
        say(socket.get_mut(), &reply).await?;
        if !is_whole {
            return Ok(());
        }
    }
}

/// Carries a request out, with signs of life while it lasts.
async fn answer(
    instance: &Instance,
    request: Request,
    socket: &mut UnixStream,
) -> anyhow::Result<Reply> {
    let is_backup = matches!(request, Request::Backup { .. });
    let mut work = std::pin::pin!(perform(instance, request));
    loop {
        match timeout(Duration::from_secs(CONTROL_PULSE_S), &mut work).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => return Ok(Reply::Refused { why: format!("{error:#}") }),
            Err(_) => {
                let (done, total) = if is_backup { instance.backups.progress() } else { (0, 0) };
                say(socket, &Reply::Working { done, total }).await?;
            }
        }
    }
}

async fn say(socket: &mut UnixStream, reply: &Reply) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    let sent = timeout(Duration::from_secs(CONTROL_LINE_S), socket.write_all(&line)).await;
    sent.context("it does not take its answer")??;
    Ok(())
}

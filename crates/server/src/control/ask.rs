//! The asking end: a command beside a running server.

use super::{
    SOCKET, Show, address,
    wire::{Reply, Request},
};
use crate::{
    hint,
    limits::{CONTROL_LINE_BYTES_MAX, CONTROL_LINE_S, CONTROL_SILENCE_S},
};
use anyhow::{Context as _, bail};
use std::{io::ErrorKind, path::Path, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::timeout,
};

/// An open socket.
pub(crate) struct Connection {
    socket: BufReader<UnixStream>,
}

impl Connection {
    /// `None`: no server listens there.
    ///
    /// # Errors
    /// When the socket is not ours to open.
    pub(super) async fn open(data: &Path) -> anyhow::Result<Option<Self>> {
        let folder = std::fs::File::open(data)
            .map_err(|error| hint::reaching("open the data folder", data, &error))?;
        match UnixStream::connect(address(&folder, data, SOCKET)).await {
            Ok(socket) => Ok(Some(Self { socket: BufReader::new(socket) })),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(hint::reaching("reach the server through", &data.join(SOCKET), &error)),
            },
        }
    }

    /// Says what is wanted and waits for what comes of it; `show` hears how far it is.
    pub(super) async fn ask(
        &mut self,
        request: &Request,
        show: &Show<'_>,
    ) -> anyhow::Result<Reply> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        if line.len() > CONTROL_LINE_BYTES_MAX {
            bail!("that is too long to be asked");
        }
        let sent = timeout(Duration::from_secs(CONTROL_LINE_S), self.socket.write_all(&line));
        sent.await.context("the server does not listen")??;
        loop {
            let mut line = Vec::new();
            let bytes_max = u64::try_from(CONTROL_LINE_BYTES_MAX)?;
            let mut bounded = (&mut self.socket).take(bytes_max);
            let read = bounded.read_until(b'\n', &mut line);
            let silence = Duration::from_secs(CONTROL_SILENCE_S);
            let read = timeout(silence, read).await.context("the server gives no sign of life")?;
            if read? == 0 || line.last() != Some(&b'\n') {
                bail!(
                    "the server went away before it answered; look whether it did what you asked"
                );
            }
            let reply = serde_json::from_slice(&line)
                .context("the running server is of another version: restart it first")?;
            match reply {
                Reply::Working { done, total } => show((done, total)),
                Reply::Refused { why } => bail!("{why}"),
                reply => return Ok(reply),
            }
        }
    }
}

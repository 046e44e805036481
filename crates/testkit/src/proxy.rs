//! A TCP proxy that breaks on demand: cut (connections reset, new ones refused at once), stalled
//! (bytes stop, nothing is closed), restored. What a store meets when the network between it and
//! its server fails.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What the proxy does with bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// Passes them on.
    Open,
    /// Closes everything, and whatever comes.
    Cut,
    /// Keeps connections and passes nothing on; new ones are taken and left in silence.
    Stalled,
    /// Passes what clients say, but loses what the server answers, then closes.
    Deaf,
}

/// A proxy to one address, until it is dropped.
pub struct ChaosProxy {
    address: SocketAddr,
    mood: Arc<watch::Sender<Mood>>,
    accepting: JoinHandle<()>,
}

impl ChaosProxy {
    /// On a free port of the loopback.
    pub async fn to(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mood = Arc::new(watch::Sender::new(Mood::Open));
        let heard = Arc::clone(&mood);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target, heard.subscribe()));
            }
        });
        Ok(Self { address, mood, accepting })
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
    /// Changes what it does, for connections that stand as well.
    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.mood.send_replace(Mood::Cut);
    }
}

async fn carry(client: TcpStream, target: SocketAddr, mut mood: watch::Receiver<Mood>) {
    if *mood.borrow() == Mood::Stalled && mood.wait_for(|m| *m != Mood::Stalled).await.is_err() {
        return;
    }
    if *mood.borrow() == Mood::Cut {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "a test's own server on the loopback")]
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asking = pass(from_client, to_server, mood.clone(), false);
    let answering = pass(from_server, to_client, mood.clone(), true);
    tokio::select! {
        () = asking => {}
        () = answering => {}
        _ = mood.wait_for(|m| *m == Mood::Cut) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mood: watch::Receiver<Mood>,
    is_answer: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer).await {
        if mood.wait_for(|m| *m != Mood::Stalled).await.is_err() || read == 0 {
            return;
        }
        if is_answer && *mood.borrow() == Mood::Deaf {
            return;
        }
        let Some(bytes) = buffer.get(..read) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

//! A proxy on loopback that can be cut and restored: what a lost database looks like to a server.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;

use crate::http;

/// A proxy in front of one address.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    cut: AtomicBool,
    ended: AtomicBool,
    /// All connections made so far; the words make some hundreds.
    streams: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on a free port and forwards to the target.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            cut: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            streams: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                // While cut, a connection is taken and closed at once, as a dead host's would be.
                if !shared.cut.load(Ordering::SeqCst) {
                    let _refused = forward(stream, target, &shared);
                }
            }
        });
        Ok(Self { address, state })
    }

    /// Ends every connection and refuses new ones.
    pub fn cut(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
        self.end_streams();
    }

    /// Forwards again.
    pub fn restore(&self) {
        self.state.cut.store(false, Ordering::SeqCst);
    }

    fn end_streams(&self) {
        if let Ok(mut streams) = self.state.streams.lock() {
            for stream in streams.drain(..) {
                let _ended = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.end_streams();
        // The listener wakes up, sees the end, and goes.
        drop(http::connect(self.address));
    }
}

fn forward(near: TcpStream, target: SocketAddr, state: &State) -> Result<()> {
    let far = http::connect(target)?;
    far.set_read_timeout(None)?;
    if let Ok(mut streams) = state.streams.lock() {
        streams.push(near.try_clone()?);
        streams.push(far.try_clone()?);
    }
    let (near_in, far_in) = (near.try_clone()?, far.try_clone()?);
    std::thread::spawn(move || pump(near_in, far));
    std::thread::spawn(move || pump(far_in, near));
    Ok(())
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut piece = [0_u8; 16 * 1024];
    while let Ok(count) = from.read(&mut piece) {
        let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ended = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a byte through and hears it back.
    fn echoes(address: SocketAddr) -> bool {
        let Ok(mut stream) = http::connect(address) else { return false };
        let mut heard = [0];
        stream.write_all(b"x").is_ok() && stream.read_exact(&mut heard).is_ok() && heard == *b"x"
    }

    #[test]
    fn a_cut_proxy_carries_nothing_and_a_restored_one_does() {
        let target = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = target.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in target.incoming().map_while(Result::ok) {
                let mut byte = [0];
                if stream.read_exact(&mut byte).is_ok() {
                    let _gone = stream.write_all(&byte);
                }
            }
        });
        let proxy = Proxy::start(address).unwrap();
        assert!(echoes(proxy.address));
        proxy.cut();
        assert!(!echoes(proxy.address));
        proxy.restore();
        assert!(echoes(proxy.address));
    }
}

//! The socket of a connection, counting what passes. It lies below TLS, so it sees every byte, and
//! it holds the connection's seat: an upgraded connection keeps both until it is closed.
//!
//! A peer that was answered before it had sent its whole body is still sending. Closing at once
//! would reset the connection, and the reset can destroy the answer before it is read; so what it
//! sends is thrown away for a little while first (RFC 9112, section 9.6).

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::gauge::Order;
use super::limits;
use super::seats::Guard;

/// A counted socket. The guard stands first: the seat is given up before the socket is closed.
pub(super) struct Metered {
    guard: Guard,
    stream: TcpStream,
    /// The kernel took no more when we wrote last.
    is_full: bool,
    /// Once our side is closed: how much of what comes is still thrown away.
    discards: Option<usize>,
}

impl Metered {
    pub(super) fn new(guard: Guard, stream: TcpStream) -> Self {
        Self { guard, stream, is_full: false, discards: None }
    }

    /// Counts the connection by the address that a proxy named; false when it must go.
    pub(super) fn count_by(&self, address: IpAddr) -> bool {
        self.guard.count_by(address)
    }

    /// Whether the peer has left, as far as the kernel knows without being waited for.
    pub(super) fn was_left(&self) -> bool {
        let mut space = [std::mem::MaybeUninit::uninit()];
        match socket2::SockRef::from(&self.stream).peek(&mut space) {
            Ok(bytes) => bytes == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Waits until more can be done with it: until something has come, or else, where we could not
    /// write all, until we can.
    pub(super) fn poll_stirs(&self, context: &mut Context<'_>) -> Poll<()> {
        // An error is found by who reads or writes then.
        match self.is_full {
            true => self.stream.poll_write_ready(context).map(drop),
            false => self.stream.poll_read_ready(context).map(drop),
        }
    }

    /// Closes it so that nothing is left of it in the kernel, and the peer is told at once.
    pub(super) fn reset(self) {
        reset(&self.stream);
    }

    /// Reads and forgets until the peer ends, or has sent more than any body may have.
    fn poll_discard(&mut self, context: &mut Context<'_>, mut left: usize) -> Poll<()> {
        let mut space = [0; 16 * 1024];
        while left > 0 {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    left = left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    self.discards = Some(left);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    }

    fn wrote(&mut self, outcome: &Poll<io::Result<usize>>) {
        self.is_full = outcome.is_pending();
        if let Poll::Ready(Ok(bytes)) = outcome {
            self.guard.gauge.has_written(*bytes);
        }
    }
}

/// Has a socket's close be a reset.
pub(super) fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len().saturating_sub(before);
        if bytes > 0 {
            self.guard.gauge.has_read(bytes);
        }
        outcome
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes once all that it has is written, and TLS passes the call on once its own
    /// buffer is empty: so nothing that was handed over is in memory any more.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.guard.gauge.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let left = match self.discards {
            Some(left) => left,
            None => {
                ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
                let gauge = &self.guard.gauge;
                if !gauge.must_linger() {
                    return Poll::Ready(Ok(()));
                }
                // The watchman ends the wait.
                gauge.tell(Order::Close);
                limits::DISCARDED_BYTES_MAX
            }
        };
        self.poll_discard(context, left).map(Ok)
    }
}

//! A socket that tells its meter what it does, holds its place in the gate, and reads on for a
//! moment after our side has closed, so that a last answer (431, 413) is not lost to the reset
//! which a kernel sends when unread bytes remain.

use super::gate::Permit;
use crate::limits::LINGER_BYTES;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(crate) struct Socket {
    stream: TcpStream,
    permit: Permit,
    shut: bool,
    lingered_bytes: usize,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, permit: Permit) -> Socket {
        Socket { stream, permit, shut: false, lingered_bytes: 0 }
    }

    fn check(&self) -> io::Result<()> {
        match self.permit.meter.is_closed() {
            true => Err(io::Error::new(io::ErrorKind::TimedOut, "closed by the edge")),
            false => Ok(()),
        }
    }

    fn told(&self, wrote: &Poll<io::Result<usize>>, cx: &Context<'_>) {
        let meter = &self.permit.meter;
        match wrote {
            Poll::Pending => {
                meter.writer.register(cx.waker());
                meter.tell(|pace, now, _| pace.write_blocked(now));
            }
            Poll::Ready(Ok(bytes)) => {
                meter.tell(|pace, now, options| pace.wrote(now, *bytes, options.write));
            }
            Poll::Ready(Err(_)) => {}
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        // Registered before the check: a close between the two still wakes us.
        self.permit.meter.reader.register(cx.waker());
        self.check()?;
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let bytes = buffer.filled().len().saturating_sub(before);
        self.permit.meter.tell(|pace, now, _| pace.read(now, bytes));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.told(&wrote, cx);
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.told(&wrote, cx);
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
            self.permit.meter.tell(|pace, now, _| pace.closing(now));
        }
        let mut scratch = [0_u8; 4_096];
        while self.lingered_bytes < LINGER_BYTES && !self.permit.meter.is_closed() {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    self.lingered_bytes += buffer.filled().len();
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.permit.meter.gone.cancel();
    }
}

//! Counts HTTP/2 frames as they arrive, before h2 acts on them: h2 answers every PING and applies
//! every SETTINGS for as long as they come, and some of its other limits cannot be set through
//! hyper. Leaves the meaning of frames to h2; reads only their nine-byte headers (RFC 9113, 4.1).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::bucket::Bucket;
use super::gauge::Gauge;
use super::limits;
use super::stats::Cut;

/// Length of the client's preface (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// Where in the stream of frames the next byte falls. Pure; fed with whatever arrived.
struct Frames {
    /// Bytes to skip: of the preface, then of a payload.
    skip: usize,
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    control: Bucket,
    updates: Bucket,
    /// Bytes sent when WINDOW_UPDATE frames were last allowed for them.
    paid_bytes: u64,
    /// A header block began and has not ended.
    block_open: bool,
    begun: u64,
}

impl Frames {
    fn new(control: (u32, u32), now: u64) -> Self {
        Self {
            skip: PREFACE_BYTES,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            control: Bucket::full(control, now),
            updates: Bucket::full(limits::WINDOW_UPDATES, now),
            paid_bytes: 0,
            block_open: false,
            begun: 0,
        }
    }

    /// Follows `bytes`; false once more frames have come than anybody needs.
    fn follow(&mut self, mut bytes: &[u8], sent_bytes: u64, now: u64) -> bool {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let missing = (HEADER_BYTES - self.header_bytes).min(bytes.len());
            let (head, rest) = bytes.split_at(missing);
            if let Some(place) = self.header.get_mut(self.header_bytes..self.header_bytes + missing)
            {
                place.copy_from_slice(head);
            }
            self.header_bytes += missing;
            bytes = rest;
            if self.header_bytes == HEADER_BYTES {
                self.header_bytes = 0;
                if !self.frame(sent_bytes, now) {
                    return false;
                }
            }
        }
        true
    }

    /// A frame's header is whole.
    fn frame(&mut self, sent_bytes: u64, now: u64) -> bool {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.begun += 1;
        self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        match kind {
            DATA => self.skip > 0 || flags & END_STREAM != 0 || self.control.take(1, now),
            HEADERS => {
                self.block_open = flags & END_HEADERS == 0;
                true
            }
            CONTINUATION => {
                self.block_open = flags & END_HEADERS == 0;
                self.control.take(1, now)
            }
            WINDOW_UPDATE => {
                let allowed = sent_bytes.saturating_sub(self.paid_bytes);
                if allowed >= limits::WINDOW_UPDATE_BYTES {
                    self.paid_bytes += limits::WINDOW_UPDATE_BYTES;
                    return true;
                }
                self.updates.take(1, now)
            }
            _ => self.control.take(1, now),
        }
    }

    /// Whether a frame is half here.
    fn is_open(&self) -> bool {
        self.skip > 0 || self.header_bytes > 0
    }
}

/// What the meter saw of a client's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metered {
    /// Frames whose header was whole, the one that went too far included.
    pub begun: u64,
    /// More frames came than anybody needs: the connection would be cut.
    pub flood: bool,
    /// The last frame is only half here.
    pub open: bool,
}

/// Meters a client's bytes as they would arrive piece by piece, preface included, while the clock
/// stands still and nothing is sent: for fuzzing. `control_burst` control frames are allowed.
pub fn metered<'a>(pieces: impl Iterator<Item = &'a [u8]>, control_burst: u32) -> Metered {
    let mut frames = Frames::new((control_burst, 0), 1);
    let mut flood = false;
    for piece in pieces {
        if !frames.follow(piece, 0, 1) {
            flood = true;
            break;
        }
    }
    Metered { begun: frames.begun, flood, open: frames.is_open() }
}

/// A decrypted HTTP/2 connection whose incoming frames are counted.
pub(super) struct FrameMeter<T> {
    inner: T,
    gauge: Arc<Gauge>,
    frames: Frames,
    /// Since when the current frame, or header block, is incomplete; 0 for neither.
    frame_since: u64,
    block_since: u64,
}

impl<T> FrameMeter<T> {
    pub(super) fn new(inner: T, gauge: Arc<Gauge>) -> Self {
        let frames = Frames::new(gauge.shared.options.control_frames, gauge.now());
        Self { inner, gauge, frames, frame_since: 0, block_since: 0 }
    }

    fn note_waits(&mut self, now: u64) {
        let begun = |since: u64, open: bool| match (open, since) {
            (false, _) => 0,
            (true, 0) => now,
            (true, earlier) => earlier,
        };
        self.frame_since = begun(self.frame_since, self.frames.is_open());
        self.gauge.frame_open_since(self.frame_since);
        self.block_since = begun(self.block_since, self.frames.block_open);
        self.gauge.header_open_since(self.block_since);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FrameMeter<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(context, buffer);
        let new = buffer.filled().get(before..).unwrap_or_default();
        if new.is_empty() {
            return outcome;
        }
        let (now, sent_bytes) = (self.gauge.now(), self.gauge.written_bytes());
        let begun = self.frames.begun;
        if !self.frames.follow(new, sent_bytes, now) {
            self.gauge.cut(Cut::FrameFlood);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        // A frame that ended in this read ends its wait, even if the next began in it.
        if self.frames.begun != begun {
            self.frame_since = 0;
        }
        self.note_waits(now);
        outcome
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FrameMeter<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let [.., high, middle, low] = u32::try_from(payload).expect("small").to_be_bytes();
        let mut bytes = vec![high, middle, low, kind, flags, 0, 0, 0, 1];
        bytes.resize(HEADER_BYTES + payload, 0x06);
        bytes
    }

    /// How many of the frames pass, with a burst of 10 control frames and time standing still.
    fn passed(frames: &[Vec<u8>], piece: usize, sent_bytes: u64) -> usize {
        let mut meter = Frames::new((10, 0), 1);
        assert!(meter.follow(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 1));
        frames
            .iter()
            .take_while(|frame| frame.chunks(piece).all(|part| meter.follow(part, sent_bytes, 1)))
            .count()
    }

    #[test]
    fn floods_end_and_requests_do_not() {
        let many = |kind, flags, payload| vec![frame(kind, flags, payload); 2_000];
        for piece in [1, 7, 9, 100_000] {
            assert_eq!(passed(&many(0x6, 0, 8), piece, 0), 10, "PING");
            assert_eq!(passed(&many(0x4, 0, 6), piece, 0), 10, "SETTINGS");
            assert_eq!(passed(&many(0x3, 0, 4), piece, 0), 10, "RST_STREAM");
            assert_eq!(passed(&many(0x2, 0, 5), piece, 0), 10, "PRIORITY");
            assert_eq!(passed(&many(0xbe, 0, 0), piece, 0), 10, "unknown");
            assert_eq!(passed(&many(DATA, 0, 0), piece, 0), 10, "empty DATA");
            assert_eq!(passed(&many(DATA, 0, 100), piece, 0), 2_000, "DATA");
            assert_eq!(passed(&many(HEADERS, 5, 60), piece, 0), 2_000, "HEADERS");
            assert_eq!(passed(&many(WINDOW_UPDATE, 0, 4), piece, 0), 512, "WINDOW_UPDATE unpaid");
            assert_eq!(passed(&many(WINDOW_UPDATE, 0, 4), piece, 9_000_000), 2_000, "paid");
        }
    }

    #[test]
    fn an_open_header_block_is_seen() {
        let mut meter = Frames::new((10, 0), 1);
        assert!(meter.follow(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 1) && !meter.is_open());
        assert!(meter.follow(&frame(HEADERS, 0, 5), 0, 1) && meter.block_open);
        assert!(meter.follow(&frame(CONTINUATION, END_HEADERS, 5), 0, 1) && !meter.block_open);
        assert!(meter.follow(&frame(DATA, 0, 5)[..12], 0, 1) && meter.is_open());
    }
}

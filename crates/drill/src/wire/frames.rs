//! HTTP/2 frames by hand (RFC 9113, section 4.1; header blocks of RFC 7541 from the static table),
//! since the attacks on HTTP/2 are sequences that no client library sends.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::limits::READ_BYTES;

pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// What a client begins with, and its settings.
pub(crate) fn preface(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &payload));
    bytes
}

/// The setting of a stream's window.
pub(crate) const INITIAL_WINDOW: u16 = 4;

/// One frame. What is longer than a frame may be is cut: no attack here needs it.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = payload.len().min(16_384);
    let [_, high, middle, low] = u32::try_from(length).unwrap_or(0).to_be_bytes();
    let mut bytes = vec![high, middle, low, kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload.get(..length).unwrap_or_default());
    bytes
}

/// A header block: method, scheme https, path, authority.
pub(crate) fn block(is_get: bool, path: &str, authority: &str) -> Vec<u8> {
    let mut block = vec![if is_get { 0x82 } else { 0x83 }, 0x87];
    literal(&mut block, 4, path);
    literal(&mut block, 1, authority);
    block
}

/// A value for a name of the static table, not to be remembered.
fn literal(block: &mut Vec<u8>, name: u8, value: &str) {
    let value = value.as_bytes().get(..value.len().min(126)).unwrap_or_default();
    block.push(name);
    block.push(u8::try_from(value.len()).unwrap_or(0));
    block.extend_from_slice(value);
}

/// GET on a stream, ended.
pub(crate) fn get(stream: u32, path: &str, authority: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(true, path, authority))
}

/// Cancels a stream (CANCEL).
pub(crate) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// What came of what was asked, as far as the nine bytes of frame headers and the first byte of a
/// header block tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// An answer with status 200.
    Served,
    /// An answer with another status.
    Refused,
    /// A stream that the server reset.
    Reset,
    /// The server asks the connection to end.
    GoAway,
    /// Anything else.
    Other,
}

/// Reads frames of the server.
pub(crate) struct Reader<S> {
    stream: S,
    ahead: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// What the next frame says.
    ///
    /// # Errors
    /// When the connection ends.
    pub(crate) async fn next(&mut self) -> io::Result<Seen> {
        loop {
            if let Some((seen, length)) = parse(&self.ahead) {
                self.ahead.drain(..length);
                return Ok(seen);
            }
            self.ahead.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.ahead).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// What a whole frame at the beginning of bytes says, and its length.
fn parse(bytes: &[u8]) -> Option<(Seen, usize)> {
    let [high, middle, low, kind, _, _, _, _, _] = *bytes.first_chunk::<9>()?;
    let length = 9 + usize::from(high) * 65_536 + usize::from(middle) * 256 + usize::from(low);
    let frame = bytes.get(..length)?;
    let seen = match kind {
        HEADERS => match status(frame.get(9..).unwrap_or_default()) {
            Some(true) => Seen::Served,
            Some(false) => Seen::Refused,
            // A block of another beginning: trailers, which follow an answer.
            None => Seen::Other,
        },
        RST_STREAM => Seen::Reset,
        GOAWAY => Seen::GoAway,
        _ => Seen::Other,
    };
    Some((seen, length))
}

/// Whether a header block begins with the status 200; none where it begins with no status. The
/// status is an answer's first field (RFC 9113, 8.3), maybe after a change of the table's size.
fn status(block: &[u8]) -> Option<bool> {
    let first = block.iter().find(|byte| **byte & 0xe0 != 0x20)?;
    match first {
        0x88 => Some(true),
        // Indexed, or literal with the name of the static table's entries 8 to 14.
        0x89..=0x8e | 0x48..=0x4e | 0x08..=0x0e | 0x18..=0x1e => Some(false),
        // What the server put into the table before: a status other than 200 that came again.
        0xbe.. => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: u8 = 0;

    #[test]
    fn a_frame_is_as_the_standard_draws_it() {
        assert_eq!(
            frame(PING, 1, 0, &[7; 8]),
            [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &[7; 8]].concat()
        );
        assert_eq!(reset(3), [0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 8]);
        let get = get(1, "/a", "b");
        assert_eq!(get[..9], [0, 0, 9, 1, 5, 0, 0, 0, 1]);
        assert_eq!(get[9..], [0x82, 0x87, 4, 2, b'/', b'a', 1, 1, b'b']);
        assert_eq!(frame(DATA, 0, 1, &vec![0; 20_000]).len(), 16_384 + 9);
    }

    #[tokio::test]
    async fn frames_of_the_server_are_told_apart() {
        let mut bytes = frame(SETTINGS, 0, 0, &[]);
        bytes.extend(frame(HEADERS, END_HEADERS, 1, &[0x88, 0x5f]));
        bytes.extend(frame(HEADERS, END_HEADERS, 3, &[0x20, 0x88]));
        bytes.extend(frame(HEADERS, END_HEADERS, 5, &[0x48, 3, b'5', b'0', b'3']));
        bytes.extend(frame(DATA, END_STREAM, 1, &[1; 300]));
        bytes.extend(reset(7));
        bytes.extend(frame(GOAWAY, 0, 0, &[0; 8]));
        let mut reader = Reader::new(&bytes[..]);
        let mut seen = Vec::new();
        while let Ok(next) = reader.next().await {
            seen.push(next);
        }
        use Seen::{GoAway, Other, Refused, Reset, Served};
        assert_eq!(seen, [Other, Served, Served, Refused, Other, Reset, GoAway]);
    }
}

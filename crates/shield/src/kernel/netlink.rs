//! Speaking netlink: messages, their attributes, a transaction, a question. Only what the deny set
//! needs. Leaves the meaning of messages to `table` and `machine`.
//!
//! Written here and not taken from a crate: it is this one file, without unsafe code, where a crate
//! would bring others; and not by way of the program `nft`, which may be missing, would have to be
//! started in the middle of an attack, and would need our privilege handed on to it.

use std::io::{self, Read as _};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::kernel as limits;

/// Length of a message's header (`struct nlmsghdr`).
const HEADER: usize = 16;
/// `NLMSG_ERROR`: an answer of success or failure.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of an answer in parts.
const DONE: u16 = 3;
/// `NLM_F_REQUEST`.
pub(super) const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: an answer is wanted also for success.
const ACK: u16 = 0x4;
/// `NLM_F_CREATE`: make it where it is missing.
pub(super) const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`: put it at the end.
pub(super) const APPEND: u16 = 0x800;
/// `NLM_F_DUMP`: all there are.
pub(super) const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: things changed while they were told.
const INTERRUPTED: u16 = 0x10;
/// `NLM_F_MULTI`: there are more parts.
const MULTI: u16 = 0x2;
/// `NLA_F_NESTED`, and the bits of a type that are none of its number.
const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;
/// `NFNL_MSG_BATCH_BEGIN` and `_END`: what is between them happens as a whole or not at all.
const BATCH: (u16, u16) = (0x10, 0x11);
/// `NFNL_SUBSYS_NFTABLES`.
const NFTABLES: u16 = 10;

/// Why something did not happen, and at which message of a transaction: 0 is the frame around it.
#[derive(Debug)]
pub(super) struct Failed {
    pub error: io::Error,
    pub at: u32,
}

impl Failed {
    /// The number of the error, as errno(3) has it.
    pub(super) fn code(&self) -> i32 {
        self.error.raw_os_error().unwrap_or(0)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self { error, at: 0 }
    }
}

/// Messages being written.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    sequence: u32,
    /// Where the header of the last message begins.
    last: usize,
    is_too_long: bool,
}

impl Writer {
    /// A message with its fixed part; `fill` writes its attributes.
    pub(super) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        fixed: &[u8],
        fill: impl FnOnce(&mut Self),
    ) {
        self.last = self.bytes.len();
        self.bytes.extend(0_u32.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags | REQUEST).to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend(0_u32.to_ne_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.put(fixed);
        let at = self.last;
        fill(self);
        match u32::try_from(self.bytes.len() - at) {
            Ok(length) => self.write_at(at, &length.to_ne_bytes()),
            Err(_) => self.is_too_long = true,
        }
    }

    /// A message about tables, of the family `inet`: one that covers IPv4 and IPv6.
    pub(super) fn about(&mut self, kind: u16, flags: u16, fill: impl FnOnce(&mut Self)) {
        const INET: u8 = 1;
        self.message(NFTABLES << 8 | kind, flags, &[INET, 0, 0, 0], fill);
    }

    /// An attribute.
    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.measured(kind, |writer| writer.put(value));
    }

    /// An attribute that is text, with a zero at its end.
    pub(super) fn text(&mut self, kind: u16, value: &str) {
        self.measured(kind, |writer| {
            writer.bytes.extend(value.as_bytes());
            writer.put(&[0]);
        });
    }

    /// An attribute that is a number: nftables has them most significant byte first.
    pub(super) fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// An attribute that holds attributes.
    pub(super) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        self.measured(kind | NESTED, fill);
    }

    fn measured(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.bytes.extend(0_u16.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        let before = self.bytes.len();
        fill(self);
        // Padding belongs to the attributes inside and to what follows, not to a value's length.
        let inside = self.bytes.len() - before;
        match u16::try_from(inside + 4) {
            Ok(length) => self.write_at(at, &length.to_ne_bytes()),
            Err(_) => self.is_too_long = true,
        }
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }

    fn put(&mut self, value: &[u8]) {
        self.bytes.extend(value);
    }

    fn write_at(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }

    /// Bytes written.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether something does not fit its length, so that nothing is sent.
    #[cfg(test)]
    pub(super) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// Asks for an answer to the last message also when it succeeds.
    fn ask_for_answer(&mut self) {
        let at = self.last + 6;
        let flags = self.bytes.get(at..).and_then(number_16).unwrap_or(REQUEST);
        self.write_at(at, &(flags | ACK).to_ne_bytes());
    }
}

fn number_16(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.first_chunk()?))
}

/// A number of four bytes, as this machine has it.
pub(super) fn number_32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.first_chunk()?))
}

/// A number of eight bytes, most significant first.
pub(super) fn number_64_be(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.first_chunk()?))
}

/// A message as it was received.
struct Message<'b> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'b [u8],
}

/// The messages of a datagram; whatever does not fit its own length ends them.
struct Messages<'b>(&'b [u8]);

impl<'b> Iterator for Messages<'b> {
    type Item = Message<'b>;

    fn next(&mut self) -> Option<Message<'b>> {
        let header = self.0.get(..HEADER)?;
        let length = usize::try_from(number_32(header)?).ok()?;
        let body = self.0.get(HEADER..length)?;
        let message = Message {
            kind: number_16(header.get(4..)?)?,
            flags: number_16(header.get(6..)?)?,
            sequence: number_32(header.get(8..)?)?,
            body,
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// Attributes, by number and value; whatever does not fit its own length ends them.
#[derive(Clone)]
pub(super) struct Attributes<'b>(pub &'b [u8]);

impl<'b> Iterator for Attributes<'b> {
    type Item = (u16, &'b [u8]);

    fn next(&mut self) -> Option<(u16, &'b [u8])> {
        let length = usize::from(number_16(self.0)?);
        let kind = number_16(self.0.get(2..)?)? & TYPE_MASK;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

impl<'b> Attributes<'b> {
    /// The value of the first attribute of this number.
    pub(super) fn get(&self, kind: u16) -> Option<&'b [u8]> {
        self.clone().find_map(|(found, value)| (found == kind).then_some(value))
    }

    /// The attributes inside the first of this number.
    pub(super) fn inside(&self, kind: u16) -> Self {
        Self(self.get(kind).unwrap_or_default())
    }
}

/// A socket to a part of the kernel.
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Box<[u8]>,
}

impl Netlink {
    /// Opens one: `NETLINK_NETFILTER` or `NETLINK_ROUTE`.
    pub(super) fn open(part: i32) -> io::Result<Self> {
        let domain = Domain::from(libc::AF_NETLINK);
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(part)))?;
        socket.set_read_timeout(Some(Duration::from_secs(limits::ANSWER_S)))?;
        // A transaction is one datagram, and must fit.
        let _ = socket.set_send_buffer_size(2 * limits::DATAGRAM_BYTES_MAX);
        let buffer = vec![0; limits::DATAGRAM_BYTES_MAX].into_boxed_slice();
        Ok(Self { socket, sequence: 1, buffer })
    }

    /// A transaction: all messages that `fill` writes, or none of them.
    pub(super) fn transact(&mut self, fill: impl FnOnce(&mut Writer)) -> Result<(), Failed> {
        let [high, low] = NFTABLES.to_be_bytes();
        let frame = [0, 0, high, low];
        let first = self.sequence;
        let mut writer = Writer { sequence: first, ..Writer::default() };
        writer.message(BATCH.0, 0, &frame, |_| ());
        let framed = writer.sequence;
        fill(&mut writer);
        if writer.sequence == framed {
            return Ok(());
        }
        writer.ask_for_answer();
        let last = writer.sequence.wrapping_sub(1);
        writer.message(BATCH.1, 0, &frame, |_| ());
        self.send(writer)?;
        let at = |message: &Message<'_>| message.sequence.wrapping_sub(first);
        let mut outcome = None;
        // The kernel has answered before `send` came back: first what failed, in order, and the
        // answer to the last message that was asked for comes in any case, but where the whole was
        // not even looked at.
        self.hear(|message| {
            let position = at(message);
            if message.kind != ERROR || position > last.wrapping_sub(first) {
                return false;
            }
            let code = number_32(message.body).map_or(0, u32::cast_signed);
            if code != 0 && outcome.is_none() {
                let error = io::Error::from_raw_os_error(code.saturating_neg());
                outcome = Some(Failed { error, at: position });
            }
            position == 0 || message.sequence == last
        })?;
        outcome.map_or(Ok(()), Err)
    }

    /// A question; `each` hears the body of every answer. Answers whether all of them are of one
    /// moment.
    pub(super) fn ask(
        &mut self,
        fill: impl FnOnce(&mut Writer),
        mut each: impl FnMut(&[u8]),
    ) -> Result<bool, Failed> {
        let mut writer = Writer { sequence: self.sequence, ..Writer::default() };
        let asked = writer.sequence;
        fill(&mut writer);
        self.send(writer)?;
        let (mut whole, mut failed) = (true, None);
        self.hear(|message| {
            if message.sequence != asked {
                return false;
            }
            whole &= message.flags & INTERRUPTED == 0;
            match message.kind {
                DONE => true,
                ERROR => {
                    let code = number_32(message.body).map_or(0, u32::cast_signed);
                    let error = || io::Error::from_raw_os_error(code.saturating_neg());
                    failed = (code != 0).then(error);
                    true
                }
                _ => {
                    each(message.body);
                    message.flags & MULTI == 0
                }
            }
        })?;
        failed.map_or(Ok(whole), |error| Err(error.into()))
    }

    fn send(&mut self, writer: Writer) -> io::Result<()> {
        self.sequence = writer.sequence;
        if writer.is_too_long {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let sent = self.socket.send(&writer.bytes)?;
        if sent == writer.bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Reads answers until one is the last.
    fn hear(&mut self, mut is_last: impl FnMut(&Message<'_>) -> bool) -> io::Result<()> {
        for _ in 0..limits::ANSWERS_MAX {
            let received = match self.socket.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                received => received?,
            };
            let bytes = self.buffer.get(..received).unwrap_or_default();
            let mut over = false;
            for message in Messages(bytes) {
                over |= is_last(&message);
            }
            if over {
                return Ok(());
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

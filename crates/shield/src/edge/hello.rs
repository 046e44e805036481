//! A TLS client's greeting (ClientHello), read by ourselves before any cryptography: what kind of
//! client it shows (JA4) and which session tickets it brings. So whom we refuse costs a few
//! microseconds. Leaves the handshake, and every judgement over a greeting, to rustls: what is not
//! understood here is no reason to refuse.
//!
//! The fingerprint is JA4 of TLS clients as FoxIO describes it (github.com/FoxIO-LLC/ja4, under a
//! BSD licence, unlike the others of its family). Values that exist to be ignored (GREASE, RFC
//! 8701) are ignored, and what clients shuffle is sorted. One thing differs: what a client adds
//! only because it was here before (a session ticket to resume by, early data) is left out, and
//! what some leave out for the same reason is counted, so that one that comes again looks like
//! itself.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::digest;

use super::limits::{GREETING_BYTES_MAX, GREETING_RECORDS_MAX};

const RECORD_OF_HANDSHAKE: u8 = 22;
const RECORD_BYTES_MAX: usize = 1 << 14;
const CLIENT_HELLO: u8 = 1;

const SERVER_NAME: u16 = 0;
const SIGNATURE_ALGORITHMS: u16 = 13;
const PROTOCOLS: u16 = 16;
const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;
const EARLY_DATA: u16 = 42;
const TLS12: u16 = 0x0303;
const SUPPORTED_VERSIONS: u16 = 43;

/// Values of one list that a fingerprint counts; clients send up to a hundred. What follows is
/// left out of it.
const VALUES_MAX: usize = 256;
/// Length of the text of such a list.
const TEXT_BYTES_MAX: usize = 2 * 5 * VALUES_MAX;

/// What the bytes of a connection have come to so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// Nothing to see before there are this many bytes in all.
    Needs(usize),
    /// A whole ClientHello, out of its records.
    Whole(Cow<'a, [u8]>),
    /// No ClientHello, or a larger one than anybody sends.
    Foreign,
}

/// Takes a ClientHello out of the records (RFC 8446, 5.1) at the start of `bytes`.
pub(super) fn message(bytes: &[u8]) -> Message<'_> {
    let (mut rest, mut joined) = (bytes, Vec::new());
    for _ in 0..GREETING_RECORDS_MAX {
        let seen = bytes.len() - rest.len();
        if rest.first().is_some_and(|kind| *kind != RECORD_OF_HANDSHAKE) {
            return Message::Foreign;
        }
        let Some(([_, _, _, high, low], after)) = rest.split_first_chunk() else {
            return Message::Needs(seen + 5);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length == 0 || length > RECORD_BYTES_MAX {
            return Message::Foreign;
        }
        let (part, next) = after.split_at(length.min(after.len()));
        // Nearly always one record has it all, and nothing is copied.
        let is_first = seen == 0;
        if !is_first {
            joined.extend_from_slice(part);
        }
        let so_far = if is_first { part } else { joined.as_slice() };
        let Ok(whole) = whole_bytes(so_far) else { return Message::Foreign };
        if part.len() < length {
            return Message::Needs(seen + 5 + length);
        }
        if let Some(found) = whole.and_then(|whole| so_far.get(..whole)) {
            return Message::Whole(match is_first {
                true => Cow::Borrowed(part.get(..found.len()).unwrap_or_default()),
                false => Cow::Owned(found.to_vec()),
            });
        }
        if is_first {
            joined.extend_from_slice(part);
        }
        rest = next;
    }
    Message::Foreign
}

struct Foreign;

/// How long the handshake message is that begins here, its own header included.
fn whole_bytes(message: &[u8]) -> Result<Option<usize>, Foreign> {
    if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(Foreign);
    }
    let Some(([_, high, middle, low], _)) = message.split_first_chunk() else { return Ok(None) };
    let bytes = u64::from(u32::from_be_bytes([0, *high, *middle, *low])) + 4;
    if bytes > GREETING_BYTES_MAX {
        return Err(Foreign);
    }
    Ok(usize::try_from(bytes).ok())
}

/// A ClientHello's parts that are of interest here.
#[derive(Debug, Default)]
pub(super) struct Hello<'a> {
    legacy_version: u16,
    ciphers: &'a [u8],
    extensions: &'a [u8],
    has_name: bool,
    protocols: &'a [u8],
    versions: &'a [u8],
    signature_algorithms: &'a [u8],
    session_ticket: &'a [u8],
    identities: &'a [u8],
}

impl<'a> Hello<'a> {
    /// Reads a whole message (RFC 8446, 4.1.2). None when it is cut off or its lengths disagree.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(message.get(4..)?);
        let mut hello = Self { legacy_version: reader.short()?, ..Self::default() };
        let _random = reader.take(32)?;
        let _session_id = reader.of_byte()?;
        hello.ciphers = reader.of_short()?;
        let _compression = reader.of_byte()?;
        if !reader.0.is_empty() {
            hello.extensions = reader.of_short()?;
        }
        let mut extensions = Reader(hello.extensions);
        while !extensions.0.is_empty() {
            let (kind, body) = extensions.extension()?;
            let mut body = Reader(body);
            match kind {
                SERVER_NAME => hello.has_name = true,
                PROTOCOLS => hello.protocols = body.of_short()?,
                SUPPORTED_VERSIONS => hello.versions = body.of_byte()?,
                SIGNATURE_ALGORITHMS => hello.signature_algorithms = body.of_short()?,
                SESSION_TICKET => hello.session_ticket = body.0,
                PRE_SHARED_KEY => hello.identities = body.of_short()?,
                _ => {}
            }
        }
        Some(hello)
    }

    /// The tickets that it brings, in its order: of TLS 1.3, then the one of TLS 1.2.
    pub(super) fn tickets(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut identities = Reader(self.identities);
        let offered = std::iter::from_fn(move || {
            let ticket = identities.of_short()?;
            let _age = identities.take(4)?;
            Some(ticket)
        });
        offered.chain(std::iter::once(self.session_ticket)).filter(|ticket| !ticket.is_empty())
    }

    /// What kind of client sends such greetings.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut ciphers = Values::of(shorts(self.ciphers));
        let kinds = || {
            let mut extensions = Reader(self.extensions);
            std::iter::from_fn(move || Some(extensions.extension()?.0))
        };
        // Who resumes by the newer way need not ask for a ticket of the older one.
        let comes_again = kinds().any(|kind| kind == PRE_SHARED_KEY);
        let asks = kinds().any(|kind| kind == SESSION_TICKET);
        let asked = comes_again && !asks && shorts(self.versions).any(|one| one == TLS12);
        let kinds = || {
            let own = kinds().filter(|kind| !matches!(*kind, PRE_SHARED_KEY | EARLY_DATA));
            own.chain(asked.then_some(SESSION_TICKET))
        };
        let count = kinds().filter(|kind| !is_grease(*kind)).count();
        let is_shown = |kind: &u16| !matches!(*kind, SERVER_NAME | PROTOCOLS);
        let mut extensions = Values::of(kinds().filter(is_shown));
        let algorithms = Values::of(shorts(self.signature_algorithms));
        let mut text = Text::default();
        text.push(b"t");
        text.push(self.version());
        text.push(if self.has_name { b"d" } else { b"i" });
        text.push(&two_digits(shorts(self.ciphers).filter(|one| !is_grease(*one)).count()));
        text.push(&two_digits(count));
        text.push(&self.protocol());
        text.push(b"_");
        ciphers.sort();
        text.push(&ciphers.digest(&Values::default()));
        text.push(b"_");
        extensions.sort();
        text.push(&extensions.digest(&algorithms));
        Fingerprint(text.start())
    }

    /// The best version that it speaks.
    fn version(&self) -> &'static [u8] {
        let offered = shorts(self.versions).filter(|version| !is_grease(*version)).max();
        match offered.unwrap_or(self.legacy_version) {
            0x0304 => b"13",
            0x0303 => b"12",
            0x0302 => b"11",
            0x0301 => b"10",
            0x0300 => b"s3",
            0x0002 => b"s2",
            _ => b"00",
        }
    }

    /// First and last character of the protocol that it likes best; of its hexadecimal form where
    /// these are no letters or digits.
    fn protocol(&self) -> [u8; 2] {
        let name = Reader(self.protocols).of_byte().unwrap_or_default();
        let (Some(first), Some(last)) = (name.first(), name.last()) else { return *b"00" };
        if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
            return [*first, *last];
        }
        [digit(u16::from(*first) >> 4), digit(u16::from(*last))]
    }
}

/// What kind of client is at the other end of a connection, by its TLS greeting: JA4, such as
/// `t13d1516h2_8daaf6152771_e5627efa2ab1`. A client can choose to look like another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 36]);

impl Fingerprint {
    /// Of a TLS connection's first bytes. None before the greeting is whole, and where it is none.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match message(bytes) {
            Message::Whole(message) => Some(Hello::read(&message)?.fingerprint()),
            Message::Needs(_) | Message::Foreign => None,
        }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Made of ASCII above.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The tickets that a greeting brings and the bytes that it is waited for: for fuzzing.
#[must_use]
pub fn tickets_brought(bytes: &[u8]) -> (usize, Option<usize>) {
    match message(bytes) {
        Message::Whole(message) => {
            (Hello::read(&message).map_or(0, |hello| hello.tickets().count()), None)
        }
        Message::Needs(bytes) => (0, Some(bytes)),
        Message::Foreign => (0, None),
    }
}

/// Reserved for keeping peers tolerant: 0x0a0a, 0x1a1a and so on.
fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

fn shorts(bytes: &[u8]) -> impl Iterator<Item = u16> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || reader.short())
}

fn digit(value: u16) -> u8 {
    let digits = b"0123456789abcdef";
    digits.get(usize::from(value & 0xf)).copied().unwrap_or(b'0')
}

fn two_digits(count: usize) -> [u8; 2] {
    let count = u8::try_from(count.min(99)).unwrap_or(99);
    [b'0' + count / 10, b'0' + count % 10]
}

/// A list of numbers without those to be ignored.
struct Values {
    values: [u16; VALUES_MAX],
    count: usize,
}

impl Default for Values {
    fn default() -> Self {
        Self { values: [0; VALUES_MAX], count: 0 }
    }
}

impl Values {
    fn of(all: impl Iterator<Item = u16>) -> Self {
        let mut list = Self::default();
        for (place, value) in list.values.iter_mut().zip(all.filter(|value| !is_grease(*value))) {
            *place = value;
            list.count += 1;
        }
        list
    }

    fn sort(&mut self) {
        self.values.get_mut(..self.count).unwrap_or_default().sort_unstable();
    }

    fn write(&self, text: &mut Text) {
        for (place, value) in self.values.iter().take(self.count).enumerate() {
            if place > 0 {
                text.push(b",");
            }
            text.push(&[12, 8, 4, 0].map(|bits| digit(value >> bits)));
        }
    }

    /// The first twelve characters of the hash of the list, and of what is said beside it.
    fn digest(&self, beside: &Self) -> [u8; 12] {
        if self.count == 0 {
            return [b'0'; 12];
        }
        let mut text = Text::default();
        self.write(&mut text);
        if beside.count > 0 {
            text.push(b"_");
            beside.write(&mut text);
        }
        let hash = digest::digest(&digest::SHA256, text.written());
        let mut shown = [b'0'; 12];
        for (pair, byte) in shown.chunks_exact_mut(2).zip(hash.as_ref()) {
            pair.copy_from_slice(&[digit(u16::from(*byte) >> 4), digit(u16::from(*byte))]);
        }
        shown
    }
}

/// Text of a bounded length on the stack.
struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; TEXT_BYTES_MAX], length: 0 }
    }
}

impl Text {
    fn push(&mut self, more: &[u8]) {
        let end = self.length + more.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(more);
            self.length = end;
        }
    }

    fn written(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn start<const N: usize>(&self) -> [u8; N] {
        self.bytes.first_chunk().copied().unwrap_or([b'0'; N])
    }
}

/// Bytes still to be read.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn short(&mut self) -> Option<u16> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*head))
    }

    /// What follows its own length in one byte.
    fn of_byte(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first()?;
        self.0 = rest;
        self.take(usize::from(*length))
    }

    /// What follows its own length in two bytes.
    fn of_short(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        self.take(usize::from(length))
    }

    fn extension(&mut self) -> Option<(u16, &'a [u8])> {
        Some((self.short()?, self.of_short()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a Chrome of 2023 offers, GREASE included; the example of JA4's description.
    const CIPHERS: [u16; 16] = [
        0x5a5a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
        0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
    ];
    const EXTENSIONS: [u16; 18] = [
        0x3a3a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023,
        0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0xdada,
    ];
    const ALGORITHMS: [u16; 8] = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];

    fn sized(bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len()).expect("short").to_be_bytes();
        [length.as_slice(), bytes].concat()
    }

    fn list(values: &[u16]) -> Vec<u8> {
        sized(&values.iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<u8>>())
    }

    fn body(kind: u16, protocol: &[u8]) -> Vec<u8> {
        let length = u8::try_from(protocol.len()).expect("short");
        match kind {
            SIGNATURE_ALGORITHMS => list(&ALGORITHMS),
            PROTOCOLS => sized(&[&[length], protocol].concat()),
            SUPPORTED_VERSIONS => vec![6, 0x7a, 0x7a, 3, 4, 3, 3],
            PRE_SHARED_KEY => {
                let one = |ticket: &[u8]| [sized(ticket), vec![0; 4]].concat();
                let offered = [one(b"first"), one(b"second")].concat();
                [sized(&offered), sized(&[[32].as_slice(), &[0; 32]].concat())].concat()
            }
            _ => Vec::new(),
        }
    }

    fn hello(ciphers: &[u16], extensions: &[u16], protocol: &[u8]) -> Vec<u8> {
        let bodies = extensions
            .iter()
            .flat_map(|kind| [&kind.to_be_bytes(), &sized(&body(*kind, protocol))[..]].concat());
        let extensions = sized(&bodies.collect::<Vec<u8>>());
        let inner = [&[3, 3][..], &[7; 32], &[0], &list(ciphers), &[1, 0], &extensions].concat();
        let length = u32::try_from(inner.len()).expect("short").to_be_bytes();
        [&[CLIENT_HELLO], &length[1..], &inner].concat()
    }

    /// The message in records of so many bytes.
    fn records(message: &[u8], of_bytes: usize) -> Vec<u8> {
        message.chunks(of_bytes).flat_map(|part| [&[22, 3, 1], &sized(part)[..]].concat()).collect()
    }

    fn fingerprint(ciphers: &[u16], extensions: &[u16], protocol: &[u8]) -> String {
        let bytes = records(&hello(ciphers, extensions, protocol), 4_000);
        Fingerprint::of(&bytes).expect("a greeting").to_string()
    }

    #[test]
    fn it_is_ja4_as_it_is_described() {
        let shown = fingerprint(&CIPHERS, &EXTENSIONS, b"h2");
        assert_eq!(shown, "t13d1516h2_8daaf6152771_e5627efa2ab1");
        let mut shuffled = EXTENSIONS;
        shuffled.reverse();
        assert_eq!(fingerprint(&CIPHERS, &shuffled, b"h2"), shown, "clients shuffle extensions");
        let bytes = hello(&CIPHERS, &EXTENSIONS, b"h2");
        let read = Hello::read(&bytes).expect("whole");
        let bare = Hello { signature_algorithms: &[], ..read }.fingerprint();
        assert_eq!(bare.as_str(), "t13d1516h2_8daaf6152771_6d807ffa2a79");
        assert_eq!(fingerprint(&[], &[], b""), "t12i000000_000000000000_000000000000");
        let many: Vec<u16> = (0..1_000).collect();
        assert!(fingerprint(&many, &[], b"").starts_with("t12i990000_"));
    }

    #[test]
    fn who_comes_again_looks_like_itself() {
        let first = fingerprint(&CIPHERS, &EXTENSIONS, b"h2");
        let again = [&EXTENSIONS[..], &[EARLY_DATA, PRE_SHARED_KEY]].concat();
        assert_eq!(fingerprint(&CIPHERS, &again, b"h2"), first);
        let modern: Vec<u16> = again.into_iter().filter(|kind| *kind != SESSION_TICKET).collect();
        assert_eq!(fingerprint(&CIPHERS, &modern, b"h2"), first);
    }

    #[test]
    fn odd_protocols_are_shown_by_their_digits() {
        let table: [(&[u8], &str); 6] = [
            (b"\xab", "ab"),
            (b"\xab\xcd", "ad"),
            (b"0\xab", "3b"),
            (b"0\xab\xcd1", "01"),
            (b"x", "xx"),
            (b"", "00"),
        ];
        for (protocol, shown) in table {
            let all = fingerprint(&CIPHERS, &EXTENSIONS, protocol);
            assert_eq!(all.get(8..10), Some(shown), "{protocol:?}");
        }
    }

    #[test]
    fn however_it_is_cut_it_is_waited_for_and_read_the_same() {
        let message_bytes = hello(&CIPHERS, &EXTENSIONS, b"h2");
        for size in [message_bytes.len(), 100, 60] {
            let bytes = records(&message_bytes, size);
            let mut needed = 0;
            for end in 0..bytes.len() {
                let Message::Needs(more) = message(&bytes[..end]) else {
                    panic!("decided after {end} of {} bytes", bytes.len());
                };
                assert!(more > end && more <= bytes.len() && more >= needed, "{end}: {more}");
                needed = more;
            }
            assert_eq!(message(&bytes), Message::Whole(Cow::Borrowed(message_bytes.as_slice())));
        }
        let crumbs = records(&message_bytes, 1);
        assert_eq!(message(&crumbs), Message::Foreign, "nobody needs as many records");
    }

    #[test]
    fn what_is_no_greeting_is_known_at_once() {
        let large = [22, 3, 1, 64, 0, 1, 0, 64, 0];
        for bytes in [&b"GET"[..], &[22, 3, 1, 0, 0], &[22, 3, 1, 0, 9, 2], &large] {
            assert_eq!(message(bytes), Message::Foreign, "{bytes:?}");
        }
        let whole = hello(&CIPHERS, &EXTENSIONS, b"h2");
        // Where its extensions begin it may end: they came later than the rest (RFC 3546).
        let bare = hello(&CIPHERS, &[], b"h2").len() - 2;
        for end in 0..=whole.len() {
            let read = Hello::read(&whole[..end]).is_some();
            assert_eq!(read, end == bare || end == whole.len(), "{end} bytes");
        }
    }

    #[test]
    fn its_tickets_are_found() {
        let bytes = hello(&CIPHERS, &[43, 41], b"");
        let read = Hello::read(&bytes).expect("whole");
        assert_eq!(read.tickets().collect::<Vec<_>>(), [&b"first"[..], b"second"]);
        let bytes = hello(&CIPHERS, &[35], b"");
        assert_eq!(Hello::read(&bytes).expect("whole").tickets().count(), 0, "an empty one");
    }
}

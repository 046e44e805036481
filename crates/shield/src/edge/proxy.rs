//! The header that a proxy writes before everything else, to tell whom it speaks for: the PROXY
//! protocol, versions 1 and 2 (haproxy's `proxy-protocol.txt`). Leaves to `connection` who is asked
//! for one, and to the watchman how long it may take.
//!
//! Parsing is pure and tells how many bytes surely belong to the header still, so that none is ever
//! read beyond it: what follows is TLS's or HTTP's. That, and the fixed bounds, is why this is no
//! crate: those that there are want a buffer and leave the rest in it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::limits::{PROXY_HEADER_BYTES_MAX, PROXY_LINE_BYTES_MAX};

/// How a header of version 2 begins: nothing that any other protocol begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// How one of version 1 begins.
const WORD: &[u8] = b"PROXY ";
/// Signature, command, family, and the length of what follows.
const FIXED_BYTES: usize = 16;

/// What the bytes so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// The beginning of a header, of which at least so many bytes are still to come.
    Needs(usize),
    /// A whole header: the client, as the proxy saw it.
    Client(SocketAddr),
    /// A whole header that names nobody: the proxy speaks for itself (as in its health checks), or
    /// does not say for whom.
    Nobody,
    /// No header, or none within the bounds.
    Malformed,
}

/// Reads what `bytes` hold of a header. Bytes behind a whole header are not looked at.
#[must_use]
pub fn announced(bytes: &[u8]) -> Announced {
    let (signature, word) = (prefix(bytes, &SIGNATURE), prefix(bytes, WORD));
    match (signature, word) {
        (Some(0), _) => version_2(bytes),
        (_, Some(0)) => version_1(bytes),
        // The shortest of all headers is longer than the signature.
        (Some(_), _) | (_, Some(_)) => Announced::Needs(SIGNATURE.len() - bytes.len()),
        _ => Announced::Malformed,
    }
}

/// How many bytes of `expected` are missing where `bytes` begin as it does.
fn prefix(bytes: &[u8], expected: &[u8]) -> Option<usize> {
    let same = bytes.iter().zip(expected).all(|(one, other)| one == other);
    same.then(|| expected.len().saturating_sub(bytes.len()))
}

fn version_2(bytes: &[u8]) -> Announced {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        return Announced::Needs(FIXED_BYTES - bytes.len());
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    // A length beyond the bounds is said at once, not when all of it has come.
    if FIXED_BYTES + length > PROXY_HEADER_BYTES_MAX {
        return Announced::Malformed;
    }
    // Commands are LOCAL and PROXY; families up to UNIX; transports up to datagrams.
    if !matches!(command, 0x20 | 0x21) || family >> 4 > 3 || family & 0x0f > 2 {
        return Announced::Malformed;
    }
    let Some(body) = rest.get(..length) else {
        return Announced::Needs(length - rest.len());
    };
    match (command, family) {
        (0x21, 0x11) => client_of::<4>(body, |octets| Ipv4Addr::from(octets).into()),
        (0x21, 0x21) => client_of::<16>(body, |octets| Ipv6Addr::from(octets).into()),
        // No address that we could count by; the standard has such connections accepted.
        _ => Announced::Nobody,
    }
}

/// The client's address and port; those of the proxy and what follows them do not matter here.
fn client_of<const N: usize>(body: &[u8], address: impl Fn([u8; N]) -> IpAddr) -> Announced {
    let client = body.split_first_chunk::<N>().and_then(|(octets, rest)| {
        let (_, rest) = rest.split_at_checked(N)?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        (rest.len() >= 2).then(|| SocketAddr::new(address(*octets), u16::from_be_bytes(*port)))
    });
    client.map_or(Announced::Malformed, Announced::Client)
}

fn version_1(bytes: &[u8]) -> Announced {
    let line = bytes.get(..PROXY_LINE_BYTES_MAX).unwrap_or(bytes);
    if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
        let line = line.get(WORD.len()..end).and_then(|line| line.strip_suffix(b"\r"));
        let line = line.and_then(|line| std::str::from_utf8(line).ok());
        return line.and_then(client_in).unwrap_or(Announced::Malformed);
    }
    // Each of the fields that are missing is a space and something; then comes the line's end.
    let spaces = line.iter().filter(|byte| **byte == b' ').count();
    let missing = match line.last() {
        Some(b'\r') => 1,
        _ if prefix(line, b"PROXY TCP") == Some(0) => 2 * 5_usize.saturating_sub(spaces) + 2,
        _ => 2,
    };
    match PROXY_LINE_BYTES_MAX - line.len() {
        left if left < missing => Announced::Malformed,
        _ => Announced::Needs(missing),
    }
}

/// Reads a line between its first word and its end.
fn client_in(line: &str) -> Option<Announced> {
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(Announced::Nobody);
    }
    let mut fields = line.split(' ');
    let family = fields.next()?;
    let [client, proxy] = [fields.next()?, fields.next()?].map(|text| match family {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        "TCP6" => text.parse().ok().map(IpAddr::V6),
        _ => None,
    });
    let [client_port, proxy_port] = [fields.next()?, fields.next()?].map(port);
    let (client, _, _) = (client?, proxy?, proxy_port?);
    let is_whole = fields.next().is_none();
    is_whole.then_some(Announced::Client(SocketAddr::new(client, client_port?)))
}

/// A port without sign and leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_plain && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// Takes a header from a connection, and not a byte more. None where it names nobody.
///
/// # Errors
/// `InvalidData` for what is no header; else what the connection says.
pub(super) async fn hear(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut bytes = Vec::new();
    loop {
        match announced(&bytes) {
            Announced::Client(client) => return Ok(Some(client)),
            Announced::Nobody => return Ok(None),
            Announced::Malformed => return Err(io::ErrorKind::InvalidData.into()),
            Announced::Needs(missing) => {
                let mut some = (&mut *socket).take(missing as u64);
                if some.read_buf(&mut bytes).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of version 2.
    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body].concat()
    }

    fn client(text: &str) -> Announced {
        Announced::Client(text.parse().expect("an address"))
    }

    const FOUR: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 1, 187];

    fn headers() -> Vec<(&'static str, Vec<u8>, Announced)> {
        let mut six = [0; 36];
        six[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().expect("one").octets());
        six[32..].copy_from_slice(&[0, 9, 1, 187]);
        let tlvs = [&FOUR[..], &[4, 0, 200], &[7; 200]].concat();
        let long = [7; PROXY_HEADER_BYTES_MAX - FIXED_BYTES];
        let line = |text: &str| format!("{text}\r\n").into_bytes();
        let most = format!("PROXY UNKNOWN {}", "f".repeat(PROXY_LINE_BYTES_MAX - 16));
        let six_line = "PROXY TCP6 2001:db8::7 ::1 9 443";
        vec![
            ("v2 TCP4", binary(0x21, 0x11, &FOUR), client("192.0.2.7:4660")),
            ("v2 TCP6", binary(0x21, 0x21, &six), client("[2001:db8::7]:9")),
            ("v2 with more behind", binary(0x21, 0x11, &tlvs), client("192.0.2.7:4660")),
            ("v2 LOCAL", binary(0x20, 0, &[]), Announced::Nobody),
            ("v2 LOCAL that names one", binary(0x20, 0x11, &FOUR), Announced::Nobody),
            ("v2 of no family", binary(0x21, 0, &[]), Announced::Nobody),
            ("v2 of a UNIX socket", binary(0x21, 0x31, &[0; 216]), Announced::Nobody),
            ("v2 as long as may be", binary(0x20, 0, &long), Announced::Nobody),
            ("v1 TCP4", line("PROXY TCP4 192.0.2.7 10.0.0.1 4660 443"), client("192.0.2.7:4660")),
            ("v1 TCP6", line(six_line), client("[2001:db8::7]:9")),
            ("v1 at its shortest", line("PROXY TCP6 :: :: 0 0"), client("[::]:0")),
            ("v1 UNKNOWN", line("PROXY UNKNOWN"), Announced::Nobody),
            ("v1 UNKNOWN with words", line("PROXY UNKNOWN a b c"), Announced::Nobody),
            ("v1 as long as may be", line(&most), Announced::Nobody),
        ]
    }

    #[test]
    fn headers_are_read_whole_and_from_any_beginning() {
        for (name, bytes, expected) in headers() {
            assert_eq!(announced(&bytes), expected, "{name}");
            let more = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(announced(&more), expected, "{name}, and a request");
            for length in 0..bytes.len() {
                match announced(&bytes[..length]) {
                    Announced::Needs(missing) => {
                        assert!(missing > 0 && length + missing <= bytes.len(), "{name} {length}");
                    }
                    other => panic!("{name} cut at {length} is {other:?}"),
                }
            }
        }
    }

    #[test]
    fn whatever_else_is_said_is_refused() {
        let too_long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(PROXY_LINE_BYTES_MAX - 15));
        let beyond = u16::try_from(PROXY_HEADER_BYTES_MAX - FIXED_BYTES + 1).expect("short");
        let beyond = [&SIGNATURE[..], &[0x21, 0x11], &beyond.to_be_bytes()].concat();
        let texts = [
            "GET / HTTP/1.1\r\n",
            "proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n",
            "PROXY TCP4 192.0.2.7  10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.07 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n",
            "PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY \r\n       ",
            &too_long,
        ];
        let mut table: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        table.extend([
            binary(0x22, 0x11, &FOUR),
            binary(0x11, 0x11, &FOUR),
            binary(0x21, 0x13, &FOUR),
            binary(0x21, 0x41, &FOUR),
            binary(0x21, 0x11, &FOUR[..11]),
            binary(0x21, 0x21, &FOUR),
            beyond,
            b"\r\n\r\n\0\r\nQUIX\n0000".to_vec(),
            vec![22, 3, 1, 2, 0],
        ]);
        for bytes in table {
            let said = announced(&bytes);
            assert_eq!(said, Announced::Malformed, "{}", bytes.escape_ascii());
        }
    }

    #[tokio::test]
    async fn not_a_byte_is_taken_that_is_not_the_headers() {
        for (name, bytes, expected) in headers() {
            let more = [&bytes[..], b"GET"].concat();
            let mut wire = more.as_slice();
            let heard = hear(&mut wire).await.expect("a header");
            let expected = match expected {
                Announced::Client(client) => Some(client),
                _ => None,
            };
            assert_eq!((heard, wire), (expected, b"GET".as_slice()), "{name}");
        }
    }
}

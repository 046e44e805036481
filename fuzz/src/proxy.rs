//! The header of a proxy (PROXY protocol): a whole one stays what it is whatever follows, and what
//! is said to be missing is never more than what is.

use shield::edge::{Announced, announced};
use shield::limits::PROXY_HEADER_BYTES_MAX;

/// Tries one input.
pub fn run(data: &[u8]) {
    let whole = announced(data);
    let mut taken = 0;
    // As a connection is read: so many bytes as are surely the header's, until it is one.
    let heard = loop {
        match announced(&data[..taken]) {
            Announced::Needs(missing) => {
                assert!(missing > 0, "nothing is missing of {taken} bytes");
                if taken + missing > data.len() {
                    break None;
                }
                taken += missing;
                assert!(taken <= PROXY_HEADER_BYTES_MAX, "{taken} bytes are taken");
            }
            said => break Some(said),
        }
    };
    match heard {
        // Too little came to be anything yet, or it was nonsense already.
        None => assert!(matches!(whole, Announced::Needs(_) | Announced::Malformed)),
        // Of a line that is too long already that may be said a byte sooner or later.
        Some(Announced::Malformed) => {
            assert!(matches!(whole, Announced::Needs(_) | Announced::Malformed), "{whole:?}");
        }
        Some(said) => assert_eq!(said, whole, "{taken} of {} bytes", data.len()),
    }
    if matches!(whole, Announced::Client(_) | Announced::Nobody) {
        let more = [data, b"\r\nGET / HTTP/1.1\r\n"].concat();
        assert_eq!(announced(&more), whole, "what follows changes it");
    }
}

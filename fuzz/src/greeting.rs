//! TLS greetings: whatever comes, the reader ends, waits only for bytes that are missing, and reads
//! the same however often it was asked before and whatever follows.

use shield::edge::{Fingerprint, tickets_brought};

/// Bytes of a greeting that there is patience for, and what a record adds to them.
const BYTES_MAX: usize = 2 * 16 * 1024 + 16 * 5;

/// Tries one input.
pub fn run(data: &[u8]) {
    let whole = Fingerprint::of(data);
    if let Some(shown) = whole {
        let text = shown.to_string();
        assert_eq!(text.len(), 36, "{text}");
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{text}");
        let followed = [data, &[22, 3, 1, 0, 1, 0]].concat();
        assert_eq!(Fingerprint::of(&followed), whole, "what follows changes it");
    }
    let mut end = 0;
    for _ in 0..64 {
        let begun = &data[..end];
        let (tickets, needed) = tickets_brought(begun);
        let Some(needed) = needed else {
            assert_eq!(Fingerprint::of(begun), whole, "{end} of {} bytes decide", data.len());
            return;
        };
        assert!(tickets == 0 && Fingerprint::of(begun).is_none(), "read before it is whole");
        assert!(needed > end && needed <= BYTES_MAX, "{needed} bytes are awaited after {end}");
        if needed > data.len() {
            assert!(whole.is_none(), "more is awaited than it took");
            return;
        }
        end = needed;
    }
    panic!("it is asked for more without end");
}

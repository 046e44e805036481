//! The meter of HTTP/2 frames: it counts the same however the bytes are cut, and as a plain reading
//! of RFC 9113, 4.1 counts them.

use shield::edge::metered;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Control frames that may come at once here.
const BURST: u32 = 10;

/// Tries one input.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let bytes = [PREFACE, rest].concat();
    let whole = metered(std::iter::once(bytes.as_slice()), BURST);
    let pieces = metered(bytes.chunks(usize::from(*first % 40) + 1), BURST);
    assert_eq!(whole, pieces, "the meter depends on how the bytes are cut");
    let (frames, control, half) = read(rest);
    if !whole.flood {
        assert_eq!(whole.begun, frames);
        assert!(control <= BURST, "{control} control frames passed");
        assert_eq!(whole.open, half);
    } else {
        assert!(control > BURST || frames > 512, "{control} control frames of {frames}");
    }
}

/// Frames begun, those among them that must be paid from the burst, and whether the last is half.
fn read(mut bytes: &[u8]) -> (u64, u32, bool) {
    let (mut frames, mut control) = (0, 0);
    while let Some((header, rest)) = bytes.split_at_checked(9) {
        let length =
            usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        frames += 1;
        let empty_data = header[3] == 0 && length == 0 && header[4] & 1 == 0;
        control += u32::from(empty_data || !matches!(header[3], 0 | 1 | 8));
        if length > rest.len() {
            return (frames, control, true);
        }
        bytes = &rest[length..];
    }
    (frames, control, !bytes.is_empty())
}

//! Animated GIFs keep their frames and lose everything that is no picture: comments, texts and
//! application data (where cameras and editors write who, where and with what). Only the block
//! that says how often the animation repeats stays. Source: the GIF89a specification.
//!
//! Frames are copied, not encoded anew: that keeps their colours, and costs no more than reading.

/// What was found in a GIF.
pub(super) struct Stripped {
    /// The file without metadata.
    pub bytes: Vec<u8>,
    /// How many pictures it holds.
    pub frames: usize,
}

const NETSCAPE: &[u8] = b"\x0bNETSCAPE2.0";
const COMMENT: u8 = 0xFE;
const PLAIN_TEXT: u8 = 0x01;
const APPLICATION: u8 = 0xFF;

/// Copies what makes the picture. `None` when the file is no whole GIF.
pub(super) fn strip(file: &[u8]) -> Option<Stripped> {
    if !file.starts_with(b"GIF87a") && !file.starts_with(b"GIF89a") {
        return None;
    }
    let mut out = Vec::with_capacity(file.len());
    let mut frames = 0;
    let screen = 13 + color_table(*file.get(10)?);
    out.extend_from_slice(file.get(..screen)?);
    let mut at = screen;
    loop {
        let start = at;
        match *file.get(at)? {
            // Trailer. What follows it is no part of the picture.
            0x3B => {
                out.push(0x3B);
                return Some(Stripped { bytes: out, frames });
            }
            0x2C => {
                let table = color_table(*file.get(at + 9)?);
                // Descriptor, its colours, one byte of code size, the compressed data.
                at = after_blocks(file, at + 10 + table + 1)?;
                out.extend_from_slice(file.get(start..at)?);
                frames += 1;
            }
            0x21 => {
                let label = *file.get(at + 1)?;
                at = after_blocks(file, at + 2)?;
                let block = file.get(start..at)?;
                let repeats = label == APPLICATION && block.get(2..)?.starts_with(NETSCAPE);
                if repeats || !matches!(label, COMMENT | PLAIN_TEXT | APPLICATION) {
                    out.extend_from_slice(block);
                }
            }
            _ => return None,
        }
    }
}

/// Bytes of a colour table, from the packed field that announces it.
fn color_table(packed: u8) -> usize {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

/// Where a chain of sub-blocks ends, its empty block included.
fn after_blocks(file: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*file.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Delay, Frame, RgbaImage, codecs::gif::GifEncoder};

    fn animated() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        encoder.set_repeat(image::codecs::gif::Repeat::Infinite).unwrap();
        for shade in [0, 120, 240] {
            let picture = RgbaImage::from_pixel(8, 6, image::Rgba([shade, 10, 20, 255]));
            let delay = Delay::from_numer_denom_ms(50, 1);
            encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay)).unwrap();
        }
        drop(encoder);
        bytes
    }

    #[test]
    fn frames_and_repetition_stay_and_comments_go() {
        let mut file = animated();
        let comment = b"\x21\xFE\x06secret\x00";
        let application = b"\x21\xFF\x0bXMP DataXMP\x06secret\x00";
        let end = file.len() - 1;
        file.splice(end..end, comment.iter().chain(application).copied());
        file.extend_from_slice(b"secret after the end");
        let stripped = strip(&file).unwrap();
        assert_eq!(stripped.frames, 3);
        assert_eq!(stripped.bytes, animated());
        let has = |needle: &[u8]| stripped.bytes.windows(needle.len()).any(|w| w == needle);
        assert!(has(b"NETSCAPE2.0") && !has(b"secret"));
    }

    #[test]
    fn what_is_cut_short_is_no_gif() {
        let file = animated();
        for end in 0..file.len() {
            assert!(strip(&file[..end]).is_none(), "cut at {end}");
        }
        assert!(strip(b"not a gif at all").is_none());
    }
}

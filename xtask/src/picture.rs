//! A picture that no encoder makes small: noise, as a PNG of stored blocks. For words that need
//! files of a known size in the media folder. Source: PNG specification (third edition), RFC 1950.

use crate::chance::Chance;

/// Pixels of a stored block: one row each, since a block holds at most 65535 bytes.
const SIDE_MAX: u16 = 4_096;

/// A grey picture of noise with so many pixels a side, about `side` times `side` bytes.
pub fn noise(side: u16, seed: u64) -> Vec<u8> {
    let side = side.clamp(1, SIDE_MAX);
    let mut chance = Chance::new(seed);
    let (mut sum_a, mut sum_b) = (1_u32, 0_u32);
    let mut data = vec![0x78, 0x01];
    for row in 0..side {
        let length = side + 1;
        data.push(u8::from(row + 1 == side));
        data.extend_from_slice(&length.to_le_bytes());
        data.extend_from_slice(&(!length).to_le_bytes());
        for column in 0..length {
            let [noise, ..] = chance.bits().to_le_bytes();
            let byte = if column == 0 { 0 } else { noise };
            sum_a = (sum_a + u32::from(byte)) % 65_521;
            sum_b = (sum_b + sum_a) % 65_521;
            data.push(byte);
        }
    }
    data.extend_from_slice(&(sum_b << 16 | sum_a).to_be_bytes());
    let mut head = Vec::new();
    head.extend_from_slice(&u32::from(side).to_be_bytes());
    head.extend_from_slice(&u32::from(side).to_be_bytes());
    head.extend_from_slice(&[8, 0, 0, 0, 0]);
    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut picture, b"IHDR", &head);
    chunk(&mut picture, b"IDAT", &data);
    chunk(&mut picture, b"IEND", &[]);
    picture
}

fn chunk(picture: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    picture.extend_from_slice(&length.to_be_bytes());
    picture.extend_from_slice(kind);
    picture.extend_from_slice(data);
    let sum = kind.iter().chain(data).fold(u32::MAX, |mut sum, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(sum & 1));
        }
        sum
    });
    picture.extend_from_slice(&(!sum).to_be_bytes());
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_checksums_are_those_of_the_specification() {
        let picture = super::noise(3, 1);
        // The chunk that every PNG ends with.
        assert!(picture.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"));
        assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x03\0\0\0\x03"));
        assert!(super::noise(512, 1).len() > 512 * 512);
    }
}

//! TCP segments by hand (RFC 9293, 3.1; IPv4 of RFC 791), with a sender's address of one's own
//! choice, as floods below HTTP send them. They are sent in a room without a way out.

use std::net::Ipv4Addr;

/// Asks for a connection.
pub(crate) const SYN: u8 = 2;
/// Belongs to a connection.
pub(crate) const ACK: u8 = 16;

/// One segment.
pub(crate) struct Segment<'a> {
    pub from: (Ipv4Addr, u16),
    pub to: (Ipv4Addr, u16),
    pub sequence: u32,
    pub flags: u8,
    pub payload: &'a [u8],
}

const HEAD_BYTES: usize = 20;

impl Segment<'_> {
    /// Its bytes from the IP header on.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u16::try_from(2 * HEAD_BYTES + self.payload.len()).unwrap_or(u16::MAX);
        let mut bytes = vec![0x45, 0];
        bytes.extend(length.to_be_bytes());
        // No identification, no fragments, 64 hops, TCP; the kernel puts the checksum in.
        bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        bytes.extend(self.from.0.octets());
        bytes.extend(self.to.0.octets());
        let mut segment = Vec::with_capacity(HEAD_BYTES + self.payload.len());
        segment.extend(self.from.1.to_be_bytes());
        segment.extend(self.to.1.to_be_bytes());
        segment.extend(self.sequence.to_be_bytes());
        segment.extend([0, 0, 0, 0, 0x50, self.flags, 0xff, 0xff]);
        let before_sum = segment.len();
        segment.extend([0, 0, 0, 0]);
        segment.extend(self.payload);
        let sum = self.checksum(&segment).to_be_bytes();
        if let Some(place) = segment.get_mut(before_sum..before_sum + 2) {
            place.copy_from_slice(&sum);
        }
        bytes.extend(segment);
        bytes
    }

    /// Over the addresses, the protocol, the length and the segment.
    fn checksum(&self, segment: &[u8]) -> u16 {
        let length = u32::try_from(segment.len()).unwrap_or(0);
        let words = |bytes: &[u8]| {
            let word = |pair: &[u8]| match *pair {
                [high, low] => u32::from(u16::from_be_bytes([high, low])),
                [high] => u32::from(high) << 8,
                _ => 0,
            };
            bytes.chunks(2).map(word).sum::<u32>()
        };
        let mut sum = words(&self.from.0.octets()) + words(&self.to.0.octets()) + 6 + length;
        sum += words(segment);
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_as_the_standard_draws_it() {
        let (from, to) = ((Ipv4Addr::new(198, 18, 3, 1), 1_000), (Ipv4Addr::LOCALHOST, 443));
        let segment = Segment { from, to, sequence: 1, flags: SYN, payload: b"" };
        let bytes = segment.bytes();
        assert_eq!((bytes.len(), bytes[0], bytes[3], bytes[9]), (40, 0x45, 40, 6));
        assert_eq!(bytes[20..24], [3, 232, 1, 187]);
        assert_eq!((bytes[32], bytes[33]), (0x50, SYN));
        // A checksum that is right makes the sum over everything come out as zero.
        assert_eq!(segment.checksum(&bytes[20..]), 0);
        let odd = Segment { payload: b"abc", flags: ACK, ..segment };
        assert_eq!(odd.checksum(&odd.bytes()[20..]), 0);
    }
}

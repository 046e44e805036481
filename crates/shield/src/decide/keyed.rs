//! Keyed hashing: what a stranger chooses (an address, a header) must not choose where it lands in
//! our tables. The key comes from outside, is random, and is kept with what was learnt under it.
//!
//! Two strengths. SipHash-1-3 for principals, where a collision would put an innocent in a
//! bot's place. A folded multiplication under a secret for the traits of a request, of which there
//! are eleven a decision and whose thousand bins collide anyway.

/// A secret that hashes principals.
#[derive(Clone, Copy)]
pub struct Key {
    first: u64,
    second: u64,
}

/// What a hash is for: the same number means different things in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Domain {
    /// An account.
    Account = 1,
    /// A server that federates with us.
    Peer,
    /// A visit cookie.
    Visit,
    /// A clearance.
    Clearance,
    /// An IPv4 address or IPv6 /64.
    Address,
    /// An IPv4 /24 or IPv6 /48.
    Network,
    /// Who wins a tie, in one period.
    Tie,
    /// Which secrets are derived for traits.
    Derived,
}

impl Key {
    /// From sixteen random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self {
            first: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            second: u64::from_le_bytes([i, j, k, l, m, n, o, p]),
        }
    }

    /// Hashes two words for one purpose.
    #[inline]
    #[must_use]
    pub fn hash(&self, domain: Domain, high: u64, low: u64) -> u64 {
        let mut lanes = Lanes::new(self);
        lanes.word(domain as u64);
        lanes.word(high);
        lanes.word(low);
        lanes.finish(24)
    }

    /// A hasher for traits, bound to this key.
    #[must_use]
    pub fn mixer(&self) -> Mixer {
        Mixer {
            whitener: self.hash(Domain::Derived, 0, 0),
            factor: self.hash(Domain::Derived, 0, 1) | 1,
        }
    }

    /// Tells this key from others without betraying it.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.hash(Domain::Derived, u64::MAX, u64::MAX)
    }
}

/// The four words of SipHash.
struct Lanes(u64, u64, u64, u64);

impl Lanes {
    fn new(key: &Key) -> Self {
        Self(
            key.first ^ 0x736f_6d65_7073_6575,
            key.second ^ 0x646f_7261_6e64_6f6d,
            key.first ^ 0x6c79_6765_6e65_7261,
            key.second ^ 0x7465_6462_7974_6573,
        )
    }

    #[inline]
    fn round(&mut self) {
        self.0 = self.0.wrapping_add(self.1);
        self.1 = self.1.rotate_left(13) ^ self.0;
        self.0 = self.0.rotate_left(32);
        self.2 = self.2.wrapping_add(self.3);
        self.3 = self.3.rotate_left(16) ^ self.2;
        self.0 = self.0.wrapping_add(self.3);
        self.3 = self.3.rotate_left(21) ^ self.0;
        self.2 = self.2.wrapping_add(self.1);
        self.1 = self.1.rotate_left(17) ^ self.2;
        self.2 = self.2.rotate_left(32);
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.3 ^= word;
        self.round();
        self.0 ^= word;
    }

    #[inline]
    fn finish(mut self, bytes: u64) -> u64 {
        self.word(bytes << 56);
        self.2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.0 ^ self.1 ^ self.2 ^ self.3
    }
}

/// Hashes traits: one multiplication under a secret.
#[derive(Clone, Copy)]
pub struct Mixer {
    whitener: u64,
    factor: u64,
}

impl Mixer {
    /// Where a value lands, as 64 bits.
    #[inline]
    #[must_use]
    pub fn mix(&self, value: u64) -> u64 {
        let wide = u128::from(value ^ self.whitener) * u128::from(self.factor);
        super::number::low_half(wide) ^ super::number::low_half(wide >> 64)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use super::*;

    #[test]
    fn it_is_the_siphash_of_the_standard_library() {
        let zero = Key::new([0; 16]);
        for (high, low) in [(0_u64, 0_u64), (1, 2), (u64::MAX, 7), (0x0123_4567_89ab_cdef, 1 << 63)]
        {
            let mut peer = std::collections::hash_map::DefaultHasher::new();
            peer.write(&(Domain::Address as u64).to_le_bytes());
            peer.write(&high.to_le_bytes());
            peer.write(&low.to_le_bytes());
            assert_eq!(zero.hash(Domain::Address, high, low), peer.finish());
        }
    }

    #[test]
    fn another_key_or_purpose_is_another_place() {
        let (one, other) = (Key::new([1; 16]), Key::new([2; 16]));
        let place = one.hash(Domain::Address, 0, 9);
        assert_ne!(place, other.hash(Domain::Address, 0, 9));
        assert_ne!(place, one.hash(Domain::Network, 0, 9));
        assert_ne!(one.mixer().mix(5), other.mixer().mix(5));
        assert_ne!(one.fingerprint(), other.fingerprint());
    }
}

//! Conversions between kinds of numbers, each with its fate at the edge of its range said once.
//! Everything that decides computes in `f64` and stores in integers; no other file casts.

/// The lower 64 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the half that is asked for")]
pub const fn low_half(wide: u128) -> u64 {
    wide as u64
}

/// Rounds down to a whole number; below zero and what is no number become 0, what is too large the
/// largest.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates, which is what is wanted"
)]
pub const fn whole(value: f64) -> u64 {
    value as u64
}

/// The same in 32 bits.
#[inline]
pub fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// As a float; exact up to 2^53, which no count here reaches within centuries.
#[inline]
pub const fn real(value: u64) -> f64 {
    value as f64
}

/// A hash as a fraction of one.
#[inline]
pub const fn fraction(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// The part of a hash that a mask keeps, as an index.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "masked: what is cut off is not wanted")]
pub const fn place(hash: u64, mask: usize) -> usize {
    (hash as usize) & mask
}

/// One of so many, as the upper bits of a hash say.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "below `count`")]
pub const fn wide_part(hash: u64, count: usize) -> usize {
    ((hash as u128 * count as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_a_range_have_a_fate() {
        assert_eq!((whole(-1.0), whole(f64::NAN), whole(1.9)), (0, 0, 1));
        assert_eq!(whole(f64::INFINITY), u64::MAX);
        assert_eq!((small(7), small(u64::MAX)), (7, u32::MAX));
        assert_eq!(low_half((5 << 64) | 9), 9);
        assert!(fraction(u64::MAX) < 1.0 && fraction(0) == 0.0);
        assert_eq!(place(u64::MAX, 7), 7);
    }
}

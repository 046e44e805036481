//! The work that a challenge asks for: numbers for which SHA-256 begins with so many zero bits.
//! Laborious to find, quick to check.
//!
//! In eight parts, since how long one part takes is chance: with one alone a visitor in a hundred
//! would wait for five times the mean, with eight for twice. A part's number stands in what is
//! hashed, so that no number counts twice:
//!
//! ```text
//! seed = SHA-256(challenge)
//! SHA-256(seed, part, number), the latter two as big-endian words of 32 bits: one block
//! ```
//!
//! Leaves to `pass` what makes a challenge somebody's, and to the page how a browser does it.

use aws_lc_rs::digest::{SHA256, digest};

use crate::limits::PUZZLE_PARTS;

/// Whether these numbers (in base 36, one for each part, dots between them) answer a challenge.
#[must_use]
pub fn is_answered(challenge: &str, bits: u8, answer: &str) -> bool {
    let seed = Seed::of(challenge);
    let mut parts = 0;
    for (part, word) in (0..).zip(answer.split('.').take(PUZZLE_PARTS + 1)) {
        let plain = (1..=7).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        let number = u32::from_str_radix(word, 36).ok().filter(|_| plain);
        if !number.is_some_and(|number| seed.fits(part, number, bits)) {
            return false;
        }
        parts += 1;
    }
    parts == PUZZLE_PARTS
}

/// Does the work, as a browser does it: for tests and for attackers of a drill. About
/// `8 << bits` hashes.
#[must_use]
pub fn answer(challenge: &str, bits: u8) -> Option<String> {
    let seed = Seed::of(challenge);
    let mut words = Vec::with_capacity(PUZZLE_PARTS);
    for (part, _) in (0..).zip(0..PUZZLE_PARTS) {
        let number = (0..=u32::MAX).find(|number| seed.fits(part, *number, bits))?;
        words.push(base_36(number));
    }
    Some(words.join("."))
}

struct Seed([u8; 40]);

impl Seed {
    fn of(challenge: &str) -> Self {
        let mut block = [0; 40];
        let hash = digest(&SHA256, challenge.as_bytes());
        block.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Self(block)
    }

    fn fits(&self, part: u32, number: u32, bits: u8) -> bool {
        let mut block = self.0;
        if let Some(end) = block.last_chunk_mut::<8>() {
            *end = (u64::from(part) << 32 | u64::from(number)).to_be_bytes();
        }
        let hash = digest(&SHA256, &block);
        let first = hash.as_ref().first_chunk::<8>().map_or(u64::MAX, |at| u64::from_be_bytes(*at));
        first.leading_zeros() >= u32::from(bits)
    }
}

fn base_36(mut number: u32) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.is_empty() {
        digits.extend(char::from_digit(number % 36, 36));
        number /= 36;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(challenge: &str, answer: &str, right: bool) {
        assert_eq!(is_answered(challenge, 8, answer), right, "{answer}");
    }

    #[test]
    fn only_the_work_itself_is_an_answer() {
        let right = answer("a challenge", 8).expect("an answer");
        check("a challenge", &right, true);
        check("another challenge", &right, false);
        let words: Vec<&str> = right.split('.').collect();
        assert_eq!(words.len(), PUZZLE_PARTS);
        check("a challenge", &words[..PUZZLE_PARTS - 1].join("."), false);
        check("a challenge", &format!("{right}.0"), false);
        check("a challenge", &format!("{right}."), false);
        check("a challenge", &[words[0]; PUZZLE_PARTS].join("."), false);
        check("a challenge", &format!("0{right}"), true);
        check("a challenge", &format!("+{right}"), false);
        for bad in ["", ".", "........", "-1", "zzzzzzzz", "1.1.1.1.1.1.1.\u{e9}"] {
            check("a challenge", bad, false);
        }
    }

    #[test]
    fn more_bits_ask_for_more() {
        let right = answer("a challenge", 4).expect("an answer");
        assert!(is_answered("a challenge", 4, &right) && is_answered("a challenge", 0, &right));
        assert!(!is_answered("a challenge", 12, &right));
        assert!(!is_answered("a challenge", 255, &right));
    }

    #[test]
    fn numbers_are_written_as_browsers_write_them() {
        for (number, text) in [(0, "0"), (35, "z"), (36, "10"), (u32::MAX, "1z141z3")] {
            assert_eq!(base_36(number), text);
        }
    }

    #[test]
    fn the_hash_is_the_one_that_the_page_computes() {
        // Reckoned apart from this code: the first number of part 3 of "abc" with 12 zero bits.
        let seed = Seed::of("abc");
        let found = (0..u32::MAX).find(|number| seed.fits(3, *number, 12));
        assert_eq!(found, Some(FIRST_OF_ABC));
    }

    const FIRST_OF_ABC: u32 = 2_536;
}

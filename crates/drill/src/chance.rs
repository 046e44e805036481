//! Chance that can be replayed: a seed, printed with every run, gives the same choices every time.
//! SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).

/// A source of choices.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Another source, for a part of the drill that draws by itself: what one part draws must not
    /// depend on how often another drew before.
    #[must_use]
    pub fn fork(seed: u64, part: &str) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in part.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let mut chance = Self::new(seed ^ hash);
        chance.bits();
        chance
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound; 0 for a bound of 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.bits() % bound }
    }

    /// A number from 0 up to 1, without 1.
    pub fn share(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.bits() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// One of several; none of none.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let bound = u64::try_from(of.len()).unwrap_or(u64::MAX);
        of.get(usize::try_from(self.below(bound)).unwrap_or(0))
    }

    /// Letters, for names and words that nobody has used before.
    pub fn word(&mut self, letters: usize) -> String {
        let letter = |n: u64| char::from(b'a' + u8::try_from(n).unwrap_or(0));
        (0..letters.min(256)).map(|_| letter(self.below(26))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn a_seed_replays_its_choices_and_parts_draw_apart() {
        let choices = |mut chance: Chance| (0..8).map(|_| chance.below(10)).collect::<Vec<_>>();
        assert_eq!(choices(Chance::new(7)), choices(Chance::new(7)));
        assert_ne!(choices(Chance::new(7)), choices(Chance::new(8)));
        assert_ne!(choices(Chance::fork(7, "members")), choices(Chance::fork(7, "bots")));
        let mut chance = Chance::new(3);
        assert!((0..1_000).map(|_| chance.share()).all(|share| (0.0..1.0).contains(&share)));
    }
}

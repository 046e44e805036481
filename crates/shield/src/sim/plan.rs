//! What is simulated: an attack or a day, on a machine of some kind, from a seed.

use super::day::Day;
use super::machine::Theft;
use super::vectors::{VECTORS, Vector};

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The attack; none is a day in peace.
    pub vector: Option<Vector>,
    /// Chance.
    pub seed: u64,
    /// How fast the core really is: the shield is told 1. Who has a slower one sees requests take
    /// more of its time.
    pub speed: f64,
    /// What the core would do if nobody took from it, and the shield is told that it does.
    pub told: f64,
    /// What others take from the core, and what they take while the attack is on.
    pub theft: (Theft, Theft),
    /// Whether requests are decided on and served by the same line of tasks, so that who is not
    /// decided on yet waits as well; else a request is decided on as it comes.
    pub in_line: bool,
    /// Whether the kernel drops what it is told.
    pub kernel: bool,
    /// Whether the shield is in force; else everybody is served in order.
    pub shield: bool,
    /// Seconds of attack, where fewer than the vector's are enough.
    pub seconds_max: u64,
    /// Instead of an attack, a day of honest traffic.
    pub day: Option<Day>,
}

impl Plan {
    /// A vector on the machine as stated.
    #[must_use]
    pub const fn of(vector: Vector, seed: u64) -> Self {
        Self {
            vector: Some(vector),
            seed,
            speed: 1.0,
            told: 1.0,
            theft: (Theft::NONE, Theft::NONE),
            in_line: false,
            kernel: true,
            shield: true,
            seconds_max: u64::MAX,
            day: None,
        }
    }

    /// A day.
    #[must_use]
    pub const fn day(day: Day, seed: u64) -> Self {
        let [flood, ..] = VECTORS;
        Self { vector: None, seconds_max: 0, day: Some(day), ..Self::of(flood, seed) }
    }

    /// The same on a machine of which others take a part that the shield is not told of: so much is
    /// left, and given in pieces of a period in us. Costs and crowds are those of a whole core.
    #[must_use]
    pub const fn robbed(self, left: f64, period_us: u64) -> Self {
        let theft = Theft { left, period_us };
        Self { told: 1.0 / left, theft: (theft, theft), ..self }
    }
}

//! How long a run takes and how many people come, in full and in short.

use std::time::Duration;

use crate::{limits::OFFERED_PER_S_MAX, people::Crowd, scene::Defence};

/// A run's length, crowd and load.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Seconds of calm, attack and recovery.
    pub seconds: [u64; 3],
    /// Who comes.
    pub crowd: Crowd,
    /// Requests per second that a vector offers, at most.
    pub offered_per_s_max: f64,
    /// Whether the server's share of its core may be lowered where that takes to overload it.
    pub brakes: bool,
    /// What protects the instance, one run for each; the last is the one that is judged.
    pub defences: &'static [Defence],
}

impl Plan {
    /// As the promise asks: 10,000 requests of members under attack, and time enough for who waits.
    pub const FULL: Self = Self {
        seconds: [30, 75, 20],
        crowd: Crowd {
            members_per_s: 136.0,
            returning_per_s: 20.0,
            newcomers_per_s: 8.0,
            no_script_per_s: 4.0,
        },
        offered_per_s_max: OFFERED_PER_S_MAX,
        brakes: true,
        defences: &[Defence::Shield],
    };
    /// About 20 s a vector: 3,000 requests of members under attack. Too short for who waits 30 s.
    pub const QUICK: Self = Self {
        seconds: [6, 13, 6],
        crowd: Crowd {
            members_per_s: 240.0,
            returning_per_s: 60.0,
            newcomers_per_s: 32.0,
            no_script_per_s: 6.0,
        },
        offered_per_s_max: OFFERED_PER_S_MAX,
        brakes: true,
        defences: &[Defence::Shield],
    };

    /// The length of a phase.
    #[must_use]
    pub fn length(&self, phase: usize) -> Duration {
        Duration::from_secs(self.seconds.get(phase).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::failures_upper;

    #[test]
    fn a_run_without_a_failure_shows_what_is_promised_to_members_and_returning_visitors() {
        for plan in [Plan::FULL, Plan::QUICK] {
            let attack = plan.seconds[1] as f64;
            // Four deviations below the mean of what a Poisson process brings.
            let least = |per_s: f64| {
                let least = per_s * attack - 4.0 * (per_s * attack).sqrt();
                (0_u32..).take_while(|count| f64::from(*count) <= least).map(u64::from).last()
            };
            let least = |per_s| least(per_s).expect("some");
            let Crowd { members_per_s, returning_per_s, newcomers_per_s, .. } = plan.crowd;
            if plan.seconds[1] > 30 {
                assert!(failures_upper(0, least(members_per_s)) < 0.001);
            }
            assert!(failures_upper(0, 3_000) < 0.001);
            assert!(failures_upper(0, least(returning_per_s)) < 0.005);
            assert!(failures_upper(0, least(newcomers_per_s)) < 0.01);
        }
    }
}

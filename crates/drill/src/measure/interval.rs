//! Limits of a rate of failures, from how many of how many failed: Clopper and Pearson, The Use of
//! Confidence or Fiducial Limits (Biometrika 26, 1934). A bound on failures holds only where the
//! upper limit is below it: of 100 requests without a failure nothing is known about 1 in 1,000.

/// What the limits leave out, on each side.
const LEFT_OUT: f64 = 0.05;
/// Halvings of the search: to 2^-60.
const HALVINGS: u32 = 60;

/// The rate that the true rate of failures does not exceed, at 95 %. 1 where nothing was tried.
#[must_use]
pub fn failures_upper(failed: u64, tried: u64) -> f64 {
    if failed >= tried {
        return 1.0;
    }
    search(|rate| at_most(failed, tried, rate) > LEFT_OUT)
}

/// The rate that the true rate of failures does not fall below, at 95 %. 0 where nothing was tried.
#[must_use]
pub fn failures_lower(failed: u64, tried: u64) -> f64 {
    if failed == 0 || tried == 0 {
        return 0.0;
    }
    search(|rate| 1.0 - at_most(failed - 1, tried, rate) < LEFT_OUT)
}

/// The rate at which a condition that holds for small ones ends.
fn search(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The chance of at most so many failures at this rate: the sum of a binomial, by logarithms.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn at_most(failed: u64, tried: u64, rate: f64) -> f64 {
    if rate <= 0.0 {
        return 1.0;
    }
    if rate >= 1.0 {
        return 0.0;
    }
    let odds = rate.ln() - (-rate).ln_1p();
    let mut term = tried as f64 * (-rate).ln_1p();
    let mut sum = term.exp();
    for k in 0..failed {
        term += ((tried - k) as f64 / (k + 1) as f64).ln() + odds;
        sum += term.exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against published values (R's binom.test, one-sided, at 95 %).
    #[track_caller]
    fn check(failed: u64, tried: u64, lower: f64, upper: f64) {
        let found = (failures_lower(failed, tried), failures_upper(failed, tried));
        let near = |one: f64, other: f64| (one - other).abs() <= 1e-4 * other.max(0.01);
        assert!(near(found.0, lower) && near(found.1, upper), "{failed} of {tried}: {found:?}");
    }

    #[test]
    fn limits_are_those_of_the_tables() {
        check(0, 10, 0.0, 0.258_866);
        check(1, 10, 0.005_116, 0.394_163);
        check(5, 10, 0.222_441, 0.777_559);
        check(10, 10, 0.741_134, 1.0);
        check(0, 3_000, 0.0, 0.000_998);
        check(0, 0, 0.0, 1.0);
    }

    #[test]
    fn three_thousand_without_a_failure_show_one_in_a_thousand_and_fewer_do_not() {
        assert!(failures_upper(0, 3_000) < 0.001);
        assert!(failures_upper(0, 2_900) > 0.001);
        assert!(failures_upper(1, 3_000) > 0.001);
    }

    #[test]
    fn limits_enclose_the_rate_and_come_nearer_with_more() {
        for (failed, tried) in [(1, 50), (30, 1_000), (5_000, 20_000), (99_999, 100_000)] {
            let rate = failed as f64 / tried as f64;
            let (low, high) = (failures_lower(failed, tried), failures_upper(failed, tried));
            assert!(low < rate && rate < high, "{failed} of {tried}: {low} {high}");
            assert!(failures_upper(failed * 10, tried * 10) < high);
        }
    }
}

//! The verdict: bounds of the promise against what was measured. Pure; what a run was too short to
//! judge is named as unjudged, and never counts as held.

use serde::Serialize;

use crate::{
    limits::{CALM_FAILURES, CALM_P99_MS_MAX, GENERATED_LEAST, LAG_MS_MAX, OVERLOAD_LEAST},
    measure::{failures_lower, failures_upper},
};

/// How a vector went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every bound holds, under real overload.
    Pass,
    /// A bound does not hold.
    Fail,
    /// The load was not offered, the generator was late, or bounds were left unjudged.
    Void,
    /// The server was not overloaded: nothing was proven.
    NotOverloaded,
}

impl Verdict {
    /// What reports call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Void => "void",
            Self::NotOverloaded => "not_overloaded",
        }
    }
}

/// One bound and what was measured.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Bound {
    /// What it is about.
    pub name: &'static str,
    /// The most or the least that is allowed.
    pub limit: f64,
    /// What was measured; none where nothing could be.
    pub value: Option<f64>,
    /// Whether it holds; none where the run was too short to judge.
    pub ok: Option<bool>,
}

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Members under attack: tried, and not served.
    pub members: (u64, u64),
    /// Returning visitors under attack.
    pub returning: (u64, u64),
    /// Newcomers with scripts under attack, within 5 s.
    pub newcomers: (u64, u64),
    /// Newcomers without, within 30 s.
    pub no_script: (u64, u64),
    /// Members' p99 in calm and under attack, in ms.
    pub members_p99_ms: (Option<f64>, Option<f64>),
    /// Seconds until members were within bounds again; none where they never were.
    pub mitigate_s: Option<f64>,
    /// The same after the attack.
    pub recover_s: Option<f64>,
    /// Refusals in calm, of everybody.
    pub calm_refused: u64,
    /// The server's peak memory in MiB.
    pub peak_mb: f64,
    /// Multiples of the capacity that were offered.
    pub overload: f64,
    /// The part of the planned load that was offered.
    pub generated: f64,
    /// How late the populations' requests began, in ms.
    pub lag_ms: f64,
    /// Members in calm: tried, and not served.
    pub calm: (u64, u64),
}

/// Peak memory of the server, in MiB.
const PEAK_MB_MAX: f64 = 512.0;
/// Requests below which a p99 says nothing.
const P99_LEAST: u64 = 400;

/// The most that members' p99 may be under attack, by what it is in calm.
#[must_use]
pub fn p99_limit_ms(calm_ms: f64) -> f64 {
    (2.0 * calm_ms).max(calm_ms + 25.0)
}

/// The bounds and the verdict, and why where it is none of pass and fail.
#[must_use]
pub fn judge(shown: &Evidence) -> (Verdict, Vec<Bound>, Vec<String>) {
    let bounds = vec![
        success("members_success", 0.999, shown.members),
        p99(shown),
        success("returning_success", 0.995, shown.returning),
        success("newcomers_success", 0.99, shown.newcomers),
        success("newcomers_no_script_success", 0.95, shown.no_script),
        most("time_to_mitigate_s", 2.0, shown.mitigate_s),
        most("time_to_recover_s", 5.0, shown.recover_s),
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        most("refused_in_calm", 0.0, Some(shown.calm_refused as f64)),
        most("peak_rss_mb", PEAK_MB_MAX, Some(shown.peak_mb)),
    ];
    let mut why = Vec::new();
    if shown.generated < GENERATED_LEAST {
        let percent = shown.generated * 100.0;
        why.push(format!("only {percent:.0} % of the planned load was offered"));
    }
    if shown.lag_ms > LAG_MS_MAX {
        let lag = shown.lag_ms;
        why.push(format!("the generator was {lag:.1} ms late (99 of 100; {LAG_MS_MAX} at most)"));
    }
    let unjudged: Vec<&str> =
        bounds.iter().filter(|bound| bound.ok.is_none()).map(|bound| bound.name).collect();
    if !unjudged.is_empty() {
        why.push(format!("too short to judge: {}", unjudged.join(", ")));
    }
    let no_calm = !was_calm(shown);
    if no_calm {
        why.push("there was no calm to compare with: members were not well before it".to_owned());
    }
    let is_void = no_calm || shown.generated < GENERATED_LEAST || shown.lag_ms > LAG_MS_MAX;
    let fails = bounds.iter().any(|bound| bound.ok == Some(false));
    let verdict = match () {
        () if is_void => Verdict::Void,
        () if fails => Verdict::Fail,
        () if shown.overload < OVERLOAD_LEAST => Verdict::NotOverloaded,
        () if !unjudged.is_empty() => Verdict::Void,
        () => Verdict::Pass,
    };
    if verdict == Verdict::NotOverloaded {
        why.push(format!("{:.2} times the capacity was offered", shown.overload));
    }
    (verdict, bounds, why)
}

/// Whether members were well before the attack. What is broken then is no work of the attack's.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn was_calm(shown: &Evidence) -> bool {
    let (tried, failed) = shown.calm;
    let is_served = failed as f64 <= tried as f64 * CALM_FAILURES;
    is_served && shown.members_p99_ms.0.is_none_or(|p99| p99 <= CALM_P99_MS_MAX)
}

/// A bound on a rate of success: it holds where the upper limit of failures does, is broken where
/// the lower limit is above it, and between the two holds for nobody: with as many tries as would
/// show it without a failure it counts as broken, with fewer as unjudged.
fn success(name: &'static str, limit: f64, (tried, failed): (u64, u64)) -> Bound {
    let allowed = 1.0 - limit;
    let upper = failures_upper(failed, tried);
    let ok = if upper <= allowed {
        Some(true)
    } else if failures_lower(failed, tried) > allowed || failures_upper(0, tried) <= allowed {
        Some(false)
    } else {
        None
    };
    Bound { name, limit, value: (tried > 0).then_some(1.0 - upper), ok }
}

fn p99(shown: &Evidence) -> Bound {
    let name = "members_p99_ms";
    let (Some(calm), attack) = shown.members_p99_ms else {
        return Bound { name, limit: 0.0, value: shown.members_p99_ms.1, ok: None };
    };
    let limit = p99_limit_ms(calm);
    let ok = match attack {
        // Nobody served is no latency, and no success either: that bound says it.
        None => Some(false),
        Some(value) if value > limit => Some(false),
        Some(_) if shown.members.0 < P99_LEAST => None,
        Some(_) => Some(true),
    };
    Bound { name, limit, value: attack, ok }
}

fn most(name: &'static str, limit: f64, value: Option<f64>) -> Bound {
    Bound { name, limit, value, ok: Some(value.is_some_and(|value| value <= limit)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Evidence {
        Evidence {
            members: (3_000, 0),
            returning: (700, 0),
            newcomers: (400, 0),
            no_script: (100, 0),
            members_p99_ms: (Some(4.0), Some(20.0)),
            mitigate_s: Some(0.0),
            recover_s: Some(0.0),
            calm_refused: 0,
            peak_mb: 100.0,
            overload: 10.0,
            generated: 1.0,
            lag_ms: 1.0,
            calm: (1_500, 0),
        }
    }

    #[track_caller]
    fn check(change: impl Fn(&mut Evidence), verdict: Verdict, broken: &[&str]) {
        let mut shown = good();
        change(&mut shown);
        let (found, bounds, _) = judge(&shown);
        let fails = bounds.iter().filter(|bound| bound.ok == Some(false));
        assert_eq!(fails.map(|bound| bound.name).collect::<Vec<_>>(), broken);
        assert_eq!(found, verdict);
    }

    #[test]
    fn each_bound_breaks_by_itself() {
        check(|_| {}, Verdict::Pass, &[]);
        check(|it| it.members.1 = 1, Verdict::Fail, &["members_success"]);
        check(|it| it.returning.1 = 10, Verdict::Fail, &["returning_success"]);
        check(|it| it.newcomers.1 = 12, Verdict::Fail, &["newcomers_success"]);
        check(|it| it.no_script.1 = 20, Verdict::Fail, &["newcomers_no_script_success"]);
        check(|it| it.members_p99_ms.1 = Some(29.1), Verdict::Fail, &["members_p99_ms"]);
        check(|it| it.members_p99_ms.1 = None, Verdict::Fail, &["members_p99_ms"]);
        check(|it| it.mitigate_s = Some(3.0), Verdict::Fail, &["time_to_mitigate_s"]);
        check(|it| it.mitigate_s = None, Verdict::Fail, &["time_to_mitigate_s"]);
        check(|it| it.recover_s = Some(6.0), Verdict::Fail, &["time_to_recover_s"]);
        check(|it| it.calm_refused = 1, Verdict::Fail, &["refused_in_calm"]);
        check(|it| it.peak_mb = 513.0, Verdict::Fail, &["peak_rss_mb"]);
    }

    #[test]
    fn a_run_that_proves_nothing_never_passes() {
        check(|it| it.overload = 1.9, Verdict::NotOverloaded, &[]);
        check(|it| it.generated = 0.7, Verdict::Void, &[]);
        check(|it| it.lag_ms = 20.0, Verdict::Void, &[]);
        check(|it| it.members.0 = 2_000, Verdict::Void, &[]);
        check(|it| it.no_script = (0, 0), Verdict::Void, &[]);
        check(|it| it.members_p99_ms.0 = None, Verdict::Void, &[]);
        check(|it| it.members_p99_ms.0 = Some(400.0), Verdict::Void, &[]);
        check(|it| it.calm.1 = 20, Verdict::Void, &[]);
    }

    #[test]
    fn many_failures_are_a_failure_however_short_the_run() {
        check(|it| it.members = (40, 10), Verdict::Fail, &["members_success"]);
        let (_, _, why) = judge(&Evidence { members: (100, 0), ..good() });
        assert_eq!(why, ["too short to judge: members_success, members_p99_ms"]);
    }

    #[test]
    fn latency_may_double_or_grow_by_25_ms_whichever_is_more() {
        assert!((p99_limit_ms(4.0) - 29.0).abs() < 1e-9);
        assert!((p99_limit_ms(60.0) - 120.0).abs() < 1e-9);
    }
}

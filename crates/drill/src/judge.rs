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
    /// Members in calm: tried, and neither served nor refused in words. A refusal is the server's
    /// choice, and has a bound of its own.
    pub calm: (u64, u64),
    /// What the best policy could serve of members, returning visitors, newcomers and newcomers
    /// without scripts, by simulation; none where it was not simulated.
    pub ceiling: Option<[f64; 4]>,
    /// Conversations in which its listening address showed; none where nobody looked.
    pub origin_shown: Option<u64>,
    /// Whether what is attacked is not the server's, so that nobody could be served.
    pub is_lost: bool,
}

/// What is promised of the four populations' success, in the order of reports.
const PROMISED: [(&str, f64); 4] = [
    ("members_success", 0.999),
    ("returning_success", 0.995),
    ("newcomers_success", 0.99),
    ("newcomers_no_script_success", 0.95),
];
/// What nobody can be held to where the link itself is full.
const LOST: [&str; 6] = [
    "members_success",
    "members_p99_ms",
    "returning_success",
    "newcomers_success",
    "newcomers_no_script_success",
    "time_to_mitigate_s",
];
/// Where no policy could keep a promise, the part of what the best could give that is asked for.
const OF_CEILING: f64 = 0.9;

/// The bound on a success: the promise, or nine tenths of the ceiling where that lies under it.
fn bound_of(promised: f64, ceiling: Option<f64>) -> f64 {
    ceiling.filter(|ceiling| *ceiling < promised).map_or(promised, |it| it * OF_CEILING)
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
    let mut bounds = bounds(shown);
    let mut why = Vec::new();
    if shown.is_lost {
        let is_excused = |bound: &&mut Bound| LOST.contains(&bound.name);
        bounds.iter_mut().filter(is_excused).for_each(|bound| bound.ok = None);
        why.push("lost before the server, as expected: only an upstream can help".to_owned());
    }
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
    let unjudged: Vec<&str> = match shown.is_lost {
        true => unjudged.into_iter().filter(|name| !LOST.contains(name)).collect(),
        false => unjudged,
    };
    if !unjudged.is_empty() {
        why.push(format!("too short to judge: {}", unjudged.join(", ")));
    }
    let no_calm = !was_calm(shown);
    if no_calm {
        why.push("there was no calm to compare with: members were not well before it".to_owned());
    }
    let is_void = no_calm || shown.generated < GENERATED_LEAST || shown.lag_ms > LAG_MS_MAX;
    if is_void {
        // What was measured may be the generator's doing: it is shown, and holds for nobody.
        bounds.iter_mut().for_each(|bound| bound.ok = None);
        why.push("nothing is judged".to_owned());
    }
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

fn bounds(shown: &Evidence) -> Vec<Bound> {
    let counts = [shown.members, shown.returning, shown.newcomers, shown.no_script];
    let ceilings = shown.ceiling.map_or([None; 4], |all| all.map(Some));
    let successes = PROMISED.iter().zip(counts).zip(ceilings);
    let mut bounds: Vec<Bound> = successes
        .map(|((&(name, promised), counts), ceiling)| {
            success(name, bound_of(promised, ceiling), counts)
        })
        .collect();
    bounds.insert(1, p99(shown));
    bounds.extend([
        most("time_to_mitigate_s", 2.0, shown.mitigate_s),
        most("time_to_recover_s", 5.0, shown.recover_s),
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        most("refused_in_calm", 0.0, Some(shown.calm_refused as f64)),
        most("peak_rss_mb", PEAK_MB_MAX, Some(shown.peak_mb)),
    ]);
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    bounds.extend(shown.origin_shown.map(|count| most("origin_shown", 0.0, Some(count as f64))));
    bounds
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
            ceiling: None,
            origin_shown: None,
            is_lost: false,
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
        check(|it| it.origin_shown = Some(0), Verdict::Pass, &[]);
        check(|it| it.origin_shown = Some(1), Verdict::Fail, &["origin_shown"]);
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
    fn a_void_run_breaks_nothing_and_says_so() {
        let (verdict, bounds, why) =
            judge(&Evidence { members: (3_000, 900), lag_ms: 90.0, ..good() });
        assert_eq!(verdict, Verdict::Void);
        assert!(bounds.iter().all(|bound| bound.ok.is_none()));
        assert!(why.iter().any(|why| why == "nothing is judged"), "{why:?}");
        assert!(
            bounds.iter().any(|bound| bound.name == "members_success" && bound.value.is_some())
        );
    }

    #[test]
    fn a_full_link_excuses_what_is_lost_and_nothing_after_it() {
        let lost = Evidence { members: (3_000, 2_900), mitigate_s: None, is_lost: true, ..good() };
        assert_eq!(judge(&lost).0, Verdict::Pass);
        assert_eq!(judge(&Evidence { recover_s: Some(9.0), ..lost }).0, Verdict::Fail);
    }

    #[test]
    fn where_nobody_could_keep_a_promise_the_bound_is_nine_tenths_of_the_ceiling() {
        let ceiling = Some([1.0, 0.996, 0.5, 1.0]);
        let shown = Evidence { newcomers: (1_000, 500), ceiling, ..good() };
        let (verdict, bounds, _) = judge(&shown);
        assert_eq!(verdict, Verdict::Pass);
        let limit = |name| bounds.iter().find(|bound| bound.name == name).map(|bound| bound.limit);
        assert_eq!(limit("newcomers_success"), Some(0.45));
        assert_eq!(limit("returning_success"), Some(0.995));
        assert_eq!(limit("members_success"), Some(0.999));
        let (verdict, ..) = judge(&Evidence { newcomers: (1_000, 600), ..shown });
        assert_eq!(verdict, Verdict::Fail);
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

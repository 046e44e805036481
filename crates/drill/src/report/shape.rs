//! The report as it is written (JSON). Names and nesting are a contract: scripts read them.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use serde::Serialize;

use crate::{
    judge::{Bound, Evidence, Verdict, judge, p99_limit_ms},
    limits::SYN_KEPT_S,
    measure::{Phase, Population, Second},
    outside::Outside,
    run::Measured,
    scene::Defence,
    system,
    vectors::{Family, Resource, SEGMENT_BYTES},
};

/// A whole drill.
#[derive(Serialize)]
pub struct Report {
    /// Of this program.
    pub version: &'static str,
    /// What chance was seeded with.
    pub seed: u64,
    /// Where it ran.
    pub machine: Machine,
    /// The worst of the verdicts.
    pub overall: Verdict,
    /// What was not done as it should be, said once.
    pub remarks: Vec<String>,
    /// The vectors in the order in which they ran.
    pub vectors: Vec<VectorReport>,
    /// The same vectors against other defences, where a comparison was asked for. Not judged.
    pub compared: Vec<VectorReport>,
}

/// Where a drill ran.
#[derive(Serialize)]
pub struct Machine {
    /// Cores that there are.
    pub cores: usize,
    /// Whether server and load had a core each.
    pub pinned: bool,
    /// Whether packets were received on the server's core, as on a real link.
    pub steered: bool,
    /// The operating system.
    pub system: String,
    /// The processor.
    pub processor: String,
    /// Whether the program was built for speed.
    pub optimised: bool,
}

/// A vector.
#[derive(Serialize)]
pub struct VectorReport {
    /// Its name.
    pub vector: &'static str,
    /// What protected the instance.
    pub defence: Defence,
    /// Its family.
    pub family: Family,
    /// What it models.
    pub models: &'static str,
    /// Where that was seen.
    pub source: &'static str,
    /// What it did.
    pub parameters: &'static str,
    /// What chance was seeded with.
    pub seed: u64,
    /// How it went.
    pub verdict: Verdict,
    /// Why, where it was neither passed nor failed.
    pub why: Vec<String>,
    /// Multiples of the capacity that were offered.
    pub overload: f64,
    /// In what that was counted.
    pub resource: Resource,
    /// Connections that the server could hold, where that was lowered for the run.
    pub seats: Option<u64>,
    /// The part of a core that the server had; less than 1 where it was lowered for the run.
    pub capacity_cores: f64,
    /// The part of a core that the populations alone needed of the server, before the attack.
    pub calm_cores: f64,
    /// Processor time that one request cost the server in peace, in microseconds.
    pub cost_us: f64,
    /// The part that the best policy could serve of each population, by simulation; none where the
    /// vector is not simulated.
    pub ceiling: Option<BTreeMap<&'static str, f64>>,
    /// The part of the planned load that was offered.
    pub generated: f64,
    /// How late the populations' requests began (99 of 100), in ms.
    pub generator_lag_ms: f64,
    /// Calm, attack and recovery.
    pub phases: Vec<PhaseReport>,
    /// Seconds until members were within bounds again; none where they never were.
    pub time_to_mitigate_s: Option<f64>,
    /// The same after the attack.
    pub time_to_recover_s: Option<f64>,
    /// The server's peak memory in MiB.
    pub peak_rss_mb: f64,
    /// The most files that it held open.
    pub peak_open_files: u64,
    /// Bounds and whether they hold.
    pub bounds: Vec<Bound>,
    /// Second by second.
    pub series: Series,
}

/// A phase.
#[derive(Serialize)]
pub struct PhaseReport {
    /// Its name.
    pub name: Phase,
    /// How long it was.
    pub seconds: u64,
    /// What each population went through.
    pub populations: BTreeMap<&'static str, PopulationReport>,
    /// The attack; in its phase only.
    pub attack: Option<AttackCounts>,
    /// Processor time that the server took, in seconds.
    pub server_processor_s: f64,
}

/// A population in a phase.
#[derive(Clone, Serialize)]
pub struct PopulationReport {
    /// Requests or visits that were due.
    pub attempted: u64,
    /// Those that got what they asked for.
    pub served: u64,
    /// Of those: after a challenge or a waiting room.
    pub challenged: u64,
    /// Those that were told to come later or not at all.
    pub refused: u64,
    /// Those that got something else, or nothing in time.
    pub failed: u64,
    /// Latency of half of those served, from when they were due.
    pub p50_ms: Option<f64>,
    /// Of 99 in 100.
    pub p99_ms: Option<f64>,
    /// Of 999 in 1,000.
    pub p999_ms: Option<f64>,
    /// The longest time in which nobody was served.
    pub longest_gap_ms: f64,
}

/// The attack.
#[derive(Clone, Serialize)]
pub struct AttackCounts {
    /// Requests (streams, frames, handshakes, connections to be held) offered.
    pub offered: u64,
    /// Those that got what they asked for.
    pub served: u64,
    /// Those that were refused in words.
    pub refused: u64,
    /// Those without an answer.
    pub dropped: u64,
    /// What the kernel dropped before the server saw it, of everybody's: connections asked for, or
    /// packets where the link is what is full; none where nobody counts that.
    pub dropped_kernel: Option<u64>,
    /// Connections asked for that the kernel answered with a SYN cookie, and so kept nothing of:
    /// neither dropped nor held; none where nobody counts that.
    pub cookies: Option<u64>,
    /// Connections that were not made, or not to the handshake's end.
    pub unconnected: u64,
    /// The most connections that were held at once.
    pub held: usize,
    /// Distinct addresses that came.
    pub sources: u64,
    /// The part of a core that attackers took.
    pub generator_share: f64,
}

/// Second by second, for charts.
#[derive(Serialize)]
pub struct Series {
    /// Members' p99 in ms.
    pub members_p99_ms: Vec<Option<f64>>,
    /// By population, the part of what was due that was served.
    pub served: BTreeMap<&'static str, Vec<Option<f64>>>,
    /// Requests that the attack offered.
    pub offered: Vec<u64>,
    /// Requests of the attack that were served.
    pub attack_served: Vec<u64>,
    /// The server's memory in MiB.
    pub rss_mb: Vec<f64>,
    /// The part of a core that the server took.
    pub processor: Vec<Option<f64>>,
    /// Files that the server held open.
    pub open_files: Vec<u64>,
}

impl Report {
    /// From what ran; what `judged` protected is judged, the rest stands beside it.
    pub(crate) fn new(seed: u64, judged: Defence, ran: Vec<VectorReport>) -> Self {
        let (vectors, compared): (Vec<_>, Vec<_>) =
            ran.into_iter().partition(|vector| vector.defence == judged);
        let worst = |of: Verdict| vectors.iter().any(|vector| vector.verdict == of);
        let order = [Verdict::Fail, Verdict::Void, Verdict::NotOverloaded];
        let overall = match order.into_iter().find(|verdict| worst(*verdict)) {
            Some(verdict) => verdict,
            None if vectors.is_empty() => Verdict::Void,
            None => Verdict::Pass,
        };
        let mut remarks = Vec::new();
        // A vector that nothing fails proves nothing.
        let bare = compared.iter().filter(|it| it.defence == Defence::None);
        for vector in bare.filter(|it| it.verdict != Verdict::Fail) {
            let (name, verdict) = (vector.vector, vector.verdict.name());
            remarks.push(format!("{name} was not seen to fail without a defence: {verdict}"));
        }
        let (version, machine) = (env!("CARGO_PKG_VERSION"), Machine::here());
        Self { version, seed, machine, overall, remarks, vectors, compared }
    }

    /// Says what could not be run: it was not judged, so the whole has not passed.
    pub(crate) fn without(mut self, left_out: Vec<String>) -> Self {
        if !left_out.is_empty() && self.overall == Verdict::Pass {
            self.overall = Verdict::Void;
        }
        self.remarks.extend(left_out);
        self
    }

    /// All runs of a vector, the shield's first.
    pub(crate) fn beside(&self, vector: &str) -> Vec<&VectorReport> {
        let all = self.vectors.iter().chain(&self.compared);
        let mut found: Vec<_> = all.filter(|run| run.vector == vector).collect();
        found.sort_by_key(|run| run.defence.order());
        found
    }
}

impl Machine {
    fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let processor = processors.lines().find_map(|line| line.strip_prefix("model name"));
        let kernel = read("/proc/sys/kernel/osrelease");
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            pinned: system::has_two_cores(),
            // Whoever steers says so.
            steered: false,
            system: format!("{} {}", std::env::consts::OS, kernel.trim()),
            processor: processor
                .map_or("", |it| it.trim_start_matches([' ', '\t', ':']))
                .to_owned(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

/// The report of what was measured.
pub(crate) fn report_of(measured: &Measured<'_>) -> VectorReport {
    let seconds = measured.board.seconds();
    let p99 =
        |phase| measured.board.tally(Population::Members, phase, |tally| tally.quantile_ms(0.99));
    let calm_p99 = p99(Phase::Calm);
    let limit_ms = p99_limit_ms(calm_p99.unwrap_or(0.0));
    let [calm, attack, _] = measured.plan.seconds;
    let (from, to) = (index(calm), index(calm + attack));
    let mitigate_s = settled(seconds.get(from..to).unwrap_or_default(), limit_ms);
    let recover_s = settled(seconds.get(to..).unwrap_or_default(), limit_ms);
    let (overload, generated) = offered(measured);
    let peak_rss_mb = mebibytes(measured.peak_bytes);
    let of = |population| tried(measured, population, Phase::Attack);
    let ceiling = (measured.ceiling)(overload);
    let shown = Evidence {
        members: of(Population::Members),
        returning: of(Population::Returning),
        newcomers: of(Population::Newcomers),
        no_script: of(Population::NewcomersNoScript),
        members_p99_ms: (calm_p99, p99(Phase::Attack)),
        mitigate_s,
        recover_s,
        calm_refused: refused_in_calm(measured),
        peak_mb: peak_rss_mb,
        overload,
        generated,
        lag_ms: measured.board.lag_ms(),
        calm: lost_in_calm(measured),
        ceiling,
        origin_shown: measured.outside.map(Outside::shown),
        is_lost: measured.vector.is_lost(),
    };
    let (verdict, bounds, why) = judge(&shown);
    let vector = measured.vector;
    VectorReport {
        vector: vector.name,
        defence: measured.defence,
        family: vector.family,
        models: vector.models,
        source: vector.source,
        parameters: vector.parameters,
        seed: measured.seed,
        verdict,
        why,
        overload,
        resource: vector.resource,
        seats: measured.seats,
        capacity_cores: measured.capacity,
        calm_cores: measured.needed,
        cost_us: measured.cost.server_s * 1e6,
        ceiling: ceiling.map(|parts| {
            Population::ALL.iter().map(|population| population.name()).zip(parts).collect()
        }),
        generated,
        generator_lag_ms: shown.lag_ms,
        phases: Phase::ALL.iter().map(|phase| phase_of(measured, *phase, &seconds)).collect(),
        time_to_mitigate_s: mitigate_s,
        time_to_recover_s: recover_s,
        peak_rss_mb,
        peak_open_files: seconds.iter().map(|second| second.open_files).max().unwrap_or(0),
        bounds,
        series: series(&seconds),
    }
}

fn index(seconds: u64) -> usize {
    usize::try_from(seconds).unwrap_or(usize::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

fn tried(measured: &Measured<'_>, of: Population, in_: Phase) -> (u64, u64) {
    let counts = measured.board.tally(of, in_, |tally| tally.counts);
    (counts.attempted, counts.attempted - counts.served.min(counts.attempted))
}

/// Of members' requests in calm: tried, and lost without a word.
fn lost_in_calm(measured: &Measured<'_>) -> (u64, u64) {
    let counts = measured.board.tally(Population::Members, Phase::Calm, |tally| tally.counts);
    (counts.attempted, counts.attempted - (counts.served + counts.refused).min(counts.attempted))
}

fn refused_in_calm(measured: &Measured<'_>) -> u64 {
    let refused = |of| measured.board.tally(of, Phase::Calm, |tally| tally.counts.refused);
    Population::ALL.into_iter().map(refused).sum()
}

/// Multiples of the capacity that were offered, and the part of the plan that was.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn offered(measured: &Measured<'_>) -> (f64, f64) {
    let seconds = measured.plan.seconds.get(1).copied().unwrap_or(1) as f64;
    let ledger = measured.ledger;
    let made = ledger.offered.load(Ordering::Relaxed) as f64;
    let planned = ledger.planned.load(Ordering::Relaxed) as f64;
    match measured.vector.resource {
        Resource::Processor => {
            // As much is made as can be, so the overload itself says whether it was enough.
            let overload = made / seconds * measured.cost.server_s / measured.capacity;
            (overload, if made > 0.0 { 1.0 } else { 0.0 })
        }
        // Whether the generator kept up is told by its share of the core: what was cut was wanted.
        Resource::Streams => {
            let overload = measured.offer.per_s * measured.cost.server_s / measured.capacity;
            let kept_up = if measured.generator_share > 0.95 { 0.0 } else { 1.0 };
            (overload, if made > 0.0 { kept_up } else { 0.0 })
        }
        Resource::Seats { .. } => {
            let wanted = measured.offer.hoarders as f64;
            let overload = wanted / measured.seats.unwrap_or(1).max(1) as f64;
            (overload, (made / wanted.max(1.0)).min(1.0))
        }
        Resource::Memory { connections, held_bytes } => {
            let wanted = connections as f64;
            let overload = wanted * held_bytes as f64 / (512.0 * 1024.0 * 1024.0);
            let opened = made / 60.0;
            (overload, (opened / wanted).min(1.0))
        }
        Resource::HalfOpen { places } => {
            let overload = made / seconds * SYN_KEPT_S / f64::from(places);
            (overload, made / planned.max(1.0))
        }
        Resource::Letters => {
            let letters = measured.outside.map_or(0, Outside::letters) as f64;
            (letters, made / planned.max(1.0))
        }
        Resource::Link { bytes_per_s } => {
            let bytes = made / seconds * f64::from(SEGMENT_BYTES);
            (bytes / f64::from(bytes_per_s), made / planned.max(1.0))
        }
    }
}

fn phase_of(measured: &Measured<'_>, phase: Phase, seconds: &[Second]) -> PhaseReport {
    let (begin, end) = measured.board.marks.span(phase);
    let populations = Population::ALL.into_iter().map(|population| {
        let report = measured.board.tally(population, phase, |tally| PopulationReport {
            attempted: tally.counts.attempted,
            served: tally.counts.served,
            challenged: tally.counts.challenged,
            refused: tally.counts.refused,
            failed: tally.counts.failed,
            p50_ms: tally.quantile_ms(0.5),
            p99_ms: tally.quantile_ms(0.99),
            p999_ms: tally.quantile_ms(0.999),
            longest_gap_ms: tally.longest_gap_ms(begin, end),
        });
        (population.name(), report)
    });
    let lengths = measured.plan.seconds;
    let at = phase as usize;
    let length = lengths.get(at).copied().unwrap_or(0);
    let before: u64 = lengths.iter().take(at).sum();
    let time = |second: u64| {
        let known = seconds.get(..index(second)).unwrap_or(seconds).iter().rev();
        known.map(|second| second.processor_s).find(|time| *time > 0.0)
    };
    let first = time(before).or_else(|| seconds.first().map(|second| second.processor_s));
    PhaseReport {
        name: phase,
        seconds: length,
        populations: populations.collect(),
        attack: (phase == Phase::Attack).then(|| attack_of(measured)),
        server_processor_s: time(before + length).unwrap_or(0.0) - first.unwrap_or(0.0),
    }
}

fn attack_of(measured: &Measured<'_>) -> AttackCounts {
    let ledger = measured.ledger;
    AttackCounts {
        offered: ledger.offered.load(Ordering::Relaxed),
        served: ledger.served.load(Ordering::Relaxed),
        refused: ledger.refused.load(Ordering::Relaxed),
        dropped: ledger.dropped.load(Ordering::Relaxed),
        dropped_kernel: *ledger.dropped_kernel.lock(),
        cookies: *ledger.cookies.lock(),
        unconnected: ledger.unconnected.load(Ordering::Relaxed),
        held: ledger.held_most.load(Ordering::Relaxed),
        sources: ledger.sources(),
        generator_share: measured.generator_share,
    }
}

/// The part of a second's requests that may fail before the second is out of bounds: with 240 a
/// second the bound on the whole phase, 1 in 1,000, cannot be seen in one of them.
const SECOND_FAILURES: f64 = 0.01;

/// After how many seconds members stay within bounds to the end; none where they do not.
fn settled(seconds: &[Second], limit_ms: f64) -> Option<f64> {
    let last_bad = seconds.iter().rposition(|second| !is_within(second, limit_ms));
    let settled = last_bad.map_or(0, |last| last + 1);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    (settled == 0 || settled < seconds.len()).then_some(settled as f64)
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn is_within(second: &Second, limit_ms: f64) -> bool {
    let [members, ..] = &second.populations;
    let counts = members.counts;
    let failed = counts.attempted.saturating_sub(counts.served) as f64;
    failed <= counts.attempted as f64 * SECOND_FAILURES
        && members.p99_ms().is_none_or(|p99| p99 <= limit_ms)
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn series(seconds: &[Second]) -> Series {
    let part = |second: &Second, at: usize| {
        let counts = second.populations.get(at)?.counts;
        (counts.attempted > 0).then(|| counts.served as f64 / counts.attempted as f64)
    };
    let served = Population::ALL.into_iter().enumerate().map(|(at, population)| {
        (population.name(), seconds.iter().map(|second| part(second, at)).collect())
    });
    let steps = |of: fn(&Second) -> u64| {
        let mut before = 0;
        let step = |second: &Second| {
            let now = of(second).max(before);
            let more = now - before;
            before = now;
            more
        };
        seconds.iter().map(step).collect::<Vec<_>>()
    };
    Series {
        members_p99_ms: seconds.iter().map(|second| second.populations[0].p99_ms()).collect(),
        served: served.collect(),
        offered: steps(|second| second.offered),
        attack_served: steps(|second| second.attack_served),
        rss_mb: seconds.iter().map(|second| mebibytes(second.resident_bytes)).collect(),
        processor: processor(seconds),
        open_files: seconds.iter().map(|second| second.open_files).collect(),
    }
}

/// The part of a core that was taken in each second. The first has nothing to compare with.
fn processor(seconds: &[Second]) -> Vec<Option<f64>> {
    let mut before = 0.0;
    let part = |second: &Second| {
        let now = second.processor_s;
        let part = (before > 0.0 && now >= before).then_some(now - before);
        before = now;
        part
    };
    seconds.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Counts, Moment};

    fn second(attempted: u64, served: u64, latency_us: u32) -> Second {
        let counts = Counts { attempted, served, ..Counts::default() };
        let latency_us = vec![latency_us; usize::try_from(served).expect("few")];
        let mut second = Second::default();
        second.populations[0] = Moment { counts, latency_us };
        second
    }

    #[test]
    fn mitigation_is_when_members_are_within_bounds_for_good() {
        let (good, slow, lost) =
            (second(100, 100, 5), second(100, 100, 50_000), second(100, 98, 5));
        let of = |seconds: &[&Second]| {
            settled(&seconds.iter().map(|s| (*s).clone()).collect::<Vec<_>>(), 30.0)
        };
        assert_eq!(of(&[&good, &good]), Some(0.0));
        assert_eq!(of(&[&slow, &good, &good]), Some(1.0));
        assert_eq!(of(&[&good, &lost, &good]), Some(2.0));
        assert_eq!(of(&[&good, &good, &slow]), None);
        assert_eq!(of(&[]), Some(0.0));
    }

    #[test]
    fn the_worst_vector_decides() {
        assert_eq!(Report::new(1, Defence::Shield, Vec::new()).overall, Verdict::Void);
    }
}

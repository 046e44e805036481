//! The board: per population and phase what was attempted and how it ended, and second by second
//! what charts and the time to mitigate need. The phase of a request is that in which it was due.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;

use crate::{clock, limits::LATENCY_US_MAX};

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Population {
    /// Apps and browsers with sessions.
    Members,
    /// No account, seen in peace, with their cookie.
    Returning,
    /// First visit, a browser with scripts.
    Newcomers,
    /// First visit, a browser without.
    NewcomersNoScript,
}

impl Population {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 4] =
        [Self::Members, Self::Returning, Self::Newcomers, Self::NewcomersNoScript];

    /// What reports call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Returning => "returning",
            Self::Newcomers => "newcomers",
            Self::NewcomersNoScript => "newcomers_no_script",
        }
    }
}

/// A part of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The baseline.
    Calm,
    /// While the vector offers its load.
    Attack,
    /// After it has ended.
    Recovery,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Calm, Self::Attack, Self::Recovery];

    /// What reports call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Attack => "attack",
            Self::Recovery => "recovery",
        }
    }
}

/// When the phases of a run begin and end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub start: Instant,
    pub attack: Instant,
    pub recovery: Instant,
    pub end: Instant,
}

impl Marks {
    /// The phase of a moment.
    pub(crate) fn phase(&self, moment: Instant) -> Phase {
        if moment < self.attack {
            Phase::Calm
        } else if moment < self.recovery {
            Phase::Attack
        } else {
            Phase::Recovery
        }
    }

    /// When a phase begins and ends.
    pub(crate) const fn span(&self, phase: Phase) -> (Instant, Instant) {
        match phase {
            Phase::Calm => (self.start, self.attack),
            Phase::Attack => (self.attack, self.recovery),
            Phase::Recovery => (self.recovery, self.end),
        }
    }

    fn second(&self, moment: Instant) -> usize {
        let passed = moment.saturating_duration_since(self.start).as_secs();
        usize::try_from(passed).unwrap_or(usize::MAX)
    }

    /// Seconds of the whole run.
    pub(crate) fn seconds(&self) -> usize {
        let whole = (self.end - self.start).as_secs_f64().ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few hundred"
        )]
        let whole = whole as usize;
        whole.min(crate::limits::SECONDS_MAX)
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// With what was asked for.
    Served,
    /// With it, after a challenge or a waiting room.
    ServedChallenged,
    /// With a refusal that says so: 429, 503, 403.
    Refused,
    /// With anything else, or with nothing in time.
    Failed,
}

/// Counts of one population in one phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counts {
    /// Requests or visits that were due.
    pub attempted: u64,
    /// Those that got what they asked for, challenged or not.
    pub served: u64,
    /// Of those served: after a challenge or a waiting room.
    pub challenged: u64,
    /// Those that were told to come later or not at all.
    pub refused: u64,
    /// Those that got something else, or nothing in time.
    pub failed: u64,
}

/// A tally of one population in one phase.
pub struct Tally {
    /// How many.
    pub counts: Counts,
    latency: Histogram<u64>,
    last_served: Option<Instant>,
    longest_gap: Duration,
}

impl Tally {
    fn new() -> Self {
        // Within these bounds there is no error to meet: three digits, a known largest value.
        let latency = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
            .or_else(|_| Histogram::new(3))
            .unwrap_or_else(|_| unreachable!("three digits are valid"));
        let counts = Counts::default();
        Self { counts, latency, last_served: None, longest_gap: Duration::ZERO }
    }

    /// The latency that this share of what was served did not exceed, in ms; none
    /// where nothing was.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let micros = self.latency.value_at_quantile(share) as f64;
        (!self.latency.is_empty()).then_some(micros / 1_000.0)
    }

    /// The longest time without anybody served, in ms, where the phase ended at `end`.
    #[must_use]
    pub fn longest_gap_ms(&self, begin: Instant, end: Instant) -> f64 {
        let tail = end.saturating_duration_since(self.last_served.unwrap_or(begin));
        clock::ms(self.longest_gap.max(tail))
    }

    fn serve(&mut self, begin: Instant, now: Instant, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
        self.latency.saturating_record(micros);
        let before = self.last_served.unwrap_or(begin);
        self.longest_gap = self.longest_gap.max(now.saturating_duration_since(before));
        self.last_served = Some(now.max(before));
    }
}

/// One population in one second.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// How many.
    pub counts: Counts,
    /// Latencies of those served, in microseconds.
    pub latency_us: Vec<u32>,
}

impl Moment {
    /// The latency that 99 of 100 did not exceed, in ms; none where nobody was served.
    #[must_use]
    pub fn p99_ms(&self) -> Option<f64> {
        let mut sorted = self.latency_us.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(at).map(|micros| f64::from(*micros) / 1_000.0)
    }
}

/// One second of a run.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// The populations, in the order of [`Population::ALL`].
    pub populations: [Moment; 4],
    /// Requests that the attack offered until its end.
    pub offered: u64,
    /// Requests of the attack that were served until its end.
    pub attack_served: u64,
    /// The server's resident memory.
    pub resident_bytes: u64,
    /// The server's open files.
    pub open_files: u64,
    /// The server's processor time until its end, in seconds.
    pub processor_s: f64,
}

struct Inner {
    tallies: [[Tally; 3]; 4],
    seconds: Vec<Second>,
    lag: Histogram<u64>,
}

/// Where everybody writes down what came of their requests.
pub(crate) struct Board {
    pub marks: Marks,
    inner: Mutex<Inner>,
}

/// An attempt that has begun: it is counted as failed unless it is told how it ended.
pub(crate) struct Ticket<'b> {
    board: &'b Board,
    population: Population,
    due: Instant,
    is_open: bool,
}

impl Board {
    pub(crate) fn new(marks: Marks) -> Self {
        let tallies = || std::array::from_fn(|_| Tally::new());
        let seconds = vec![Second::default(); marks.seconds()];
        let lag = Tally::new().latency;
        let inner = Inner { tallies: std::array::from_fn(|_| tallies()), seconds, lag };
        Self { marks, inner: Mutex::new(inner) }
    }

    /// Counts an attempt that was due at a moment, and how late it begins.
    pub(crate) fn begin(&self, population: Population, due: Instant) -> Ticket<'_> {
        let late = clock::now().saturating_duration_since(due);
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX).max(1);
        self.change(population, due, |counts| counts.attempted += 1);
        self.inner.lock().lag.saturating_record(micros);
        Ticket { board: self, population, due, is_open: true }
    }

    fn change(&self, population: Population, due: Instant, change: impl Fn(&mut Counts)) {
        let mut inner = self.inner.lock();
        let (phase, second) = (self.marks.phase(due), self.marks.second(due));
        if let Some(tally) = tally(&mut inner.tallies, population, phase) {
            change(&mut tally.counts);
        }
        if let Some(second) = inner.seconds.get_mut(second)
            && let Some(moment) = second.populations.get_mut(population as usize)
        {
            change(&mut moment.counts);
        }
    }

    fn serve(&self, population: Population, due: Instant) {
        let now = clock::now();
        let latency = now.saturating_duration_since(due);
        let mut inner = self.inner.lock();
        let (phase, second) = (self.marks.phase(due), self.marks.second(due));
        let begin = self.marks.span(phase).0;
        if let Some(tally) = tally(&mut inner.tallies, population, phase) {
            tally.serve(begin, now, latency);
        }
        if let Some(second) = inner.seconds.get_mut(second)
            && let Some(moment) = second.populations.get_mut(population as usize)
        {
            moment.latency_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        }
    }

    /// Writes down what was seen of the server and of the attack in the second of `now`.
    pub(crate) fn look(&self, now: Instant, write: impl Fn(&mut Second)) {
        let at = self.marks.second(now);
        if let Some(second) = self.inner.lock().seconds.get_mut(at) {
            write(second);
        }
    }

    /// How late requests began (99 of 100), in ms.
    pub(crate) fn lag_ms(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let micros = self.inner.lock().lag.value_at_quantile(0.99) as f64;
        micros / 1_000.0
    }

    /// Looks at one tally.
    pub(crate) fn tally<T>(&self, of: Population, in_: Phase, look: impl Fn(&Tally) -> T) -> T {
        let mut inner = self.inner.lock();
        match tally(&mut inner.tallies, of, in_) {
            Some(tally) => look(tally),
            None => look(&Tally::new()),
        }
    }

    /// The record by seconds.
    pub(crate) fn seconds(&self) -> Vec<Second> {
        self.inner.lock().seconds.clone()
    }
}

fn tally(of: &mut [[Tally; 3]; 4], population: Population, phase: Phase) -> Option<&mut Tally> {
    of.get_mut(population as usize)?.get_mut(phase as usize)
}

impl Ticket<'_> {
    /// Says how it ended.
    pub(crate) fn end(mut self, ended: Ended) {
        self.is_open = false;
        self.write(ended);
    }

    fn write(&self, ended: Ended) {
        if matches!(ended, Ended::Served | Ended::ServedChallenged) {
            self.board.serve(self.population, self.due);
        }
        self.board.change(self.population, self.due, |counts| match ended {
            Ended::Served => counts.served += 1,
            Ended::ServedChallenged => {
                counts.served += 1;
                counts.challenged += 1;
            }
            Ended::Refused => counts.refused += 1,
            Ended::Failed => counts.failed += 1,
        });
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.write(Ended::Failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(now: Instant) -> Board {
        let at = |s| now + Duration::from_secs(s);
        Board::new(Marks { start: now, attack: at(10), recovery: at(20), end: at(30) })
    }

    #[test]
    fn an_attempt_counts_in_the_phase_in_which_it_was_due() {
        let start = clock::now().checked_sub(Duration::from_secs(15)).expect("uptime");
        let board = board(start);
        let due = start + Duration::from_secs(12);
        board.begin(Population::Members, due).end(Ended::Served);
        board.begin(Population::Members, start).end(Ended::Refused);
        let counts = |phase| board.tally(Population::Members, phase, |tally| tally.counts);
        assert_eq!(counts(Phase::Attack), Counts { attempted: 1, served: 1, ..Counts::default() });
        assert_eq!(counts(Phase::Calm), Counts { attempted: 1, refused: 1, ..Counts::default() });
        assert_eq!(counts(Phase::Recovery), Counts::default());
        let seconds = board.seconds();
        assert_eq!(seconds[12].populations[0].counts.served, 1);
        assert!(seconds[12].populations[0].p99_ms().is_some_and(|ms| ms >= 3_000.0));
    }

    #[test]
    fn latency_counts_from_when_it_was_due_and_so_does_the_lag() {
        let start = clock::now().checked_sub(Duration::from_secs(5)).expect("uptime");
        let board = board(start);
        board.begin(Population::Returning, start).end(Ended::ServedChallenged);
        let p50 = board.tally(Population::Returning, Phase::Calm, |tally| tally.quantile_ms(0.5));
        assert!(p50.is_some_and(|ms| ms >= 4_990.0), "{p50:?}");
        assert!(board.lag_ms() >= 4_990.0);
    }

    #[test]
    fn who_is_never_told_has_failed() {
        let board = board(clock::now());
        drop(board.begin(Population::Newcomers, board.marks.start));
        let failed = board.tally(Population::Newcomers, Phase::Calm, |tally| tally.counts.failed);
        assert_eq!(failed, 1);
    }

    #[test]
    fn a_phase_in_which_nobody_is_served_is_one_gap() {
        let board = board(clock::now());
        let (begin, end) = board.marks.span(Phase::Attack);
        let gap = |tally: &Tally| tally.longest_gap_ms(begin, end);
        let gap = board.tally(Population::Members, Phase::Attack, gap);
        assert!((gap - 10_000.0).abs() < 1e-6, "{gap}");
    }
}

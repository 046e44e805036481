//! Prints what a decision costs: in peace and under pressure, for members and for strangers of few
//! and of a million addresses; for how long saving keeps requests from being decided on; and what
//! all of it takes in memory. Figures for people to read, judged by nobody here: they are a
//! machine's. With `--rows` a line of JSON each, for `cargo xtask bench decide`.
//!
//! `cargo run --release -p shield --example decide`

#![expect(clippy::disallowed_methods, reason = "a bench measures with the machine's clock")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use shield::decide::{
    Admission, Called, Credentials, Decision, Facts, Now, Outcome, Settings, State, decide,
};
use shield::sim::chance::Chance;
use shield::sim::crowd::{self, PAGE};

/// Decisions between two looks at the clock, which itself takes as long as a part of one.
const BATCH: usize = 32;
const BATCHES: usize = 12_000;
/// Before anything is measured.
const WARM: usize = 1_500;
const START_S: u64 = 20_000 * 86_400;
const DAY_US: u64 = 86_400_000_000;

/// One of so many strangers.
fn stranger(chance: &mut Chance, sources: u64) -> Facts {
    let host = u32::try_from(chance.below(sources)).unwrap_or(0);
    let address = IpAddr::V4(Ipv4Addr::from_bits(0x5000_0000 + host));
    crowd::facts(address, Credentials::default(), PAGE.0, crowd::human_looks(chance))
}

struct Bench {
    state: State,
    now_us: u64,
    /// What each piece of work costs, in ns.
    cost_ns: u64,
}

impl Bench {
    fn new(cost_ns: u64) -> Self {
        let start = Now { us: 0, unix_s: START_S };
        let state = State::new(Settings::for_cores(1), [9; 16], start);
        Self { state, now_us: 0, cost_ns }
    }

    fn now(&self) -> Now {
        Now { us: self.now_us, unix_s: START_S + self.now_us / 1_000_000 }
    }

    /// A batch of what a server does: what deciding took, and all of it.
    fn round(&mut self, batch: &[Facts], gap_us: u64) -> [Duration; 2] {
        let mut decided: [Option<Admission>; BATCH] = std::array::from_fn(|_| None);
        self.state.tick(self.now());
        let began = Instant::now();
        for (facts, place) in batch.iter().zip(&mut decided) {
            self.now_us += gap_us;
            let now = self.now();
            if let Decision::Serve(admission) = decide(&mut self.state, facts, now) {
                *place = Some(admission);
            }
        }
        let deciding = began.elapsed();
        let (now, outcome) = (self.now(), Outcome::Ended { cost_ns: self.cost_ns });
        for admission in decided.into_iter().flatten() {
            self.state.settle(admission, outcome, now);
        }
        while let Some((_, called)) = self.state.next(now) {
            if let Called::Serve(admission) = called {
                self.state.settle(admission, outcome, now);
            }
        }
        [deciding, began.elapsed()]
    }

    fn show(
        &mut self,
        rows: &mut Rows,
        what: &str,
        gap_us: u64,
        mut facts: impl FnMut(&mut Chance) -> Facts,
    ) {
        let mut chance = Chance::new(5);
        let all: Vec<Facts> = (0..BATCHES * BATCH).map(|_| facts(&mut chance)).collect();
        let batches = || all.chunks_exact(BATCH);
        batches().take(WARM).for_each(|batch| {
            self.round(batch, gap_us);
        });
        let took = batches().map(|batch| self.round(batch, gap_us));
        let (deciding, all): (Vec<Duration>, Vec<Duration>) = took.map(|[a, b]| (a, b)).unzip();
        let pressed = if self.state.pressed() { "under pressure" } else { "in peace" };
        for (piece, mut took) in [("a decision", deciding), ("with its settling", all)] {
            took.sort_unstable();
            for (named, place) in [("median", took.len() / 2), ("p99", took.len() * 99 / 100)] {
                let one = took.get(place).map_or(0.0, |took| took.as_nanos() as f64 / BATCH as f64);
                rows.row(&format!("{what} {pressed}, {piece}, {named}"), one, "ns");
            }
        }
    }

    /// A million addresses today, and another million tomorrow, then what saving them takes.
    fn save(&mut self, rows: &mut Rows) {
        let mut chance = Chance::new(7);
        for _ in 0..2 {
            let all: Vec<Facts> = (0..1 << 20).map(|_| stranger(&mut chance, 1 << 28)).collect();
            all.chunks_exact(BATCH).for_each(|batch| {
                self.round(batch, 50);
            });
            self.now_us += DAY_US;
            self.state.tick(self.now());
            self.now_us += 2_000_000;
            (0..20).for_each(|_| {
                self.now_us += 100_000;
                self.state.tick(self.now());
            });
        }
        let all = Instant::now();
        let mut saving = self.state.begin_saving(self.now());
        let mut longest = all.elapsed();
        loop {
            let began = Instant::now();
            let more = self.state.save_piece(&mut saving);
            longest = longest.max(began.elapsed());
            if !more {
                break;
            }
        }
        let us = |took: Duration| took.as_nanos() as f64 / 1e3;
        let took = all.elapsed();
        rows.row("saving keeps a request waiting, longest", us(longest), "us");
        rows.row("saving, all pieces together", us(took), "us");
        let megabytes = saving.into_bytes().len() as f64 / 1e6;
        eprintln!("{megabytes:.1} MB were saved");
    }
}

/// Rows as people read them, or a program.
struct Rows {
    as_json: bool,
}

impl Rows {
    fn row(&mut self, name: &str, value: f64, unit: &str) {
        if self.as_json {
            println!("{{\"name\":\"{name}\",\"value\":{value:.1},\"unit\":\"{unit}\"}}");
        } else {
            println!("{name:<66} {value:>9.1} {unit}");
        }
    }
}

/// Bytes of this program that are in memory.
fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or(0.0, |kilobytes| kilobytes * 1_024.0)
}

fn main() {
    let mut rows = Rows { as_json: std::env::args().any(|word| word == "--rows") };
    let before = resident_bytes();
    let mut wide = Bench::new(20_000);
    wide.save(&mut rows);
    wide.cost_ns = 1_000_000;
    let mut chance = Chance::new(8);
    for _ in 0..BATCHES * 3 {
        let batch: [Facts; BATCH] = std::array::from_fn(|_| stranger(&mut chance, 1 << 20));
        wide.round(&batch, 100);
    }
    let grown = (resident_bytes() - before) / 1e6;
    rows.row("memory of what decides, after a million sources", grown, "MB");
    drop(wide);

    let member = |chance: &mut Chance| crowd::member(chance.below(500), START_S);
    let few = |chance: &mut Chance| stranger(chance, 1_000);
    let many = |chance: &mut Chance| stranger(chance, 1 << 20);
    Bench::new(20_000).show(&mut rows, "members", 50, member);
    Bench::new(20_000).show(&mut rows, "1,000 addresses", 50, few);
    Bench::new(20_000).show(&mut rows, "1,000,000 addresses", 50, many);
    Bench::new(500_000).show(&mut rows, "members", 100, member);
    Bench::new(1_000_000).show(&mut rows, "1,000 addresses", 100, few);
    Bench::new(1_000_000).show(&mut rows, "1,000,000 addresses", 100, many);
}

//! Prints what a decision costs: in peace and under pressure, for members and for strangers of few
//! and of a million addresses. A figure for people to read, judged by nobody: it is a machine's.
//!
//! `cargo run --release -p shield --example decide`

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use shield::decide::{Called, Credentials, Decision, Facts, Now, Outcome, Settings, State, decide};
use shield::sim::chance::Chance;
use shield::sim::crowd::{self, PAGE};

const DECISIONS: u64 = 400_000;
const START_S: u64 = 20_000 * 86_400;

/// A million sources, or few.
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
    fn now(&self) -> Now {
        Now { us: self.now_us, unix_s: START_S + self.now_us / 1_000_000 }
    }

    /// One round of what a server does, and the time that `decide` itself took.
    #[expect(clippy::disallowed_methods, reason = "a bench measures with the machine's clock")]
    fn round(&mut self, facts: &Facts, gap_us: u64) -> u64 {
        self.now_us += gap_us;
        let now = self.now();
        self.state.tick(now);
        let began = Instant::now();
        let decision = decide(&mut self.state, facts, now);
        let took = began.elapsed();
        let outcome = Outcome::Ended { cost_ns: self.cost_ns };
        if let Decision::Serve(admission) = decision {
            self.state.settle(admission, outcome, now);
        }
        while let Some((_, called)) = self.state.next(now) {
            if let Called::Serve(admission) = called {
                self.state.settle(admission, outcome, now);
            }
        }
        u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
    }

    fn show(&mut self, what: &str, gap_us: u64, mut facts: impl FnMut(&mut Chance) -> Facts) {
        let mut chance = Chance::new(5);
        let all: Vec<Facts> = (0..DECISIONS).map(|_| facts(&mut chance)).collect();
        let warm = all.iter().take(40_000);
        let _: u64 = warm.map(|facts| self.round(facts, gap_us)).sum();
        let mut took: Vec<u64> = all.iter().map(|facts| self.round(facts, gap_us)).collect();
        took.sort_unstable();
        let at =
            |thousandths: usize| took.get(took.len() * thousandths / 1_000).copied().unwrap_or(0);
        let pressed = if self.state.pressed() { "under pressure" } else { "in peace" };
        println!("{what:<34} {pressed:<15} {:>7} {:>7} {:>7}", at(500), at(990), at(999));
    }
}

fn main() {
    println!(
        "{:<50} {:>7} {:>7} {:>7}",
        "ns for a decision, with the clock's", "p50", "p99", "p999"
    );
    let new = |cost_ns| {
        let start = Now { us: 0, unix_s: START_S };
        Bench { state: State::new(Settings::for_cores(1), [9; 16], start), now_us: 0, cost_ns }
    };
    let member = |chance: &mut Chance| crowd::member(chance.below(500), START_S);
    new(20_000).show("members", 50, member);
    new(20_000).show("strangers, 1,000 addresses", 50, |chance| stranger(chance, 1_000));
    new(20_000).show("strangers, 1,000,000 addresses", 50, |chance| stranger(chance, 1_000_000));
    let mut pressed = new(1_000_000);
    pressed.show("strangers, 1,000 addresses", 100, |chance| stranger(chance, 1_000));
    let mut wide = new(1_000_000);
    wide.show("strangers, 1,000,000 addresses", 100, |chance| stranger(chance, 1_000_000));
    println!("tables: {} MiB, touched or not", wide.state.bytes() >> 20);
}

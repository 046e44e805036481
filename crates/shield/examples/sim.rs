//! Runs the simulator and prints a table: what each population got under each attack, beside what
//! the best policy could have given. Simulated, not measured: `fulmar drill` measures.

use std::process::ExitCode;

use shield::sim::crowd::Population;
use shield::sim::vectors::{VECTORS, Vector};
use shield::sim::{Phase, Plan, Report, broken, ceiling, run};

const HELP: &str = "\
cargo run --release -p shield --example sim -- [--seed N] [--vector NAME] [--no-shield] [--speed X]
    [--search N]

Without --vector all are run. --speed says how fast the core really is, which the shield is told
to be 1. --search runs so many seeds from --seed on and prints only what did not hold.
Columns: parts in percent that were served, with what the best policy could have given in
brackets; p99 of members in ms, calm and attacked; seconds until it bit; how unsteady the
admitted fraction was; the share of work that was done for strangers.";

struct Wish {
    seed: u64,
    vector: Option<Vector>,
    shield: bool,
    speed: f64,
    search: u64,
}

fn main() -> ExitCode {
    match wish(std::env::args().skip(1)) {
        Ok(wish) if wish.search > 0 => search(&wish),
        Ok(wish) => {
            table(&wish);
            ExitCode::SUCCESS
        }
        Err(said) => {
            eprintln!("{said}");
            ExitCode::FAILURE
        }
    }
}

fn wish(mut words: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut wish = Wish { seed: 1, vector: None, shield: true, speed: 1.0, search: 0 };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n\n{HELP}"));
        match word.as_str() {
            "--seed" => wish.seed = value()?.parse().map_err(|_| "--seed takes a number")?,
            "--speed" => wish.speed = value()?.parse().map_err(|_| "--speed takes a number")?,
            "--search" => wish.search = value()?.parse().map_err(|_| "--search takes a number")?,
            "--no-shield" => wish.shield = false,
            "--vector" => {
                let name = value()?;
                let names = VECTORS.map(|vector| vector.name).join(", ");
                let known = Vector::named(&name).copied();
                wish.vector =
                    Some(known.ok_or_else(|| format!("no vector {name}; known: {names}"))?);
            }
            _ => return Err(HELP.to_owned()),
        }
    }
    Ok(wish)
}

fn table(wish: &Wish) {
    println!(
        "{:<16} {:>7} {:>7} {:>11} {:>11} {:>11} {:>10} {:>6} {:>6} {:>6} {:>6}",
        "vector",
        "members",
        "new",
        "returning",
        "newcomers",
        "no scripts",
        "p99 ms",
        "bite s",
        "unstd",
        "strng",
        "drop%"
    );
    let vectors = wish.vector.map_or_else(|| VECTORS.to_vec(), |vector| vec![vector]);
    for vector in vectors {
        let report = run(&plan(wish, vector, wish.seed));
        row(&vector, &report, &ceiling(&vector, wish.seed));
    }
}

fn plan(wish: &Wish, vector: Vector, seed: u64) -> Plan {
    Plan { shield: wish.shield, speed: wish.speed, ..Plan::of(vector, seed) }
}

/// Looks for seeds with which something that must hold does not.
fn search(wish: &Wish) -> ExitCode {
    let mut found = 0;
    let vectors = wish.vector.map_or_else(|| VECTORS.to_vec(), |vector| vec![vector]);
    for seed in wish.seed..wish.seed + wish.search {
        for vector in &vectors {
            let report = run(&plan(wish, *vector, seed));
            for what in broken(vector, &report, &ceiling(vector, seed)) {
                println!("{}, seed {seed}: {what}", vector.name);
                found += 1;
            }
        }
    }
    println!("{} runs, {found} things did not hold", wish.search * vectors.len() as u64);
    if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(vector: &Vector, report: &Report, ceiling: &[f64]) {
    let best = |population: Population| ceiling.get(population as usize).copied().unwrap_or(1.0);
    let part = |population| report.of(population, Phase::Attack).success() * 100.0;
    let both = |population| format!("{:.1} ({:.0})", part(population), best(population) * 100.0);
    let members = |phase| report.of(Population::Members, phase).latency_ms(0.99);
    let bots = report.of(Population::Bots, Phase::Attack).attempted.max(1);
    println!(
        "{:<16} {:>7.2} {:>7.1} {:>11} {:>11} {:>11} {:>10} {:>6.2} {:>6.2} {:>6.2} {:>6.1}",
        vector.name,
        part(Population::Members),
        part(Population::NewMembers),
        both(Population::Returning),
        both(Population::Newcomers),
        both(Population::NewcomersNoScript),
        format!("{:.1} {:.1}", members(Phase::Calm), members(Phase::Attack)),
        report.time_to_bite_s(),
        report.unsteadiness(),
        report.strangers_served,
        report.dropped as f64 / bots as f64 * 100.0,
    );
}

//! Runs the simulator and prints a table: what each population got under each attack, beside what
//! the best policy could have given. Simulated, not measured: `fulmar drill` measures.

use std::process::ExitCode;

use shield::sim::crowd::Population;
use shield::sim::day::{Burst, Day, Excess};
use shield::sim::vectors::{VECTORS, Vector};
use shield::sim::{Figures, Phase, Plan, Report, broken, broken_on_a_day, ceiling, run};

const HELP: &str = "\
cargo run --release -p shield --example sim -- [--seed N] [--vector NAME] [--no-shield] [--speed X]
    [--search N] [--day SECONDS] [--moments N] [--robbed PART [--period-us N]] [--in-line]

Without --vector all are run. --speed says how fast the core really is, which the shield is told
to be 1. --robbed says which part of the core is left to the server, of which the shield is told
nothing, and --period-us in pieces of what time.
--in-line decides and serves in one line of tasks.
--day lives an honest day in so many seconds instead (86400 is a whole one), and two with a burst
that exceeds the machine. --moments prints so many tenths of a second of each run as well.
--search runs so many seeds from --seed on and prints only what did not hold.
Columns: parts in percent that were served, with what the best policy could have given in
brackets; p99 of members in ms, calm and attacked; seconds until it bit; how unsteady the
admitted fraction was; the share of work that was done for strangers; the part of bots' requests
that the kernel dropped; the controller's trim from the third second on.";

struct Wish {
    seed: u64,
    vector: Option<Vector>,
    shield: bool,
    speed: f64,
    search: u64,
    robbed: Option<f64>,
    period_us: u64,
    in_line: bool,
    day_s: Option<u64>,
    moments: usize,
}

fn main() -> ExitCode {
    match wish(std::env::args().skip(1)) {
        Ok(wish) if wish.day_s.is_some() => days(&wish),
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
    let mut wish = Wish {
        seed: 1,
        vector: None,
        shield: true,
        speed: 1.0,
        search: 0,
        robbed: None,
        period_us: 0,
        in_line: false,
        day_s: None,
        moments: 0,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n\n{HELP}"));
        match word.as_str() {
            "--seed" => wish.seed = value()?.parse().map_err(|_| "--seed takes a number")?,
            "--speed" => wish.speed = value()?.parse().map_err(|_| "--speed takes a number")?,
            "--search" => wish.search = value()?.parse().map_err(|_| "--search takes a number")?,
            "--robbed" => {
                wish.robbed = Some(value()?.parse().map_err(|_| "--robbed takes a number")?);
            }
            "--period-us" => {
                wish.period_us = value()?.parse().map_err(|_| "--period-us takes a number")?;
            }
            "--day" => {
                wish.day_s = Some(value()?.parse().map_err(|_| "--day takes a number")?);
            }
            "--moments" => {
                wish.moments = value()?.parse().map_err(|_| "--moments takes a number")?;
            }
            "--in-line" => wish.in_line = true,
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
        "{:<16} {:>7} {:>7} {:>11} {:>11} {:>11} {:>10} {:>6} {:>6} {:>6} {:>6} {:>9}",
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
        "drop%",
        "trim"
    );
    let vectors = wish.vector.map_or_else(|| VECTORS.to_vec(), |vector| vec![vector]);
    for vector in vectors {
        let report = run(&plan(wish, vector, wish.seed));
        row(&vector, &report, &ceiling(&vector, wish.seed));
        for (fraction, trim, delay_ms) in report.moments().take(wish.moments) {
            println!("    admitted {fraction:.3}, trim {trim:.3}, delay {delay_ms:.1} ms");
        }
    }
}

fn plan(wish: &Wish, vector: Vector, seed: u64) -> Plan {
    on_its_machine(wish, Plan::of(vector, seed))
}

fn on_its_machine(wish: &Wish, plan: Plan) -> Plan {
    let plan = wish.robbed.map_or(plan, |left| plan.robbed(left, wish.period_us));
    Plan { shield: wish.shield, speed: wish.speed, in_line: wish.in_line, ..plan }
}

/// Lives honest days; fails where somebody was refused whom the machine could have served.
fn days(wish: &Wish) -> ExitCode {
    let mut found = 0;
    for seed in wish.seed..wish.seed + wish.search.max(1) {
        for excess in [Excess::None, Excess::Viral, Excess::Storm] {
            let day = Day { seconds: wish.day_s.unwrap_or(480).max(480), excess };
            let report = run(&on_its_machine(wish, Plan::day(day, seed)));
            let broken = broken_on_a_day(excess, &report);
            found += broken.len();
            if wish.search == 0 {
                day_table(excess, &report);
            }
            broken.iter().for_each(|what| println!("{excess:?}, seed {seed}: {what}"));
        }
    }
    println!("{found} things did not hold");
    if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn day_table(excess: Excess, report: &Report) {
    let (seconds, decisions) = report.simulated;
    println!("\nexcess {excess:?}: {seconds:.0} s, {decisions} decisions");
    println!(
        "{:<20} {:<9} {:>9} {:>9} {:>9} {:>9} {:>10} {:>9} {:>9}",
        "who", "when", "deeds", "served", "refusals", "failed", "challenged", "p50 ms", "p99 ms"
    );
    let row = |name: &str, phase: Phase, figures: &Figures| {
        if figures.attempted > 0 {
            let when = format!("{phase:?}").to_lowercase().replace("attack", "excess");
            println!(
                "{name:<20} {when:<9} {:>9} {:>9} {:>9} {:>9} {:>10} {:>9.1} {:>9.1}",
                figures.attempted,
                figures.served,
                figures.refused,
                figures.failed,
                figures.challenged,
                figures.latency_ms(0.5),
                figures.latency_ms(0.99),
            );
        }
    };
    for phase in [Phase::Calm, Phase::Attack, Phase::Recovery] {
        for population in Population::ALL {
            row(population.name(), phase, report.of(population, phase));
        }
        for burst in Burst::ALL {
            row(&format!("- {}", burst.name()), phase, report.of_burst(burst, phase));
        }
    }
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
    let (least, most) = report.trims(3);
    let trims = format!("{least:.2}-{most:.2}");
    println!(
        "{:<16} {:>7.2} {:>7.1} {:>11} {:>11} {:>11} {:>10} {:>6.2} {:>6.2} {:>6.2} {:>6.1} {:>9}",
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
        trims,
    );
}

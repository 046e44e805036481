//! The report as a table for the terminal.

use std::fmt::Write as _;

use crate::{
    measure::Phase,
    report::{PopulationReport, Report, VectorReport},
    vectors::Resource,
};

/// The whole report in lines of at most a hundred characters.
#[must_use]
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    for vector in &report.vectors {
        one(&mut text, vector);
    }
    if !report.compared.is_empty() {
        beside(&mut text, report);
    }
    let verdicts = report.vectors.iter().map(|vector| (vector.vector, vector.verdict.name()));
    for (name, verdict) in verdicts {
        let _infallible = writeln!(text, "{name:<20} {verdict}");
    }
    for remark in &report.remarks {
        wrap(&mut text, &format!("note: {remark}"));
    }
    let overall = report.overall.name();
    let _infallible = writeln!(text, "overall: {overall} (seed {})", report.seed);
    text
}

fn one(text: &mut String, vector: &VectorReport) {
    let verdict = vector.verdict.name();
    let _infallible = writeln!(text, "{}: {verdict}", vector.vector);
    for why in &vector.why {
        wrap(text, why);
    }
    wrap(text, &load(vector));
    let _infallible = writeln!(
        text,
        "  {:<20}{:>8}{:>8}{:>12}{:>9}{:>8}{:>11}{:>11}{:>11}",
        "", "tried", "served", "challenged", "refused", "failed", "median ms", "99 % ms", "gap ms"
    );
    for phase in &vector.phases {
        for (name, population) in &phase.populations {
            line(text, phase.name, name, population);
        }
    }
    if let Some(attack) = vector.phases.iter().find_map(|phase| phase.attack.as_ref()) {
        let _infallible = writeln!(
            text,
            "  attack: {} offered, {} served, {} refused, {} unanswered; {} connections failed; {} \
             held at most;\n  {} sources; {:.2} of a core",
            attack.offered,
            attack.served,
            attack.refused,
            attack.dropped,
            attack.unconnected,
            attack.held,
            attack.sources,
            attack.generator_share
        );
    }
    for bound in &vector.bounds {
        let said = match bound.ok {
            Some(true) => "holds",
            Some(false) => "BROKEN",
            None => "unjudged",
        };
        let value = bound.value.map_or_else(|| "never".to_owned(), figure);
        let limit = figure(bound.limit);
        let _infallible = writeln!(text, "  {:<30}{limit:>10}{value:>12}  {said}", bound.name);
    }
    if let Some(ceiling) = &vector.ceiling {
        let parts =
            ceiling.iter().map(|(name, part)| format!("{} {}", people(name), figure(*part)));
        let parts: Vec<String> = parts.collect();
        wrap(text, &format!("ceiling: {}", parts.join(", ")));
    }
    text.push('\n');
}

/// Characters of a line.
const WIDTH: usize = 100;

/// A sentence in as many lines as it takes, the first by two and the others by four to the right.
fn wrap(text: &mut String, sentence: &str) {
    let mut line = String::from(" ");
    for word in sentence.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("   ");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

fn figure(value: f64) -> String {
    if value.abs() < 1.0 && value != 0.0 { format!("{value:.4}") } else { format!("{value:.1}") }
}

/// A population's name in a table.
pub(super) fn people(name: &str) -> &str {
    match name {
        "newcomers_no_script" => "no scripts",
        name => name,
    }
}

fn line(text: &mut String, phase: Phase, name: &str, population: &PopulationReport) {
    let who = format!("{} {}", phase.name(), people(name));
    let PopulationReport { attempted, served, challenged, refused, failed, .. } = population;
    let _infallible = writeln!(
        text,
        "  {who:<20}{attempted:>8}{served:>8}{challenged:>12}{refused:>9}{failed:>8}\
         {:>11}{:>11}{:>11.0}",
        ms(population.p50_ms),
        ms(population.p99_ms),
        population.longest_gap_ms
    );
}

fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"))
}

/// The same attack against the shield and what stood in its place.
fn beside(text: &mut String, report: &Report) {
    let _infallible = writeln!(
        text,
        "{:<21}{:>9}{:>10}{:>11}{:>11}{:>11}{:>11}  verdict",
        "under attack", "overload", "members", "99 % ms", "returning", "newcomers", "no scripts"
    );
    for vector in &report.vectors {
        let _infallible = writeln!(text, "{}", vector.vector);
        for run in report.beside(vector.vector) {
            let attack = run.phases.iter().find(|phase| phase.name == Phase::Attack);
            let of = |name| attack.and_then(|phase| phase.populations.get(name));
            let served = |name| of(name).and_then(part).map_or("-".to_owned(), percent);
            let _infallible = writeln!(
                text,
                "  {:<19}{:>9.1}{:>10}{:>11}{:>11}{:>11}{:>11}  {}",
                run.defence.name(),
                run.overload,
                served("members"),
                ms(of("members").and_then(|members| members.p99_ms)),
                served("returning"),
                served("newcomers"),
                served("newcomers_no_script"),
                run.verdict.name(),
            );
        }
    }
    text.push('\n');
}

/// The part that was served; none where nobody came.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
pub(super) fn part(of: &PopulationReport) -> Option<f64> {
    (of.attempted > 0).then(|| of.served as f64 / of.attempted as f64)
}

/// Rounded towards less: what is not whole is never shown as 100 %.
pub(super) fn percent(part: f64) -> String {
    let rounded = (part * 10_000.0).floor() / 100.0;
    if rounded >= 100.0 { "100 %".to_owned() } else { format!("{rounded:.2} %") }
}

/// What the load was, in one line.
pub(super) fn load(vector: &VectorReport) -> String {
    let of = match vector.resource {
        Resource::Processor | Resource::Streams => {
            let capacity = vector.capacity_cores;
            let lowered = if capacity < 1.0 { ", lowered for the run" } else { "" };
            format!("{capacity:.2} cores{lowered}; one request costs {:.0} us", vector.cost_us)
        }
        Resource::Seats { .. } => {
            format!("{} connections, lowered for the run", vector.seats.unwrap_or(0))
        }
        Resource::Memory { .. } => "512 MiB".to_owned(),
        Resource::HalfOpen { places } => format!("{places} places for half-open connections"),
        Resource::Letters => "one letter".to_owned(),
        Resource::Link { bytes_per_s } => {
            format!("a link of {} Mbit/s, narrowed for the run", bytes_per_s / 125_000)
        }
    };
    format!(
        "overload {:.2} (of {of}); {:.0} % of the plan offered; populations {:.1} ms late; peak \
         {:.0} MiB, {} files",
        vector.overload,
        vector.generated * 100.0,
        vector.generator_lag_ms,
        vector.peak_rss_mb,
        vector.peak_open_files
    )
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, percent, wrap};

    #[test]
    fn what_is_not_whole_is_not_called_whole() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_99), "99.99 %");
        assert_eq!(percent(0.0), "0.00 %");
    }

    #[test]
    fn long_sentences_go_on_in_the_next_line() {
        let mut text = String::new();
        wrap(&mut text, "short");
        wrap(&mut text, &"word ".repeat(60));
        assert!(text.starts_with("  short\n  word") && text.contains("\n    word"), "{text}");
        assert!(text.lines().count() == 5 && text.lines().all(|line| line.len() <= WIDTH));
    }
}

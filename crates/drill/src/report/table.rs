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
    let verdicts = report.vectors.iter().map(|vector| (vector.vector, vector.verdict.name()));
    for (name, verdict) in verdicts {
        let _infallible = writeln!(text, "{name:<20} {verdict}");
    }
    for remark in &report.remarks {
        let _infallible = writeln!(text, "note: {remark}");
    }
    let overall = report.overall.name();
    let _infallible = writeln!(text, "overall: {overall} (seed {})", report.seed);
    text
}

fn one(text: &mut String, vector: &VectorReport) {
    let verdict = vector.verdict.name();
    let _infallible = writeln!(text, "{}: {verdict}", vector.vector);
    for why in &vector.why {
        let _infallible = writeln!(text, "  {why}");
    }
    let _infallible = writeln!(text, "  {}", load(vector));
    let _infallible = writeln!(
        text,
        "  {:<22}{:>8}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}{:>9}",
        "", "tried", "served", "via chl", "refused", "failed", "p50 ms", "p99 ms", "gap ms"
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
    text.push('\n');
}

fn figure(value: f64) -> String {
    if value.abs() < 1.0 && value != 0.0 { format!("{value:.4}") } else { format!("{value:.1}") }
}

fn line(text: &mut String, phase: Phase, name: &str, population: &PopulationReport) {
    let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
    let short = match name {
        "newcomers_no_script" => "no script",
        name => name,
    };
    let who = format!("{} {short}", phase.name());
    let PopulationReport { attempted, served, challenged, refused, failed, .. } = population;
    let _infallible = writeln!(
        text,
        "  {who:<22}{attempted:>8}{served:>8}{challenged:>8}{refused:>8}{failed:>8}\
         {:>9}{:>9}{:>9.0}",
        ms(population.p50_ms),
        ms(population.p99_ms),
        population.longest_gap_ms
    );
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

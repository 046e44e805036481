//! What is seen while a drill runs: a table that renews itself on a terminal, a line a phase
//! elsewhere.

use drill::{Glance, VectorReport, Watch, measure::Phase, measure::Population};
use std::io::{IsTerminal as _, Write as _};

/// Lines of the table.
const LINES: usize = 7;

/// The one who looks on.
pub(crate) struct Live {
    is_terminal: bool,
    /// Whether the table stands on the terminal and is drawn over.
    is_drawn: bool,
    last: Option<(&'static str, Option<Phase>)>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), is_drawn: false, last: None }
    }
}

/// The table, in `LINES` lines.
fn lines(glance: &Glance) -> Vec<String> {
    let phase = glance.phase.map_or("measuring what one request costs", Phase::name);
    let (passed, all) = glance.seconds;
    let mut lines = vec![format!("{}: {phase}, {passed:.0} of {all:.0} s", glance.vector)];
    lines.push(format!("  {:<22}{:>10}{:>10}{:>12}", "", "tried", "served", "p99 ms"));
    for (population, (tried, served, p99)) in Population::ALL.iter().zip(glance.populations) {
        let p99 = p99.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
        let name = population.name().replace('_', " ");
        lines.push(format!("  {name:<22}{tried:>10}{served:>10}{p99:>12}"));
    }
    let (offered, served, held) = glance.attack;
    let memory = glance.resident_bytes / (1024 * 1024);
    lines.push(format!(
        "  attack: {offered} offered, {served} served, {held} held; server {memory} MiB"
    ));
    lines
}

impl Watch for Live {
    fn glance(&mut self, glance: &Glance) {
        let mut error = std::io::stderr().lock();
        if self.is_terminal {
            let up = if self.is_drawn { format!("\x1b[{LINES}A") } else { String::new() };
            let text: String =
                lines(glance).iter().map(|line| format!("\x1b[2K{line}\n")).collect();
            let _unseen = write!(error, "{up}{text}");
            self.is_drawn = true;
        } else if self.last != Some((glance.vector, glance.phase)) {
            let phase = glance.phase.map_or("starts", Phase::name);
            let _unseen = writeln!(error, "{}: {phase}", glance.vector);
        }
        self.last = Some((glance.vector, glance.phase));
    }

    fn done(&mut self, report: &VectorReport) {
        let mut error = std::io::stderr().lock();
        let name = report.verdict.name();
        let _unseen = writeln!(error, "{}: {name}", report.vector);
        self.is_drawn = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_as_many_lines_as_are_drawn_over() {
        let glance = Glance {
            vector: "page-flood",
            phase: Some(Phase::Attack),
            seconds: (3.0, 25.0),
            populations: [(10, 9, Some(3.25)); 4],
            attack: (1, 2, 3),
            resident_bytes: 42 * 1024 * 1024,
        };
        let lines = lines(&glance);
        assert_eq!(lines.len(), LINES);
        assert!(lines.iter().all(|line| line.len() < 80), "{lines:?}");
    }
}

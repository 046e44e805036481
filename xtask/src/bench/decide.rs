//! What deciding costs by itself, in the process of `crates/shield`'s own example: it prints a row
//! a line. Leaves what the shield takes of a request that is served to `shield`.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::report::{Bar, Report, Row};
use crate::{ground, pin};

/// What the bench is called.
pub const NAME: &str = "decide";
/// What it shows.
pub const SHOWS: &str = "a decision of the shield, and how long it is kept from deciding";

/// What is promised: nanoseconds of a decision in its median, megabytes at a million sources. Of
/// how long saving keeps requests from being decided on nothing is promised.
const DECISION_NS: f64 = 1_000.0;
const MEMORY_MB: f64 = 64.0;

/// The example's rows, with their bars.
///
/// # Errors
/// When it does not build or prints no row.
pub fn decide(report: &mut Report) -> Result<()> {
    let words = ["--release", "--locked", "--quiet", "--package", "shield", "--example", "decide"];
    // Built with all cores, then run on the server's alone.
    let mut build = Command::new("cargo");
    ground::output(build.arg("build").args(words).current_dir(ground::root()))?;
    let mut command = Command::new("cargo");
    if pin::possible() {
        pin::child(&mut command, pin::SERVER_CORE);
    }
    command.arg("run").args(words).args(["--", "--rows"]).current_dir(ground::root());
    let text = ground::output(&mut command)?;
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let row: serde_json::Value = serde_json::from_str(line).context("a row of the example")?;
        let text = |key: &str| row.get(key).and_then(serde_json::Value::as_str);
        let name = text("name").context("a row without a name")?;
        let value = row.get("value").and_then(serde_json::Value::as_f64).context("no value")?;
        // The medians are of thousands of measurements: a miss is one.
        report.row(match text("unit") {
            Some("ns") if name.ends_with("median") => promised(name, value, "ns", DECISION_NS),
            Some("MB") => promised(name, value, "MB", MEMORY_MB),
            Some("ns") => Row::figure(name, value, "ns", Bar::None),
            _ => Row::figure(name, value, "us", Bar::None),
        });
        rows += 1;
    }
    ensure!(rows > 0, "the example printed no row");
    Ok(())
}

fn promised(name: &str, value: f64, unit: &'static str, most: f64) -> Row {
    Row::beside(name, value, unit, Some(most), Bar::AtMost(most)).sure()
}

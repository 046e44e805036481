//! What the server costs while nothing happens: memory, and the time until it is ready.

use anyhow::Result;

use super::data::Scene;
use super::report::{Bar, Report, Row};
use crate::ground;
use crate::instance::{OPEN, Plan};

/// From the start until `ready`, with the data there; the median of five.
pub fn startup(scene: &Scene, report: &mut Report) -> Result<()> {
    let mut seconds = Vec::new();
    for _ in 0..5 {
        seconds.push(scene.serve()?.instance.start_up.as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(2).copied().unwrap_or(f64::MAX);
    report.row(Row::figure("start-up with the data", median, "s", Bar::AtMost(2.0)));
    Ok(())
}

/// Resident memory of an empty instance, and of one with the data after every reader came by.
pub fn memory(scene: &Scene, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir_in(ground::target())?;
    let empty = Plan::new(&folder.path().join("data"), OPEN).pinned().start()?;
    // A first answer makes what is made lazily.
    crate::http::Client::new(empty.address, None).get("/api/v2/instance")?;
    ground::pause(std::time::Duration::from_secs(2));
    let idle = megabytes(empty.resident_bytes()?);
    report.row(Row::figure("memory, empty and idle", idle, "MB", Bar::AtMost(40.0)));
    drop(empty);
    let stage = scene.serve()?;
    let before = megabytes(stage.instance.resident_bytes()?);
    report.row(Row::figure("memory, with the data, idle", before, "MB", Bar::None));
    for token in &scene.tokens {
        let mut reader = crate::http::Client::new(stage.instance.address, Some(token));
        reader.get("/api/v1/timelines/home?limit=20")?.fine()?;
    }
    let after = megabytes(stage.instance.resident_bytes()?);
    report.row(Row::figure("memory, with 1,000 readers' homes", after, "MB", Bar::None));
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let bytes = bytes as f64;
    bytes / 1_000_000.0
}

//! A backup taken while people write restores to one moment: nothing half, no gap, and nothing
//! missing that was acknowledged before the backup began.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ledger::{Ledger, WRITERS};
use super::verify::{self, Claim};
use crate::ground;
use crate::instance::{OPEN, Plan};
use crate::postgres::Postgres;

/// Backs up under load, restores elsewhere, and asks for everything.
///
/// # Errors
/// When the restored state is not a moment of the past.
pub fn run(plan: &Plan, seed: u64) -> Result<()> {
    let server = plan.start()?;
    let address = server.address;
    let mut ledger = Ledger::cast(plan, address, seed)?;
    // What is there before the backup begins must be in it.
    ledger.write(address, &AtomicBool::new(false), || {
        ground::pause(Duration::from_millis(1_500));
        Ok(())
    })?;
    let mut before = [0; WRITERS];
    for (count, writer) in before.iter_mut().zip(&ledger.writers) {
        *count = writer.posts.iter().filter(|post| post.id.is_some()).count();
    }
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("backup.tar.zst");
    let name = archive.to_string_lossy().into_owned();
    ledger.write(address, &AtomicBool::new(false), || {
        ground::pause(Duration::from_millis(300));
        plan.say(&["backup", &name]).context("backup under load")?;
        Ok(())
    })?;
    let total = ledger.acknowledged();
    server.stop()?;

    let data = folder.path().join("restored");
    // A restored PostgreSQL goes into a cluster of its own.
    let other = plan.config.contains("postgres_url").then(Postgres::start).transpose()?;
    let mut restored = Plan::new(&data, OPEN);
    if let Some(database) = &other {
        restored = restored.on_postgres(&database.url());
    }
    restored.say(&["restore", &name]).context("restore")?;
    let server = restored.start().context("start what was restored")?;
    verify::run(&mut ledger, server.address, Claim::Moment(before))?;
    server.stop()?;
    let kept: usize = before.iter().sum();
    ensure!(kept > 0, "nothing was written before the backup, so nothing was shown");
    println!(
        "  {kept} posts before the backup, {total} after it; the restored state is one moment"
    );
    Ok(())
}

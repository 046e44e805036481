//! Kill rounds: write, die at a random moment, start, ask for everything.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ledger::Ledger;
use super::verify::{self, Claim};
use crate::chance::Chance;
use crate::ground;
use crate::instance::Plan;

/// The server dies within so many milliseconds of a round's start.
const LIFE_MS_MAX: u64 = 1_500;

/// Runs the rounds on one data folder, which carries over from round to round.
///
/// # Errors
/// When anything acknowledged is missing, half, or double.
pub fn run(plan: &Plan, rounds: u32, seed: u64) -> Result<()> {
    let mut chance = Chance::new(seed);
    let mut server = plan.start()?;
    let mut ledger = Ledger::cast(plan, server.address, seed)?;
    for round in 1..=rounds {
        let life = Duration::from_millis(20 + chance.below(LIFE_MS_MAX));
        let before = ledger.acknowledged();
        let doomed = AtomicBool::new(false);
        let address = server.address;
        ledger
            .write(address, &doomed, || {
                ground::pause(life);
                doomed.store(true, Ordering::SeqCst);
                server.kill()
            })
            .with_context(|| format!("round {round}, before the kill"))?;
        server = plan.start().with_context(|| format!("round {round}: start after the kill"))?;
        let address = server.address;
        let written = ledger.acknowledged() - before;
        verify::run(&mut ledger, address, Claim::All)
            .with_context(|| format!("round {round}, after the kill at {life:?}"))?;
        println!(
            "  round {round}: killed after {life:?}, {written} posts acknowledged, all there, \
             ready again in {:?}",
            server.start_up
        );
    }
    let total = ledger.acknowledged();
    ensure!(total > 0, "no round acknowledged a post, so nothing was shown");
    server.stop()?;
    if !plan.config.contains("postgres_url") {
        super::sqlite_is_whole(&plan.data)?;
    }
    let follows: usize = ledger.writers.iter().map(|writer| writer.follows.len()).sum();
    let favourites: usize = ledger.writers.iter().map(|writer| writer.favourites.len()).sum();
    println!(
        "  {rounds} kills: {total} posts, {follows} follows, {favourites} favourites; lost: 0"
    );
    Ok(())
}

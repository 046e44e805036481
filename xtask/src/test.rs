//! `cargo xtask test`: everything that a change must pass, from a fresh clone, by one word.

use std::process::Command;

use anyhow::Result;

use crate::steps::{Outcome, Steps};
use crate::{check, clients, fuzz, ground, install, kill};

/// Kill rounds on each engine in the short form.
const ROUNDS: u32 = 3;
/// Seconds of each family of hostile bytes in the short form.
const FUZZ_SECONDS: u64 = 5;

/// Installs, checks, tests, builds, and tries the release with clients and misfortunes.
///
/// # Errors
/// When any step failed; the table says which.
pub fn run(seed: Option<u64>) -> Result<()> {
    let mut steps = Steps::default();
    steps.step("install what tests need", || install::system().map(|()| Outcome::Done));
    check::add(&mut steps);
    steps.step("tests of the workspace", || {
        let mut command = Command::new("cargo");
        command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
        command.current_dir(ground::root()).env("RUST_BACKTRACE", "0");
        ground::shown(&mut command)?;
        Ok(Outcome::Done)
    });
    let built = steps.step("build", || ground::build_server().map(|()| Outcome::Done));
    if built {
        clients::add(&mut steps, clients::HOSTILE_SECONDS);
        kill::add(&mut steps, &kill::Wish { rounds: ROUNDS, engine: None, seed });
        fuzz::add(&mut steps, FUZZ_SECONDS, seed);
    }
    steps.close()
}

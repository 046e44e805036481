//! `cargo xtask check`: what must hold before anything is worth testing.

use anyhow::Result;

use crate::steps::{Outcome, Steps};
use crate::{ground, policy, tidy};

/// Runs all checks and says at the end which failed.
///
/// # Errors
/// When one of them failed.
pub fn run() -> Result<()> {
    let mut steps = Steps::default();
    add(&mut steps);
    steps.close()
}

/// The same, as the first steps of a longer word.
pub fn add(steps: &mut Steps) {
    steps.step("format", || {
        ground::sh("cargo", &["fmt", "--all", "--check"])?;
        Ok(Outcome::Done)
    });
    steps.step("tidy", || tidy::run().map(|()| Outcome::Done));
    steps.step("licences and sources", || policy::run().map(|()| Outcome::Done));
    steps.step("clippy", || {
        let words = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ];
        ground::sh("cargo", &words)?;
        Ok(Outcome::Done)
    });
}

//! `cargo xtask check`: what must hold before anything is worth testing.

use std::process::Command;

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
        ground::sh("cargo", &["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"])?;
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
            "--keep-going",
            "--",
            "-D",
            "warnings",
        ];
        ground::sh("cargo", &words)?;
        Ok(Outcome::Done)
    });
    // After clippy, which has looked at all that the documentation needs of other crates.
    steps.step("documentation", || {
        let mut command = Command::new("cargo");
        command.args(["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"]);
        // What is private is documented too, so links to it lead somewhere.
        let flags = "-D warnings -A rustdoc::private-intra-doc-links";
        command.current_dir(ground::root()).env("RUSTDOCFLAGS", flags);
        ground::shown(command.args(["--quiet", "--keep-going"]))?;
        Ok(Outcome::Done)
    });
}

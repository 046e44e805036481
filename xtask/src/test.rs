//! `cargo xtask test`: everything that a change must pass, from a fresh clone, by one word.

use std::process::Command;

use anyhow::Result;

use crate::ground::Ahead;
use crate::steps::{Outcome, Steps};
use crate::{bench, check, clients, deb, fuzz, fuzz_targets, ground, install, kill};

/// Kill rounds on each engine in the short form.
const ROUNDS: u32 = 3;
/// Seconds of each family of hostile bytes in the short form.
const FUZZ_SECONDS: u64 = 5;
/// Seconds of hostile requests in the short form.
const HOSTILE_SECONDS: u64 = 60;

/// Installs, checks, tests, builds, and tries the release with clients and misfortunes. Without the
/// release it ends after the tests of the workspace.
///
/// What is tried is built without link-time optimisation, which takes minutes and changes nothing
/// but speed; and it is built while the tests run.
///
/// # Errors
/// When any step failed; the table says which.
pub fn run(seed: Option<u64>, with_release: bool) -> Result<()> {
    let mut steps = Steps::default();
    let install = || install::system(with_release).map(|()| Outcome::Done);
    steps.step("install what tests need", install);
    steps.step("fetch outside crates", || install::crates().map(|()| Outcome::Done));
    check::add(&mut steps);
    // Built first and run after: the table then says what each took.
    let built = steps.step("build the tests", || cargo_test(&["--no-run", "--quiet"]));
    ground::try_trial();
    let ahead = with_release.then(|| Ahead::start(&ground::server_build()));
    if built {
        steps.step("tests of the workspace", || cargo_test(&["--no-fail-fast"]));
    }
    if !with_release {
        return steps.close();
    }
    let built = steps.step("build the release", || ground::build_server().map(|()| Outcome::Done));
    drop(ahead);
    let _ahead = Ahead::start(&fuzz_targets::build());
    if built {
        steps.step("the package, installed and removed", deb::step);
        clients::add(&mut steps, HOSTILE_SECONDS);
        kill::add(&mut steps, &kill::Wish { rounds: ROUNDS, engine: None, seed });
        fuzz::add(&mut steps, FUZZ_SECONDS, seed);
        steps.step("benches, a second each", || bench::smoke().map(|()| Outcome::Done));
    }
    steps.close()
}

fn cargo_test(words: &[&str]) -> Result<Outcome> {
    let mut command = Command::new("cargo");
    command.args(["test", "--workspace", "--locked"]).args(words);
    command.current_dir(ground::root()).env("RUST_BACKTRACE", "0");
    ground::shown(&mut command)?;
    Ok(Outcome::Done)
}

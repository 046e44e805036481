//! The coverage-guided half of `cargo xtask fuzz`: the targets of `fuzz/`, by libFuzzer.
//!
//! They need the nightly compiler for its instrumentation. Where it is missing the step says so
//! and is skipped; the other half, over HTTP, runs everywhere. The flags are those that
//! cargo-fuzz would give, so that nobody has to build that first.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::ground;
use crate::steps::{Outcome, Steps};

/// Instrumentation that tells libFuzzer which code an input reached, and the address sanitiser.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Zsanitizer=address -Ccodegen-units=1 -Cdebug-assertions";

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

#[derive(Deserialize)]
struct Manifest {
    bin: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Adds a step for each target.
pub fn add(steps: &mut Steps, seconds: u64) {
    let mut targets = BTreeSet::new();
    let built = steps.step("build the fuzz targets", || {
        if !cfg!(all(target_arch = "x86_64", target_os = "linux")) || !has_nightly() {
            return Ok(Outcome::Skipped("no nightly compiler for this machine".to_owned()));
        }
        let text = std::fs::read_to_string(manifest()).context("fuzz/Cargo.toml")?;
        let manifest: Manifest = toml::from_str(&text).context("fuzz/Cargo.toml")?;
        ground::shown(&mut cargo("build"))?;
        targets.extend(manifest.bin.into_iter().map(|target| target.name));
        Ok(Outcome::Done)
    });
    for target in targets.iter().filter(|_| built) {
        steps.step(&format!("fuzz target {target}, {seconds} s"), || run(target, seconds));
    }
}

fn manifest() -> PathBuf {
    ground::root().join("fuzz/Cargo.toml")
}

fn has_nightly() -> bool {
    let asked = Command::new("rustc").arg("+nightly").arg("--version").output();
    asked.is_ok_and(|answer| answer.status.success())
}

fn cargo(word: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(["+nightly", word, "--quiet", "--release", "--target", TRIPLE]);
    command.arg("--manifest-path").arg(manifest());
    // The pinned toolchain of the calling cargo must not reach the nightly one.
    command.env("RUSTFLAGS", FLAGS).env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    command
}

fn run(target: &str, seconds: u64) -> Result<Outcome> {
    let corpus = ground::kept("fuzz-corpus")?.join(target);
    let findings = ground::kept("fuzz-findings")?.join(target);
    for folder in [&corpus, &findings] {
        std::fs::create_dir_all(folder)?;
    }
    let mut command = cargo("run");
    command.args(["--bin", target, "--"]).arg(&corpus);
    command.arg(format!("-max_total_time={seconds}")).args(["-timeout=10", "-rss_limit_mb=2048"]);
    command.args(["-print_final_stats=1", "-verbosity=0"]);
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    if ground::shown(&mut command).is_err() {
        bail!("{target}: the input is kept in {}", findings.display());
    }
    Ok(Outcome::Done)
}

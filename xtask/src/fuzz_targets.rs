//! The half of `cargo xtask fuzz` that calls parsers directly: the targets of `fuzz/`.
//!
//! libFuzzer drives them, which sees what an input reached; that needs the nightly compiler for
//! its instrumentation. Where it is missing chance alone drives them, from a seed, and the step
//! says so. The flags are those that cargo-fuzz would give, so that nobody has to build that first.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

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
pub fn add(steps: &mut Steps, seconds: u64, seed: u64) {
    let mut targets = BTreeSet::new();
    let guided = has_nightly();
    let built = steps.step("build the fuzz targets", || {
        let text = std::fs::read_to_string(manifest()).context("fuzz/Cargo.toml")?;
        let manifest: Manifest = toml::from_str(&text).context("fuzz/Cargo.toml")?;
        if !guided {
            println!("no nightly compiler for this machine: chance alone drives the targets");
        }
        ground::shown(&mut build())?;
        targets.extend(manifest.bin.into_iter().map(|target| target.name));
        Ok(Outcome::Done)
    });
    let how = if guided { "by libFuzzer" } else { "by chance alone" };
    for target in targets.iter().filter(|_| built) {
        steps.step(&format!("fuzz target {target} {how}, {seconds} s"), || {
            if guided { run(target, seconds) } else { run_blind(target, seconds, seed) }
        });
    }
}

/// The command that builds them all.
pub fn build() -> Command {
    if has_nightly() { cargo("build") } else { blind("build") }
}

fn manifest() -> PathBuf {
    ground::root().join("fuzz/Cargo.toml")
}

/// Whether libFuzzer can drive them here: there is a nightly compiler that takes the flags. Nobody
/// is asked to install one meanwhile.
fn has_nightly() -> bool {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return false;
    }
    let mut command = Command::new("rustc");
    command.args(["+nightly", "--crate-type", "lib", "--emit", "metadata", "--out-dir"]);
    command.arg(ground::target()).args(FLAGS.split_whitespace()).args(["--target", TRIPLE]);
    command.args(["--crate-name", "probe", "-"]).stdin(Stdio::null());
    command.env("RUSTUP_AUTO_INSTALL", "0").env_remove("RUSTUP_TOOLCHAIN");
    command.output().is_ok_and(|answer| answer.status.success())
}

fn cargo(word: &str) -> Command {
    let mut command = Command::new("cargo");
    // Not held to its lock, which the rooms' crates outgrow: what ships is locked by the root's.
    command.args(["+nightly", word, "--quiet", "--release", "--target", TRIPLE]);
    command.arg("--manifest-path").arg(manifest());
    // The pinned toolchain of the calling cargo must not reach the nightly one.
    command.env("CARGO_TARGET_DIR", ground::target().join("fuzz"));
    command.env("RUSTFLAGS", FLAGS).env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    command
}

/// Cargo for `blind`, which any compiler builds. In a folder of its own, as the flags differ.
fn blind(word: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args([word, "--quiet", "--release", "--no-default-features"]);
    command.args(["--bin", "blind", "--manifest-path"]).arg(manifest());
    command.env("CARGO_TARGET_DIR", ground::target().join("fuzz-blind"));
    command
}

fn run_blind(target: &str, seconds: u64, seed: u64) -> Result<Outcome> {
    let mut command = blind("run");
    command.args(["--", target, &seconds.to_string(), &seed.to_string()]);
    ground::shown(&mut command)?;
    Ok(Outcome::Done)
}

fn run(target: &str, seconds: u64) -> Result<Outcome> {
    let corpus = ground::kept("fuzz-corpus")?.join(target);
    let findings = ground::kept("fuzz-findings")?.join(target);
    let seeds = ground::root().join("fuzz/seeds").join(target);
    for folder in [&corpus, &findings] {
        std::fs::create_dir_all(folder)?;
    }
    let mut command = cargo("run");
    command.args(["--bin", target, "--"]).arg(&corpus).arg(&seeds);
    command.arg(format!("-max_total_time={seconds}")).args(["-timeout=10", "-rss_limit_mb=2048"]);
    command.args(["-print_final_stats=1", "-verbosity=0"]);
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    if ground::shown(&mut command).is_err() {
        bail!("{target}: the input is kept in {}", findings.display());
    }
    Ok(Outcome::Done)
}

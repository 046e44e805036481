//! Words for people and CI: `cargo xtask WORD`. Each word is a module; this file only names them.
//!
//! Leaves to others: what the words do (their modules) and everything that ships (the crates).
//! It is a Rust program and no shell script, so that every check can be a test as well.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod check;
mod ground;
mod policy;
mod steps;
mod tidy;

/// The first screen a newcomer reads; it teaches the order of use.
const TEACH: &str = "\
The order in which people use these words:

  cargo xtask tidy       Seconds. House rules that no linter knows: sizes, headings, map, edges.
  cargo xtask check      A minute. Format, clippy without warnings, tidy, licences of all crates.
  cargo xtask test       Everything, under half an hour. Installs what tests need, then check, the
                         workspace's tests, the release build, real clients, and short forms of
                         kill, fuzz and bad input. This is what CI runs.

And by itself, when that is what you work on:

  cargo xtask bench      Figures of promise beside yardsticks of the same run. `bench --list` names
                         them; `bench posts home` runs two; `--json FILE` keeps the rows.
  cargo xtask clients    Unmodified apps against the release binary: toot, Mastodon.py, schemathesis.
  cargo xtask kill       Kills the server 50 times under load and counts what was lost: nothing.
  cargo xtask fuzz       Hostile bytes for every parser, a minute each.

All load goes to 127.0.0.1 and ends by itself. Everything built lies in target/.";

/// Words for people and CI.
#[derive(Parser)]
#[command(name = "cargo xtask", about = "Words for people and CI", after_help = TEACH)]
struct CommandLine {
    #[command(subcommand)]
    word: Word,
}

#[derive(Subcommand)]
enum Word {
    /// House rules that no linter knows; seconds
    Tidy,
    /// Format, clippy, tidy, licences; a minute
    Check,
}

fn main() -> ExitCode {
    match run(CommandLine::parse().word) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(word: Word) -> Result<()> {
    match word {
        Word::Tidy => tidy::run(),
        Word::Check => check::run(),
    }
}

//! Words for people and CI: `cargo xtask WORD`. Each word is a module; this file only names them.
//!
//! Leaves to others: what the words do (their modules) and everything that ships (the crates).
//! It is a Rust program and no shell script, so that every check can be a test as well.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod chance;
mod check;
mod clients;
mod deb;
mod fuzz;
mod fuzz_targets;
mod ground;
mod http;
mod install;
mod instance;
mod kill;
mod load;
mod picture;
mod pin;
mod policy;
mod postgres;
mod proxy;
mod steps;
mod test;
mod tidy;

/// The first screen a newcomer reads; it teaches the order of use.
const TEACH: &str = "\
The order in which people use these words:

  cargo xtask tidy       Seconds. House rules that no linter knows: sizes, headings, map, edges.
  cargo xtask check      Two minutes. Format, clippy without warnings, tidy, licences, documents.
  cargo xtask test       Everything, about half an hour. Installs what tests need, then check, the
                         workspace's tests, the release build, the package, real clients, and short
                         forms of kill, fuzz and the benches. `--without-release` ends before the
                         release build.

And by itself, when that is what you work on:

  cargo xtask bench      Figures of promise beside yardsticks of the same run. `bench --list` names
                         them; `bench posts home` runs two; `--json FILE` keeps the rows.
  cargo xtask clients    Unmodified apps against the release: toot, Mastodon.py, schemathesis.
  cargo xtask kill       Kills the server 50 times under load and counts what was lost: nothing.
  cargo xtask fuzz       Hostile bytes for every parser, a minute each.
  cargo xtask deb        The Debian package, installed, upgraded, removed and purged in a copy of
                         this machine that nobody keeps.

All load goes to 127.0.0.1 and ends by itself. Everything built lies in target/. With FULMAR_DEBUG=1
in the environment clients, kill, fuzz and bench try the debug build, which is there sooner.";

/// Words for people and CI.
#[derive(Parser)]
#[command(name = "cargo xtask", about = "Words for people and CI", after_help = TEACH)]
#[command(arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    word: Word,
}

#[derive(Subcommand)]
enum Word {
    /// House rules that no linter knows; seconds
    Tidy,
    /// Format, clippy, tidy, licences, documentation; two minutes
    Check,
    /// Everything, from a fresh clone
    Test {
        /// Replays the chance of an earlier run
        #[arg(long)]
        seed: Option<u64>,
        /// Only what needs no release build: the checks, and every test of the workspace
        #[arg(long)]
        without_release: bool,
    },
    /// The promises in numbers, beside yardsticks of the same run
    Bench(BenchWords),
    /// Unmodified apps against the release binary
    Clients {
        /// Seconds of hostile requests
        #[arg(long, default_value_t = clients::HOSTILE_SECONDS)]
        seconds: u64,
    },
    /// Kills the server under load and asks for everything it acknowledged
    Kill {
        /// Kills on each engine
        #[arg(long, default_value_t = 50)]
        rounds: u32,
        /// One engine only
        #[arg(long)]
        engine: Option<kill::Engine>,
        /// Replays the chance of an earlier run
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Hostile bytes for every parser
    Fuzz {
        /// Seconds for each family of parsers
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Replays the chance of an earlier run
        #[arg(long)]
        seed: Option<u64>,
    },
    /// The Debian package of the release, and how it fares when it is installed
    Deb {
        /// A program that is built already, instead of a release build
        #[arg(long)]
        program: Option<PathBuf>,
        /// Only packs it; else it is also read and installed in a copy of this machine
        #[arg(long)]
        pack_only: bool,
    },
    /// A bare server of so many bytes, which benches measure themselves against
    #[command(hide = true)]
    YardstickHttp {
        /// Bytes of each answer
        bytes: usize,
    },
}

/// What whoever asks for the benches needs to know.
const TEACH_BENCH: &str = "\
A server is measured on one core while all load comes from another, beside a yardstick of the same
run: figures shift with the machine, ratios much less. What the shield is worth, and costs:

  cargo xtask bench decide           A decision: nanoseconds, and memory at a million sources.
  cargo xtask bench shield           Reads and posts from two servers in turn, one without it.
  cargo xtask bench refuse           Refusals beside nginx's, in turn: on open connections, after a
                                     TLS handshake and before it. Installs nginx when it is missing.
  cargo xtask bench sources          Memory that a million addresses add to a server.
  cargo xtask bench tools            Members while slowhttptest, wrk, h2load and hping3 attack.

Where two take turns, a ratio is the median of the turns, and in brackets stands what it lies
between (95 %). A bar that is missed by more than that is an error, one within it is told. A single
figure may be off by the machine's noise: its bar is told, and an error with `--strict`.";

#[derive(clap::Args)]
#[command(after_help = TEACH_BENCH)]
struct BenchWords {
    /// Which benches; all of them when none is named
    names: Vec<String>,
    /// Names them and ends
    #[arg(long)]
    list: bool,
    /// Keeps the rows in this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Posts in the data set
    #[arg(long, default_value_t = 1_000_000)]
    posts: u64,
    /// Seconds of each load
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Every missed bar is an error, also one that the machine's noise may have made
    #[arg(long)]
    strict: bool,
    /// Every bench for a second on little data: shows that it runs, figures mean nothing
    #[arg(long)]
    short: bool,
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
        Word::Test { seed, without_release } => test::run(seed, !without_release),
        Word::Bench(BenchWords { list: true, .. }) => {
            bench::list();
            Ok(())
        }
        Word::Bench(BenchWords { short: true, .. }) => bench::smoke(),
        Word::Bench(BenchWords { names, json, posts, seconds, strict, .. }) => {
            let counts = if strict { bench::Counts::Every } else { bench::Counts::Sure };
            bench::run(&bench::Wish { names, json, posts, seconds, counts })
        }
        Word::Clients { seconds } => clients::run(seconds),
        Word::Kill { rounds, engine, seed } => kill::run(&kill::Wish { rounds, engine, seed }),
        Word::Fuzz { seconds, seed } => fuzz::run(seconds, seed),
        Word::Deb { program, pack_only } => deb::run(&deb::Wish { program, tries: !pack_only }),
        Word::YardstickHttp { bytes } => bench::yardstick::serve(bytes),
    }
}

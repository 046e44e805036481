//! `cargo xtask bench`: the promises in numbers, each beside a yardstick of the same run.
//!
//! The server has one core, all load has the other. Absolute figures shift with the machine, so a
//! row also carries its ratio to what a bare server or a bare database gives in the same minutes.
//! Nothing here is a test: a bench reports whether its bar was met, and only `--strict` fails.

mod cable;
mod data;
mod fanout;
mod footprint;
mod hot;
mod posts;
mod reads;
mod refuse;
mod report;
mod tools;
pub mod yardstick;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{ground, pin};
use data::Scene;
pub use data::database;
use report::Report;

/// What a bench is called, what it shows, and what it needs.
struct Bench {
    name: &'static str,
    shows: &'static str,
    run: fn(&Scene, &mut Report) -> Result<()>,
}

/// In the order of their run: those that only read come before those that write.
const BENCHES: [Bench; 11] = [
    Bench {
        name: "startup",
        shows: "time until ready with the data there",
        run: footprint::startup,
    },
    Bench { name: "memory", shows: "resident memory idle and with data", run: footprint::memory },
    Bench { name: "home", shows: "home timeline, warm and cold", run: reads::home },
    Bench { name: "public", shows: "anonymous public timeline", run: reads::public },
    Bench { name: "profile", shows: "public profile page", run: reads::profile },
    Bench { name: "status", shows: "one post", run: reads::status },
    Bench { name: "context", shows: "one thread", run: reads::context },
    Bench { name: "streams", shows: "a post to the last of 1,000 streams", run: fanout::streams },
    Bench { name: "fanout", shows: "deliveries to timelines in memory", run: fanout::timelines },
    Bench { name: "posts", shows: "durable posts at 1, 8 and 64 writers", run: posts::posts },
    Bench { name: "hot", shows: "one hot author on PostgreSQL", run: hot::postgres },
];

/// The bench that needs no server of ours.
const MACHINE: &str = "machine";
const GROWTH: &str = "growth";

/// Names beside those of `BENCHES`.
const ALONE: [&str; 4] = [GROWTH, refuse::NAME, tools::NAME, MACHINE];

/// A bench that makes its own data: its name, what it shows, how it runs.
type Alone = (&'static str, &'static str, fn(&mut Report) -> Result<()>);

/// How benches are to be run.
pub struct Wish {
    /// Which ones; all when empty.
    pub names: Vec<String>,
    /// Where rows are kept as JSON.
    pub json: Option<PathBuf>,
    /// Posts in the data set.
    pub posts: u64,
    /// Seconds of each load.
    pub seconds: u64,
    /// Whether a missed bar is an error.
    pub strict: bool,
}

/// Names and what they show.
pub fn list() {
    for bench in &BENCHES {
        println!("{:<10} {}", bench.name, bench.shows);
    }
    println!("{:<10} {}", refuse::NAME, refuse::SHOWS);
    println!("{:<10} {}", tools::NAME, tools::SHOWS);
    println!("{MACHINE:<10} the yardsticks alone: what this machine gives without us");
    println!("{:<10} how each cost grows from 1,000 to 1,000,000 posts", "growth");
}

/// Builds the release and lets its load generator run the benches: an unoptimised one would be
/// what is measured.
///
/// # Errors
/// When it does not build, or a bench could not be run.
pub fn run(wish: &Wish) -> Result<()> {
    if !cfg!(debug_assertions) {
        return measure(wish);
    }
    if ground::tries_debug() {
        println!("the debug build: that benches run is shown here, their figures mean nothing");
        return measure(wish);
    }
    ground::build_release()?;
    let mut command = Command::new(ground::target().join("release").join("xtask"));
    command.args(std::env::args_os().skip(1)).current_dir(ground::root());
    ground::shown(&mut command)
}

/// Posts and seconds of the short form.
const SMOKE_POSTS: u64 = 1_000;
const SMOKE_SECONDS: u64 = 1;

/// Cannot be made short: its scene is ten thousand timelines, and cargo builds it by itself.
/// The linters compile it.
const LONG: &str = "fanout";

/// Runs every bench but one for a second on little data, so that none stops working unnoticed. Its
/// figures mean nothing and are judged by nobody.
///
/// # Errors
/// When a bench could not be run.
pub fn smoke() -> Result<()> {
    println!("short form: that benches run is shown here, their figures mean nothing");
    let names = BENCHES.iter().map(|bench| bench.name).chain(ALONE);
    measure(&Wish {
        names: names.filter(|name| *name != LONG).map(str::to_owned).collect(),
        json: None,
        posts: SMOKE_POSTS,
        seconds: SMOKE_SECONDS,
        strict: false,
    })
}

/// Runs benches and prints their table.
fn measure(wish: &Wish) -> Result<()> {
    if !pin::possible() {
        println!("this machine has one core: load and server share it, and figures are low");
    }
    let all: Vec<&str> = BENCHES.iter().map(|bench| bench.name).chain(ALONE).collect();
    if let Some(unknown) = wish.names.iter().find(|name| !all.contains(&name.as_str())) {
        bail!("there is no bench `{unknown}`; there are: {}", all.join(", "));
    }
    let wanted = |name: &str| wish.names.is_empty() || wish.names.iter().any(|wish| wish == name);
    let mut report = Report::new(wish.seconds);
    if wanted(MACHINE) {
        println!("\n=== {MACHINE}: what this machine gives without us");
        yardstick::machine(&mut report)?;
    }
    let alone: [Alone; 2] =
        [(refuse::NAME, refuse::SHOWS, refuse::refuse), (tools::NAME, tools::SHOWS, tools::tools)];
    for (name, shows, run) in alone.iter().filter(|(name, ..)| wanted(name)) {
        println!("\n=== {name}: {shows}");
        if let Err(error) = run(&mut report) {
            report.failed(name, &error);
        }
    }
    let with_data = |name: &String| name == GROWTH || !ALONE.contains(&name.as_str());
    if wish.names.iter().any(with_data) || wish.names.is_empty() {
        let scene = Scene::of(wish.posts)?;
        all_wanted(wish, &scene, &mut report, wanted);
    }
    report.close(wish.json.as_deref(), wish.strict)
}

fn all_wanted(wish: &Wish, scene: &Scene, report: &mut Report, wanted: impl Fn(&str) -> bool) {
    for bench in BENCHES.iter().filter(|bench| wanted(bench.name)) {
        println!("\n=== {}: {}", bench.name, bench.shows);
        if let Err(error) = (bench.run)(scene, report) {
            report.failed(bench.name, &error);
        }
    }
    if wanted("growth") {
        println!("\n=== growth: from 1,000 to {} posts", wish.posts);
        if let Err(error) = reads::growth(scene, report) {
            report.failed("growth", &error);
        }
    }
}

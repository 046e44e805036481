//! `cargo xtask bench`: the promises in numbers, each beside a yardstick of the same run.
//!
//! The server has one core, all load has the other. Absolute figures shift with the machine, so a
//! row also carries its ratio to what a bare server or a bare database gives in the same minutes.
//! Where two are measured in turn (`pairs`), it is told how sure the ratio is, and a bar that is
//! missed by more than the machine's noise is an error. A single figure may be off by that noise:
//! its bar is told, and an error with `--strict` only.

mod cable;
mod data;
mod decide;
mod fanout;
mod footprint;
mod gate;
mod hot;
mod nginx;
mod pairs;
mod posts;
mod reads;
mod refuse;
mod report;
mod shield;
mod sources;
mod tools;
mod work;
pub mod yardstick;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{ground, pin};
use data::Scene;
pub use data::database;
pub use nginx::STREAMS as NGINX_STREAMS;
pub use report::Counts;
use report::Report;

/// What a bench is called, what it shows, and what it needs.
struct Bench {
    name: &'static str,
    shows: &'static str,
    run: fn(&Scene, &mut Report) -> Result<()>,
}

/// In the order of their run: those that only read come before those that write.
const BENCHES: [Bench; 12] = [
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
    Bench {
        name: "shield",
        shows: "reads and posts with the shield and without",
        run: shield::both,
    },
    Bench { name: "streams", shows: "a post to the last of 1,000 streams", run: fanout::streams },
    Bench { name: "fanout", shows: "deliveries to timelines in memory", run: fanout::timelines },
    Bench { name: "posts", shows: "durable posts at 1, 8 and 64 writers", run: posts::posts },
    Bench { name: "hot", shows: "one hot author on PostgreSQL", run: hot::postgres },
];

/// The bench that needs no server of ours.
const MACHINE: &str = "machine";
const GROWTH: &str = "growth";

/// A bench that makes its own data: its name, what it shows, how it runs.
type Alone = (&'static str, &'static str, fn(&mut Report) -> Result<()>);

/// Those that make their own data.
const ALONE: [Alone; 4] = [
    (decide::NAME, decide::SHOWS, decide::decide),
    (sources::NAME, sources::SHOWS, sources::sources),
    (refuse::NAME, refuse::SHOWS, refuse::refuse),
    (tools::NAME, tools::SHOWS, tools::tools),
];

/// All that there are.
fn names() -> impl Iterator<Item = &'static str> {
    let with_data = BENCHES.iter().map(|bench| bench.name);
    with_data.chain(ALONE.iter().map(|bench| bench.0)).chain([GROWTH, MACHINE])
}

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
    /// Which missed bars are errors.
    pub counts: Counts,
}

/// Names and what they show.
pub fn list() {
    for bench in &BENCHES {
        println!("{:<10} {}", bench.name, bench.shows);
    }
    for (name, shows, _) in &ALONE {
        println!("{name:<10} {shows}");
    }
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

/// Cannot be made short: cargo builds them by themselves, and the scene of the first is ten
/// thousand timelines. The linters compile them.
const LONG: [&str; 2] = ["fanout", decide::NAME];

/// Runs every bench but these for a second on little data, so that none stops working unnoticed.
/// Its figures mean nothing and are judged by nobody.
///
/// # Errors
/// When a bench could not be run.
pub fn smoke() -> Result<()> {
    println!("short form: that benches run is shown here, their figures mean nothing");
    measure(&Wish {
        names: names().filter(|name| !LONG.contains(name)).map(str::to_owned).collect(),
        json: None,
        posts: SMOKE_POSTS,
        seconds: SMOKE_SECONDS,
        counts: Counts::Nothing,
    })
}

/// Runs benches and prints their table.
fn measure(wish: &Wish) -> Result<()> {
    if !pin::possible() {
        println!("this machine has one core: load and server share it, and figures are low");
    }
    let all: Vec<&str> = names().collect();
    if let Some(unknown) = wish.names.iter().find(|name| !all.contains(&name.as_str())) {
        bail!("there is no bench `{unknown}`; there are: {}", all.join(", "));
    }
    let wanted = |name: &str| wish.names.is_empty() || wish.names.iter().any(|wish| wish == name);
    let mut report = Report::new(wish.seconds);
    if wanted(MACHINE) {
        println!("\n=== {MACHINE}: what this machine gives without us");
        yardstick::machine(&mut report)?;
    }
    for (name, shows, run) in ALONE.iter().filter(|(name, ..)| wanted(name)) {
        println!("\n=== {name}: {shows}");
        if let Err(error) = run(&mut report) {
            report.failed(name, &error);
        }
    }
    let alone = |name: &String| name == MACHINE || ALONE.iter().any(|bench| bench.0 == name);
    let with_data = |name: &String| !alone(name);
    if wish.names.iter().any(with_data) || wish.names.is_empty() {
        let scene = Scene::of(wish.posts)?;
        all_wanted(wish, &scene, &mut report, wanted);
    }
    report.close(wish.json.as_deref(), wish.counts)
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

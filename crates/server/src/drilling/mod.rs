//! `fulmar drill`: attacks an instance of one's own, made for the purpose, on loopback only.
//! The attack, the measurement and the verdict are the crate `drill`'s; here are the command's
//! words, the scratch instance and what is printed.

mod ceiling;
mod community;
mod live;
mod passes;
mod peer;
mod stage;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use drill::{Defence, Family, Plan, Report, Stop, VECTORS, Vector, Verdict};
use std::path::{Path, PathBuf};

/// What `fulmar drill` takes.
#[derive(Args)]
pub(crate) struct DrillArgs {
    /// Show the vectors, what each models, and where that was seen.
    #[arg(long)]
    list: bool,
    /// Run these vectors, by name, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    vector: Vec<String>,
    /// Run the vectors of a family: floods, botnets, slow, http2, tls, door.
    #[arg(long, value_delimiter = ',', value_name = "F")]
    family: Vec<String>,
    /// Run all of them.
    #[arg(long)]
    all: bool,
    /// Short runs, about half a minute a vector. Who waits for 30 s is left unjudged.
    #[arg(long)]
    quick: bool,
    /// Replay the chance of an earlier run. Without it one is drawn, and printed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as one page with charts, which needs nothing else to be looked at.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Switch the shield off, to see what it is worth.
    #[arg(long, conflicts_with_all = ["limiter", "compare"])]
    no_shield: bool,
    /// Put a plain limiter in the shield's place: so many requests a second for each address.
    #[arg(long, conflicts_with = "compare")]
    limiter: bool,
    /// Run each vector three times: against nothing, the limiter, and the shield, which is judged.
    #[arg(long)]
    compare: bool,
    /// Attack another server on this machine's loopback instead: any that speaks the Mastodon API.
    #[arg(
        long,
        value_name = "URL",
        requires = "tokens",
        conflicts_with_all = ["no_shield", "limiter", "compare"]
    )]
    target: Option<String>,
    /// Access tokens of the other server's members, one a line; of ten the last is a bot's.
    #[arg(long, value_name = "FILE", requires = "target")]
    tokens: Option<PathBuf>,
    /// The certificate (PEM) that vouches for the other server's, where it speaks TLS.
    #[arg(long, value_name = "FILE", requires = "target")]
    authority: Option<PathBuf>,
    /// Start the other server for each run with this command, on the server's core, and end it.
    #[arg(long, value_name = "COMMAND", requires = "target")]
    start: Option<String>,
}

impl DrillArgs {
    fn plan(&self) -> Plan {
        let defences: &'static [Defence] = match () {
            () if self.no_shield => &[Defence::None],
            () if self.limiter => &[Defence::Limiter],
            () if self.target.is_some() => &[Defence::Own],
            () if self.compare => &[Defence::None, Defence::Limiter, Defence::Shield],
            () => &[Defence::Shield],
        };
        Plan { defences, ..if self.quick { Plan::QUICK } else { Plan::FULL } }
    }
}

/// What `--help` teaches at its end.
pub(crate) const AFTER_HELP: &str = "Examples:\n  \
    fulmar drill --list                                what there is\n  \
    fulmar drill --vector page-flood --quick           half a minute, and a verdict\n  \
    fulmar drill --family http2 --html drill.html      a page with charts, to show around\n  \
    fulmar drill --all --seed 7 --json drill.json      everything; 7 replays it\n  \
    fulmar drill --family botnets --compare            beside a plain limiter, and nothing\n\n\
    Each vector meets a fresh scratch instance with a community of its own: its data lies in a\n\
    temporary folder, it listens on a free port of 127.0.0.1, and both are gone at the end.\n\
    Attackers come from addresses all over 127.0.0.0/8 and reach nothing else: no flag makes this\n\
    a tool against another machine. An instance that serves here is not touched, but it shares\n\
    the processor with the drill: figures are those of a machine that does nothing else.\n\n\
    Verdicts: `pass` every bound holds under at least twice the load that the server can bear;\n\
    `fail` a bound does not; `not_overloaded` the load was too small to prove anything; `void`\n\
    the load was not generated on time, or the run was too short to judge. It ends with 0\n\
    only where all is `pass`.";

/// Carries it out.
pub(crate) async fn run(args: DrillArgs) -> anyhow::Result<()> {
    if args.list {
        print!("{}", list());
        return Ok(());
    }
    let mut vectors = chosen(&args)?;
    let mut plan = args.plan();
    let peer = peer_of(&args)?;
    if let Some(peer) = &peer {
        // What the drill has not started it does not slow down either.
        plan.brakes = peer.is_started();
        let is_possible = |it: &&Vector| {
            !it.needs_room() && it.family != Family::Door && (peer.is_secure() || !it.needs_tls())
        };
        vectors.retain(is_possible);
        ensure!(!vectors.is_empty(), "no vector that was asked for can be run against it");
    }
    let seed = args.seed.unwrap_or_else(drawn_seed);
    for path in args.json.iter().chain(&args.html) {
        // Said before the work, not after it.
        std::fs::write(path, "").with_context(|| format!("cannot write {}", path.display()))?;
    }
    let files = drill::system::raise_files(drill::limits::FILES_MAX);
    ensure!(
        files >= drill::limits::FILES_MAX,
        "a drill holds {} open files and this process may have {files}: raise it first \
         (ulimit -n {})",
        drill::limits::FILES_MAX,
        drill::limits::FILES_MAX
    );
    let runs = vectors.len() * plan.defences.len();
    eprintln!("{runs} runs, about {} s each; seed {seed}", plan.seconds.iter().sum::<u64>() + 11);
    let steered = drill::steer();
    let mut report = match peer {
        Some(peer) => attack(peer, vectors, plan, seed).await?,
        None => {
            let mut scratch = stage::Scratch::make(seed).await?;
            let with_bots = vectors.iter().any(|vector| vector.visits_in_peace());
            scratch.record(&plan, seed, with_bots).await?;
            attack(scratch, vectors, plan, seed).await?
        }
    };
    report.machine.steered = steered.is_some();
    drop(steered);
    tell(&args, report)
}

/// The other server that was named.
fn peer_of(args: &DrillArgs) -> anyhow::Result<Option<peer::Peer>> {
    let (Some(url), Some(tokens)) = (&args.target, &args.tokens) else { return Ok(None) };
    peer::Peer::new(url, tokens, args.authority.as_ref(), args.start.clone()).map(Some)
}

/// Runs the vectors on a thread of their own, until they are done or somebody ends it.
async fn attack(
    mut stage: impl drill::Stage + Send + 'static,
    vectors: Vec<&'static Vector>,
    plan: Plan,
    seed: u64,
) -> anyhow::Result<Report> {
    let stop = Stop::default();
    let stopped = stop.clone();
    let mut working = tokio::task::spawn_blocking(move || {
        let mut live = live::Live::new();
        drill::drill(&mut stage, &vectors, &plan, seed, &mut live, &stopped)
    });
    let mut ends = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let report = tokio::select! {
        done = &mut working => done?,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\nstopping; the scratch instance is removed");
            stop.now();
            working.await?
        }
        _ = ends.recv() => {
            stop.now();
            working.await?
        }
    };
    let mut report = report?;
    if stop.is_set() {
        // What was done is told all the same; what was not is no `pass`.
        if report.overall == Verdict::Pass {
            report.overall = Verdict::Void;
        }
        report.remarks.push("stopped before its end: some vectors were not judged".to_owned());
    }
    Ok(report)
}

fn tell(args: &DrillArgs, mut report: Report) -> anyhow::Result<()> {
    if args.no_shield || args.limiter {
        let instead = if args.limiter { "a plain limiter" } else { "nothing" };
        report.remarks.push(format!("the shield was off: in its place stood {instead}"));
    }
    if let Some(url) = &args.target {
        report.remarks.push(format!("another server was attacked, at {url}"));
        if args.start.is_none() {
            report.remarks.push(
                "it was running already: it had all cores, and what one run left met the next"
                    .to_owned(),
            );
        }
    }
    if !report.machine.optimised {
        report.remarks.push("a debug build: its figures say nothing of a release".to_owned());
    }
    if !report.machine.steered {
        report.remarks.push(
            "on loopback most of the work of receiving is done by the sender's core; it could not \
             be steered to the server's, which takes root"
                .to_owned(),
        );
    }
    print!("{}", drill::table(&report));
    if let Some(path) = &args.json {
        write(path, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &args.html {
        write(path, &drill::html(&report))?;
    }
    if report.overall != Verdict::Pass {
        bail!("the drill did not pass: {}", report.overall.name());
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("written: {}", path.display());
    Ok(())
}

fn drawn_seed() -> u64 {
    use model::ports::Clock as _;
    crate::world::WallClock.now().ms().unsigned_abs() % 1_000_000_000
}

/// The vectors that were asked for, in the order of the list.
fn chosen(args: &DrillArgs) -> anyhow::Result<Vec<&'static Vector>> {
    for name in &args.vector {
        ensure!(
            drill::vector(name).is_some(),
            "there is no vector {name:?}: `fulmar drill --list` shows those there are"
        );
    }
    for name in &args.family {
        let known: Vec<&str> = Family::ALL.iter().map(|family| family.name()).collect();
        ensure!(
            known.contains(&name.as_str()),
            "there is no family {name:?}; there are {}",
            known.join(", ")
        );
    }
    let is_chosen = |vector: &&Vector| {
        args.all
            || args.vector.iter().any(|name| name == vector.name)
            || args.family.iter().any(|name| name == vector.family.name())
    };
    let vectors: Vec<&'static Vector> = VECTORS.into_iter().filter(is_chosen).collect();
    ensure!(
        !vectors.is_empty(),
        "say what to run: --vector page-flood, --family floods, or --all; --list shows them"
    );
    Ok(vectors)
}

/// The table of vectors.
fn list() -> String {
    let mut text = String::new();
    for family in Family::ALL {
        text.push_str(&format!("{}\n", family.name()));
        for vector in VECTORS.into_iter().filter(|vector| vector.family == family) {
            text.push_str(&format!("  {:<18} {}\n", vector.name, vector.models));
            text.push_str(&format!("  {:<18}   how: {}\n", "", vector.parameters));
            text.push_str(&format!("  {:<18}   seen: {}\n", "", vector.source));
        }
    }
    text
}

//! What the shield takes from who is served in peace: the same reads and posts from two servers on
//! the same core, of which one has none, in turn. The figure is requests for each second that the
//! core worked: a rate would hide all of it wherever the load ends first. Each server lives in a
//! network namespace of its own where that can be had: rules of the one's deny set would else be
//! asked about the other's packets too, and what they cost would not show.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::cable::Room;
use super::data::{READERS, Scene, Stage};
use super::pairs::{Pairs, Side};
use super::reads::{CONNECTIONS, HOME, each_once, gets};
use super::report::{Report, Row};
use super::work::{Process, Total};
use super::{gate, posts};
use crate::load::{Load, Requests};
use crate::postgres;

const WITHOUT: &str = "[shield]\nmode = \"off\"\nkernel = \"off\"\n";
/// What is left to whoever has it.
const SHARE: f64 = 0.95;
/// Of one turn: many short ones are disturbed alike, where a few long ones would each have their
/// own luck.
const TURN: Duration = Duration::from_millis(250);
const TURNS_PER_S: u64 = 4;

/// The two servers.
struct Two {
    with: Server,
    without: Server,
}

/// One of them. Its room outlives it.
struct Server {
    stage: Stage,
    room: Option<Room>,
}

impl Server {
    fn start(scene: &Scene, name: &str, config: &str) -> Result<Self> {
        let room = postgres::is_root().then(|| Room::new(name)).transpose()?;
        let stage = inside(room.as_ref(), || scene.serve_with(config))?;
        Ok(Self { stage, room })
    }

    fn inside<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        inside(self.room.as_ref(), act)
    }
}

fn inside<T>(room: Option<&Room>, act: impl FnOnce() -> Result<T>) -> Result<T> {
    match room {
        Some(room) => room.inside(act),
        None => act(),
    }
}

/// Reads and posts, with the shield and without.
///
/// # Errors
/// When somebody was not served, or one of the two was not what it is said to be.
pub fn both(scene: &Scene, report: &mut Report) -> Result<()> {
    let two = Two {
        with: Server::start(scene, "with", "")?,
        without: Server::start(scene, "without", WITHOUT)?,
    };
    let home = gets(vec![HOME.to_owned()], scene.tokens.clone());
    for server in [&two.with, &two.without] {
        server.inside(|| each_once(server.stage.instance.address, &home).map(drop))?;
    }
    let public = vec!["/api/v1/timelines/public?limit=20".to_owned()];
    let pages = (0..READERS).map(|reader| format!("/@reader{reader}")).collect();
    let all = [
        ("home, warm", home, CONNECTIONS),
        ("public timeline", gets(public, Vec::new()), CONNECTIONS),
        ("profile page", gets(pages, Vec::new()), CONNECTIONS),
        ("posts, 8 writers", posts::requests(&scene.tokens, true), 8),
    ];
    for (name, requests, connections) in all {
        let pairs =
            two.in_turn(&requests, connections, report.seconds).with_context(|| name.to_owned())?;
        let ns = 1e9 / pairs.ours() - 1e9 / pairs.theirs();
        println!("  {name}: the shield takes {ns:.0} ns of each");
        let name = format!("{name}, with the shield (without)");
        report.row(Row::paired(&name, &pairs, "/s of its core", SHARE));
    }
    Ok(())
}

impl Two {
    const fn of(&self, side: Side) -> &Server {
        match side {
            Side::Ours => &self.with,
            Side::Theirs => &self.without,
        }
    }

    /// Requests for each second of work, with the shield and without.
    fn in_turn(&self, requests: &Requests, connections: usize, seconds: u64) -> Result<Pairs> {
        let offered = || -> Result<[u64; 2]> {
            Ok([
                gate::count(&self.with.stage.instance, "offered")?,
                gate::count(&self.without.stage.instance, "offered")?,
            ])
        };
        let [with_before, without_before] = offered()?;
        let ask = |side: Side| {
            let server = self.of(side);
            let instance = &server.stage.instance;
            let mut load = Load::closed(instance.address, connections, 0);
            (load.warm_up, load.duration) = (Duration::ZERO, TURN);
            server.inside(|| {
                Process(instance.process())
                    .during(|| Ok(load.run(Rc::clone(requests))?.all_fine("it")?.latencies.count()))
            })
        };
        // What is made once, by the first who asks, is in nobody's figure.
        let mut asked = 0.0;
        for side in [Side::Ours, Side::Theirs] {
            let mut first = Total::default();
            first.add(ask(side)?);
            asked = if side == Side::Ours { first.count() } else { asked };
        }
        let mut totals = [Total::default(); 2];
        let [with, without] = &mut totals;
        let pairs = Pairs::in_turn(seconds * TURNS_PER_S, |side| {
            let done = ask(side)?;
            if side == Side::Ours {
                with.add(done)
            } else {
                without.add(done)
            }
            Ok(done.per_s())
        })?;
        with.say("with the shield");
        without.say("without");
        let [with_after, without_after] = offered()?;
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let decided = (with_after - with_before) as f64;
        ensure!(decided >= asked + with.count(), "the shield decided on {decided} only");
        ensure!(without_after == without_before, "it was decided on where there is no shield");
        Ok(pairs)
    }
}

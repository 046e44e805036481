//! A run: for each vector a fresh instance, a measurement of what one request costs it, and then
//! calm, attack and recovery. The populations live on one thread, the attackers on another that
//! only runs when the first does not want the core.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    atlas::Bots,
    brake::Brake,
    clock,
    limits::{
        ATTACK_SHARE, CALIBRATION_MS, CALIBRATION_PER_S, CALIBRATION_SHARE,
        CALIBRATION_STREAMS_PER_S, HOARDERS_MAX, LETTERS_PER_S, LOOK_MS, OFFERED_PER_S_MAX,
        OVERLOAD_PLANNED, OVERLOAD_WANTED, PEACE_S, REHEARSAL_MS, SOURCES, SYN_PER_S,
    },
    measure::{Board, Marks, Phase, Population},
    outside::Outside,
    people::{self, Town},
    plan::Plan,
    report::{Report, VectorReport, report_of},
    room::Room,
    scene::{Defence, Scene, Setting, Stage, StageError},
    system,
    vectors::{Family, Front, Ledger, Offer, Resource, SEGMENT_BYTES, Vector},
    wire::Dialer,
};

/// Open files that a server may have where connections are what a vector uses up, and how many of
/// them the shield keeps for other things (`shield::limits::FILES_RESERVED`).
const FILES_LOWERED: u64 = 2_560;
const FILES_RESERVED: u64 = 512;

/// Says that a run is to end early. What was begun is cut, and nothing is judged.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends it.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is to end.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is seen while a vector runs.
#[derive(Clone, Debug)]
pub struct Glance {
    /// The vector.
    pub vector: &'static str,
    /// The phase, and none while the instance starts and one request's cost is measured.
    pub phase: Option<Phase>,
    /// Seconds since its begin, and of all.
    pub seconds: (f64, f64),
    /// By population, what was attempted and served in this phase, and its p99 in ms.
    pub populations: [(u64, u64, Option<f64>); 4],
    /// Of the attack: offered and served until now, and connections held.
    pub attack: (u64, u64, usize),
    /// The server's memory in bytes.
    pub resident_bytes: u64,
}

/// Who looks on.
pub trait Watch: Send {
    /// A look, a few times a second.
    fn glance(&mut self, glance: &Glance);
    /// A vector is done.
    fn done(&mut self, report: &VectorReport);
}

/// What one request of a vector costs, measured in peace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// The server, in seconds of processor time.
    pub server_s: f64,
    /// The generator.
    pub generator_s: f64,
}

/// Runs vectors one after the other.
///
/// # Errors
/// When an instance does not start.
pub fn drill(
    stage: &mut dyn Stage,
    vectors: &[&'static Vector],
    plan: &Plan,
    seed: u64,
    watch: &mut dyn Watch,
    stop: &Stop,
) -> Result<Report, StageError> {
    let (mut reports, mut left_out) = (Vec::new(), Vec::new());
    let runs = vectors.iter().flat_map(|vector| plan.defences.iter().map(move |it| (*vector, *it)));
    for (vector, defence) in runs {
        if stop.is_set() {
            break;
        }
        let files = matches!(vector.resource, Resource::Seats { .. }).then_some(FILES_LOWERED);
        let make = |fitting| Room::make(fitting, defence != Defence::None);
        let room = match vector.room.map(make).transpose() {
            Ok(room) => room,
            Err(error) => {
                left_out.push(format!("{} was not run: it needs root ({error})", vector.name));
                continue;
            }
        };
        let has_proxies = vector.family == Family::Door;
        let has_outside = vector.resource == Resource::Letters;
        let room_of_it = room.clone();
        let knows_bots = vector.visits_in_peace();
        let setting =
            Setting { files, defence, room: room_of_it, has_proxies, has_outside, knows_bots };
        let scene = stage.raise(setting)?;
        let run = Run { vector, scene: &scene, plan, seed, files, defence, room };
        if let Some(report) = run.whole(&*stage, watch, stop)? {
            watch.done(&report);
            reports.push(report);
        }
        stage.strike();
    }
    let judged = plan.defences.last().copied().unwrap_or(Defence::Shield);
    Ok(Report::new(seed, judged, reports).without(left_out))
}

/// Lets everybody live in peace for a while: what an instance has seen before a drill. With bots,
/// those that want to be known later visit once each.
///
/// # Errors
/// When no connection could be made.
pub fn peace(
    scene: &Scene,
    plan: &Plan,
    seed: u64,
    with_bots: bool,
    stop: &Stop,
) -> Result<(), StageError> {
    let dialer = Dialer::new(scene.target, scene.authority.as_deref())
        .map_err(|error| StageError(error.to_string()))?;
    let start = clock::now();
    let end = start + Duration::from_secs(PEACE_S);
    let board = Board::new(Marks { start, attack: end, recovery: end, end });
    // Other days, other people: what is drawn in a run is not what was drawn in peace.
    let town = Arc::new(Town::new(scene, dialer, board, seed ^ PEACE_SEED));
    let (crowd, stopped) = (plan.crowd, stop.clone());
    let everybody = thread::spawn(move || {
        system::load_core_here();
        on_one_thread(&stopped, async {
            let bots = async {
                if with_bots {
                    people::warm_up(&town, seed).await;
                }
            };
            tokio::join!(people::live(Arc::clone(&town), crowd), bots);
        });
    });
    let _panicked = everybody.join();
    Ok(())
}

/// Makes the chance of the recorded peace another than that of a run.
const PEACE_SEED: u64 = 0x70_6561_6365;

struct Run<'r> {
    vector: &'static Vector,
    scene: &'r Scene,
    plan: &'r Plan,
    seed: u64,
    files: Option<u64>,
    defence: Defence,
    room: Option<Room>,
}

/// All that was measured of a vector.
pub(crate) struct Measured<'m> {
    pub vector: &'static Vector,
    pub defence: Defence,
    pub seed: u64,
    pub plan: &'m Plan,
    pub board: &'m Board,
    pub ledger: &'m Ledger,
    pub offer: Offer,
    pub cost: Cost,
    /// The part of a core that the server had.
    pub capacity: f64,
    /// The part of a core that the populations alone needed.
    pub needed: f64,
    pub seats: Option<u64>,
    pub peak_bytes: u64,
    pub generator_share: f64,
    /// Whom the instance calls, where they look at it.
    pub outside: Option<&'m Outside>,
    /// The best that could be had, by the overload.
    pub ceiling: &'m dyn Fn(f64) -> Option<[f64; 4]>,
}

impl Run<'_> {
    /// The vector from its calibration to its report; none where it was stopped.
    fn whole(
        &self,
        stage: &dyn Stage,
        watch: &mut dyn Watch,
        stop: &Stop,
    ) -> Result<Option<VectorReport>, StageError> {
        let dialer = Dialer::new(self.scene.target, self.scene.authority.as_deref())
            .map_err(|error| StageError(error.to_string()))?
            .proxied(self.vector.family == Family::Door);
        watch.glance(&self.starting());
        let cost = self.calibrate(&dialer, stop);
        let needed = self.rehearse(&dialer, stop);
        let brake = self.brake(cost, needed);
        let offer = self.offer(cost, brake.capacity);
        let marks = self.marks();
        let board = Board::new(marks);
        let town = Arc::new(Town::new(self.scene, dialer.clone(), board, self.seed));
        let front = Arc::new(self.front(&dialer, offer, (marks.attack, marks.recovery), false));
        let busy = Arc::new(Mutex::new(0.0));
        let attackers = self.attackers(Arc::clone(&front), stop.clone(), Arc::clone(&busy));
        let everybody = self.everybody(Arc::clone(&town), stop.clone());
        let mut peak_bytes = 0;
        while !everybody.is_finished() {
            peak_bytes = self.look(&town, &front, watch).max(peak_bytes);
            pause(Duration::from_millis(LOOK_MS));
        }
        let _panicked = everybody.join();
        let _panicked = attackers.join();
        peak_bytes = self.scene.process.peak_bytes().unwrap_or(0).max(peak_bytes);
        if stop.is_set() {
            return Ok(None);
        }
        let capacity = brake.capacity;
        drop(brake);
        let seats = self.files.map(|files| files - FILES_RESERVED);
        let generator_share = *busy.lock() / (marks.recovery - marks.attack).as_secs_f64();
        let Self { vector, seed, plan, defence, .. } = *self;
        let (board, ledger) = (&town.board, &front.ledger);
        Ok(Some(report_of(&Measured {
            vector,
            defence,
            ceiling: &|overload| stage.ceiling(vector.name, overload, seed),
            seed,
            plan,
            board,
            ledger,
            offer,
            cost,
            capacity,
            needed,
            seats,
            peak_bytes,
            generator_share,
            outside: self.scene.outside.as_ref(),
        })))
    }

    /// The populations' thread.
    fn everybody(&self, town: Arc<Town>, stop: Stop) -> thread::JoinHandle<()> {
        let (crowd, room) = (self.plan.crowd, self.room.clone());
        thread::spawn(move || {
            system::load_core_here();
            // Outside of it nothing is to be done.
            if room.iter().all(Room::enter_here) {
                on_one_thread(&stop, people::live(town, crowd));
            }
        })
    }

    /// The attackers' thread: it runs only when the populations' does not want the core.
    fn attackers(
        &self,
        front: Arc<Front>,
        stop: Stop,
        busy: Arc<Mutex<f64>>,
    ) -> thread::JoinHandle<()> {
        let (vector, room) = (self.vector, self.room.clone());
        thread::spawn(move || {
            system::load_core_here();
            system::idle_class_here();
            if !room.iter().all(Room::enter_here) {
                return;
            }
            let begin = system::thread_time();
            let dropped = || room.as_ref().and_then(Room::dropped_here);
            let before = dropped();
            on_one_thread(&stop, (vector.attack)(Arc::clone(&front)));
            *front.ledger.dropped_kernel.lock() = dropped().zip(before).map(|(all, old)| all - old);
            *busy.lock() = system::thread_time().saturating_sub(begin).as_secs_f64();
        })
    }

    /// When the phases of a run that begins now begin and end.
    fn marks(&self) -> Marks {
        let [calm, attacked, recovering] = [0, 1, 2].map(|phase| self.plan.length(phase));
        let start = clock::now() + Duration::from_millis(500);
        let attack = start + calm;
        let recovery = attack + attacked;
        Marks { start, attack, recovery, end: recovery + recovering }
    }

    fn front(
        &self,
        dialer: &Dialer,
        offer: Offer,
        (start, end): (Instant, Instant),
        is_rehearsal: bool,
    ) -> Front {
        Front {
            scene: self.scene.clone(),
            dialer: dialer.clone(),
            fresh: dialer.fresh(),
            http2: dialer.http2(),
            bots: Bots::drawn(self.seed, SOURCES),
            ledger: Ledger::default(),
            offer,
            start,
            end,
            seed: self.seed,
            room: self.room.clone(),
            is_rehearsal,
        }
    }

    /// What one request costs the server and the generator: the vector itself, far from any
    /// pressure, and what the server took besides. Twice: a few first, so that dear ones (a slow
    /// hash) are not measured while most of them wait.
    fn calibrate(&self, dialer: &Dialer, stop: &Stop) -> Cost {
        let most_per_s = match self.vector.resource {
            Resource::Processor => CALIBRATION_PER_S,
            Resource::Streams => CALIBRATION_STREAMS_PER_S,
            _ => return Cost::default(),
        };
        let server = self.scene.process;
        let before = server.time();
        let span = Duration::from_millis(CALIBRATION_MS);
        pause(span / 2);
        let idle = server.time().saturating_sub(before) * 2;
        if self.vector.resource == Resource::Processor {
            let first = self.measure(dialer, stop, CALIBRATION_PER_S / 10.0, idle);
            let per_s = most_per_s.min(CALIBRATION_SHARE / first.server_s.max(1e-9));
            if per_s < CALIBRATION_PER_S / 10.0 {
                return first;
            }
            return self.measure(dialer, stop, per_s, idle);
        }
        self.measure(dialer, stop, most_per_s, idle)
    }

    /// The same at a rate, where the server takes so much by itself.
    fn measure(&self, dialer: &Dialer, stop: &Stop, per_s: f64, idle: Duration) -> Cost {
        let server = self.scene.process;
        let span = Duration::from_millis(CALIBRATION_MS);
        let start = clock::now();
        let offer = Offer { per_s, hoarders: 0 };
        let front = Arc::new(self.front(dialer, offer, (start, start + span), true));
        let busy = Arc::new(Mutex::new(0.0));
        let before = server.time();
        let attack = self.attackers(Arc::clone(&front), stop.clone(), Arc::clone(&busy));
        let _panicked = attack.join();
        // What is still being answered is part of the cost.
        pause(span / 4);
        let used = server.time().saturating_sub(before).saturating_sub(idle + idle / 4);
        let offered = front.ledger.offered.load(Ordering::Relaxed).max(1);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let each = |seconds: f64| seconds / offered as f64;
        Cost { server_s: each(used.as_secs_f64()), generator_s: each(*busy.lock()) }
    }

    /// The part of a core that the server needs for the populations alone.
    fn rehearse(&self, dialer: &Dialer, stop: &Stop) -> f64 {
        let half = Duration::from_millis(REHEARSAL_MS);
        let start = clock::now();
        let end = start + 2 * half;
        let board = Board::new(Marks { start, attack: end, recovery: end, end });
        let town = Arc::new(Town::new(self.scene, dialer.clone(), board, self.seed));
        let everybody = self.everybody(town, stop.clone());
        pause(half);
        let before = (clock::now(), self.scene.process.time());
        pause(half);
        let used = self.scene.process.time().saturating_sub(before.1);
        let passed = clock::now().saturating_duration_since(before.0);
        let _panicked = everybody.join();
        used.as_secs_f64() / passed.as_secs_f64().max(0.001)
    }

    /// How much is offered: ten times what the server can do. What the generator cannot make of it
    /// is left out, since it could not be known before: who is refused costs it less than who is
    /// served. Streams go on at their rate on connections that are cut, so there it is bounded.
    fn offer(&self, cost: Cost, capacity: f64) -> Offer {
        let wanted = OVERLOAD_PLANNED * capacity / cost.server_s.max(1e-9);
        match self.vector.resource {
            Resource::Processor => {
                Offer { per_s: wanted.min(self.plan.offered_per_s_max), hoarders: 0 }
            }
            Resource::Streams => {
                let per_s = wanted.min(possible(cost)).min(self.plan.offered_per_s_max);
                Offer { per_s, hoarders: 0 }
            }
            Resource::Seats { times } => {
                let seats = self.files.unwrap_or(FILES_LOWERED) - FILES_RESERVED;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "thousands"
                )]
                let hoarders = (seats as f64 * times) as usize;
                Offer { per_s: 0.0, hoarders: hoarders.min(HOARDERS_MAX) }
            }
            // Each connection brings all it has at once.
            Resource::Memory { .. } => Offer { per_s: OFFERED_PER_S_MAX, hoarders: 0 },
            Resource::HalfOpen { .. } => Offer { per_s: SYN_PER_S, hoarders: 0 },
            Resource::Letters => Offer { per_s: LETTERS_PER_S, hoarders: 0 },
            Resource::Link { bytes_per_s } => {
                let carried = f64::from(bytes_per_s) / f64::from(SEGMENT_BYTES);
                Offer { per_s: carried * OVERLOAD_WANTED, hoarders: 0 }
            }
        }
    }

    /// Lowers what the server can do, where it takes processor time to overload it and one core of
    /// attackers does not have enough.
    fn brake(&self, cost: Cost, needed: f64) -> Brake {
        let expected = match self.vector.resource {
            Resource::Processor | Resource::Streams if self.plan.brakes => {
                possible(cost) * cost.server_s
            }
            _ => f64::INFINITY,
        };
        Brake::apply(self.scene.process, expected, needed)
    }

    fn starting(&self) -> Glance {
        Glance {
            vector: self.vector.name,
            phase: None,
            seconds: (0.0, 0.0),
            populations: [(0, 0, None); 4],
            attack: (0, 0, 0),
            resident_bytes: self.scene.process.resident_bytes().unwrap_or(0),
        }
    }

    /// Looks at the server and tells who looks on; the server's memory.
    fn look(&self, town: &Town, front: &Front, watch: &mut dyn Watch) -> u64 {
        let (now, marks) = (clock::now(), town.board.marks);
        let process = self.scene.process;
        let resident_bytes = process.resident_bytes().unwrap_or(0);
        let offered = front.ledger.offered.load(Ordering::Relaxed);
        let served = front.ledger.served.load(Ordering::Relaxed);
        let files = process.open_files().and_then(|files| u64::try_from(files).ok());
        let processor_s = process.time().as_secs_f64();
        town.board.look(now, |second| {
            second.offered = offered;
            second.attack_served = served;
            second.resident_bytes = second.resident_bytes.max(resident_bytes);
            second.open_files = second.open_files.max(files.unwrap_or(0));
            second.processor_s = processor_s;
        });
        let phase = marks.phase(now);
        let of = |population| {
            town.board.tally(population, phase, |tally| {
                (tally.counts.attempted, tally.counts.served, tally.quantile_ms(0.99))
            })
        };
        let passed = now.saturating_duration_since(marks.start).as_secs_f64();
        watch.glance(&Glance {
            vector: self.vector.name,
            phase: Some(phase),
            seconds: (passed, (marks.end - marks.start).as_secs_f64()),
            populations: Population::ALL.map(of),
            attack: (offered, served, front.ledger.held.load(Ordering::Relaxed)),
            resident_bytes,
        });
        resident_bytes
    }
}

/// Requests that the generator can make in a second, all of them served.
fn possible(cost: Cost) -> f64 {
    ATTACK_SHARE / cost.generator_s.max(1e-9)
}

/// Runs something to its end, or until the run is stopped, on this thread alone. What it has
/// spawned ends with it.
fn on_one_thread(stop: &Stop, what: impl Future<Output = ()>) {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = built else { return };
    runtime.block_on(async {
        let stopped = async {
            while !stop.is_set() {
                clock::until(clock::now() + Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = what => {}
            () = stopped => {}
        }
    });
}

/// Waits between two looks; never in the place of one.
#[expect(clippy::disallowed_methods, reason = "the pause between looks at a process")]
fn pause(time: Duration) {
    thread::sleep(time);
}

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
        ATTACK_SHARE, CALIBRATION_MS, CALIBRATION_PER_S, CALIBRATION_STREAMS_PER_S, HOARDERS_MAX,
        LOOK_MS, OFFERED_PER_S_MAX, OVERLOAD_WANTED, REHEARSAL_MS, SOURCES,
    },
    measure::{Board, Marks, Phase, Population},
    people::{self, Town},
    plan::Plan,
    report::{Report, VectorReport, report_of},
    scene::{Scene, Stage, StageError},
    system,
    vectors::{Front, Ledger, Offer, Resource, Vector},
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
    let mut reports = Vec::new();
    for vector in vectors {
        if stop.is_set() {
            break;
        }
        let files = matches!(vector.resource, Resource::Seats { .. }).then_some(FILES_LOWERED);
        let scene = stage.raise(files)?;
        let run = Run { vector, scene: &scene, plan, seed, files };
        if let Some(report) = run.whole(watch, stop)? {
            watch.done(&report);
            reports.push(report);
        }
        stage.strike();
    }
    Ok(Report::new(seed, reports))
}

struct Run<'r> {
    vector: &'static Vector,
    scene: &'r Scene,
    plan: &'r Plan,
    seed: u64,
    files: Option<u64>,
}

/// All that was measured of a vector.
pub(crate) struct Measured<'m> {
    pub vector: &'static Vector,
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
}

impl Run<'_> {
    /// The vector from its calibration to its report; none where it was stopped.
    fn whole(
        &self,
        watch: &mut dyn Watch,
        stop: &Stop,
    ) -> Result<Option<VectorReport>, StageError> {
        let dialer = Dialer::new(self.scene.target, &self.scene.authority)
            .map_err(|error| StageError(error.to_string()))?;
        watch.glance(&self.starting());
        let cost = self.calibrate(&dialer, stop);
        let offer = self.offer(cost);
        let needed = self.rehearse(&dialer, stop);
        let brake = self.brake(cost, offer, needed);
        let start = clock::now() + Duration::from_millis(500);
        let lengths = [0, 1, 2].map(|phase| self.plan.length(phase));
        let attack = start + lengths.first().copied().unwrap_or_default();
        let recovery = attack + lengths.get(1).copied().unwrap_or_default();
        let end = recovery + lengths.get(2).copied().unwrap_or_default();
        let board = Board::new(Marks { start, attack, recovery, end });
        let town = Arc::new(Town::new(self.scene, dialer.clone(), board, self.seed));
        let front = Arc::new(self.front(&dialer, offer, attack, recovery));
        let busy = Arc::new(Mutex::new(0.0));
        let attackers = attackers(self.vector, Arc::clone(&front), stop.clone(), Arc::clone(&busy));
        let crowd = self.plan.crowd;
        let living = Arc::clone(&town);
        let stopped = stop.clone();
        let everybody = thread::spawn(move || {
            system::load_core_here();
            on_one_thread(&stopped, people::live(living, crowd));
        });
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
        let generator_share = *busy.lock() / (recovery - attack).as_secs_f64();
        let Self { vector, seed, plan, .. } = *self;
        let (board, ledger) = (&town.board, &front.ledger);
        Ok(Some(report_of(&Measured {
            vector,
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
        })))
    }

    fn front(&self, dialer: &Dialer, offer: Offer, start: Instant, end: Instant) -> Front {
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
        }
    }

    /// What one request costs the server and the generator: the vector itself, far from any
    /// pressure, and what the server took besides.
    fn calibrate(&self, dialer: &Dialer, stop: &Stop) -> Cost {
        if !matches!(self.vector.resource, Resource::Processor | Resource::Streams) {
            return Cost::default();
        }
        let server = self.scene.process;
        let span = Duration::from_millis(CALIBRATION_MS);
        let before = server.time();
        pause(span);
        let idle = server.time().saturating_sub(before);
        let start = clock::now();
        let per_s = match self.vector.resource {
            Resource::Streams => CALIBRATION_STREAMS_PER_S,
            _ => CALIBRATION_PER_S,
        };
        let offer = Offer { per_s, hoarders: 0 };
        let front = Arc::new(self.front(dialer, offer, start, start + span));
        let busy = Arc::new(Mutex::new(0.0));
        let before = server.time();
        let attack = attackers(self.vector, Arc::clone(&front), stop.clone(), Arc::clone(&busy));
        let _panicked = attack.join();
        // What is still being answered is part of the cost.
        pause(span / 4);
        let used = server.time().saturating_sub(before).saturating_sub(idle);
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
        let (crowd, stopped) = (self.plan.crowd, stop.clone());
        let everybody = thread::spawn(move || {
            system::load_core_here();
            on_one_thread(&stopped, people::live(town, crowd));
        });
        pause(half);
        let before = (clock::now(), self.scene.process.time());
        pause(half);
        let used = self.scene.process.time().saturating_sub(before.1);
        let passed = clock::now().saturating_duration_since(before.0);
        let _panicked = everybody.join();
        used.as_secs_f64() / passed.as_secs_f64().max(0.001)
    }

    /// How much is offered: ten times what the server can do, or what the generator can.
    fn offer(&self, cost: Cost) -> Offer {
        match self.vector.resource {
            Resource::Processor | Resource::Streams => {
                let wanted = OVERLOAD_WANTED / cost.server_s.max(1e-9);
                let possible = ATTACK_SHARE / cost.generator_s.max(1e-9);
                let per_s = wanted.min(possible).min(self.plan.offered_per_s_max);
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
        }
    }

    /// Lowers what the server can do, where it takes processor time to overload it and one core of
    /// attackers does not have enough.
    fn brake(&self, cost: Cost, offer: Offer, needed: f64) -> Brake {
        let expected = match self.vector.resource {
            Resource::Processor | Resource::Streams if self.plan.brakes => {
                offer.per_s * cost.server_s
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

/// The attackers' thread: it runs only when the populations' does not want the core.
fn attackers(
    vector: &'static Vector,
    front: Arc<Front>,
    stop: Stop,
    busy: Arc<Mutex<f64>>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        system::load_core_here();
        system::idle_class_here();
        let begin = system::thread_time();
        on_one_thread(&stop, (vector.attack)(front));
        *busy.lock() = system::thread_time().saturating_sub(begin).as_secs_f64();
    })
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

//! What deciding costs in memory: nothing a decision, and no more than promised however many
//! sources come. A program of its own, since it counts what the whole program asks for.
//!
//! Leaves what a decision takes in time to the example `decide`, which people read.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};

use shield::decide::{Called, Credentials, Decision, Facts, Now, Outcome, Settings, State, decide};
use shield::sim::chance::Chance;
use shield::sim::crowd::{self, PAGE};

/// The system's allocator, counting for each thread, so that tests beside each other do not mix.
struct Counting;

thread_local! {
    /// Times that this thread asked for memory.
    static ASKED: Cell<u64> = const { Cell::new(0) };
    /// Bytes that it asked for and has not given back.
    static HELD: Cell<i64> = const { Cell::new(0) };
}

fn count(asked: u64, bytes: usize, is_given_back: bool) {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    ASKED.set(ASKED.get() + asked);
    HELD.set(HELD.get() + if is_given_back { -bytes } else { bytes });
}

// SAFETY: memory is the system allocator's, asked for and given back with the caller's own words.
// Counting writes two plain cells, which need no memory and have no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), false);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), false);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size, false);
        count(0, layout.size(), true);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, layout.size(), true);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const START_S: u64 = 20_000 * 86_400;
const MIB: i64 = 1 << 20;

/// The shield's decisions around a machine that does each piece of work in the same time.
struct House {
    state: State,
    now_us: u64,
    cost_ns: u64,
    served: u64,
    turned: u64,
}

impl House {
    fn new(cost_ns: u64) -> Self {
        let start = Now { us: 0, unix_s: START_S };
        let state = State::new(Settings::for_cores(1), [9; 16], start);
        Self { state, now_us: 0, cost_ns, served: 0, turned: 0 }
    }

    /// One request, from its decision until it is settled, and who leaves the queue meanwhile.
    fn ask(&mut self, facts: &Facts, gap_us: u64) {
        self.now_us += gap_us;
        let now = Now { us: self.now_us, unix_s: START_S + self.now_us / 1_000_000 };
        self.state.tick(now);
        let outcome = Outcome::Ended { cost_ns: self.cost_ns };
        match decide(&mut self.state, facts, now) {
            Decision::Serve(admission) => {
                self.served += 1;
                self.state.settle(admission, outcome, now);
            }
            Decision::Queue(_) => {}
            _ => self.turned += 1,
        }
        while let Some((_, called)) = self.state.next(now) {
            if let Called::Serve(admission) = called {
                self.served += 1;
                self.state.settle(admission, outcome, now);
            }
        }
        while self.state.next_denial().is_some() {}
    }
}

/// The one of so many strangers with this number, all in networks of their own while there are any.
fn stranger(chance: &mut Chance, number: u64) -> Facts {
    let host = u32::try_from(number).expect("few");
    let address = IpAddr::V4(Ipv4Addr::from_bits(0x1000_0000 ^ host.rotate_left(8)));
    crowd::facts(address, Credentials::default(), PAGE.0, crowd::human_looks(chance))
}

/// Has them ask, after a while in which all tables are met, and looks whether it took memory.
#[track_caller]
fn check(what: &str, cost_ns: u64, pressed: bool, mut facts: impl FnMut(&mut Chance) -> Facts) {
    let (mut chance, mut house) = (Chance::new(5), House::new(cost_ns));
    let all: Vec<Facts> = (0..60_000).map(|_| facts(&mut chance)).collect();
    all.iter().for_each(|facts| house.ask(facts, 100));
    assert_eq!(house.state.pressed(), pressed, "{what}");
    let (turned, asked, held) = (house.turned, ASKED.get(), HELD.get());
    all.iter().for_each(|facts| house.ask(facts, 100));
    assert_eq!((ASKED.get() - asked, HELD.get() - held), (0, 0), "{what}: memory was asked for");
    assert_eq!(
        house.turned > turned,
        pressed,
        "{what}: {} were turned away",
        house.turned - turned
    );
    assert!(house.served > 10_000, "{what}: {} were served", house.served);
}

#[test]
fn a_decision_asks_for_no_memory() {
    let member = |chance: &mut Chance| crowd::member(chance.below(500), START_S);
    let few = |chance: &mut Chance| {
        let number = chance.below(1_000);
        stranger(chance, number)
    };
    let many = |chance: &mut Chance| {
        let number = chance.below(1 << 24);
        stranger(chance, number)
    };
    check("members in peace", 20_000, false, member);
    check("a thousand strangers in peace", 20_000, false, few);
    check("very many strangers in peace", 20_000, false, many);
    check("members under pressure", 500_000, true, member);
    check("a thousand strangers under pressure", 500_000, true, few);
    check("very many strangers under pressure", 500_000, true, many);
}

#[test]
fn a_million_sources_take_no_more_than_64_mib() {
    let before = HELD.get();
    let (mut chance, mut house) = (Chance::new(6), House::new(20_000));
    let at_first = HELD.get() - before;
    // In peace each is remembered as one that was served, under pressure as one that asks too much.
    for cost_ns in [20_000, 1_000_000] {
        house.cost_ns = cost_ns;
        (0..1_000_000).for_each(|number| house.ask(&stranger(&mut chance, number), 100));
    }
    assert!(house.state.pressed() && house.turned > 500_000, "{} turned away", house.turned);
    let held = HELD.get() - before;
    assert!(held <= 64 * MIB, "{} KiB", held / 1_024);
    assert_eq!(held, at_first, "whoever comes, it stays as large as it was made");
    let tables = i64::try_from(house.state.bytes()).expect("less");
    assert!(tables > 32 * MIB && tables <= held, "{} KiB of tables", tables / 1_024);
}

//! Bounds of `decide`: what is remembered, how fast it reacts, how much anybody may weigh. Leaves
//! to `decide::Settings` what depends on the machine. Each says why it is what it is; the simulator
//! (`cargo run -p shield --example sim`) is where a change of one is tried.

/// Sources that the sketches are made for. Past it estimates grow too high, slowly.
pub const SOURCES: usize = 1 << 20;
/// Over which consumption is counted, in us. Long against a page with its parts, short against an
/// attack's bursts (35 to 80 s).
pub const CONSUMPTION_WINDOW_US: u64 = 8_000_000;
/// Over which unanswered challenges and refusals are counted, in us.
pub const DOUBT_WINDOW_US: u64 = 600_000_000;
/// Counters of requests in flight by principal, of which each has two.
pub const IN_FLIGHT_COUNTERS: usize = 1 << 16;
/// Requests of a member or peer in flight under pressure. An HTTP/2 connection has 64 streams.
pub const IN_FLIGHT_KNOWN_MAX: u16 = 96;
/// Requests of any other principal in flight under pressure: two browsers behind one address.
pub const IN_FLIGHT_STRANGER_MAX: u16 = 24;

/// Charged for a route of which nothing is known yet, in ns: one that is plain, and one that
/// searches, decodes or fetches.
pub const COST_UNKNOWN_NS: u64 = 500_000;
/// See `COST_UNKNOWN_NS`.
pub const COST_UNKNOWN_DEAR_NS: u64 = 10_000_000;
/// Requests over which a route's mean cost is taken.
pub const COST_MEMORY: f64 = 64.0;
/// Times the mean that one request may count for.
pub const COST_OUTLIER: f64 = 32.0;

/// Between two turns of the controller, in us.
pub const TURN_US: u64 = 100_000;
/// Turns over which ranks are kept: one second.
pub const TURNS_KEPT: usize = 10;
/// Work admitted and not yet done at which known standings are queued instead, in ms. Together
/// with `DEPTH_STRANGERS_MS` it bounds what waits before a member: promised is calm + 25 ms.
pub const DEPTH_KNOWN_MS: f64 = 10.0;
/// The same for strangers. What lies between is the members' own.
pub const DEPTH_STRANGERS_MS: f64 = 5.0;
/// Rank from which one known from before has all of `DEPTH_KNOWN_MS` under pressure: accounts of
/// some age and use, peers, and the oldest cookies.
pub const RANK_BEST: u16 = 576;
/// Share of the capacity that refusals may be counted for, and what of it is saved up, in ms. The
/// rest is for who is served, however many are turned away.
pub const REFUSALS_SHARE: f64 = 0.5;
/// See [`REFUSALS_SHARE`].
pub const REFUSALS_SAVED_MS: f64 = 0.5;
/// What the cost of a stranger's request counts towards `DEPTH_STRANGERS_MS`, at most, in ms: a
/// dear one waits until nearly nothing is in hand, since nobody can overtake it once it runs.
pub const DEPTH_DEAR_MS: f64 = 4.0;
/// Below it anybody is served who is not denied, in ms: an idle machine refuses nobody.
pub const DEPTH_SPARE_MS: f64 = 1.0;
/// Queueing delay of admitted work that the controller steers to, in ms.
pub const DELAY_TARGET_MS: f64 = 4.0;
/// Gains of the controller on the relative error of that delay: critically damped at 1.5 rad/s for
/// work that piles up at 125 targets a second for each unit of over-admission.
pub const GAIN_PROPORTIONAL: f64 = 0.024;
/// See `GAIN_PROPORTIONAL`; per second.
pub const GAIN_INTEGRAL: f64 = 0.018;
/// Largest error taken at once: a stall of the machine is not an attack.
pub const ERROR_MAX: f64 = 4.0;
/// Range of what the controller makes of the capacity it was told. The least is what a machine is
/// left with by a neighbour who takes nearly all of it.
pub const TRIM: (f64, f64) = (0.05, 1.5);
/// A tick may be late by so much, in ms, before that says that there is work in hand: timers count
/// in ms.
pub const OVERDUE_MS: f64 = 3.0;
/// A tick that is overdue for longer says nothing of the work in hand, in ms: whoever gave it has
/// stopped, and nobody shall be refused for that.
pub const TICK_GONE_MS: f64 = 2_000.0;
/// A tick that comes so late, in ms, was behind work for all of that time: what was done since the
/// tick before it is what the machine does, if it is less than this part of what was thought.
pub const BEHIND_MS: f64 = 24.0;
/// See `BEHIND_MS`.
pub const BEHIND: f64 = 0.8;
/// A second tick that is so late, within so many us of the first, says that it was no chance.
pub const SUSPECTED_US: u64 = 1_000_000;
/// Times what was done in peace that the machine can do at least, whatever one late tick says: so a
/// stall is not taken for a slow machine.
pub const PROVEN: f64 = 1.25;
/// What the capacity grows by in a turn where the core has time to spare though it is held for slow
/// (as a logarithm): others take from it no more.
pub const GAIN_FREED: f64 = 0.05;
/// Part of the capacity that must be done in a turn before a short delay speaks for more of it.
pub const ASKED: f64 = 0.6;
/// Turns in a row that overload must last before anybody is refused for it: a burst is queued, and
/// who is known goes first in the queue.
pub const TURNS_TO_PRESS: u32 = 50;
/// The same where so many times the capacity is offered.
pub const CLEARLY: f64 = 4.0;
/// See `CLEARLY`.
pub const TURNS_CLEARLY_TO_PRESS: u32 = 3;
/// Work in the queue at which pressure is on at once, in ms: what a server's members ask for when
/// all of them reconnect after a restart.
pub const QUEUED_TO_PRESS_MS: f64 = 2_500.0;
/// Share of the capacity below which offered work must stay, and how many turns, until pressure
/// is off.
pub const RELIEF: (f64, u32) = (0.8, 30);

/// Requests in the queue. Past it the lowest rank makes way.
pub const QUEUE_MAX: usize = 4_096;
/// How long a request may wait, in us, in peace and under pressure.
pub const QUEUE_WAIT_US: (u64, u64) = (10_000_000, 400_000);
/// The same for members and others known from before.
pub const QUEUE_WAIT_KNOWN_US: (u64, u64) = (10_000_000, 3_000_000);
/// What those known from before may cost who wait under pressure though they rank too low for the
/// last second, in ms: less than they wait at most.
pub const KNOWN_WAITING_MS: f64 = 2_500.0;
/// Entries of a band that are looked at for the network that was served least.
pub const QUEUE_LOOK: usize = 48;
/// Networks told apart by the queue's fairness; a rotating hash shares them out.
pub const QUEUE_NETWORKS: usize = 1_024;

/// Share of the capacity that strangers keep however many members ask.
pub const FLOOR_STRANGERS: f64 = 0.10;
/// Share of the strangers' floor that each of the cleared and the others keep.
pub const FLOOR_HALF: f64 = 0.5;
/// Work that a floor may save up, in ms.
pub const FLOOR_SAVED_MS: f64 = 10.0;
/// What one address may use over a window without falling in rank, in ms, however many share.
pub const SHARE_LEAST_MS: f64 = 20.0;
/// The same for an account.
pub const SHARE_LEAST_MEMBER_MS: f64 = 200.0;
/// Members among whom the capacity is shared at least: one alone has no right to all of it.
pub const MEMBERS_LEAST: f64 = 8.0;
/// Shares of an address that its network may use.
pub const SHARES_OF_A_NETWORK: f64 = 4.0;
/// Part of its estimate that a refused request is charged: knocking is not free.
pub const KNOCK: f64 = 0.25;

/// Period of the hash that splits ties between strangers, in s: who loses has another chance when
/// the waiting room comes back, who wins loads a whole page.
pub const TIE_PERIOD_S: u64 = 3;
/// The same between known standings, in s.
pub const TIE_PERIOD_KNOWN_S: u64 = 3_600;

/// Bins of each trait; values share them by a keyed hash.
pub const TRAIT_BINS: usize = 1_024;
/// What one trait can add to or take from a score, in nats.
pub const TRAIT_BOUND: f64 = 2.0;
/// Requests in the peace profile below which a trait says nothing.
pub const PROFILE_LEAST: f64 = 200.0;
/// Time constant of the peace profile, in s: 14 days.
pub const PROFILE_MEMORY_S: f64 = 14.0 * 86_400.0;
/// What was learnt joins the profile after this long in peace, in s; pressure drops it.
pub const PROFILE_STAGED_S: u64 = 300;
/// Requests of one network in a day that teach fully. Later ones teach less and less, all together
/// as much again.
pub const PROFILE_NETWORK_DAY: f64 = 16.0;
/// Over which what is common now is counted, in us.
pub const TRAITS_WINDOW_US: u64 = 2_000_000;

/// Share of the capacity that challenges and waiting rooms may cost. They are what tells newcomers
/// from bots that look like them: better spent than on pages for these bots.
pub const CHALLENGE_SHARE: f64 = 0.15;
/// What a challenge page costs, in ns; it is one cached answer.
pub const CHALLENGE_NS: u64 = 20_000;
/// What a refusal costs, in ns.
pub const REFUSAL_NS: u64 = 6_000;
/// Doubt for a challenge or waiting room that was given, and for a refusal of a suspect.
pub const DOUBT: (u32, u32) = (4, 1);
/// Doubt from which an address is suspect: six challenges, none of them answered.
pub const DOUBT_SUSPECT: u32 = 24;
/// Doubt from which it is denied: a suspect that goes on for 200 requests more.
pub const DOUBT_DENIED: u32 = 224;
/// Seconds that a ticket must have waited before it outweighs doubt about its address, and after
/// which waiting adds no more. Short: who could earn rank by waiting longer would be a bot.
pub const WAITED_S: (u64, u64) = (3, 3);

/// Words of the history that are saved under one hold of the lock: 64 KiB are looked at, and twice
/// as many written at most.
pub const SAVED_AT_ONCE: usize = 8_192;

/// Addresses denied at once. Past it the one nearest to its end makes way.
pub const DENIED_MAX: usize = 16_384;
/// First and longest time for which an address is denied, in s; it doubles with each offence.
pub const DENIED_S: (u64, u64) = (60, 4 * 3_600);
/// After which an offence is forgotten, in s.
pub const DENIED_MEMORY_S: u64 = 86_400;
/// New denials held for the kernel. Past it they stay in this program only.
pub const DENIALS_MAX: usize = 1_024;
/// Addresses that served members, for which the filter is made.
pub const MEMBER_ADDRESSES: usize = 1 << 17;

/// Share of offered cost turned away above which the next step of degradation is taken, and turns
/// that it lasts.
pub const DEGRADE_AFTER: (f64, u32) = (0.2, 5);
/// Share below which a step is taken back, and turns that it lasts.
pub const RESTORE_AFTER: (f64, u32) = (0.05, 100);

const _: () = assert!(DEPTH_SPARE_MS < DEPTH_STRANGERS_MS && DEPTH_STRANGERS_MS < DEPTH_KNOWN_MS);
const _: () = assert!(DELAY_TARGET_MS < DEPTH_KNOWN_MS, "the controller would never see its goal");
const _: () = assert!(DOUBT_SUSPECT < DOUBT_DENIED && DOUBT.0 * 6 == DOUBT_SUSPECT);
const _: () = assert!(DENIED_S.0 < DENIED_S.1 && DENIED_S.1 < DENIED_MEMORY_S);
const _: () = assert!(RESTORE_AFTER.0 < DEGRADE_AFTER.0, "a step without hysteresis flutters");
const _: () = assert!(QUEUE_MAX.is_power_of_two() && QUEUE_NETWORKS.is_power_of_two());
const _: () = assert!(TRAIT_BINS.is_power_of_two() && IN_FLIGHT_COUNTERS.is_power_of_two());

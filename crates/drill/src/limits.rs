//! Bounds of a drill, each with its arithmetic. A drill ends by itself, and what it holds meanwhile
//! fits into one process and one core. Leaves what a vector offers to the vector.

/// Open files of the drilling process, at most: populations, attackers and reports together. The
/// process's own limit may be lower and is then taken.
pub const FILES_MAX: u64 = 20_000;
/// Visits of a flood in flight. Past it: the next is not made, and counts as not generated.
pub const FLIGHTS_MAX: usize = 12_000;
/// How late a visit of a flood may begin, in ms. Past it: it is left out, so that a generator at
/// its end offers what it can and no queue of its own.
pub const LATE_MS_MAX: u64 = 250;
/// Connections that hoarders want to hold at once, at most.
pub const HOARDERS_MAX: usize = 14_000;
/// Requests of members and visitors in flight. Past it: the next is counted as failed, since its
/// like before it have not been answered.
pub const ASKED_MAX: usize = 4_000;
/// Sources that bots come from over a whole run.
pub const SOURCES: u32 = 100_000;
/// Bots that are seen in the recorded peace, and those that have a cookie from it.
pub const WARMED: u32 = 2_000;
/// See [`WARMED`].
pub const HARVESTED: u32 = 2_000;
/// Requests per second that a vector offers, at most. One core makes fewer; the figure only keeps
/// a mistaken measurement from asking for more than a schedule can hold.
pub const OFFERED_PER_S_MAX: f64 = 200_000.0;
/// Connections that a SYN flood asks for in a second.
pub const SYN_PER_S: f64 = 20_000.0;
/// Letters that an instance is made to send, in a second. Past what it gives to one account and one
/// address in an hour it sends none, which is its right.
pub const LETTERS_PER_S: f64 = 10.0;
/// Conversations that the other side holds at once. Past it: the next waits.
pub const CONVERSATIONS_MAX: usize = 64;
/// Bytes of one. Past it: it is over.
pub const LETTER_BYTES_MAX: u64 = 1024 * 1024;
/// How long one may last, in s. Past it: it is over.
pub const CONVERSATION_S: u64 = 30;
/// Sockets that segments leave by. What one has sent and the link has not taken yet is bounded by
/// its buffer (200 KiB, some 90 segments); so many together hold four times what the narrow link
/// has room for, so that it is the link that drops.
pub const SENDERS: usize = 32;
/// Segments of a full link that are made once and sent over and over.
pub const SEGMENTS_MADE: usize = 4_096;
/// How long a half-open connection is kept, in s: five repetitions (tcp(7), `tcp_synack_retries`).
pub const SYN_KEPT_S: f64 = 63.0;
/// Multiples of one core that a vector's requests should cost. Ten is what the promise names.
pub const OVERLOAD_WANTED: f64 = 10.0;
/// What is planned of it, since a generator makes a little less than was planned.
pub const OVERLOAD_PLANNED: f64 = 10.5;
/// Below this many times the capacity nothing was proven.
pub const OVERLOAD_LEAST: f64 = 2.0;
/// The part of a core that attackers may take by the measurement before, so that the populations'
/// own load is still made on time.
pub const ATTACK_SHARE: f64 = 0.6;
/// The part of the planned load that must have been offered. Below it the run is void.
pub const GENERATED_LEAST: f64 = 0.8;
/// How late the populations' requests may begin (99 of 100), in ms. Past it the run is void: what
/// was measured is the generator.
pub const LAG_MS_MAX: f64 = 12.5;

/// Bytes of an answer's head. Past it: failed.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Bytes of an answer that are kept to be looked at. The rest is read and thrown away.
pub const BODY_BYTES_KEPT: usize = 256 * 1024;
/// Bytes of an answer that are read. Past it: failed.
pub const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes read at once.
pub const READ_BYTES: usize = 16 * 1024;
/// Cookies that a visitor keeps. Past it: the new one is dropped.
pub const COOKIES_MAX: usize = 16;
/// Connections that a member's app keeps open between requests, as browsers do.
pub const IDLE_CONNECTIONS_MAX: usize = 6;

/// Patience of a member and of a returning visitor, in ms. Past it: failed.
pub const PATIENCE_MS: u64 = 10_000;
/// Patience of a newcomer whose browser runs scripts, in ms.
pub const NEWCOMER_MS: u64 = 5_000;
/// Patience of a newcomer without scripts, in ms.
pub const WAITING_ROOM_MS: u64 = 30_000;
/// Pages that a newcomer follows on the way to the one that was asked for. Past it: failed.
pub const PAGES_FOLLOWED_MAX: u32 = 20;
/// Zero bits and parts of a challenge that is taken up. Past it: it is none.
pub const PUZZLE_BITS_MAX: u32 = 20;
/// See [`PUZZLE_BITS_MAX`].
pub const PUZZLE_PARTS_MAX: u32 = 16;
/// Challenges that newcomers work out by themselves, in a second: 25 ms of the load's core each.
/// Past it: they are handed what the work earns, by the instance's key.
pub const PUZZLES_PER_S: f64 = 4.0;
/// Challenges that wait for that. Past it: as above.
pub const PUZZLES_WAITING_MAX: usize = 64;
/// Challenges that bots solve, in a second: 60 are one core and a half of a machine that does
/// nothing else. They are handed what the work earns.
pub const SOLVED_PER_S: u32 = 60;
/// Between two tries of a newcomer whose connection failed, in ms.
pub const AGAIN_MS: u64 = 1_000;
/// Patience of a bot, in ms: whoever waits longer could have attacked again meanwhile.
pub const BOT_MS: u64 = 4_000;
/// How long a bot waits to be let in, in ms: one whose first segment was dropped tries nothing
/// more.
pub const BOT_DIAL_MS: u64 = 900;
/// How long a connection and its handshake may take, in ms.
pub const DIAL_MS: u64 = 10_000;

/// Posts of another server that visitors go to: what a page of its timeline holds.
pub const PEER_POSTS_MAX: usize = 40;
/// How long another server may take until it answers, in s.
pub const PEER_READY_S: u64 = 120;
/// Between two looks at the server's process, in ms.
pub const LOOK_MS: u64 = 250;
/// Seconds of a second-by-second record. A run is shorter.
pub const SECONDS_MAX: usize = 1_800;
/// Latencies that are told apart, from 1 microsecond to this many (two minutes).
pub const LATENCY_US_MAX: u64 = 120_000_000;
/// How long it is measured what one request costs, in ms.
pub const CALIBRATION_MS: u64 = 1_500;
/// Seconds of the peace that is recorded before a drill.
pub const PEACE_S: u64 = 12;
/// How long the populations live before a run, in ms, twice: once to open their connections, and
/// once to measure what they need of the server.
pub const REHEARSAL_MS: u64 = 1_500;
/// The part of members' requests that may fail in calm. Past it the run is void: there was no calm.
pub const CALM_FAILURES: f64 = 0.01;
/// Members' latency in calm (99 of 100), in ms. Past it the run is void: twice of that is no bound.
pub const CALM_P99_MS_MAX: f64 = 250.0;
/// Requests per second while it is measured: far from any pressure.
pub const CALIBRATION_PER_S: f64 = 160.0;
/// The part of a core that these may take.
pub const CALIBRATION_SHARE: f64 = 0.3;
/// The same of streams and frames, which are cheaper than the connections that carry them: enough
/// of them that opening the connections does not count.
pub const CALIBRATION_STREAMS_PER_S: f64 = 8_000.0;

const _: () = assert!(FLIGHTS_MAX + ASKED_MAX < 20_000, "a flood could use up the files");
const _: () = assert!(HOARDERS_MAX + ASKED_MAX < 20_000, "hoarders could use up the files");
const _: () = assert!(NEWCOMER_MS < WAITING_ROOM_MS, "who waits has more time");

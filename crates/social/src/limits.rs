//! Bounds of the verbs and of what they keep in memory, and what happens at each.

/// Statuses kept ready. Past it: the older half goes and is read again when wanted.
pub const STATUSES_CACHED: usize = 40_000;
/// Accounts kept ready. As above.
pub const ACCOUNTS_CACHED: usize = 20_000;
/// Tokens whose state is kept. As above.
pub const TOKENS_CACHED: usize = 50_000;
/// Entries of a home timeline in memory. Past it: the oldest goes, the store has it.
pub const RING_LENGTH: usize = 800;
/// Home timelines in memory. Past it: all are dropped but those with an open stream, and the
/// next read builds anew.
pub const RINGS_MAX: usize = 20_000;
/// Events remembered for timelines that are being built. A build that takes longer is repeated.
pub const RECENT_EVENTS: usize = 4_096;
/// Events that a slow stream may lag behind. Past it: it loses the oldest and is cut.
pub const STREAM_LAG_MAX: usize = 256;
/// Statuses of a thread that are shown. Past it: the newest are left out.
pub const THREAD_MAX: u32 = 4_096;
/// Password hashes computed at once (19 MiB each). Past it: they wait, then 503.
pub const HASHES_AT_ONCE: usize = 2;
/// How long a hash may wait for its turn, in milliseconds.
pub const HASH_WAIT_MS: u64 = 5_000;
/// Shortest password, in characters.
pub const PASSWORD_CHARACTERS_MIN: usize = 8;
/// Longest password, in bytes. Past it: refused, not cut.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Minutes in which an authorization code works.
pub const CODE_MINUTES: i64 = 10;
/// Days that a browser session lasts.
pub const SESSION_DAYS: i64 = 30;
/// Followers that are told of a post they asked to hear of, in the same deed. Past it: not told.
pub const NOTIFIED_MAX: usize = 1_000;
const _: () = assert!(RING_LENGTH <= u32::MAX as usize);

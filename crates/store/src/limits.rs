//! Bounds of the store, and what happens at each.

use std::time::Duration;

/// Batches waiting for the writer. Past it: `Away`, the caller answers 503.
pub const WRITE_QUEUE_MAX: usize = 4_096;
/// Batches in one commit. Past it they wait for the next: a commit stays a few milliseconds long.
pub const GROUP_MAX: usize = 256;
/// How often the writer lets others run while its group still grows. Past it the group commits.
pub const YIELDS_MAX: usize = 16;
/// How long a batch waits for the writer to begin its group. Past it it is withdrawn: `Away`, and
/// nothing of it will ever happen.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// How long a batch whose group has begun is waited for. Past it: `Unsettled`, for it may be
/// committed yet.
pub const GROUP_DEADLINE: Duration = Duration::from_secs(20);
/// Queries waiting for a reader. Past it: `Away`.
pub const READ_QUEUE_MAX: usize = 4_096;
/// Queries that are over as fast cost the time that passed, in ns; longer ones are measured by
/// their thread's clock.
pub const SHORT_NS: u64 = 50_000;
/// Such queries between two looks at that clock.
pub const LOOK_EVERY: u32 = 16;
/// Reader connections of one process.
pub const READERS: usize = 4;
/// Statements kept prepared on each connection.
pub const PREPARED_MAX: usize = 256;
/// Pages of the write-ahead log after which a checkpoint waits for readers (16 MiB).
pub const WAL_PAGES_RESTART: i64 = 4_096;
/// Bytes of the log that are gathered before they are written. Past it they are written, and the
/// next ones gather.
pub const LOG_GATHER_BYTES_MAX: usize = 1_024 * 1_024;
/// Bytes of the log in one call. SQLite's Unix file system looks at the low 17 bits of a length.
pub const LOG_WRITE_BYTES_MAX: usize = 124 * 1_024;
/// How often the checkpointer looks, in milliseconds.
pub const CHECKPOINT_EVERY_MS: u64 = 1_000;
/// How long a connection waits for another process's lock, in milliseconds.
pub const BUSY_TIMEOUT_MS: u64 = 5_000;
/// How long a checkpoint waits for readers, in milliseconds. Writers wait meanwhile; past it the
/// next look tries again.
pub const CHECKPOINT_WAIT_MS: u64 = 100;
/// Steps of SQLite's machine between two looks at whether a query is still wanted.
pub const QUERY_STEPS: i32 = 10_000;
/// Seconds after which a caller that met a full queue may come back.
pub const RETRY_AFTER_S: u32 = 2;
/// How long a query may take, waiting included. Past it it is stopped: `Away`.
pub const QUERY_DEADLINE: Duration = Duration::from_secs(5);
/// Nodes that may issue ids beside each other.
pub const NODES_MAX: u16 = 64;
/// The oldest PostgreSQL that is served from.
pub const POSTGRES_VERSION_MIN: i64 = 15;
/// PostgreSQL connections for deeds, and as many for queries. Deeds past it wait.
pub const POSTGRES_CONNECTIONS: usize = 16;
/// How long a connection to PostgreSQL may take to open. Past it: `Away`.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// How long a deed or query waits for a connection. Past it: `Away`.
pub const POOL_DEADLINE: Duration = Duration::from_secs(2);
/// How long an abandoned request may hold up its connection. Past it the connection is closed.
pub const RECYCLE_DEADLINE: Duration = Duration::from_secs(1);
/// How long PostgreSQL may take for one deed. Past it its outcome is unknown, and settled.
pub const COMMIT_DEADLINE: Duration = Duration::from_secs(5);
/// Most that one request to PostgreSQL is taken to cost there, in ns. Past it the rest is waiting.
pub const TRIP_WORK_MAX_NS: u64 = 100_000_000;
/// How often a deed that met another one (a deadlock) is tried. Past it: `Away`.
pub const COLLISIONS_MAX: usize = 4;
/// How often a lost deed's outcome is asked after.
pub const SETTLE_EVERY: Duration = Duration::from_millis(250);
/// How many times it is. Past it (ten minutes) its place is given up.
pub const SETTLE_TRIES: usize = 2_400;
/// How long an opening waits for another process to let the database go. Past it it is refused.
pub const TAKEN_WAIT: Duration = Duration::from_secs(5);
/// How often it looks meanwhile.
pub const TAKEN_LOOK: Duration = Duration::from_millis(50);
/// How often it is looked at whether the hold on the database still stands.
pub const HOLD_LOOK: Duration = Duration::from_millis(250);
/// Every so many looks the server is asked, over the connection that holds it.
pub const HOLD_LOOKS_A_QUESTION: u32 = 8;
/// Moves of counters that are folded in one deed, of accounts and of statuses each. Past it the
/// rest comes in the next.
pub const FOLD_MOVES_MAX: u32 = 4_000;
/// How long moves gather before they are folded.
pub const FOLD_EVERY: Duration = Duration::from_millis(200);
/// How long folding waits after a failure.
pub const FOLD_RETRY: Duration = Duration::from_secs(2);
/// Bytes of a copy that are held in memory between the database and the disk.
pub const DUMP_CHUNK_BYTES: usize = 256 * 1_024;
/// Bytes of a copy's list of tables. Past it the copy is refused as damaged.
pub const DUMP_LIST_BYTES_MAX: u64 = 1_024 * 1_024;
/// Answers to a deleted post that are rewritten with it. Past it the rest goes on naming it.
pub const ORPHANED_MAX: u32 = 1_000;
/// Sizes that an id list is padded to, so that few texts are prepared.
pub const ID_LIST_ARITIES: [usize; 4] = [1, 8, 40, 200];
const _: () = assert!(GROUP_MAX <= WRITE_QUEUE_MAX);
const _: () = assert!(LOG_WRITE_BYTES_MAX < 1 << 17);

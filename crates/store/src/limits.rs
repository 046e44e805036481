//! Bounds of the store, and what happens at each.

/// Batches waiting for the writer. Past it: `Away`, the caller answers 503.
pub const WRITE_QUEUE_MAX: usize = 4_096;
/// Batches in one commit. Past it they wait for the next: a commit stays a few milliseconds long.
pub const GROUP_MAX: usize = 256;
/// Queries waiting for a reader. Past it: `Away`.
pub const READ_QUEUE_MAX: usize = 4_096;
/// Reader connections of one process.
pub const READERS: usize = 4;
/// Statements kept prepared on each connection.
pub const PREPARED_MAX: usize = 256;
/// Pages of the write-ahead log after which a checkpoint waits for readers (64 MiB).
pub const WAL_PAGES_RESTART: i64 = 16_384;
/// How often the checkpointer looks, in milliseconds.
pub const CHECKPOINT_EVERY_MS: u64 = 1_000;
/// How long a connection waits for another process's lock, in milliseconds.
pub const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Seconds after which a caller that met a full queue may come back.
pub const RETRY_AFTER_S: u32 = 2;
/// Sizes that an id list is padded to, so that few texts are prepared.
pub const ID_LIST_ARITIES: [usize; 4] = [1, 8, 40, 200];
const _: () = assert!(GROUP_MAX <= WRITE_QUEUE_MAX);

//! Bounds of the shield, and what happens at each. Those of the edge are defaults of
//! [`crate::edge::Options`], so that an operator or a test may set others.

use std::time::Duration;

/// Connections open at once. Past it the slowest of whoever hoards most is closed, or, where
/// nobody hoards, the newcomer.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Of these, kept for addresses that are known from calmer days.
pub const CONNECTIONS_RESERVED: usize = 2_048;
/// Connections of one IPv4 address or IPv6 /64. Past it the newcomer is closed. Carriers put
/// hundreds of phones behind one address, each with one to six connections.
pub const CONNECTIONS_PER_ADDRESS: usize = 512;
/// Connections that the kernel may hold before we accept them; it lowers this to its `somaxconn`.
pub const BACKLOG: i32 = 4_096;
/// First wait after the process ran out of descriptors; doubles up to the next bound.
pub const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
/// Longest wait after the process ran out of descriptors.
pub const ACCEPT_PAUSE_MAX: Duration = Duration::from_millis(640);
/// Step of the coarse clock.
pub const CLOCK_TICK: Duration = Duration::from_millis(50);
/// Most that the coarse clock advances in one step: time that this process itself missed is not
/// held against its peers.
pub const CLOCK_STEP_MAX_MS: u64 = 200;
/// How often each connection is judged.
pub const CHECK_EVERY: Duration = Duration::from_secs(1);

/// From accept, or from the end of the TLS handshake, to the first byte. Past it: closed.
pub const FIRST_BYTE: Duration = Duration::from_secs(10);
/// The whole TLS handshake. Past it: closed.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// From the first to the last byte of a request's head. Past it: closed.
pub const HEAD: Duration = Duration::from_secs(10);
/// Between two requests. Past it: closed.
pub const IDLE: Duration = Duration::from_secs(75);
/// The same when three quarters of all connections are taken.
pub const IDLE_CROWDED: Duration = Duration::from_secs(5);
/// Age at which a connection is asked to end after what it is doing; streams live on.
pub const AGE: Duration = Duration::from_secs(3_600);
/// After our side is closed, how long we read on so that the last answer is not lost to a reset.
pub const LINGER: Duration = Duration::from_secs(1);
/// Bytes read on in that time. Past it: closed.
pub const LINGER_BYTES: usize = 262_144;
/// Wait for requests in flight when the server stops. Past it: cut.
pub const DRAIN: Duration = Duration::from_secs(30);
/// Longest that sent bytes stay unacknowledged before the kernel gives the connection up.
pub const UNACKNOWLEDGED: Duration = Duration::from_secs(120);

/// Least rate of a request's body, bytes a second. Below it the body ends in an error.
pub const BODY_RATE: u32 = 500;
/// Patience with a body that pauses.
pub const BODY_GRACE: Duration = Duration::from_secs(15);
/// Least rate at which a peer takes what waits for it, bytes a second. Below it: closed.
pub const WRITE_RATE: u32 = 500;
/// Patience with a peer that takes nothing.
pub const WRITE_GRACE: Duration = Duration::from_secs(20);
/// Bytes the kernel queues for one peer (it doubles the figure for its own book-keeping). It asks
/// for more when a third is free, so a greater queue would make slow readers look stalled.
pub const SEND_BUFFER_BYTES: usize = 65_536;

/// Bytes of a request's head. Past it: 431 in HTTP/1.1, a refused stream in HTTP/2.
pub const HEAD_BYTES: u32 = 16_384;
/// Bytes that HTTP/1.1 buffers in each direction. Past it reading or writing waits.
pub const BUFFER_BYTES: usize = 65_536;
/// HTTP/2 requests at once on a connection. Past it the stream is refused.
pub const STREAMS: u32 = 64;
/// HTTP/2 streams that we reset for the peer's errors. Past it the connection ends.
pub const LOCAL_RESETS: usize = 32;
/// HTTP/2 streams that the peer reset before we took them. Past it the connection ends.
pub const PENDING_RESETS: usize = 20;
/// HTTP/2 bytes queued for one stream. Past it the body waits.
pub const STREAM_SEND_BYTES: usize = 32_768;
/// Pieces in which an HTTP/2 answer is handed over: a frame's usual bound (RFC 9113, 4.2), so
/// that no more than this is queued for a peer that opens its window by one byte.
pub const PIECE_BYTES: usize = 16_384;
/// HTTP/2 bytes in flight to us: a stream, and a connection. Past it the peer waits.
pub const STREAM_WINDOW: u32 = 262_144;
/// See [`STREAM_WINDOW`].
pub const CONNECTION_WINDOW: u32 = 1_048_576;
/// How often a silent HTTP/2 peer is asked whether it lives.
pub const PING_EVERY: Duration = Duration::from_secs(30);
/// How long it may take to answer. Past it: closed.
pub const PING_ANSWER: Duration = Duration::from_secs(20);
/// Requests that a connection may start and cancel at once. Past it: closed.
pub const CANCELLED_BURST: u32 = 100;
/// Cancelled requests forgiven each second: a reader scrolling fast cancels a few images.
pub const CANCELLED_PER_S: u32 = 10;

const _: () = assert!(CONNECTIONS_RESERVED < CONNECTIONS_MAX);
const _: () = assert!(CONNECTIONS_PER_ADDRESS <= CONNECTIONS_MAX - CONNECTIONS_RESERVED);
const _: () = assert!(BUFFER_BYTES >= 8_192, "hyper refuses smaller buffers");
const _: () = assert!(STREAM_WINDOW <= CONNECTION_WINDOW);
const _: () = assert!(PIECE_BYTES <= STREAM_SEND_BYTES);

//! Bounds of the API itself: open streams. What one request may carry is bounded in `httpkit`, what
//! a verb keeps in `social`, and connections in `shield`.

/// Streams open at once on this server. Past it: 503.
pub const STREAMS_MAX: usize = 10_000;
/// Streams open at once of one account: a handful of apps on a handful of devices. Past it: 429.
pub const STREAMS_PER_ACCOUNT: u32 = 32;
/// Bytes of a frame that a client sends on a socket: a subscription is short. Past it: closed.
pub const FRAME_BYTES_MAX: usize = 8 * 1024;
/// Bytes that wait in a socket for a slow client. Past it: closed; the stream goes on elsewhere.
pub const SOCKET_BYTES_MAX: usize = 1024 * 1024;
/// Seconds between signs of life on a silent stream.
pub const SIGN_OF_LIFE_S: u64 = 15;
/// Milliseconds, up to twice as many, after which a stream asks again whether its token is good
/// where the store could not tell.
pub const ASK_AGAIN_MS: u64 = 1_000;
/// How often it asks in a row. Past it: closed.
pub const ASKED_AGAIN_MAX: u32 = 40;
/// Uploads that are read or worked on at once: each may be of 16 MiB, a profile's two pictures of
/// twice as much, and a phone may take a minute for one. Past it: 503.
pub const UPLOADS_MAX: usize = 16;
/// The same of one account: the pictures of a post, which apps send side by side. Past it: 429.
pub const UPLOADS_PER_ACCOUNT: u32 = 4;

const _: () = assert!(UPLOADS_PER_ACCOUNT as usize * 4 <= UPLOADS_MAX, "no account fills all");
const _: () = assert!(STREAMS_PER_ACCOUNT as usize * 100 < STREAMS_MAX, "no account fills all");
/// Seconds after which to come back to a server that stops: about what a restart takes.
pub(crate) const STOPPING_S: u32 = 10;

//! Bounds of the API itself: open streams, uploads under way, what a stranger may have stored. What
//! one request may carry is bounded in `httpkit`, what a verb keeps in `social`, and connections in
//! `shield`.

use httpkit::rate::Rule;

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
/// twice as much, and a phone may take a minute for one. The bytes themselves are bounded in
/// `shield` (`BODY_BYTES_MAX`). Past it: 503.
pub const UPLOADS_MAX: usize = 64;
/// The same of one account: the pictures of a post, which apps send side by side. Past it: 429.
pub const UPLOADS_PER_ACCOUNT: u32 = 4;
/// The same from one address, behind which a household or an office may be. Past it: 429.
pub const UPLOADS_PER_ADDRESS: u32 = 16;
/// Uploads under way from which on an account has one at a time, so that a few accounts cannot take
/// all seats. Past it: 429 for who has one already.
pub const UPLOADS_SCARCE: usize = 32;

const _: () = assert!(UPLOADS_SCARCE * 2 <= UPLOADS_MAX, "as many accounts as seats in the rest");
const _: () = assert!(UPLOADS_PER_ACCOUNT as usize * 8 <= UPLOADS_SCARCE, "a few make it scarce");
const _: () = assert!(UPLOADS_PER_ADDRESS as usize * 4 <= UPLOADS_MAX, "no address fills all");
const _: () = assert!(UPLOADS_PER_ACCOUNT < UPLOADS_PER_ADDRESS, "an address is of more than one");
const _: () = assert!(STREAMS_PER_ACCOUNT as usize * 100 < STREAMS_MAX, "no account fills all");
/// Bytes of home timelines that are kept as they were sent, for members whose apps poll. Past it:
/// those that were not asked for lately go, and are made again.
pub const HOME_PAGES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of the body of one. Past it: not kept.
pub(crate) const HOME_PAGE_BYTES_MAX: usize = 1024 * 1024;
const _: () = assert!(HOME_PAGE_BYTES_MAX * 16 <= HOME_PAGES_BYTES_MAX, "nobody pushes all out");
/// Bytes that such a page counts besides its body.
pub(crate) const HOME_BESIDES_BYTES: usize = 2 * 1024;
/// Bytes of the query that it was asked for with. Past it: not kept.
pub(crate) const HOME_QUERY_BYTES_MAX: usize = 256;
const _: () = assert!(HOME_QUERY_BYTES_MAX < HOME_BESIDES_BYTES);
/// Seconds after which to come back to a server that stops: about what a restart takes.
pub(crate) const STOPPING_S: u32 = 10;
/// For how long it is known whether the store answers, in milliseconds.
pub(crate) const READY_KNOWN_MS: i64 = 500;
/// Seconds after which to ask again whether it does.
pub(crate) const READY_AGAIN_S: u32 = 2;

/// Apps that an address registers. An app registers once on each device and instance, and many of
/// its kind may share an address. Past it: 429.
pub const APPS: Rule = Rule { limit: 60, window_ms: 30 * 60_000, name: 5 };
/// Tokens that are issued to apps themselves, without a member, by address. Past it: 429.
pub const APP_TOKENS: Rule = Rule { limit: 120, window_ms: 30 * 60_000, name: 6 };

const _: () = assert!(APPS.limit * 2 == APP_TOKENS.limit, "each may ask for its token again");

//! Every maximum of this room: what strangers may send, and what we read from other servers. Each
//! says what happens past it. Connections and headers are bounded in `shield::edge`.

/// Bytes of a part of a path in the log: an id has 19. Past it: a star stands for it.
pub const PATH_WORD_BYTES_MAX: usize = 24;
/// Parts of a path in the log, with the empty one before the first slash. Past it: left out.
pub const PATH_WORDS_MAX: usize = 8;
/// Seconds for which a browser may keep the answer to whether scripts may use us: Mastodon's.
pub const CORS_ANSWER_KEPT_S: u32 = 7_200;
/// Bytes of a body on routes that take no files. Past it: 413.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a body on routes that take files: two pictures of a profile. Past it: 413.
pub const UPLOAD_BODY_BYTES_MAX: usize = 2 * UPLOAD_BYTES_MAX + BODY_BYTES_MAX;
/// Bytes of one uploaded file; Mastodon's limit for images. Past it: 413.
pub const UPLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a file name that are kept. Past it: the rest is cut off.
pub const FILE_NAME_BYTES_MAX: usize = 255;
/// Bytes of a query that are read. Past it: 413.
pub const QUERY_BYTES_MAX: usize = 16 * 1024;
/// Values in one body or query, at every depth; also parts of a multipart body. Past it: 413.
pub const FIELDS_MAX: usize = 1_000;
/// Levels of `a[b][c]` and of JSON. Mastodon's deepest is 4. Past it: 422.
pub const NESTING_MAX: usize = 16;
/// Bytes of a parameter's name, brackets included. Past it: 422.
pub const KEY_BYTES_MAX: usize = 512;
/// Entries of a page, whatever is asked. Past it: clamped.
pub const PAGE_LIMIT_MAX: u32 = 80;
/// Characters of a sealed string (token, cookie). Past it: not looked at.
pub const SEALED_CHARACTERS_MAX: usize = 256;
/// Bytes of what a browser says of itself to which a pass is bound. Past it: not looked at.
pub const AGENT_BYTES_BOUND: usize = 256;
/// Seconds that a browser is known as one that was here, without coming back with another cookie:
/// half a year. Past it: it is a newcomer.
pub const VISIT_S: u64 = 180 * 86_400;
/// Seconds for which an answered challenge counts, from when it was made. Past it: another one,
/// if there is still need.
pub const CLEARANCE_S: u64 = 1_800;
/// Seconds in which a challenge is to be answered: a slow phone in a hand that looked away. Past
/// it: another one.
pub const CHALLENGE_S: u64 = 300;
/// Seconds for which a challenge that is not answered is a place in the waiting room. Past it:
/// another one.
pub const WAITING_S: u64 = 120;
/// Seconds by which a pass may have been given in the future: nodes' clocks differ.
pub const CLOCKS_APART_S: u64 = 60;
/// Parts of a challenge's work.
pub const PUZZLE_PARTS: usize = 8;
/// Zero bits that each part asks for: half a million hashes in all, a second of a phone of the
/// middle class, 25 ms of one core that knows SHA-256 in hardware.
pub const PUZZLE_BITS: u8 = 16;
/// Cookies read from one request. Past it: the rest is not seen.
pub const COOKIES_MAX: usize = 64;
/// Slots of the rate meter, 8 bytes each. When principals outnumber slots, two may share one and
/// see a lower remainder than their own; nobody is refused by it.
pub const RATE_SLOTS: usize = 65_536;
/// Sets of an allowance that is refused when used up, and principals in each. Past it: whoever used
/// least in a set is forgotten, and may begin anew.
pub const ALLOWANCE_SETS: usize = 4_096;
/// See `ALLOWANCE_SETS`.
pub const ALLOWANCE_WAYS: usize = 4;
/// Answers kept that are the same for every visitor. Past it: those that nobody wanted lately go.
pub const SHARED_PAGES: usize = 8_192;
/// Bytes that they take together. Past it: as above.
pub const SHARED_TOTAL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Addresses, as they were literally asked, under which such an answer is found at once. Past it:
/// those that nobody wanted lately are routed again.
pub const SHARED_PATHS: usize = 8_192;
/// Bytes of such an address. Past it: it is routed each time.
pub const SHARED_PATH_BYTES_MAX: usize = 512;
/// Headers that are added to each answer besides those that all have: an allowance's three, the
/// request's id. Past it: their map grows.
pub const SHARED_HEADERS_ADDED: usize = 6;
/// Topics that an answer may be about. Past it: whatever is public changes it.
pub const SHARED_TOPICS_MAX: usize = 256;
/// Bytes of an answer that is kept. A larger one is made for each request.
pub const SHARED_BYTES_MAX: usize = 512 * 1024;
/// How old a shared answer may be while the machine has more to do than it can, in milliseconds.
pub const SHARED_STALE_MS: i64 = 5_000;
/// Milliseconds that a shared answer serves when nothing happens: what depends on time (a poll's
/// end) is at most this late.
pub const SHARED_AGE_MS: i64 = 1_000;
/// The same of an answer that is known to change with its topics alone.
pub const SHARED_CALM_MS: i64 = 10_000;
/// How often in one second a shared answer is made anew at once. Past it: it may lag.
pub const SHARED_MAKES: u32 = 20;
/// How far a shared answer may lag behind a storm of deeds, in milliseconds.
pub const SHARED_LAG_MS: i64 = 50;
/// Proxies followed, one behind another, to find whose request it is. Past it: the last counts.
pub const PROXIES_MAX: usize = 16;
/// Redirects followed by the outbound client. Past it: the call fails.
pub const REDIRECTS_MAX: usize = 5;
/// Bytes read of another server's answer. Past it: the call fails.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Addresses tried of those that a name resolves to. Past it: the rest is not tried.
pub const ADDRESSES_MAX: usize = 4;
/// Seconds that each of those may take to accept. Past it: the next is tried.
pub const ADDRESS_DEADLINE_S: u64 = 3;
/// Bytes of a host's name (RFC 1035). Past it: not called.
pub const NAME_BYTES_MAX: usize = 253;
/// Bytes of what a proxy answers when it is asked for a connection. Past it: the call fails.
pub const PROXY_ANSWER_BYTES_MAX: usize = 8 * 1024;
/// Idle connections kept per foreign host. Past it: closed.
pub const IDLE_PER_HOST_MAX: usize = 2;
/// Seconds that an outbound call may take, redirects and body included. Past it: the call fails.
pub const OUTBOUND_DEADLINE_S: u64 = 20;
/// Seconds that an outbound connection may take to open, TLS included. Past it: the call fails.
pub const CONNECT_DEADLINE_S: u64 = 8;

const _: () = assert!(FIELDS_MAX < BODY_BYTES_MAX);
const _: () = assert!(QUERY_BYTES_MAX <= BODY_BYTES_MAX);
const _: () = assert!(KEY_BYTES_MAX >= NESTING_MAX * 3, "a key can spell the deepest nesting");
const _: () = assert!(ADDRESS_DEADLINE_S < CONNECT_DEADLINE_S, "one address is not all");
const _: () = assert!(CONNECT_DEADLINE_S < OUTBOUND_DEADLINE_S, "connecting is part of a call");
const _: () = assert!(SHARED_LAG_MS < SHARED_AGE_MS, "a lag is shorter than a life");
const _: () = assert!(SHARED_AGE_MS < SHARED_STALE_MS, "staleness that saves nothing");
const _: () = assert!(SHARED_AGE_MS <= SHARED_CALM_MS, "what is timed is not kept longer");
const _: () = assert!(SHARED_BYTES_MAX * 8 <= SHARED_TOTAL_BYTES_MAX, "a few pages fill all");
const _: () = assert!(CHALLENGE_S < CLEARANCE_S && WAITING_S < CHALLENGE_S);
const _: () = assert!(PUZZLE_PARTS << PUZZLE_BITS == 524_288, "a second of a phone");
const _: () = assert!(PUZZLE_BITS <= 32, "the page looks at the first word of a hash");
const _: () = assert!(RATE_SLOTS.is_power_of_two(), "slots are chosen by a mask");
const _: () = assert!(ALLOWANCE_SETS.is_power_of_two(), "sets are chosen by a mask");

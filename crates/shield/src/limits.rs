//! Bounds of the shield, each with its arithmetic and its fate. Leaves to `edge::Options` what an
//! operator or a test may set lower or higher; what is only a constant here may not be set at all.

pub mod decide;
pub mod kernel;

/// Connections held open over all listeners. A plain connection costs about 14 KiB, with TLS about
/// 40 KiB, so this many stay near 2.5 GiB at worst. Past it the one that keeps us waiting longest
/// is closed; when none waits, the newcomer is. Clamped at start by the process's open files.
pub const CONNECTIONS_MAX: usize = 65_536;
/// Open files kept for everything that is not a connection (database, media, logs, outbound).
pub const FILES_RESERVED: usize = 512;
/// Connections of one IPv4 address or IPv6 /64. A carrier's NAT puts hundreds of members behind
/// one address, a browser opens six. Past it: as with `CONNECTIONS_MAX`, but within the prefix.
pub const PREFIX_CONNECTIONS_MAX: usize = 1_024;
/// Connections told to leave whose sockets may still be open: how far the cap is overdrawn for
/// strangers, and for the known. Past it: newcomers are refused.
pub const LEAVING_MAX: (usize, usize) = (256, 384);
/// Connections looked at, at most, to find the one that keeps us waiting longest.
pub const EVICTION_SAMPLE: usize = 64;
/// How long a connection keeps us waiting before it may be closed for another, in ms.
pub const EVICTION_AFTER_MS: u64 = 500;
/// How many times as long as a stranger who has asked for nothing may one keep us waiting who was
/// served before.
pub const SERVED_CLAIM: u64 = 8;
/// Of all seats, one in so many is kept for who is known: a ticket with standing, an address that
/// served a member. Past the rest strangers make room for each other.
pub const RESERVED_ONE_IN: usize = 4;
/// And one in so many for strangers, however many are known.
pub const STRANGERS_ONE_IN: usize = 10;
/// Connections of one familiar address that are known by it alone: a household or a school, not a
/// crowd. Past it: they sit as strangers.
pub const FAMILIAR_SEATS_MAX: usize = 64;
/// Connections of one principal with the rank of the known: a member's devices. Past it: as above.
pub const PRINCIPAL_SEATS_MAX: usize = 64;
/// Connections of strangers in one prefix from which on it pays first when room is needed: more
/// than a browser's six.
pub const HOARD_MIN: usize = 8;
/// For how long who was seen over a connection counts for the next, in s; addresses up to twice as
/// long.
pub const VOUCHED_S: u64 = 24 * 3_600;
/// Addresses kept as familiar, for each of two days (256 KiB each). Past it: ever more strangers
/// pass for familiar; at twice as many, one in a thousand.
pub const FAMILIAR_MAX: usize = 1 << 16;
/// Connections remembered over which somebody was seen (1.5 MiB). Past it: the oldest that shares a
/// place is forgotten.
pub const LINEAGES_MAX: usize = 1 << 16;
/// For how long a key seals session tickets, in s; it opens them for as long again.
pub const TICKET_KEY_S: u64 = 12 * 3_600;
/// Used tickets remembered, for each of two keys (256 KiB each). Past it: ever more count for used.
pub const TICKETS_SPENT_MAX: usize = 1 << 16;
/// Tickets of one greeting that are tried: clients bring one, or two.
pub const TICKETS_TRIED_MAX: usize = 2;
/// Wide networks whose visits are counted: an IPv4 /16 each, 768 KiB once all are touched. IPv6
/// networks share their places.
pub const NETWORKS: usize = 1 << 16;
/// Wide networks of people for which the kernel keeps a line of their own: the most common. Two
/// instructions of the steering program each. Past it: who comes from the others stands with all.
pub const HOMES_MAX: usize = 192;
/// The part of all visits in peace that makes a network one of them.
pub const HOME_SHARE: f32 = 0.001;
/// Addresses in peace that say where people come from. Below it: no network is told from another.
pub const NETWORKS_LEAST: f32 = 30.0;
/// What was learnt of networks fades over this, in s: 14 days, as the other profiles do.
pub const NETWORKS_MEMORY_S: f32 = 14.0 * 86_400.0;
/// What came now fades by half in this, in s.
pub const NETWORKS_NOW_S: u64 = 2;
/// What was learnt counts after so much more peace, in s: who comes right before an attack came
/// with it.
pub const NETWORKS_STAGED_S: u64 = 300;
/// An address teaches where people come from once in this, in s.
pub const NETWORKS_TAUGHT_S: u64 = 24 * 3_600;
/// Of strangers' handshakes that wait, one in so many is the newest wherever it comes from: who
/// lives where nobody came from before is slower, not shut out.
pub const HANDSHAKE_ANYBODY_ONE_IN: u32 = 4;
/// Sockets waiting in the kernel to be accepted: as many as it allows (net.core.somaxconn, 4,096 at
/// first). Past it: it drops what comes, and a peer tries again after a second.
pub const BACKLOG: i32 = 65_535;
/// The same of strangers from networks that are no people's, under pressure where such networks are
/// known. Past it: the kernel drops what comes, and a peer tries again after a second.
pub const BACKLOG_NARROW: i32 = 64;
/// Connections that one loop accepts before everybody else has a turn: about 2 ms of work. Past it:
/// they wait in the kernel until then.
pub const ACCEPTED_AT_ONCE: usize = 32;
/// Connections that a loop takes in once it has ended, of those that the kernel holds for it: as
/// many as the usual host lets wait. Past it: reset, as the listener is closed.
pub const DRAINED_MAX: usize = 4_096;
/// Processor time of strangers' handshakes under pressure, in us a second and for each core: half
/// of it. Past it: they wait, by the merit of their networks and the newest first.
pub const HANDSHAKE_US_PER_S: u64 = 500_000;
/// Strangers' handshakes that wait at once: from so many on there is pressure at the door, whatever
/// becomes of those who are let in.
pub const HANDSHAKES_CROWD: usize = 64;
/// Strangers' handshakes that wait for a turn. Past it: the one of least merit is closed.
pub const HANDSHAKES_WAITING_MAX: usize = 4_096;
/// Handshakes of the known that are worked at for each core before everybody else has a turn:
/// about 2 ms of work. Past it: they wait, as strangers do, and not for strangers.
pub const KNOWN_TURNS: usize = 4;
/// Turns that one handshake takes where each of its flights can cost us as much as the first: two,
/// and one for each segment that a slow network cuts from them. Past it: closed.
pub const HANDSHAKE_TURNS_MAX: usize = 16;
/// How late the watchman wakes when the machine is too busy for all, in ms.
pub const LATE_MS: u64 = 50;
/// For how long it counts as such after that, in ms.
pub const LATE_LASTS_MS: u64 = 2_000;
/// How often, under pressure, it is looked who of those who wait can be paid for, in ms.
pub const HANDSHAKE_CALL_MS: u64 = 10;
/// Bytes of a TLS greeting: with post-quantum keys and a session ticket it has 2 to 4 KiB. Past
/// it: closed.
pub const GREETING_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of the line that a proxy may write before everything else (PROXY protocol, version 1): the
/// standard's own bound. Past it: closed.
pub const PROXY_LINE_BYTES_MAX: usize = 107;
/// Bytes of such a header in version 2: 52 for two addresses, the rest for what a proxy adds, which
/// is not read. nginx takes as many. Past it: closed.
pub const PROXY_HEADER_BYTES_MAX: usize = 4_096;
/// Records that a TLS greeting comes in: one, with post-quantum keys sometimes two; who hides the
/// name in it from a censor cuts it into a few more. Past it: closed.
pub const GREETING_RECORDS_MAX: usize = 16;
/// Listeners of one address (SO_REUSEPORT). Past it: the number is lowered to this.
pub const LISTENERS_MAX: usize = 256;
/// Addresses that served a member for which the kernel keeps a line of their own: the latest. It
/// takes 4,096 instructions of a program, and compares them one by one; where it has no room for
/// what it makes of them, it is half as many. Past it: the oldest stands in the line of all, and is
/// known once it is accepted.
pub const STEERED_MAX: usize = 640;
/// Strangers' handshakes that wait for us while all seats are taken, or while their line is narrow:
/// of those who come from anywhere, and, once there is something to choose by, of those who come
/// from where people do (a quarter of all seats, where that is less). Past it: no stranger is
/// accepted, for `ACCEPT_WAIT_MS`; the kernel keeps them in the order of their coming.
pub const HANDSHAKES_AHEAD_MAX: (usize, usize) = (32, 1_024);
/// See `HANDSHAKES_AHEAD_MAX`, in ms.
pub const ACCEPT_WAIT_MS: u64 = 1;
/// So often in a row, at most. Past it: one is accepted all the same.
pub const ACCEPT_WAITS_MAX: usize = 16;
/// First and longest pause after the kernel refused to accept (EMFILE and its like), in ms.
pub const ACCEPT_PAUSE_MS: (u64, u64) = (2, 50);

/// From accept to the end of the TLS handshake, in ms. Past it: reset.
pub const HANDSHAKE_MS: u64 = 10_000;
/// From our answer to a TLS greeting until the handshake's end, in ms: one round trip. Past it:
/// reset.
pub const FLIGHT_MS: u64 = 3_000;
/// From accept (or the handshake's end) to the first byte, in ms. Past it: closed.
pub const FIRST_BYTE_MS: u64 = 10_000;
/// From a request's first byte to the end of its header, in ms. Past it: closed.
pub const HEADER_MS: u64 = 10_000;
/// Between requests of one connection, in ms. Past it: closed politely.
pub const IDLE_MS: u64 = 75_000;
/// An HTTP/2 frame that began to arrive is whole within this, in ms. Past it: closed. A frame of
/// 16 KiB at `RATE_BYTES_PER_S` takes 32 s.
pub const FRAME_MS: u64 = 40_000;
/// Age at which a connection is asked to finish (Connection: close, GOAWAY), in ms. Streams and
/// upgraded connections live on: they are held to the byte rates alone.
pub const AGE_MS: u64 = 3_600_000;
/// Bytes read and written after which a connection is asked to finish.
pub const CONNECTION_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Requests after which a connection is asked to finish. Far above what people need: it lets load
/// spread again over listeners and nodes.
pub const REQUESTS_MAX: u64 = 1_000_000;
/// Bytes per second that a peer must send of a body we wait for, and accept of what it asked for.
/// Apache's mod_reqtimeout asks for 500.
pub const RATE_BYTES_PER_S: u64 = 512;
/// Span over which the rates are judged, in ms: a phone that changes cells stalls for 10 s.
pub const RATE_SPAN_MS: u64 = 20_000;
/// A peer must take all that we hold for it within this, in s: the more we hold, the faster.
pub const HELD_S: u64 = 300;
/// After a drain began, an idle HTTP/1 connection may still bring one request for this long, in ms:
/// closing at once would lose the request that is already on its way.
pub const DRAIN_IDLE_MS: u64 = 1_000;
/// How long in-flight requests may take once the server stops, in ms. Past it: reset.
pub const DRAIN_MS: u64 = 25_000;
/// Between being asked to finish while idle and being reset, in ms.
pub const LINGER_MS: u64 = 5_000;
/// Bytes thrown away of a body whose request was answered early. Past it: reset.
pub const DISCARDED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How often the watchman wakes, in ms, and in how many turns it has looked at every connection.
pub const TICK_MS: u64 = 100;
/// See `TICK_MS`: 10 turns of 100 ms look at each connection once a second.
pub const TURNS: usize = 10;
/// Connections judged under one hold of the table's lock (about 100 us).
pub const JUDGED_AT_ONCE: usize = 1_024;
/// The longest step by which the edge's clock may advance at once, in ms. When the process was
/// stopped or starved, the pause is not held against its peers.
pub const STEP_MS: u64 = 1_000;

/// Bytes of request header accepted, in total. Browsers send 2 to 4 KiB. Past it: 431.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Header fields of one request, hyper's own bound for HTTP/1 (`desk` holds it for HTTP/2 too);
/// each costs about 80 bytes of memory whatever its size. Past it:
/// 431.
pub const HEADER_FIELDS_MAX: usize = 100;
/// Buffer of an HTTP/1 connection for reading, and again for writing. hyper's own: 408 KiB.
pub const HTTP1_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Streams one HTTP/2 connection may hold open. Past it: REFUSED_STREAM.
pub const STREAMS_MAX: u32 = 64;
/// Streams that the peer reset before we accepted them. Past it: GOAWAY.
pub const PENDING_RESETS_MAX: usize = 20;
/// Streams that we reset because of the peer's errors (CVE-2025-8671). Past it: GOAWAY. h2's:
/// 1,024.
pub const LOCAL_RESETS_MAX: usize = 32;
/// Flow-control window of a stream's request body.
pub const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// Flow-control window of a connection: what unread bodies of all its streams may take in memory.
pub const CONNECTION_WINDOW_BYTES: u32 = 512 * 1024;
/// Bytes of one stream that h2 may hold for sending.
pub const STREAM_SEND_BYTES_MAX: usize = 32 * 1024;
/// Slices in which a response body is handed to h2, so that it holds little beyond the window.
pub const HTTP2_SLICE_BYTES: usize = 16 * 1024;
/// Between our PINGs on an HTTP/2 connection, and until their answer, in ms. Past it: closed.
pub const PING_MS: (u64, u64) = (20_000, 15_000);
/// Control frames (PING, SETTINGS, RST_STREAM, PRIORITY, CONTINUATION, empty DATA, unknown types)
/// at once, and per second after that. Past it: closed.
pub const CONTROL_FRAMES: (u32, u32) = (512, 64);
/// WINDOW_UPDATE frames at once, and per second; besides, one for each `WINDOW_UPDATE_BYTES` sent.
pub const WINDOW_UPDATES: (u32, u32) = (512, 128);
/// See `WINDOW_UPDATES`. Clients update once or twice per DATA frame of up to 16 KiB.
pub const WINDOW_UPDATE_BYTES: u64 = 1_024;
/// Handlers whose caller left before the answer, at once, and per second after that. A browser that
/// leaves a page cancels what it still waits for, at most `STREAMS_MAX`. Past it: closed.
pub const CANCELLED: (u32, u32) = (128, 16);

/// Bytes of responses held in memory for all peers together. Past it: 503, and those for whom most
/// is held are closed first.
pub const HELD_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes held for one connection once half of `HELD_BYTES_MAX` is in use. Past it: 503.
pub const CONNECTION_HELD_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What a response of known length is charged for at most: longer bodies stream from where they
/// are, and only a part of them is in memory.
pub const RESPONSE_HELD_BYTES_MAX: u64 = 1024 * 1024;
/// Connections closed in one turn of the watchman when `HELD_BYTES_MAX` is reached.
pub const HOLDERS_CUT_AT_ONCE: usize = 16;

/// Bytes of request bodies in memory of all requests that are not answered yet. Past it: 503, and
/// those who have sent most are closed first.
pub const BODY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of bodies of one connection once half of `BODY_BYTES_MAX` is in use: the largest upload.
/// Past it: 503.
pub const CONNECTION_BODY_BYTES_MAX: u64 = 34 * 1024 * 1024;
/// Bytes of bodies of one connection that are so few that they may overdraw `BODY_BYTES_MAX` by a
/// quarter while others are cut: forms and posts.
pub const LITTLE_BODY_BYTES: u64 = 64 * 1024;

/// How often the gate lets time pass, in ms.
pub const GATE_TICK_MS: u64 = 10;
/// The same under pressure: a tick that does not come is how work in hand is noticed.
pub const GATE_TICK_PRESSED_MS: u64 = 5;
/// Up to which a piece of work is measured by time alone, in ns: far below a scheduler's slice.
pub const WORK_SHORT_NS: u64 = 100_000;
/// How old a thread's processor time may be where a piece of work begins, in ns: by so much a long
/// one that is crowded out may count too high.
pub const WORK_ASKED_NS: u64 = 500_000;
/// Events that a listener may be behind. Past it: it is told how many it has missed.
pub const EVENTS_KEPT: usize = 256;
/// Between two reports on an attack that goes on, and on the networks that ask for most, in s.
pub const EVENT_REPORT_S: (u64, u64) = (1, 10);
/// Networks named in one event. Past it: those that ask for less are left out.
pub const EVENT_NETWORKS: usize = 8;
/// Decisions kept to be looked at. Past it: the oldest goes.
pub const NOTES_KEPT: usize = 512;
/// Decisions that are noted in one second. Past it: they are counted and not noted.
pub const NOTES_PER_S: u32 = 20;

const _: () = assert!(
    HEADER_BYTES_MAX < HTTP1_BUFFER_BYTES_MAX,
    "a header within its bound must fit the buffer, else it is cut without a 431"
);
const _: () = assert!(PREFIX_CONNECTIONS_MAX < CONNECTIONS_MAX, "one prefix could hold every seat");
const _: () = assert!(
    LEAVING_MAX.0 < LEAVING_MAX.1 && LEAVING_MAX.1 < FILES_RESERVED,
    "leaving connections could use up the files"
);
const _: () =
    assert!(STREAM_WINDOW_BYTES <= CONNECTION_WINDOW_BYTES, "a stream above its connection");
const _: () = assert!(
    CANCELLED.0 > STREAMS_MAX,
    "a browser that leaves a page would be cut for cancelling its streams"
);
const _: () =
    assert!(CONTROL_FRAMES.0 > 2 * STREAMS_MAX, "cancelling all streams twice is no flood");
const _: () =
    assert!(RESPONSE_HELD_BYTES_MAX <= CONNECTION_HELD_BYTES_MAX, "no response would fit");
const _: () =
    assert!(CONNECTION_HELD_BYTES_MAX * 8 <= HELD_BYTES_MAX, "eight peers could fill all");
const _: () = assert!(
    CONNECTION_BODY_BYTES_MAX * 4 <= BODY_BYTES_MAX,
    "two peers could fill half, from which on hoarding counts"
);
const _: () = assert!(
    STREAMS_MAX as usize * HEADER_BYTES_MAX <= 2 * CONNECTION_WINDOW_BYTES as usize,
    "the headers of a connection could pin more than its bodies"
);
const _: () = assert!(
    HANDSHAKES_AHEAD_MAX.0 < HANDSHAKES_AHEAD_MAX.1
        && HANDSHAKES_AHEAD_MAX.1 < HANDSHAKES_WAITING_MAX
        && HANDSHAKES_AHEAD_MAX.1 < CONNECTIONS_MAX / 4,
    "who is let in ahead would be closed for those who are let in after it"
);
const _: () = assert!(FLIGHT_MS < HANDSHAKE_MS, "an answer would have more time than all");
const _: () = assert!(TICK_MS * 2 <= STEP_MS, "an ordinary tick would be cut short");
const _: () = assert!(HANDSHAKE_MS <= RATE_SPAN_MS && HEADER_MS <= RATE_SPAN_MS, "rates come last");

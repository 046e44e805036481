//! Bounds of the verbs and of what they keep in memory, and what happens at each.

/// Statuses kept ready. Past it: the older half goes and is read again when wanted.
pub const STATUSES_CACHED: usize = 40_000;
/// Accounts kept ready. As above.
pub const ACCOUNTS_CACHED: usize = 20_000;
/// Tokens whose state is kept. As above.
pub const TOKENS_CACHED: usize = 50_000;
/// Slots in which is kept when a topic last changed, 8 bytes each. More topics share slots, and
/// an answer that is kept is then made anew although nothing in it changed.
pub const PULSE_SLOTS: usize = 32_768;
/// Entries of a home timeline in memory. Past it: the oldest goes, the store has it.
pub const RING_LENGTH: usize = 800;
/// Entries that a first look at a home timeline fetches: each is a row that lies anywhere in the
/// store. Who goes further down, or listens to a stream, has the ring fetched in full.
pub const RING_FIRST: usize = 100;
const _: () = assert!(RING_FIRST < RING_LENGTH);
/// Posts whose marks are remembered beside a home timeline. Past it: all are looked up anew.
pub const MARKS_REMEMBERED: usize = 128;
/// Home timelines in memory. Past it: the half that was not read for the longest is dropped, but
/// those with an open stream; the next read builds anew.
pub const RINGS_MAX: usize = 20_000;
/// Bytes of them. Past it: as above. Who follows thousands weighs more than an entry of each.
pub const RINGS_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes that somebody followed takes in a timeline's facts and in the subscriptions.
pub const FOLLOWED_BYTES: usize = 64;
/// Present readers of one author to whom each post is pushed at once (half a microsecond each).
/// Past it: only to open streams, and the others take it over when they read.
pub const LARGE_AUTHOR_READERS: usize = 10_000;
/// Posts of such authors kept for that. Past it: the oldest goes, and timelines that had not taken
/// it over are built anew.
pub const LARGE_POSTS_MAX: usize = 4_096;
const _: () = assert!(LARGE_AUTHOR_READERS < RINGS_MAX);
/// Events remembered for timelines that are being built. A build that takes longer is repeated.
pub const RECENT_EVENTS: usize = 4_096;
/// Events that a slow stream may lag behind. Past it: it loses the oldest and is cut.
pub const STREAM_LAG_MAX: usize = 256;
/// Channels on one connection. Past it: refused.
pub const CHANNELS_PER_LISTENER: usize = 32;
/// Pages of 200 members that a streamed list may have. Past it: the oldest members are not heard.
pub const LIST_PAGES_MAX: usize = 25;
/// Requests that one run of a job answers for an account that was unlocked. The rest: the next run.
pub const ADMITTED_AT_ONCE: u32 = 80;
/// Posts that the search index takes in at once; some ten milliseconds of the writer. Each group
/// is a part of the index that has to be merged later: the larger, the cheaper each post.
pub const INDEXED_AT_ONCE: u32 = 1_000;
/// Words of a search. Past it: the others are not looked for.
pub const SEARCH_WORDS_MAX: usize = 8;
/// Pages of found posts that one search looks through for those that its asker may find.
pub const SEARCH_ROUNDS_MAX: usize = 5;
/// Posts of a conversation that are looked through for a thread. Past it: the newest are not found.
pub const THREAD_MAX: u32 = 4_096;
/// Password hashes computed at once (19 MiB each). Past it: they wait, then 503.
pub const HASHES_AT_ONCE: usize = 2;
/// How long a hash may wait for its turn, in milliseconds.
pub const HASH_WAIT_MS: u64 = 5_000;
/// Shortest password, in characters.
pub const PASSWORD_CHARACTERS_MIN: usize = 8;
/// Longest password, in bytes. Past it: refused, not cut.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Bytes of an e-mail address (RFC 5321, section 4.5.3.1.3). Past it: refused.
pub const EMAIL_BYTES_MAX: usize = 254;
/// Characters of the reason for a decision about a member. Past it: refused.
pub const REASON_CHARACTERS_MAX: usize = 1_000;
/// Minutes in which an authorization code works.
pub const CODE_MINUTES: i64 = 10;
/// Wrong passwords in a row for an account, or from a known browser. Past it: 429.
pub const TRY_BURST: i64 = 10;
/// Milliseconds after which one more may be tried.
pub const TRY_EVERY_MS: i64 = 60_000;
/// Wrong passwords in a row from an address, behind which many may live. Past it: 429.
pub const TRY_BURST_ADDRESS: i64 = 60;
/// Milliseconds after which one more may be tried from there.
pub const TRY_EVERY_MS_ADDRESS: i64 = 10_000;
/// Rows of the sketch that counts tries: keys share a bucket only where they meet in each.
pub const TRY_ROWS: usize = 4;
/// Cells of a row, 8 bytes each: half a megabyte in all. When many are attacked at once, an
/// account may be refused for others' failures; browsers that its member logged in with are not.
pub const TRY_CELLS: usize = 16_384;
/// Hours after its end that a code is remembered, so that its second use is noticed.
pub const CODE_MEMORY_HOURS: i64 = 24;
/// Days that a browser session lasts, however much it is used. Past it: the password is asked.
pub const SESSION_DAYS: i64 = 90;
/// Days after which a browser session that nobody uses has ended.
pub const SESSION_IDLE_DAYS: i64 = 14;
/// Minutes for which a session's use is not written down again.
pub const SESSION_TOUCH_MINUTES: i64 = 60;
/// Browser sessions of one account. Past it: the oldest ends.
pub const SESSIONS_PER_ACCOUNT: u32 = 32;
/// Tokens shown to their owner. Past it: the older ones are not shown; they all end together.
pub const TOKENS_SHOWN: u32 = 200;
/// Tokens whose first use of a day waits to be written down. Past it: not noted that day.
pub const TOKENS_USED_WAITING: usize = 20_000;
/// Of these, how many are written down in one deed. The others follow in the next.
pub const TOKENS_USED_AT_ONCE: usize = 500;
const _: () = assert!(SESSION_IDLE_DAYS < SESSION_DAYS);
const _: () = assert!(SESSION_TOUCH_MINUTES < SESSION_IDLE_DAYS * 24 * 60);
/// Accounts that are told of one post: those it mentions, and followers who asked to hear of it;
/// in the same deed. Past it: not told.
pub const NOTIFIED_MAX: usize = 1_000;
const _: () = assert!(RING_LENGTH <= u32::MAX as usize);
/// Bytes of an uploaded picture (Mastodon's limit). Past it: 422.
pub const PICTURE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Pixels of an uploaded picture, read from its header before any is decoded: 7680 by 4320, as in
/// Mastodon. Past it: 422.
pub const PICTURE_PIXELS_MAX: u64 = 33_177_600;
/// Pixels along one side. Past it: 422.
pub const PICTURE_SIDE_MAX: u32 = 16_384;
/// Bytes that a decoder may take: the largest picture at 16 bits a channel, with its rows. Past
/// it: 422.
pub const PICTURE_ALLOC_BYTES: u64 = 320 * 1024 * 1024;
/// Pixels of a stored picture: 3840 by 2160. A larger one is made smaller.
pub const PICTURE_PIXELS_KEPT: u64 = 8_294_400;
/// Pixels of a preview: 640 by 360.
pub const PREVIEW_PIXELS: u64 = 230_400;
/// Pictures of an animation. Past it: 422.
pub const GIF_FRAMES_MAX: usize = 1_000;
/// Bytes of a colour profile. A larger one is dropped.
pub const PROFILE_BYTES_MAX: usize = 64 * 1024;
/// Pictures decoded at once. The others wait.
pub const PICTURES_AT_ONCE: usize = 2;
/// Uploads that are decoded or wait for it (16 MiB each). Past it: 503.
pub const PICTURES_WAITING_MAX: usize = 16;
/// The same of one account: the pictures of a post. Past it: 429.
pub const PICTURES_PER_ACCOUNT: usize = 4;
/// So many of them, an account has one at a time: a few accounts cannot take all places. Past it:
/// 429 for who has one already.
pub const PICTURES_SCARCE: usize = 8;
/// Seconds after which who had too many may send another: the work on a few pictures.
pub const PICTURES_RETRY_S: u32 = 3;
/// How long an upload is waited for before the client is told to come back, in milliseconds.
pub const PICTURE_WAIT_MS: u64 = 1_500;
/// Minutes after which an upload that never finished (the server stopped meanwhile) has failed.
pub const PICTURE_MINUTES_MAX: i64 = 10;
/// Hours that an upload may wait to be posted. Past it: it is cleaned away.
pub const ORPHAN_HOURS: i64 = 24;
/// Names in a profile that are looked up and linked. Past it: they stay words.
pub const CALLED_IN_PROFILE_MAX: usize = 8;
/// Rows whose files are read at once when files that no row names are looked for.
pub const ROWS_AT_ONCE: u32 = 1_000;
/// Names of files remembered meanwhile (8 bytes each): a sixteenth of all. Past it: nothing is
/// removed, and the log says so.
pub const NAMED_FILES_MAX: usize = 2_000_000;
/// Files that no row names, removed in one go. Past it: the rest goes the next time.
pub const UNNAMED_AT_ONCE: usize = 1_000;
/// Jobs that a node claims at once; they are done one after another, within one lease.
pub const JOBS_AT_ONCE: u32 = 8;
/// How long a claimed job is left alone by others, in milliseconds. A node that takes longer, or is
/// killed, loses the job to whoever claims it next.
pub const JOB_LEASE_MS: i64 = 60_000;
/// Mails that a node sends at once, so that one that is slow keeps few others waiting.
pub const MAILS_AT_ONCE: usize = 4;
/// How long a claimed mail is left alone by others, in milliseconds: longer than a mailer may take,
/// so that a slow server does not make it go twice.
pub const MAIL_LEASE_MS: i64 = 180_000;
/// Mails that may wait to be sent before strangers' requests for more are refused (503).
pub const MAILS_WAITING_MAX: usize = 10_000;
/// Links of one purpose that work at once for an account: a mail that was tried more than once has
/// as many. Past it: the oldest ends.
pub const LINKS_KEPT: u32 = 4;
/// Hours in which a link to confirm an address works.
pub const CONFIRM_LINK_HOURS: i64 = 48;
/// Hours in which a link to choose a new password works.
pub const RESET_LINK_HOURS: i64 = 2;
/// Characters of a mail's subject. Past it: cut.
pub const SUBJECT_CHARACTERS_MAX: usize = 120;
/// Letters in a row to one address, and about one account. Past it: 429.
pub const LETTER_BURST: i64 = 3;
/// Milliseconds after which one more may be asked for.
pub const LETTER_EVERY_MS: i64 = 20 * 60_000;
/// Letters in a row that are asked for from an address, behind which many may live. Past it: 429.
pub const LETTER_BURST_ADDRESS: i64 = 20;
/// Milliseconds after which one more may be asked for from there.
pub const LETTER_EVERY_MS_ADDRESS: i64 = 2 * 60_000;
/// Voters who are told of a poll's end in one deed. The others follow in the next.
pub const VOTERS_AT_ONCE: u32 = 100;
/// Posts, media, follows or favourites of a deleted member that one part takes away.
pub const LEFT_AT_ONCE: u32 = 32;
/// Rows of every other kind that one part takes away.
pub const LEAVE_ROWS_AT_ONCE: u32 = 500;
/// Milliseconds after which the removal lets other jobs have their turn, and goes on after them.
pub const LEAVE_TURN_MS: i64 = 2_000;
const _: () = assert!(LEAVE_TURN_MS * 4 < JOB_LEASE_MS);
/// Accounts whose address was never confirmed that go at once. The rest goes with the next round.
pub const UNCONFIRMED_AT_ONCE: u32 = 50;
/// Milliseconds for which it is remembered how many members were seen lately.
pub const ACTIVE_KEPT_MS: i64 = 3_600_000;
/// Apps of which name and home page are remembered. Past it: others are asked for again.
pub const APPS_CACHED: usize = 4_096;
/// Expired keys, sessions and jobs removed in one deed, of each. The rest goes with the next.
pub const EXPIRED_AT_ONCE: u32 = 500;
/// Characters of a failure that are kept with its job.
pub const JOB_ERROR_CHARACTERS_MAX: usize = 500;
/// Uploads cleaned away at once. The rest goes with the next round.
pub const ORPHANS_AT_ONCE: u32 = 200;
/// Width and height of an avatar, in pixels.
pub const AVATAR_SIDE: u32 = 400;
/// Width of a profile's header, in pixels.
pub const HEADER_WIDTH: u32 = 1_500;
/// Height of a profile's header, in pixels.
pub const HEADER_HEIGHT: u32 = 500;
const _: () = assert!(PICTURES_AT_ONCE <= PICTURES_WAITING_MAX);
const _: () = assert!(PICTURES_PER_ACCOUNT * 2 <= PICTURES_SCARCE);
const _: () = assert!(PICTURES_SCARCE * 2 <= PICTURES_WAITING_MAX);
const _: () = assert!(PICTURE_PIXELS_MAX * 8 < PICTURE_ALLOC_BYTES);
const _: () =
    assert!(PREVIEW_PIXELS < PICTURE_PIXELS_KEPT && PICTURE_PIXELS_KEPT < PICTURE_PIXELS_MAX);
/// Files that are kept for a backup after their rows are gone. Past it: they stay for good.
pub const HELD_FILES_MAX: usize = 10_000;

//! Bounds of what only the program itself does, and what happens at each.

/// Bytes of one line on the control socket, a request or an answer. Past it: refused.
pub(crate) const CONTROL_LINE_BYTES_MAX: usize = 256 * 1024;
/// Commands that a running server works on at once. Past it: they wait in the socket's backlog.
pub(crate) const CONTROL_AT_ONCE: usize = 8;
/// Seconds in which a command must have said what it wants, and taken an answer in. Past it: cut.
pub(crate) const CONTROL_LINE_S: u64 = 10;
/// Seconds between two signs of life of a command that takes long.
pub(crate) const CONTROL_PULSE_S: u64 = 2;
/// Seconds without a sign of life after which a command gives a server up.
pub(crate) const CONTROL_SILENCE_S: u64 = 60;
/// Seconds that a command or a starting server waits for another process to leave the data folder.
pub(crate) const FOLDER_WAIT_S: u64 = 15;
/// How often it looks, in milliseconds.
pub(crate) const FOLDER_LOOK_MS: u64 = 50;
/// Members in one answer to `account list`; the command asks again for more.
pub(crate) const MEMBERS_PER_ANSWER: u32 = 80;
/// Tokens in one answer to `token list`. Past it: the older ones are not shown.
pub(crate) const TOKENS_SHOWN: u32 = 1_000;
/// Denied addresses in one answer to `shield list`; the command asks again for more. One takes
/// about 200 bytes of a line.
pub(crate) const DENIALS_PER_ANSWER: usize = 1_000;
const _: () = assert!(DENIALS_PER_ANSWER * 256 <= CONTROL_LINE_BYTES_MAX);
/// Decisions shown with an account. Past it: the older ones are not shown.
pub(crate) const DECISIONS_SHOWN: u32 = 50;
/// Entries of a backup. Past it: refused; so many files want a backup of the file system.
pub(crate) const BACKUP_ENTRIES_MAX: usize = 4_000_000;
/// Bytes of the manifest of a backup. Past it: refused.
pub(crate) const BACKUP_MANIFEST_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Bytes of the first entry of a backup, and of the zeros after its last. Past it: refused.
pub(crate) const BACKUP_HEADER_BYTES_MAX: u64 = 64 * 1024;
/// Characters in the name of a key's file. Past it: it is none of ours, and not saved.
pub(crate) const BACKUP_KEY_NAME_MAX: usize = 64;
/// Backups kept of those that are taken before migrations. Past it: the oldest goes.
pub(crate) const MIGRATION_BACKUPS_KEPT: usize = 3;
/// How often a command shows how far it is, in milliseconds.
pub(crate) const PROGRESS_LOOK_MS: u64 = 200;
/// Free bytes on the disk below which `fulmar doctor` calls it wrong.
pub(crate) const DISK_FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;
/// Free bytes on the disk below which it says so.
pub(crate) const DISK_FREE_BYTES_LOW: u64 = 2 * 1024 * 1024 * 1024;
/// Open files below which it says so.
pub(crate) const OPEN_FILES_FEW: usize = 16_384;
/// Days after which a backup is old to it.
pub(crate) const BACKUP_AGE_DAYS: i64 = 7;
const _: () = assert!(DISK_FREE_BYTES_MIN < DISK_FREE_BYTES_LOW);
/// Longest sleep between two looks for due jobs, in milliseconds: how late a job is that another
/// node has enqueued, or whose node was killed.
pub(crate) const JOBS_LOOK_MS: i64 = 15_000;
/// How often what has expired is removed, in milliseconds.
pub(crate) const EXPIRED_EVERY_MS: u64 = 600_000;
/// Rest between two bounded parts of it, in milliseconds: what members do comes first.
pub(crate) const EXPIRED_REST_MS: u64 = 100;
/// How often the tokens that were used are written down, in milliseconds.
pub(crate) const TOKENS_USED_EVERY_MS: u64 = 5_000;
/// How long after the start files that nothing names are looked for, in milliseconds: not while all
/// come back at once.
pub(crate) const FILES_FIRST_MS: u64 = 600_000;
/// Rest between two parts of that, in milliseconds: each reads the names of all pictures.
pub(crate) const FILES_REST_MS: u64 = 60_000;
/// How often it is done, in milliseconds.
pub(crate) const FILES_EVERY_MS: u64 = 86_400_000;
/// Seconds that a mail server has to say goodbye, after it has taken a letter.
pub(crate) const MAIL_QUIT_S: u64 = 5;
/// Seconds that a letter may take at most, whatever is configured: it is claimed for longer.
pub(crate) const MAIL_S_MAX: u64 = 120;
const _: () = assert!(MAIL_S_MAX.cast_signed() * 1_000 < social::limits::MAIL_LEASE_MS);
/// Rest after jobs could not be asked for, in milliseconds.
pub(crate) const JOBS_REST_MS: i64 = 2_000;
const _: () = assert!(JOBS_REST_MS < JOBS_LOOK_MS);
/// Bits in which answered challenges are remembered, for as long as one lives; twice 2 MiB, touched
/// only under attack. Past a million answers in that time an honest one is sometimes taken for one
/// that was heard of: it earns the same, and takes no doubt off its address.
pub(crate) const ANSWERED_BITS: usize = 1 << 24;
/// Counters of what clearances were used for, of which each has two; twice 2 MiB. Past some
/// hundred thousand clearances at once they end sooner than they should.
pub(crate) const CLEARANCE_COUNTERS: usize = 1 << 19;
/// Requests for which one clearance is good: some thirty pages with what belongs to them. Past it:
/// another challenge, if there is still need.
pub(crate) const CLEARANCE_USES_MAX: u16 = 600;
/// Seconds after somebody was turned away in which nobody is noted as having been here in peace.
pub(crate) const PEACE_AFTER_S: u64 = 60;
/// Connections that may read metrics at once. Past it: the longest idle one goes.
pub(crate) const METRICS_CONNECTIONS_MAX: usize = 16;
/// Seconds in which the store must answer to count as there. Past it: it is said to be away.
pub(crate) const METRICS_STORE_S: u64 = 2;
const _: () = assert!(CONTROL_PULSE_S * 4 < CONTROL_SILENCE_S);
/// Accounts of which the shield remembers on how many days they were used. Past it: those that
/// nobody used lately are as young again as their rank begins.
pub(crate) const SHIELD_ACCOUNTS: usize = 1 << 17;
/// Tokens that it remembers to be alive, and to be dead. Past it: what was not shown lately is
/// found out again.
pub(crate) const SHIELD_TOKENS: usize = 1 << 16;
/// Accounts of which it remembers when all that was opened for them ended. Past it: as above.
pub(crate) const SHIELD_ENDED: usize = 1 << 14;
/// How often what it has learnt is written down, in seconds.
pub(crate) const SHIELD_SAVE_EVERY_S: u64 = 900;
/// Bytes of that file. Past it: it is none of ours, and nothing is taken from it.
pub(crate) const SHIELD_STATE_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Decisions shown by `fulmar shield status`, unless more are asked for; and at most.
pub(crate) const SHIELD_NOTES_SHOWN: (u16, u16) = (10, 200);
/// Requests a second that the plain limiter allows each address, and how many more at once. Past
/// it: 429.
pub(crate) const LIMITER_PER_S: u64 = 10;
/// See [`LIMITER_PER_S`].
pub(crate) const LIMITER_BURST: u64 = 20;
/// Addresses that it tells apart, 8 bytes each. Past it: two may share a limit.
pub(crate) const LIMITER_SLOTS: usize = 1 << 20;
const _: () = assert!(LIMITER_SLOTS.is_power_of_two());
/// Names in one certificate; public directories allow as many. Past it: refused at the start.
pub(crate) const ACME_NAMES_MAX: usize = 100;
/// Bytes of one answer of a certificate authority. Past it: the attempt has failed.
pub(crate) const ACME_BODY_BYTES_MAX: usize = 256 * 1024;
/// Seconds for one request to it. Past it: the attempt has failed.
pub(crate) const ACME_REQUEST_S: u64 = 30;
/// Seconds that one step of an order is waited for. Past it: the attempt has failed.
pub(crate) const ACME_STEP_S: u64 = 180;
/// Seconds for a whole attempt. Past it: it has failed.
pub(crate) const ACME_ATTEMPT_S: u64 = 600;
const _: () = assert!(ACME_REQUEST_S < ACME_STEP_S && 2 * ACME_STEP_S < ACME_ATTEMPT_S);
/// Attempts in any hour, also when somebody asks for more: one less than the failed validations
/// that Let's Encrypt allows a name. Past it: the next waits until the hour is over.
pub(crate) const ACME_ATTEMPTS_PER_HOUR: usize = 4;
/// Seconds of Retry-After that are kept to. Past it: this long.
pub(crate) const ACME_RETRY_AFTER_S_MAX: i64 = 7 * 86_400;
/// Longest sleep between two looks at the clock, in milliseconds: it may have been set meanwhile.
pub(crate) const ACME_LOOK_MS: i64 = 3_600_000;
/// How long the resolver may take for one name when `fulmar doctor --origin` asks, in milliseconds.
pub(crate) const RESOLVE_MS: u64 = 3_000;
/// Names without any answer after which it asks for no more.
pub(crate) const RESOLVES_LOST: usize = 3;
/// How long it waits for what becomes of a connection to this server, in milliseconds.
pub(crate) const KNOCK_MS: u64 = 1_500;
/// Addresses of this machine that it tries at each door. Past it: the rest is not tried.
pub(crate) const KNOCKS_MAX: usize = 8;
/// Bytes of an answer of this server that it reads. Past it: the rest is not looked at.
pub(crate) const ORIGIN_ANSWER_BYTES_MAX: u64 = 256 * 1024;
/// Days before a certificate ends at which `fulmar doctor` speaks of it.
pub(crate) const CERTIFICATE_DAYS_FEW: i64 = 14;
/// Bytes of a file of certificates. Past it: it is none.
pub(crate) const CERTIFICATE_BYTES_MAX: u64 = 256 * 1024;
/// Entries of the data folder whose owner the doctor looks at. Past it the rest is not looked at.
pub(crate) const OWNERS_LOOKED_AT_MAX: usize = 10_000;

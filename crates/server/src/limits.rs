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
/// Decisions shown with an account. Past it: the older ones are not shown.
pub(crate) const DECISIONS_SHOWN: u32 = 50;
const _: () = assert!(CONTROL_PULSE_S * 4 < CONTROL_SILENCE_S);

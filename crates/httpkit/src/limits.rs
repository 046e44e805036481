//! Bounds on requests, and what happens at each.

/// Bytes of a body without files. Past it: 413.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Fields of a form or query. Past it: 400.
pub const FIELDS_MAX: usize = 1_000;
/// Levels of `a[b][c]`. Past it: 400. JSON's own depth is bounded by its parser (128).
pub const NESTING_MAX: usize = 8;
/// Entries of a page, whatever is asked. Past it: clamped.
pub const PAGE_LIMIT_MAX: u32 = 80;
/// Characters of a sealed string (token, cookie). Past it: not looked at.
pub const SEALED_CHARACTERS_MAX: usize = 256;
const _: () = assert!(FIELDS_MAX < BODY_BYTES_MAX);

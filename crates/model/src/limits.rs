//! Bounds on what members may write, as Mastodon clients expect them.

/// Graphemes in a post, content warning included (Mastodon's default; hosts may change it).
pub const STATUS_CHARACTERS: usize = 500;
/// Characters that every link counts, whatever its length.
pub const LINK_CHARACTERS: usize = 23;
/// Attachments on one post.
pub const MEDIA_PER_STATUS: usize = 4;
/// Characters of a media description.
pub const DESCRIPTION_CHARACTERS: usize = 1_500;
/// Choices of a poll.
pub const POLL_OPTIONS_MAX: usize = 4;
/// Characters of a choice.
pub const POLL_OPTION_CHARACTERS: usize = 50;
/// Shortest poll, seconds.
pub const POLL_SECONDS_MIN: i64 = 300;
/// Longest poll, seconds.
pub const POLL_SECONDS_MAX: i64 = 2_629_746;
/// Characters of a shown name.
pub const DISPLAY_NAME_CHARACTERS: usize = 30;
/// Characters of a biography.
pub const NOTE_CHARACTERS: usize = 500;
/// Rows of a profile's table.
pub const PROFILE_FIELDS: usize = 4;
/// Characters of a row's label and of its value.
pub const PROFILE_FIELD_CHARACTERS: usize = 255;
/// Characters of a local username.
pub const USERNAME_CHARACTERS: usize = 30;
/// Posts pinned to a profile.
pub const PINNED_STATUSES: usize = 5;
/// Bytes of an `Idempotency-Key`. Past it: 422.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// Lists of one member.
pub const LISTS_PER_ACCOUNT: usize = 50;
/// Accounts on one list.
pub const ACCOUNTS_PER_LIST: usize = 5_000;
/// Characters of a report's comment, as Mastodon allows. Past it: 422.
pub const REPORT_CHARACTERS: usize = 1_000;
/// Posts that one report names. Past it: 422.
pub const STATUSES_PER_REPORT: usize = 100;
/// Reports that one member may make in a day. Past it: 422.
pub const REPORTS_DAILY: u32 = 400;
/// Longest mute that ends by itself, seconds (ten years). A longer one ends then.
pub const MUTE_SECONDS_MAX: i64 = 315_576_000;
/// Accounts that one member may follow.
pub const FOLLOWS_PER_ACCOUNT: usize = 7_500;
/// Scheduled posts of one member, in all and for one day.
pub const SCHEDULED_TOTAL: usize = 300;
/// Scheduled posts of one member for one day.
pub const SCHEDULED_DAILY: usize = 25;
/// A scheduled post lies at least this far ahead, seconds.
pub const SCHEDULED_AHEAD_S: i64 = 300;
/// How often a job is tried. Past it: it is given up and kept for the host to see.
pub const JOB_ATTEMPTS_MAX: i64 = 8;
/// How often a mail is tried, within about a day. Past it: as above.
pub const MAIL_ATTEMPTS_MAX: i64 = 28;
/// Wait after a job's first failure, in milliseconds; each later one is four times as long.
pub const JOB_RETRY_FIRST_MS: i64 = 5_000;
/// Longest wait between two attempts, in milliseconds.
pub const JOB_RETRY_LONGEST_MS: i64 = 3_600_000;
/// Hours that an `Idempotency-Key` is remembered.
pub const IDEMPOTENCY_HOURS: i64 = 24;
/// Hours that somebody has to confirm the address they signed up with (Mastodon's two days). Past
/// it the account goes, and the name is free again.
pub const UNCONFIRMED_HOURS: i64 = 48;
/// Days that it is remembered from where a member has logged in.
pub const ARRIVAL_DAYS: i64 = 90;
/// Places of which that is remembered, of one member. The oldest goes first.
pub const ARRIVALS_KEPT: u32 = 20;
/// Days that a job which was given up is kept.
pub const FAILED_JOB_DAYS: i64 = 30;
/// Days that a revoked token is kept, for the host to see when it ended.
pub const REVOKED_TOKEN_DAYS: i64 = 1;
/// Days after which an app is removed through which nobody has logged in: anybody may register one.
/// Mastodon (`Vacuum::ApplicationsVacuum`) waits one day.
pub const APP_IDLE_DAYS: i64 = 7;
/// Days without use after which a token that an app has for itself ends; the app asks for another.
pub const APP_TOKEN_IDLE_DAYS: i64 = 90;
const _: () = assert!(JOB_RETRY_FIRST_MS < JOB_RETRY_LONGEST_MS);
const _: () = assert!(SCHEDULED_DAILY <= SCHEDULED_TOTAL);
const _: () = assert!(POLL_SECONDS_MIN < POLL_SECONDS_MAX);
/// Bytes of a remote username. Other software allows longer names than ours; past it: no mention.
pub const REMOTE_USERNAME_BYTES: usize = 128;
/// Bytes of a domain (RFC 1035, section 2.3.4, as text). Past it: no domain.
pub const DOMAIN_BYTES: usize = 253;
/// Bytes that one counted character may bring on average before a text is refused: a grapheme can
/// be stacked without end, and links count 23 whatever their length.
pub const BYTES_PER_CHARACTER: usize = 64;
/// Distinct people mentioned in one text. Past it the text is refused when it is posted.
pub const MENTIONS_PER_TEXT: usize = 100;
/// Distinct hashtags in one text. Past it the text is refused when it is posted.
pub const TAGS_PER_TEXT: usize = 100;
/// Characters of a hashtag. A longer word stays plain text.
pub const TAG_CHARACTERS: usize = 100;
/// Bytes of an emoji's shortcode. A longer one stays plain text.
pub const SHORTCODE_BYTES: usize = 128;
/// Bytes of a link. A longer one stays plain text.
pub const LINK_BYTES: usize = 2_048;
/// Bytes of remote HTML that are read. What comes after is cut off.
pub const REMOTE_HTML_BYTES: usize = 256 * 1024;
/// Tags of remote HTML that are kept as such. A text with more keeps its words and loses its
/// markup, because repairing unclosed tags costs the product of their numbers.
pub const REMOTE_HTML_TAGS: usize = 1_500;
/// Bytes that writing cleaned HTML may look at: its length times the characters that have to be
/// escaped, since the writer searches the rest of a text anew at each of them. Prose of 64 KiB with
/// 2,048 of them fits. Past it the markup is lost as above, in linear time.
pub const REMOTE_HTML_SEARCHED_BYTES: usize = 128 * 1024 * 1024;
/// Bytes of a language code (RFC 5646, section 4.4.1, asks for room for 35). Past it: no code.
pub const LANGUAGE_CODE_BYTES: usize = 35;
/// Bytes at the start of a text from which its language is guessed.
pub const LANGUAGE_SAMPLE_BYTES: usize = 160;
const _: () = assert!(USERNAME_CHARACTERS <= REMOTE_USERNAME_BYTES);

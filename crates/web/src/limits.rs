//! Bounds of the pages themselves. What a request may carry is bounded in `httpkit`, what a verb
//! reads in `social`.

/// Posts on one page of a listing. The older ones are a link away.
pub const POSTS_PER_PAGE: u32 = 20;
/// Posts above a post on its page. Past it: the oldest are left out, each is a link up.
pub const ANCESTORS_SHOWN: usize = 50;
/// Replies below a post on its page. Past it: the newest are left out, and the page says so.
pub const REPLIES_SHOWN: usize = 200;
/// Characters of a description for search engines and previews. Past it: cut, with an ellipsis.
pub const DESCRIPTION_CHARACTERS: usize = 200;
/// Characters of a post in the title of its page. Past it: cut, with an ellipsis.
pub const TITLE_CHARACTERS: usize = 70;
/// Characters of a hashtag in an address. Past it: there is no such page.
pub const TAG_CHARACTERS: usize = 200;
/// Bytes read of a refusal's own body to show its sentence. Past it: the usual sentence.
pub const SENTENCE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a page for visitors who are turned away. Past it (by the title of the place): the
/// server does not start.
pub const DOORSTEP_BYTES_MAX: usize = 32 * 1024;
/// Seconds for which such pages lie ready: all that the shield asks somebody to wait. Between two
/// of them: the next.
pub const DOORSTEP_SECONDS: [u32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 30, 60];

const _: () = assert!(TITLE_CHARACTERS < DESCRIPTION_CHARACTERS);

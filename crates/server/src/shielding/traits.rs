//! What a request looks like: numbers that the shield compares with what is common in peace. No two
//! of them tell the same, none needs a list of good or bad values, and none allocates.
//!
//! Hashes here have no key: `decide` hashes them again under its own.

use super::routes::Found;
use http::{
    HeaderMap, HeaderName, Method, Request, Version,
    header::{ACCEPT_LANGUAGE, COOKIE, REFERER, USER_AGENT},
};
use shield::decide::Traits;

/// Bytes of a user agent that are looked at. Past it: the rest tells nothing more.
const AGENT_BYTES: usize = 160;
/// Bytes of a list of languages that are looked at.
const LANGUAGE_BYTES: usize = 24;

/// What the edge knows of a connection besides its address; 0 where it does not.
#[derive(Clone, Copy, Default)]
pub(super) struct Origin {
    /// The autonomous system that announces the address.
    pub network: u64,
    /// The country of it.
    pub country: u64,
    /// Fingerprint of the TLS greeting (JA4).
    pub greeting: u64,
}

/// The traits of a request as it came, before anything is taken out of its headers.
pub(super) fn of<B>(request: &Request<B>, origin: Origin, found: Found) -> Traits {
    let seen = Seen::of(request.headers());
    [
        origin.network,
        origin.country,
        version(request.version()),
        seen.names,
        family(seen.agent),
        origin.greeting,
        hash(0, start(seen.languages, LANGUAGE_BYTES)),
        1 + u64::from(seen.has_cookie) + 2 * u64::from(seen.has_referer),
        shape(request, found),
    ]
}

/// What is looked at of headers, gathered in one pass: a question for each would hash its name.
struct Seen<'a> {
    /// Which headers there are, in which order. Cookies are a trait of their own.
    names: u64,
    agent: &'a [u8],
    languages: &'a [u8],
    has_cookie: bool,
    has_referer: bool,
}

impl<'a> Seen<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let (agent, languages) = (&[][..], &[][..]);
        let mut seen = Self { names: 1, agent, languages, has_cookie: false, has_referer: false };
        let mut last = None::<&HeaderName>;
        for (name, value) in headers {
            // Another line of the same header tells nothing new.
            if last.replace(name).is_some_and(|last| std::ptr::eq(last, name)) {
                continue;
            }
            if *name == COOKIE {
                seen.has_cookie = true;
                continue;
            }
            if *name == USER_AGENT {
                seen.agent = value.as_bytes();
            } else if *name == ACCEPT_LANGUAGE {
                seen.languages = value.as_bytes();
            } else if *name == REFERER {
                seen.has_referer = true;
            }
            let name = name.as_str().as_bytes();
            let word = word(name) ^ (name.len() as u64) << 56;
            seen.names = mix(seen.names.rotate_left(7), word);
        }
        seen
    }
}

fn version(version: Version) -> u64 {
    match version {
        Version::HTTP_10 => 1,
        Version::HTTP_11 => 2,
        Version::HTTP_2 => 3,
        _ => 4,
    }
}

/// A user agent without its numbers: versions change every few weeks, families do not.
fn family(agent: &[u8]) -> u64 {
    let (words, rest) = start(agent, AGENT_BYTES).as_chunks::<8>();
    let all = words.iter().copied().map(u64::from_le_bytes).chain([word(rest)]);
    all.fold(agent.is_empty().into(), |hash, word| mix(hash, without_numbers(word)))
}

/// Takes digits and dots out of eight characters at once.
const fn without_numbers(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of each byte: whether the byte, of seven bits, is from '.' to '9'.
    let seven = word & !HIGH;
    let from_dot = seven + ONES * (0x80 - b'.' as u64);
    let past_nine = seven + ONES * (0x80 - (b'9' as u64 + 1));
    let digits = from_dot & !past_nine & !word & HIGH;
    word & !((digits >> 7) * 0xff)
}

/// The method, how deep the path is, how much of a query there is. `decide` adds the route.
fn shape<B>(request: &Request<B>, found: Found) -> u64 {
    let method = match *request.method() {
        Method::GET => 1,
        Method::HEAD => 2,
        Method::POST => 3,
        _ => 4,
    };
    let uri = request.uri();
    let query = uri.query().map_or(0, |query| 1 + (query.len() as u64).min(255) / 16);
    let nowhere = matches!(found, Found::Of(route) if route.id.0 == u8::MAX);
    let depth = if nowhere {
        uri.path().bytes().take(128).filter(|byte| *byte == b'/').count() as u64
    } else {
        0
    };
    method | query << 8 | depth << 16
}

fn start(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

/// Up to eight bytes as a number.
fn word(bytes: &[u8]) -> u64 {
    if let Some(first) = bytes.first_chunk::<8>() {
        // The end tells names apart that begin alike: `sec-fetch-mode`, `sec-fetch-site`.
        let last = bytes.last_chunk::<8>().copied().map_or(0, u64::from_le_bytes);
        return u64::from_le_bytes(*first) ^ last.rotate_left(29);
    }
    bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// A text as a trait.
pub(super) fn of_text(text: &str) -> u64 {
    hash(0, text.as_bytes())
}

fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let all = words.iter().copied().map(u64::from_le_bytes).chain([word(rest)]);
    all.fold(seed ^ bytes.len() as u64, mix)
}

const fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

#[cfg(test)]
mod tests {
    use super::*;
    use shield::decide::{Criticality, Door, Route, RouteId, Work};

    const ROUTE: Found = Found::Of(Route {
        id: RouteId(1),
        criticality: Criticality::Usual,
        work: Work::Plain,
        door: Door::Page,
    });

    fn traits(lines: &[(&str, &str)]) -> Traits {
        let mut request = Request::get("/@ann");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        of(&request.body(()).expect("a request"), Origin::default(), ROUTE)
    }

    /// Which traits of two requests differ.
    #[track_caller]
    fn check(one: &[(&str, &str)], other: &[(&str, &str)], differ: &[usize]) {
        let (one, other) = (traits(one), traits(other));
        let found: Vec<usize> = (0..one.len()).filter(|at| one[*at] != other[*at]).collect();
        assert_eq!(found, differ, "{one:?} {other:?}");
    }

    const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/130.0.0.0 Safari/537.36";

    #[test]
    fn requests_differ_in_what_they_differ_in() {
        let newer = CHROME.replace("Chrome/130.0.0.0", "Chrome/131.2.9.7");
        check(&[("user-agent", CHROME)], &[("user-agent", &newer)], &[]);
        check(&[("user-agent", CHROME)], &[("user-agent", "curl/8.5.0")], &[4]);
        check(&[("user-agent", "curl/8.5.0")], &[("user-agent", "curl/7.9.1")], &[]);
        check(&[("accept-language", "de")], &[("accept-language", "en-GB,en;q=0.9")], &[6]);
        check(&[("host", "a"), ("accept", "b")], &[("accept", "b"), ("host", "a")], &[3]);
        check(&[("sec-fetch-mode", "a")], &[("sec-fetch-site", "a")], &[3]);
        check(&[("host", "a")], &[("host", "b")], &[]);
        check(&[("cookie", "a=b")], &[], &[7]);
        check(&[("referer", "a")], &[("referer", "b")], &[]);
        check(&[("referer", "a")], &[], &[3, 7]);
        check(&[("accept", "a"), ("accept", "b")], &[("accept", "a")], &[]);
        check(&[("user-agent", "x"), ("user-agent", "y")], &[("user-agent", "x")], &[]);
        check(&[], &[("user-agent", "x")], &[3, 4]);
    }

    #[test]
    fn numbers_go_and_letters_stay() {
        for (text, expected) in [
            (*b"ab12.3cd", *b"ab\0\0\0\0cd"),
            (*b"/0:9;.-,", *b"\0\0:\0;\0-,"),
            (*b"\xb1\xae\xff\x80 AZz", *b"\xb1\xae\xff\x80 AZz"),
        ] {
            let got = without_numbers(u64::from_le_bytes(text)).to_le_bytes();
            assert_eq!(got, expected, "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn scanners_of_paths_look_alike_and_unlike_readers() {
        let nowhere = Found::Of(Route {
            id: RouteId(u8::MAX),
            criticality: Criticality::Minor,
            work: Work::Plain,
            door: Door::Api,
        });
        let shape = |path: &str, found| {
            super::shape(&Request::get(path).body(()).expect("a request"), found)
        };
        assert_eq!(shape("/a/b.php", nowhere), shape("/c/d.asp", nowhere));
        assert_ne!(shape("/a/b.php", nowhere), shape("/a/b.php", ROUTE));
        assert_ne!(shape("/a?x=1", ROUTE), shape("/a", ROUTE));
        assert_eq!(shape("/a?x=1", ROUTE), shape("/a?x=2", ROUTE));
    }
}

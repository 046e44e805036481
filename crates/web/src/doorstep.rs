//! What visitors are shown whom the shield does not serve at once: the challenge, the waiting room,
//! and a word for each way of being turned away. Under a flood these are what is sent most, so
//! every one is made at the start and lies ready, whole and compressed: nothing in them is
//! anybody's own. What differs (the challenge itself) travels in a cookie.
//!
//! No outside files, one response each. The challenge's page has the only script of this place; its
//! policy names that script by its hash and lets it have a worker. Leaves to its caller the
//! cookies, the headers that depend on the request, and when to show what.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use httpkit::{
    limits::{PUZZLE_BITS, PUZZLE_PARTS},
    security::inline_source,
};
use std::io::{self, Write as _};

use crate::limits::{DOORSTEP_BYTES_MAX, DOORSTEP_SECONDS};

const STYLE: &str = include_str!("../static/doorstep.css");
const SCRIPT: &str = include_str!("../static/doorstep.js");

/// How somebody is turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// In line, with an answered challenge.
    Waiting,
    /// Far too much is asked of this place.
    Busy,
    /// More was asked from there than one share.
    Share,
    /// What was asked for is switched off for visitors at present.
    Off,
    /// As [`Self::Busy`], in answer to something that was sent, which no browser may send again by
    /// itself.
    Sent,
}

impl Notice {
    const ALL: [Self; 5] = [Self::Waiting, Self::Busy, Self::Share, Self::Off, Self::Sent];

    const fn words(self) -> Words {
        const BUSY: (&str, &str) =
            ("", " is very busy: far more is asked of it just now than it can do.");
        const AGAIN: (&str, &str) = ("This page asks again by itself in ", ". Keep it open.");
        const COMFORT: &str = "Nothing is wrong with you or your device.";
        let (title, lead, wait, comfort) = match self {
            Self::Waiting => (
                "You are in line",
                BUSY,
                AGAIN,
                "Your browser has done its work, and nothing is wrong with it or with you.",
            ),
            Self::Busy => ("Very busy just now", BUSY, AGAIN, COMFORT),
            Self::Share => (
                "A little slower, please",
                ("More was asked of ", " from your connection than one share of a busy hour."),
                AGAIN,
                "If many people share your connection, it need not have been you.",
            ),
            Self::Off => (
                "Off for a while",
                ("", " is very busy, and has switched off what costs it most, such as searching."),
                AGAIN,
                "Reading goes on, and members keep everything.",
            ),
            Self::Sent => (
                "This was not taken",
                ("", " is very busy, and has not looked at what you sent."),
                ("Go back and send it once more in ", "."),
                "Nothing of it was kept, so nothing happens twice.",
            ),
        };
        Words { title, lead, wait, comfort, returns: !matches!(self, Self::Sent) }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Share => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What is said.
#[derive(Clone, Copy)]
struct Words {
    title: &'static str,
    /// Around the name of this place.
    lead: (&'static str, &'static str),
    /// Around the time.
    wait: (&'static str, &'static str),
    comfort: &'static str,
    /// The page comes back by itself.
    returns: bool,
}

#[derive(Template)]
#[template(path = "doorstep.html")]
struct DoorstepPage<'a> {
    site: &'a str,
    words: Words,
    is_challenge: bool,
    again_s: u32,
    style: &'a str,
    script: &'a str,
    cookie: &'a str,
    bits: u8,
    parts: usize,
}

impl DoorstepPage<'_> {
    /// As people say it.
    fn again(&self) -> String {
        match self.again_s {
            1 => "a second".to_owned(),
            60 => "a minute".to_owned(),
            seconds => format!("{seconds} seconds"),
        }
    }
}

/// A page that lies ready.
struct Ready {
    plain: Bytes,
    packed: Bytes,
}

impl Ready {
    fn of(page: &DoorstepPage<'_>) -> Result<Self, NotReady> {
        let text = page.render()?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes())?;
        let packed = encoder.finish()?;
        if text.len() > DOORSTEP_BYTES_MAX {
            return Err(NotReady::TooLong);
        }
        Ok(Self { plain: text.into(), packed: packed.into() })
    }
}

/// Why the pages could not be made.
#[derive(Debug)]
pub enum NotReady {
    /// A template failed.
    Template(askama::Error),
    /// Compressing failed.
    Packing(io::Error),
    /// The title of the place makes them longer than they may be.
    TooLong,
}

impl std::fmt::Display for NotReady {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the pages of the waiting room could not be made")
    }
}

impl std::error::Error for NotReady {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Template(error) => Some(error),
            Self::Packing(error) => Some(error),
            Self::TooLong => None,
        }
    }
}

impl From<askama::Error> for NotReady {
    fn from(error: askama::Error) -> Self {
        Self::Template(error)
    }
}
impl From<io::Error> for NotReady {
    fn from(error: io::Error) -> Self {
        Self::Packing(error)
    }
}

/// All such pages of one place.
pub struct Doorstep {
    challenge: Ready,
    challenge_policy: HeaderValue,
    /// By notice, then by seconds.
    notices: Vec<(Notice, u32, Ready)>,
    notice_policy: HeaderValue,
}

impl Doorstep {
    /// Those of a place of this name, whose challenges travel in this cookie.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn new(site: &str, cookie: &str) -> Result<Self, NotReady> {
        let (style, script) = (squeezed(STYLE), squeezed(SCRIPT));
        let page = |words: Words, again_s: u32, is_challenge: bool| {
            let (bits, parts) = (PUZZLE_BITS, PUZZLE_PARTS);
            let (style, script) = (style.as_str(), script.as_str());
            let asked = DoorstepPage {
                site,
                words,
                is_challenge,
                again_s,
                style,
                script,
                cookie,
                bits,
                parts,
            };
            Ready::of(&asked)
        };
        let words = Words { title: "One moment, please", ..Notice::Waiting.words() };
        let words = Words { comfort: "Nothing is wrong with you or your device.", ..words };
        let challenge = page(words, CHALLENGE_AGAIN_S, true)?;
        let mut notices = Vec::new();
        for notice in Notice::ALL {
            for seconds in DOORSTEP_SECONDS {
                notices.push((notice, seconds, page(notice.words(), seconds, false)?));
            }
        }
        let policy = format!("{POLICY}; style-src {}", inline_source(&style));
        let more = format!("{policy}; script-src {}; worker-src blob:", inline_source(&script));
        let written = |policy: &str| HeaderValue::from_str(policy).map_err(|_| NotReady::TooLong);
        Ok(Self {
            challenge,
            challenge_policy: written(&more)?,
            notices,
            notice_policy: written(&policy)?,
        })
    }

    /// The challenge, to be sent with its cookie. 503, as the waiting room: whoever reads a status
    /// and no page (caches, crawlers, monitors) is told that this is not what was asked for and
    /// that it will be there again. 200 would be kept and found under its name, 403 and 429 would
    /// say that the visitor has done something.
    pub fn challenge(&self, packed: bool) -> Response {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        answer(&self.challenge, status, &self.challenge_policy, packed, CHALLENGE_AGAIN_S)
    }

    /// A notice that names so many seconds, or the next number that lies ready.
    pub fn notice(&self, notice: Notice, again_s: u32, packed: bool) -> Response {
        let mut of_it = self.notices.iter().filter(|(known, ..)| *known == notice);
        let last = of_it.clone().next_back();
        match of_it.find(|(_, seconds, _)| *seconds >= again_s).or(last) {
            Some((_, seconds, ready)) => {
                answer(ready, notice.status(), &self.notice_policy, packed, *seconds)
            }
            None => Response::default(),
        }
    }
}

/// Seconds after which the challenge's page comes back where no script runs: the first moment at
/// which waiting counts.
pub const CHALLENGE_AGAIN_S: u32 = 3;

const POLICY: &str =
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

fn answer(
    page: &Ready,
    status: StatusCode,
    policy: &HeaderValue,
    packed: bool,
    again_s: u32,
) -> Response {
    let body = if packed { &page.packed } else { &page.plain };
    let mut response = Response::new(body.clone().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(12);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, html);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from(again_s));
    if packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Without what only people read: indents, and lines of comment.
fn squeezed(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let kept = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    kept.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    fn doorstep(site: &str) -> Doorstep {
        Doorstep::new(site, "challenge").expect("pages")
    }

    async fn shown(response: Response) -> (u16, String, String) {
        let status = response.status().as_u16();
        let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).expect("a policy");
        let policy = policy.to_str().expect("text").to_owned();
        let packed = response.headers().contains_key(header::CONTENT_ENCODING);
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let mut text = String::new();
        if packed {
            GzDecoder::new(&body[..]).read_to_string(&mut text).expect("gzip");
        } else {
            text = String::from_utf8(body.to_vec()).expect("text");
        }
        (status, policy, text)
    }

    /// What stands between two words.
    fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
        let (_, rest) = text.split_once(from).expect("its beginning");
        rest.split_once(to).expect("its end").0
    }

    #[tokio::test]
    async fn each_page_is_whole_in_itself_and_its_policy_admits_what_stands_in_it() {
        let doorstep = doorstep("Ann & friends");
        let mut pages = vec![shown(doorstep.challenge(false)).await];
        for notice in Notice::ALL {
            pages.push(shown(doorstep.notice(notice, 3, false)).await);
        }
        for (_, policy, text) in &pages {
            assert!(text.contains("Ann &#38; friends"), "{text}");
            let style = inline_source(between(text, "<style>", "</style>"));
            assert!(policy.contains(&format!("style-src {style}")), "{policy}");
            for outside in ["src=", "url(", "@import", "http:", "https://", "<link", "style="] {
                assert!(!text.contains(outside), "{outside}");
            }
            assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none'"));
            let script = text.contains("<script>");
            assert_eq!(policy.contains("script-src"), script, "{policy}");
        }
        let (_, policy, text) = &pages[0];
        let script = inline_source(between(text, "<script>", "</script>"));
        assert!(policy.contains(&format!("script-src {script}; worker-src blob:")), "{policy}");
    }

    #[tokio::test]
    async fn pages_are_a_few_kilobytes() {
        let doorstep = doorstep("A place of a usual name");
        for (response, most) in [
            (doorstep.challenge(true), 3_584),
            (doorstep.challenge(false), 8_192),
            (doorstep.notice(Notice::Off, 30, true), 1_792),
            (doorstep.notice(Notice::Off, 30, false), 4_096),
        ] {
            let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
            assert!(body.len() < most, "{} bytes", body.len());
        }
    }

    #[tokio::test]
    async fn what_is_packed_is_the_same_page() {
        let doorstep = doorstep("Here");
        let plain = shown(doorstep.challenge(false)).await;
        assert_eq!(shown(doorstep.challenge(true)).await, plain);
        let plain = shown(doorstep.notice(Notice::Busy, 5, false)).await;
        assert_eq!(shown(doorstep.notice(Notice::Busy, 5, true)).await, plain);
    }

    #[tokio::test]
    async fn a_notice_says_how_long_and_comes_back_by_itself_unless_something_was_sent() {
        let doorstep = doorstep("Here");
        for (notice, asked, said, status) in [
            (Notice::Waiting, 1, "in a second", 503),
            (Notice::Busy, 7, "in 7 seconds", 503),
            (Notice::Share, 60, "in a minute", 429),
            (Notice::Off, 30, "in 30 seconds", 503),
            (Notice::Off, 9, "in 30 seconds", 503),
            (Notice::Sent, 4, "in 4 seconds", 503),
            (Notice::Busy, 999, "in a minute", 503),
        ] {
            let response = doorstep.notice(notice, asked, false);
            let again = response.headers().get(header::RETRY_AFTER).cloned().expect("seconds");
            let again = again.to_str().expect("a number").to_owned();
            let (found, _, text) = shown(response).await;
            assert_eq!(found, status, "{notice:?}");
            assert!(text.contains(said), "{notice:?} {asked}: {text}");
            let refresh = format!("<meta http-equiv=\"refresh\" content=\"{again}\">");
            assert_eq!(text.contains(&refresh), notice != Notice::Sent, "{notice:?}: {text}");
            assert!(!text.contains("noscript"), "{text}");
        }
    }

    #[tokio::test]
    async fn the_challenge_comes_back_by_itself_only_where_no_script_runs() {
        let (status, _, text) = shown(doorstep("Here").challenge(false)).await;
        assert_eq!(status, 503);
        let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"3\"></noscript>";
        assert!(text.contains(refresh), "{text}");
        assert_eq!(text.matches("refresh").count(), 1);
        for word in ["role=\"status\"", "role=\"progressbar\"", "lang=\"en\"", "viewport"] {
            assert!(text.contains(word), "{word}");
        }
    }

    #[tokio::test]
    async fn no_name_of_a_place_gets_out_of_its_text() {
        let (_, _, text) = shown(doorstep(crate::samples::HOSTILE).challenge(false)).await;
        assert!(!text.contains("alert(1)</script>") && !text.contains("<img"), "{text}");
        assert_eq!(text.matches("<script").count(), 1);
        assert!(matches!(Doorstep::new(&"x".repeat(40_000), "c"), Err(NotReady::TooLong)));
    }

    #[test]
    fn old_browsers_can_read_the_script() {
        for new in ["=>", "const ", "let ", "`", "async", "**", "?.", "??"] {
            assert!(!SCRIPT.contains(new), "{new}");
        }
        // A line of it that began so would be taken for a comment.
        let comments = SCRIPT.lines().filter(|line| line.trim().starts_with("//"));
        assert_eq!(comments.count(), SCRIPT.matches("//").count());
    }
}

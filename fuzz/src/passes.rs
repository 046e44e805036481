//! The cookies that are read in front of everything else, the passes in them, and the answers of
//! challenges: nothing that was not sealed opens, and no other cookie is lost or changed.

use http::{HeaderMap, HeaderValue, header};
use httpkit::Sealer;
use httpkit::cookie::{Apart, Transport};
use httpkit::limits::PUZZLE_PARTS;
use httpkit::pass::{Bearer, Challenge, Clearance, Visit};
use httpkit::puzzle;

const NOW: u64 = 1_800_000_000;
const RUN: u64 = 3;

/// Tries one input: lines of cookies.
pub fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::COOKIE, value);
        }
    }
    let ours = Apart::new(Transport::Plain, ["visit", "challenge", "clearance"]);
    let found = ours.read(&headers);
    if let Some(values) = found {
        values.into_iter().flatten().for_each(opens_nothing);
    }
    let others = |headers: &HeaderMap| -> Vec<Vec<u8>> {
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let pairs = pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty());
        let name = |pair: &[u8]| pair.split(|byte| *byte == b'=').next().map(<[u8]>::to_vec);
        let is_ours = |pair: &[u8]| {
            let known: [&[u8]; 3] = [b"visit", b"challenge", b"clearance"];
            pair.contains(&b'=') && name(pair).is_some_and(|name| known.contains(&&name[..]))
        };
        pairs.filter(|pair| !is_ours(pair)).map(<[u8]>::to_vec).collect()
    };
    let before = others(&headers);
    ours.strip(&mut headers);
    assert!(ours.read(&headers).is_none(), "one of ours is left");
    assert_eq!(others(&headers), before, "another cookie is lost or changed");
    if let Ok(text) = std::str::from_utf8(data) {
        opens_nothing(text);
    }
}

/// What strangers write is no pass; an answer is one only where its numbers are.
fn opens_nothing(text: &str) {
    let sealer = Sealer::new(&[7; 32]);
    let none = HeaderMap::new();
    let bearer = Bearer::of([192, 0, 2, 1].into(), &none);
    assert_eq!(Visit::open(&sealer, text, NOW), None);
    assert_eq!(Clearance::open(&sealer, text, bearer, NOW), None);
    let (challenge, answer) = text.split_once('.').unwrap_or((text, text));
    assert_eq!(Challenge::open(&sealer, challenge, bearer, RUN, NOW), None);
    assert!(!puzzle::is_answered(challenge, 255, answer), "256 zero bits");
    if puzzle::is_answered(challenge, 0, answer) {
        let numbers = answer.split('.').map(|word| u32::from_str_radix(word, 36));
        assert!(numbers.clone().all(|number| number.is_ok()), "{answer}");
        assert_eq!(numbers.count(), PUZZLE_PARTS, "{answer}");
    }
}

//! Which pages are kept, for how long, and in how much room.

use super::*;

fn reader(id: i64) -> AccountId {
    AccountId::new(id).expect("an id")
}

const fn stamp(version: u64) -> HomeStamp {
    HomeStamp { version, pulse: 0 }
}

/// A member who asks for home, and what they are given without its being made.
fn asks(pages: &HomePages, who: i64, query: &str, version: u64, at_ms: i64) -> Option<Bytes> {
    let is_same = |then: HomeStamp, _: &[u64]| then.version == version;
    let asked = (stamp(version), Timestamp::from_ms(at_ms));
    let given = pages.given(reader(who), query, asked, is_same)?;
    assert_eq!(given.headers.get("x-made").and_then(|v| v.to_str().ok()), Some("here"));
    Some(given.body)
}

/// A page that was made.
fn made(pages: &HomePages, who: i64, query: &str, version: u64, body: Vec<u8>) {
    let mut headers = HeaderMap::new();
    headers.insert("x-made", axum::http::HeaderValue::from_static("here"));
    let until = Some(Timestamp::from_ms(1_000));
    let (query, topics) = (query.into(), Box::from([7, 8]));
    let stamp = stamp(version);
    let made = Made { reader: reader(who), query, stamp, topics, until, body: body.into() };
    pages.left(made, &headers, None);
}

/// One who asks twice, and so is given what was made the second time.
fn kept(body: &str) -> HomePages {
    let pages = HomePages::default();
    for _ in 0..2 {
        assert_eq!(asks(&pages, 1, "limit=20", 1, 0), None);
        made(&pages, 1, "limit=20", 1, body.into());
    }
    pages
}

#[test]
fn a_page_is_kept_from_the_second_time_on() {
    let pages = kept("words");
    for _ in 0..3 {
        assert_eq!(asks(&pages, 1, "limit=20", 1, 0).as_deref(), Some(&b"words"[..]));
    }
    assert_eq!(pages.given_at_once(), 3);
}

#[test]
fn it_is_given_to_its_reader_as_it_was_asked_for_until_it_changes() {
    for (what, who, query, version, at_ms, given) in [
        ("the same", 1, "limit=20", 1, 999, true),
        ("another reader", 2, "limit=20", 1, 999, false),
        ("otherwise asked for", 1, "limit=40", 1, 999, false),
        ("changed", 1, "limit=20", 2, 999, false),
        ("a poll has ended", 1, "limit=20", 1, 1_000, false),
    ] {
        let pages = kept("words");
        assert_eq!(asks(&pages, who, query, version, at_ms).is_some(), given, "{what}");
    }
}

#[test]
fn who_asks_again_has_the_next_one_kept_at_once_and_who_does_not_has_none() {
    let pages = kept("words");
    assert!(asks(&pages, 1, "limit=20", 1, 0).is_some());
    assert_eq!(asks(&pages, 1, "limit=20", 2, 0), None);
    made(&pages, 1, "limit=20", 2, "more".into());
    let with_a_body = pages.bytes();
    assert_eq!(asks(&pages, 1, "limit=20", 3, 0), None);
    made(&pages, 1, "limit=20", 3, "most".into());
    assert_eq!(asks(&pages, 1, "limit=20", 3, 0), None, "the one before was not asked for again");
    assert_eq!(pages.bytes() + 4, with_a_body);
}

#[test]
fn what_is_kept_is_bounded_and_counted_right() {
    let pages = HomePages::default();
    for who in 1..=100 {
        for _ in 0..2 {
            assert_eq!(asks(&pages, who, "", 1, 0), None);
            made(&pages, who, "", 1, vec![b'x'; HOME_PAGE_BYTES_MAX]);
        }
        assert!(pages.bytes() <= HOME_PAGES_BYTES_MAX as u64);
        assert!(who < 2 || asks(&pages, 1, "", 1, 0).is_some(), "asked for all along, at {who}");
    }
    let inner = pages.pages.lock();
    let counted = |all: &HashMap<_, Entry, _>| all.values().map(Entry::bytes).sum::<usize>();
    assert_eq!(counted(&inner.young), inner.young_bytes);
    assert_eq!(counted(&inner.old), inner.old_bytes);
    assert!(inner.young.len() + inner.old.len() < 100);
    drop(inner);
    for _ in 0..3 {
        assert_eq!(asks(&pages, 1, "large", 1, 0), None);
        made(&pages, 1, "large", 1, vec![b'x'; HOME_PAGE_BYTES_MAX + 1]);
    }
}

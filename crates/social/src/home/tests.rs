//! Rings by themselves: pages, bounds, gaps, and authors whom very many follow.

use super::*;

fn ids(raw: &[i64]) -> VecDeque<StatusId> {
    raw.iter().filter_map(|n| StatusId::new(*n)).collect()
}

#[test]
fn pages_of_a_ring() {
    let part = Ring { ids: ids(&[10, 20, 30, 40]), whole: false, ..Ring::default() };
    let whole = Ring { ids: ids(&[10, 20, 30, 40]), whole: true, ..Ring::default() };
    let page = |max: i64, since: i64, min: i64, limit| Page {
        max_id: (max > 0).then_some(max),
        since_id: (since > 0).then_some(since),
        min_id: (min > 0).then_some(min),
        limit,
    };
    for (window, of_part, of_whole) in [
        (page(0, 0, 0, 2), Some(vec![40, 30]), vec![40, 30]),
        (page(30, 0, 0, 2), Some(vec![20, 10]), vec![20, 10]),
        (page(30, 0, 0, 3), None, vec![20, 10]),
        (page(0, 20, 0, 9), Some(vec![40, 30]), vec![40, 30]),
        (page(0, 5, 0, 9), None, vec![40, 30, 20, 10]),
        (page(0, 0, 10, 2), Some(vec![30, 20]), vec![30, 20]),
        (page(0, 0, 5, 2), None, vec![20, 10]),
        (page(10, 0, 0, 2), None, vec![]),
        (page(20, 30, 0, 2), Some(vec![]), vec![]),
    ] {
        let raw = |found: Option<Vec<StatusId>>| {
            found.map(|v| v.into_iter().map(StatusId::get).collect::<Vec<_>>())
        };
        assert_eq!(raw(part.page(&window)), of_part, "{window:?}");
        assert_eq!(raw(whole.page(&window)), Some(of_whole), "{window:?}");
    }
}

#[test]
fn a_full_ring_loses_its_oldest_and_knows_it() {
    let mut ring = Ring { whole: true, ..Ring::default() };
    for n in 1..=i64::try_from(RING_LENGTH).unwrap() + 1 {
        ring.push(StatusId::new(n).unwrap());
        ring.push(StatusId::new(n).unwrap());
    }
    assert_eq!(ring.ids.len(), RING_LENGTH);
    assert!(!ring.whole);
}

#[test]
fn a_first_look_does_not_take_a_deep_ring_from_under_a_stream() {
    let reader = AccountId::new(7).unwrap();
    let ring = |deep, raw: &[i64]| Ring { ids: ids(raw), deep, whole: true, ..Ring::default() };
    for (there, comes, deep) in
        [(true, false, true), (false, true, true), (false, false, false), (true, true, true)]
    {
        let homes = Homes::default();
        let heard = homes.heard();
        assert!(homes.settle(reader, ring(there, &[10, 20]), heard));
        assert!(homes.settle(reader, ring(comes, &[20]), heard));
        assert_eq!(homes.is_deep(reader, Timestamp::from_ms(1)), deep, "{there} {comes}");
    }
}

#[test]
fn after_a_gap_no_ring_is_believed_and_none_in_the_making() {
    let homes = Homes::default();
    let reader = AccountId::new(7).unwrap();
    let kept = Ring { ids: ids(&[10, 20]), whole: true, ..Ring::default() };
    homes.0.lock().insert(reader, kept);
    homes.0.lock().remember(Recent::Deleted(StatusId::new(15).unwrap()));
    let before = homes.heard();
    assert!(homes.page(reader, &Page::newest(5), Timestamp::from_ms(1)).is_some());
    assert_eq!(homes.0.lock().since(before).map(Iterator::count), Some(0));
    homes.forget_all();
    assert!(homes.page(reader, &Page::newest(5), Timestamp::from_ms(1)).is_none());
    assert!(homes.0.lock().since(before).is_none());
}

fn status(id: i64, author: AccountId) -> Arc<Status> {
    Arc::new(Status {
        id: StatusId::new(id).unwrap(),
        account: author,
        uri: None,
        created: Timestamp::from_ms(id),
        edited: None,
        visibility: Visibility::Public,
        sensitive: false,
        spoiler: String::new(),
        text: "words".to_owned(),
        language: None,
        in_reply_to: None,
        conversation: model::ConversationId::new(id).unwrap(),
        reblog_of: None,
        app: None,
        media: smallvec::SmallVec::new(),
        mentions: smallvec::SmallVec::new(),
        tags: Vec::new(),
        poll: None,
    })
}

fn account(id: usize) -> AccountId {
    AccountId::new(i64::try_from(id).unwrap()).unwrap()
}

/// A timeline of somebody who follows these.
fn reads(homes: &Homes, reader: AccountId, followed: &[AccountId]) {
    let facts = Facts {
        reader: Some(reader),
        following: followed.iter().map(|author| (*author, true)).collect(),
        ..Facts::default()
    };
    let ring = Ring { facts: Arc::new(facts), whole: true, ..Ring::default() };
    homes.0.lock().insert(reader, ring);
}

fn page_of(homes: &Homes, reader: AccountId) -> Option<Vec<i64>> {
    match homes.page(reader, &Page::newest(10), Timestamp::from_ms(1))? {
        Found::Ids(ids) => Some(ids.into_iter().map(StatusId::get).collect()),
        Found::Below { .. } => None,
    }
}

/// Everybody of a crowd reads home timelines with the large author in them; the last also follows
/// the small one.
fn crowd(homes: &Homes, large: AccountId, small: AccountId) -> AccountId {
    for reader in 100..=100 + LARGE_AUTHOR_READERS {
        reads(homes, account(reader), &[large]);
    }
    let last = account(100 + LARGE_AUTHOR_READERS);
    reads(homes, last, &[large, small]);
    last
}

fn ring_length(homes: &Homes, reader: AccountId) -> usize {
    homes.0.lock().rings.get(&reader).unwrap().ids.len()
}

#[test]
fn a_large_author_is_taken_over_in_order_when_read() {
    let homes = Homes::default();
    let (large, small) = (account(1), account(2));
    let reader = crowd(&homes, large, small);
    homes.push(&status(10, large));
    homes.push(&status(20, small));
    homes.push(&status(30, large));
    homes.push(&status(30, large));
    assert_eq!(ring_length(&homes, reader), 1, "only the small author's is pushed");
    homes.remove(&status(10, large));
    assert_eq!(page_of(&homes, reader), Some(vec![30, 20]), "and what was deleted is not taken");
    assert_eq!(page_of(&homes, account(100)), Some(vec![30]));
    homes.remove(&status(30, large));
    assert_eq!(page_of(&homes, reader), Some(vec![20]), "nor kept, once it was");
}

#[test]
fn a_large_author_reaches_open_streams_and_own_timeline_at_once() {
    let homes = Homes::default();
    let (large, small) = (account(1), account(2));
    let reader = crowd(&homes, large, small);
    reads(&homes, large, &[]);
    let mut stream = homes.listen(reader);
    let mut stranger = homes.listen(account(3));
    homes.push(&status(10, large));
    assert!(matches!(stream.try_recv(), Ok(StreamEvent::Update(told)) if told.id.get() == 10));
    assert!(stranger.try_recv().is_err());
    assert_eq!(ring_length(&homes, reader), 1);
    assert_eq!(ring_length(&homes, large), 1);
    assert_eq!(page_of(&homes, reader), Some(vec![10]), "and is not there twice");
}

#[test]
fn who_has_not_read_for_too_long_is_built_anew() {
    let homes = Homes::default();
    let (large, small) = (account(1), account(2));
    let reader = crowd(&homes, large, small);
    for id in 1..=i64::try_from(crate::limits::LARGE_POSTS_MAX).unwrap() {
        homes.push(&status(id, large));
    }
    assert_eq!(page_of(&homes, account(100)).map(|ids| ids.len()), Some(10));
    assert_eq!(ring_length(&homes, account(100)), RING_LENGTH);
    homes.push(&status(10_000, large));
    assert_eq!(page_of(&homes, reader), None, "the first of them is gone");
    assert_eq!(page_of(&homes, account(100)).and_then(|ids| ids.first().copied()), Some(10_000));
}

#[test]
fn past_the_budget_the_longest_unread_go_and_streams_keep_theirs() {
    let homes = Homes::default();
    let weight = 20 * FOLLOWED_BYTES + RING_LENGTH * size_of::<StatusId>();
    homes.0.lock().bytes_max = Budget(6 * weight);
    let followed: Vec<AccountId> = (100..120).map(account).collect();
    let at = |ms| Timestamp::from_ms(ms);
    for (reader, read) in [(1, 9), (2, 1), (3, 2), (4, 3), (5, 4)] {
        reads(&homes, account(reader), &followed);
        assert!(homes.page(account(reader), &Page::newest(1), at(read)).is_some());
    }
    let _stream = homes.listen(account(2));
    reads(&homes, account(6), &followed);
    let inner = homes.0.lock();
    let there = |reader| inner.rings.contains_key(&account(reader));
    assert!(there(6), "what is read now is kept");
    assert!(there(2), "an open stream hangs on it");
    assert!(there(1) && there(5), "read not long ago");
    assert!(!there(3) && !there(4), "not read for the longest");
    assert_eq!(inner.bytes, inner.rings.values().map(|ring| ring.bytes).sum::<usize>());
    let subscribed = inner.readers.get(&account(100)).unwrap();
    assert!(!subscribed.contains(&account(3)), "and nothing is pushed to what is gone");
}

#[test]
fn a_version_is_another_whenever_a_page_might_be() {
    let homes = Homes::default();
    let (reader, author, stranger) = (account(7), account(1), account(2));
    let version = || homes.version(reader, Timestamp::from_ms(1));
    assert_eq!(version(), None);
    reads(&homes, reader, &[author]);
    let mut seen = vec![version().expect("a ring")];
    let mut is_another = |what: &str, expected: bool| {
        let now = version().expect("a ring");
        assert_eq!(!seen.contains(&now), expected, "{what}");
        seen.push(now);
    };
    is_another("nothing happened", false);
    homes.push(&status(10, author));
    is_another("a post", true);
    homes.push(&status(20, stranger));
    is_another("a post that does not enter", false);
    homes.push(&status(30, reader));
    is_another("an own post", true);
    let id = |raw| StatusId::new(raw).unwrap();
    for mark in [Mark::Favourite, Mark::Bookmark, Mark::Pin, Mark::Mute] {
        for on in [true, false] {
            homes.marked(reader, id(10), mark, on);
            is_another("a mark of one's own", true);
        }
        homes.marked(stranger, id(10), mark, true);
        is_another("another's mark", false);
    }
    let of = Some(model::status::ReblogOf { status: id(10), account: author });
    let reblog = Arc::new(Status { reblog_of: of, ..(*status(40, reader)).clone() });
    homes.push(&reblog);
    is_another("a reblog of one's own", true);
    homes.remove(&reblog);
    is_another("which is taken back", true);
    homes.remove(&status(20, stranger));
    is_another("what was not there is gone", false);
    homes.remove(&status(10, author));
    is_another("what was there is gone", true);
    homes.forget(reader);
    assert_eq!(version(), None, "whom one follows has changed");
    reads(&homes, reader, &[author]);
    assert!(version().is_some_and(|now| !seen.contains(&now)), "built anew");
}

#[test]
fn a_large_authors_post_is_another_version_when_it_is_taken_over() {
    let homes = Homes::default();
    let (large, small) = (account(1), account(2));
    let reader = crowd(&homes, large, small);
    let version = || homes.version(reader, Timestamp::from_ms(1)).expect("a ring");
    let before = version();
    homes.push(&status(10, large));
    let after = version();
    assert!(before != after && after == version());
}

#[test]
fn a_mute_that_ends_ends_a_version() {
    let homes = Homes::default();
    let until = Some(Timestamp::from_ms(50));
    let facts = Arc::new(Facts { reader: Some(account(7)), until, ..Facts::default() });
    homes.0.lock().insert(account(7), Ring { facts, whole: true, ..Ring::default() });
    assert!(homes.version(account(7), Timestamp::from_ms(49)).is_some());
    assert_eq!(homes.version(account(7), Timestamp::from_ms(50)), None);
}

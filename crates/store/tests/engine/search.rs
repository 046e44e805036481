//! Finding posts by their words: in step with what is posted, edited and deleted, on both engines,
//! whatever the words are.

use model::{
    AccountId, Page, StatusId,
    ports::{SearchStore, StatusStore},
    status::{NewStatus, StatusEdit},
};
use testkit::{
    clock::START,
    conformance::{Case, check},
};

fn account(raw: i64) -> AccountId {
    AccountId::new(raw).unwrap()
}

async fn post(case: &Case, author: i64, text: &str) -> StatusId {
    let new = NewStatus { text: text.into(), ..crate::plain_post(account(author)) };
    case.store.create_status(new).await.unwrap().0.id
}

pub(crate) fn edit(id: StatusId, text: &str) -> StatusEdit {
    StatusEdit {
        id,
        edited: START.plus_ms(1),
        sensitive: false,
        spoiler: String::new(),
        text: text.into(),
        language: None,
        media: Default::default(),
        described: vec![],
        mentions: Default::default(),
        tags: Vec::new(),
        poll: None,
        same_wording: false,
        notify: Vec::new(),
    }
}

async fn find(case: &Case, text: &str, author: Option<i64>) -> Vec<StatusId> {
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let page = Page::newest(40);
    case.store.search_posts(&words, author.map(account), page).await.unwrap()
}

#[test]
fn posts_are_found_by_all_of_their_words_once_they_are_taken_in() {
    check(|case| async move {
        let one = post(&case, 1, "The harbour was quiet this morning").await;
        let two = post(&case, 2, "Quiet, said the Straßenkatze. 猫 and ΩMEGA").await;
        assert!(find(&case, "quiet", None).await.is_empty());
        assert_eq!(case.store.index_posts(1).await.unwrap(), 1);
        assert_eq!(find(&case, "quiet", None).await, [one]);
        assert_eq!(case.store.index_posts(10).await.unwrap(), 1);
        assert_eq!(case.store.index_posts(10).await.unwrap(), 0);
        for (text, author, expected) in [
            ("quiet", None, vec![two, one]),
            ("quiet morning", None, vec![one]),
            ("QUIET MORN", None, vec![one]),
            ("morn quiet", None, vec![]),
            ("quiet", Some(2), vec![two]),
            ("straßenkatze", None, vec![two]),
            ("猫", None, vec![two]),
            ("nothing", None, vec![]),
        ] {
            assert_eq!(find(&case, &text.to_lowercase(), author).await, expected, "{text}");
        }
        let page = Page { max_id: Some(two.get()), ..Page::newest(5) };
        let below = case.store.search_posts(&["quiet".into()], None, page).await.unwrap();
        assert_eq!(below, [one]);
    });
}

/// Both engines take a text apart by the same rules.
#[test]
fn words_are_the_same_on_both_engines() {
    check(|case| async move {
        let gull = post(&case, 1, "Die Möwe: https://example.org/well-known_bird?x=42").await;
        let old = post(&case, 1, "nothing of it").await;
        case.store
            .edit_status(edit(old, "E\u{301}te\u{301}, l'ÉTÉ \u{1F426}"))
            .await
            .unwrap()
            .unwrap();
        let tern = post(&case, 1, "-5 or 3.14, ann@tern.example and C++").await;
        while case.store.index_posts(2).await.unwrap() > 0 {}
        for (text, expected) in [
            ("mowe", vec![gull]),
            ("möwe", vec![gull]),
            ("MÖW", vec![gull]),
            ("example", vec![tern, gull]),
            ("well known bird", vec![gull]),
            ("org 4", vec![gull]),
            ("ete", vec![old]),
            ("été", vec![old]),
            ("l ete", vec![old]),
            ("nothing", vec![]),
            ("5 14", vec![tern]),
            ("tern c", vec![tern]),
            ("ster", vec![]),
        ] {
            assert_eq!(find(&case, text, None).await, expected, "{text}");
        }
    });
}

#[test]
fn an_edit_and_a_deletion_are_known_at_once_before_and_after_the_taking_in() {
    check(|case| async move {
        let early = post(&case, 1, "first words").await;
        case.store.index_posts(10).await.unwrap();
        let late = post(&case, 1, "later words").await;
        for id in [early, late] {
            case.store.edit_status(edit(id, "another wording")).await.unwrap().unwrap();
        }
        case.store.index_posts(10).await.unwrap();
        assert_eq!(find(&case, "wording", None).await, [late, early]);
        assert!(find(&case, "words", None).await.is_empty());
        for id in [early, late] {
            case.store.delete_status(account(1), id, START).await.unwrap().unwrap();
        }
        assert!(find(&case, "wording", None).await.is_empty());
    });
}

#[test]
fn no_words_break_the_search() {
    check(|case| async move {
        post(&case, 1, "it's \"OR\" NEAR (a:b)").await;
        case.store.index_posts(10).await.unwrap();
        for text in ["", "*", "\"", "' OR 1=1 --", "NEAR( a", "\\", ":*", "!!", "-", "\u{0}x", "^a"]
        {
            find(&case, text, None).await;
        }
        assert_eq!(find(&case, "OR", None).await.len(), 1);
    });
}

#[test]
fn the_index_goes_on_where_it_was() {
    check(|case| async move {
        let one = post(&case, 1, "kept").await;
        case.store.index_posts(10).await.unwrap();
        let two = post(&case, 1, "kept").await;
        let again = case.ground.open(case.clock.clone(), case.heard.clone()).await;
        let store = store::SqlStore::new(again);
        assert_eq!(store.index_posts(10).await.unwrap(), 1);
        let found = store.search_posts(&["kept".into()], None, Page::newest(9)).await.unwrap();
        assert_eq!(found, [two, one]);
    });
}

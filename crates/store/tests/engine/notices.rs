//! Who stands how to whom, asked of many at once, on both engines; and mutes that end.

use model::{
    AccountId, Page, StatusId, Timestamp,
    event::Mark,
    ports::{NoticeFacts, RelationStore, SightFacts, StatusStore},
    relation::{FollowOptions, MuteOptions},
};
use testkit::{
    clock::START,
    conformance::{Case, check},
};

fn who(id: i64) -> AccountId {
    AccountId::new(id).unwrap()
}

async fn post(case: &Case, author: i64) -> (StatusId, model::ConversationId) {
    let new = crate::plain_post(who(author));
    let status = case.store.create_status(new).await.unwrap().0;
    (status.id, status.conversation)
}

/// Everybody from 2 to 7 stands to 1 in another way. When the mute of 7 ends.
async fn relate(case: &Case) -> Timestamp {
    let store = &case.store;
    let quiet = FollowOptions { reblogs: false, ..FollowOptions::default() };
    store.follow(who(2), who(1), &quiet, START).await.unwrap();
    store.block(who(3), who(1), START).await.unwrap();
    store.block(who(1), who(4), START).await.unwrap();
    let end = START.plus_ms(1_000);
    for (account, notifications, expires) in
        [(5, true, None), (6, false, None), (7, true, Some(end))]
    {
        let options = MuteOptions { notifications, expires };
        store.mute(who(account), who(1), options, START).await.unwrap();
    }
    end
}

#[test]
fn relations_of_many_are_one_question() {
    check(|case| async move {
        let store = &case.store;
        let end = relate(&case).await;
        let (status, thread) = post(&case, 1).await;
        store.mark(who(8), status, Mark::Mute, true, None, START).await.unwrap();
        let all: Vec<AccountId> = (2..=9).map(who).collect();
        let facts = |thread, at: Timestamp| {
            let (store, all) = (store.clone(), all.clone());
            async move {
                let mut found = store.notice_facts(who(1), &all, thread, at).await.unwrap();
                found.sort_by_key(|(id, _)| *id);
                found
            }
        };
        let none = NoticeFacts::default();
        let muted = NoticeFacts { muted: true, ..none };
        let blocked = NoticeFacts { blocked: true, ..none };
        let mut expected = vec![
            (who(2), NoticeFacts { follows: true, ..none }),
            (who(3), blocked),
            (who(4), blocked),
            (who(5), muted),
            (who(7), muted),
            (who(8), NoticeFacts { thread_muted: true, ..none }),
        ];
        assert_eq!(facts(Some(thread), START).await, expected);
        expected.pop();
        assert_eq!(facts(None, START).await, expected, "outside of any thread");
        expected.pop();
        assert_eq!(facts(None, end).await, expected, "past the end of a mute");
    });
}

#[test]
fn a_relation_is_seen_until_its_end() {
    check(|case| async move {
        let store = &case.store;
        let end = relate(&case).await;
        let sight = |viewer, at| {
            let store = store.clone();
            async move {
                let found = store.sight_facts(who(viewer), &[who(1)], at).await.unwrap();
                found.first().map(|(_, facts)| *facts).unwrap_or_default()
            }
        };
        let none = SightFacts::default();
        for (viewer, at, facts) in [
            (2, START, SightFacts { follows: true, hides_reblogs: true, ..none }),
            (3, START, SightFacts { blocked: true, ..none }),
            (4, START, SightFacts { blocked: true, ..none }),
            (5, START, SightFacts { muted: true, notifications_muted: true, ..none }),
            (6, START, SightFacts { muted: true, ..none }),
            (7, START, SightFacts { muted: true, notifications_muted: true, ..none }),
            (7, end, none),
            (9, START, none),
        ] {
            assert_eq!(sight(viewer, at).await, facts, "{viewer}");
        }
        let page = Page::newest(5);
        let restricted = |at| store.all_restricted(who(7), at);
        assert_eq!(restricted(START).await.unwrap(), [(who(1), Some(end))]);
        assert_eq!(restricted(end).await.unwrap(), []);
        assert_eq!(store.all_restricted(who(4), START).await.unwrap(), [(who(1), None)]);
        let listed = store.mutes(who(7), page, START).await.unwrap();
        assert_eq!(
            listed.iter().map(|m| (m.0.account, m.1)).collect::<Vec<_>>(),
            [(who(1), Some(end))]
        );
        assert_eq!(store.mutes(who(7), page, end).await.unwrap(), []);
    });
}

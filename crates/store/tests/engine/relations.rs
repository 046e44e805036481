//! Follows, requests, blocks, mutes, notes, lists and notifications, on both engines.

use crate::members::join;
use model::{
    AccountId, ListId, NotificationId, Page,
    list::{List, RepliesPolicy},
    member::Role,
    notification::NotificationKind::{self, Follow, FollowRequest},
    ports::RelationStore,
    relation::{Edge, FollowOptions, MuteOptions, Relationship},
};
use testkit::{
    clock::START,
    conformance::{Case, check},
};

async fn people<const N: usize>(case: &Case) -> [AccountId; N] {
    let mut ids = [AccountId::new(1).unwrap(); N];
    for (number, id) in ids.iter_mut().enumerate() {
        *id = join(case, &format!("member{number}"), Role::Member).await;
    }
    ids
}

fn who(edges: &[Edge]) -> Vec<AccountId> {
    edges.iter().map(|edge| edge.account).collect()
}

#[test]
fn a_follow_shows_on_both_sides_until_it_ends() {
    check(|case| async move {
        let [ann, ben, cleo] = people(&case).await;
        let store = &case.store;
        let options = FollowOptions {
            reblogs: false,
            notify: true,
            languages: vec!["de".into(), "en".into()],
        };
        store.follow(ann, ben, &options, START).await.unwrap();
        store.follow(cleo, ben, &FollowOptions::default(), START).await.unwrap();
        store.follow(ann, cleo, &FollowOptions::default(), START).await.unwrap();
        assert_eq!(who(&store.followers(ben, Page::newest(9)).await.unwrap()), [cleo, ann]);
        assert_eq!(who(&store.following(ann, Page::newest(9)).await.unwrap()), [cleo, ben]);
        let first = store.following(ann, Page::newest(1)).await.unwrap();
        let older = Page { max_id: Some(first[0].id.get()), ..Page::newest(1) };
        assert_eq!(who(&store.following(ann, older).await.unwrap()), [ben]);
        let upwards = Page { min_id: Some(0), ..Page::newest(1) };
        assert_eq!(who(&store.following(ann, upwards).await.unwrap()), [ben]);
        let mut all = store.all_following(ann).await.unwrap();
        all.sort_by_key(|(account, _)| *account);
        assert_eq!(all, [(ben, options.clone()), (cleo, FollowOptions::default())]);
        assert_eq!(store.notified_followers(ben, 9).await.unwrap(), [ann]);
        let found = store.relationships(ann, &[cleo, AccountId::new(77).unwrap(), ben]).await;
        let found = found.unwrap();
        let expected = [
            Relationship { following: Some(FollowOptions::default()), ..Relationship::none(cleo) },
            Relationship { following: Some(options.clone()), ..Relationship::none(ben) },
        ];
        assert_eq!(found, expected);
        assert!(store.relationships(ben, &[ann]).await.unwrap()[0].followed_by);
        // A second follow only says how.
        let loud = FollowOptions { notify: false, ..options };
        store.follow(ann, ben, &loud, START).await.unwrap();
        assert!(store.notified_followers(ben, 9).await.unwrap().is_empty());
        assert_eq!(store.followers(ben, Page::newest(9)).await.unwrap().len(), 2);
        store.unfollow(ann, ben).await.unwrap();
        store.unfollow(ann, ben).await.unwrap();
        assert_eq!(who(&store.followers(ben, Page::newest(9)).await.unwrap()), [cleo]);
    });
}

#[test]
fn a_request_waits_for_its_answer() {
    check(|case| async move {
        let [ann, ben, cleo] = people(&case).await;
        let store = &case.store;
        let options = FollowOptions { notify: true, ..FollowOptions::default() };
        // Ben asks once more, for something else.
        for (asker, options) in
            [(ben, &FollowOptions::default()), (cleo, &options), (ben, &options)]
        {
            store.request_follow(asker, ann, options, START).await.unwrap();
        }
        assert_eq!(who(&store.requests_for(ann, Page::newest(9)).await.unwrap()), [cleo, ben]);
        assert!(store.relationships(ben, &[ann]).await.unwrap()[0].requested.is_some());
        assert!(store.relationships(ann, &[ben]).await.unwrap()[0].requested_by);
        assert!(store.answer_request(ben, ann, true, START).await.unwrap());
        assert!(!store.answer_request(ben, ann, true, START).await.unwrap());
        assert!(store.answer_request(cleo, ann, false, START).await.unwrap());
        assert!(!store.answer_request(ann, ben, true, START).await.unwrap(), "nobody asked");
        assert!(store.requests_for(ann, Page::newest(9)).await.unwrap().is_empty());
        assert_eq!(who(&store.followers(ann, Page::newest(9)).await.unwrap()), [ben]);
        assert_eq!(store.all_following(ben).await.unwrap(), [(ann, options)]);
        let told = store.notifications(ann, &[], None, Page::newest(9)).await.unwrap();
        let kinds: Vec<NotificationKind> = told.iter().map(|note| note.kind).collect();
        assert_eq!(kinds, [Follow]);
    });
}

#[test]
fn a_block_ends_follows_both_ways_and_a_mute_ends_none() {
    check(|case| async move {
        let [ann, ben, cleo] = people(&case).await;
        let store = &case.store;
        for (from, to) in [(ann, ben), (ben, ann), (ann, cleo)] {
            store.follow(from, to, &FollowOptions::default(), START).await.unwrap();
        }
        store.block(ann, ben, START).await.unwrap();
        store.block(ann, ben, START).await.unwrap();
        let options = MuteOptions { notifications: true, expires: None };
        store.mute(ann, cleo, options, START).await.unwrap();
        assert_eq!(who(&store.blocks(ann, Page::newest(9)).await.unwrap()), [ben]);
        assert_eq!(who(&store.following(ann, Page::newest(9)).await.unwrap()), [cleo]);
        assert!(store.following(ben, Page::newest(9)).await.unwrap().is_empty());
        let found = store.relationships(ann, &[ben, cleo]).await.unwrap();
        assert!(found[0].blocking && !found[0].blocked_by && found[0].muting.is_none());
        assert_eq!(found[1].muting, Some(options));
        assert!(store.relationships(ben, &[ann]).await.unwrap()[0].blocked_by);
        store.unblock(ann, ben).await.unwrap();
        store.unmute(ann, cleo).await.unwrap();
        assert!(store.blocks(ann, Page::newest(9)).await.unwrap().is_empty());
        assert!(store.mutes(ann, Page::newest(9), START).await.unwrap().is_empty());
    });
}

#[test]
fn a_note_is_the_writers_own_and_an_empty_one_is_none() {
    check(|case| async move {
        let [ann, ben] = people(&case).await;
        let store = &case.store;
        for note in ["met at the pier", "met at the harbour", ""] {
            store.set_note(ann, ben, note).await.unwrap();
            assert_eq!(store.relationships(ann, &[ben]).await.unwrap()[0].note, note);
            assert_eq!(store.relationships(ben, &[ann]).await.unwrap()[0].note, "");
        }
    });
}

fn list(account: AccountId, title: &str, exclusive: bool) -> List {
    let id = ListId::new(1).unwrap();
    List { id, account, title: title.into(), replies_policy: RepliesPolicy::Followed, exclusive }
}

#[test]
fn lists_hold_accounts_until_they_go() {
    check(|case| async move {
        let [ann, ben, cleo, dora] = people(&case).await;
        let store = &case.store;
        for followed in [ben, cleo, dora] {
            store.follow(ann, followed, &FollowOptions::default(), START).await.unwrap();
        }
        let mut birds = list(ann, "Birds", false);
        birds.id = store.create_list(&birds).await.unwrap();
        let mut ships = list(ann, "Ships", true);
        ships.id = store.create_list(&ships).await.unwrap();
        assert_eq!(store.lists(ann).await.unwrap(), [birds.clone(), ships.clone()]);
        assert!(store.lists(ben).await.unwrap().is_empty());
        assert_eq!(store.list(ships.id).await.unwrap(), Some(ships.clone()));
        assert_eq!(store.list(ListId::new(77).unwrap()).await.unwrap(), None);
        store.add_to_list(&birds, &[ben, cleo]).await.unwrap();
        store.add_to_list(&birds, &[ben, dora]).await.unwrap();
        store.add_to_list(&ships, &[cleo]).await.unwrap();
        let mut members = who(&store.list_members(birds.id, Page::newest(9)).await.unwrap());
        members.sort_unstable();
        assert_eq!(members, [ben, cleo, dora]);
        assert_eq!(store.on_list(ships.id, &[ben, cleo]).await.unwrap(), [cleo]);
        assert_eq!(store.on_exclusive_lists(ann).await.unwrap(), [cleo]);
        assert_eq!(store.lists_with(ann, cleo).await.unwrap(), [birds.clone(), ships.clone()]);
        assert_eq!(store.lists_with(ann, ben).await.unwrap(), [birds.clone()]);
        store.remove_from_list(&birds, &[cleo, ann]).await.unwrap();
        assert_eq!(store.lists_with(ann, cleo).await.unwrap(), [ships.clone()]);
        let renamed = List {
            title: "Boats".into(),
            replies_policy: RepliesPolicy::None,
            exclusive: false,
            ..ships.clone()
        };
        store.change_list(&renamed).await.unwrap();
        assert_eq!(store.list(ships.id).await.unwrap(), Some(renamed.clone()));
        assert!(store.on_exclusive_lists(ann).await.unwrap().is_empty());
        // Only whom one follows is on one's lists.
        store.unfollow(ann, cleo).await.unwrap();
        assert!(store.list_members(ships.id, Page::newest(9)).await.unwrap().is_empty());
        store.delete_list(&birds).await.unwrap();
        assert_eq!(store.lists(ann).await.unwrap(), [renamed]);
        assert!(store.list_members(birds.id, Page::newest(9)).await.unwrap().is_empty());
    });
}

#[test]
fn notifications_are_filtered_counted_and_dismissed() {
    check(|case| async move {
        let [ann, ben, cleo] = people(&case).await;
        let store = &case.store;
        store.follow(ben, ann, &FollowOptions::default(), START).await.unwrap();
        store.request_follow(cleo, ann, &FollowOptions::default(), START).await.unwrap();
        store.follow(ann, ben, &FollowOptions::default(), START).await.unwrap();
        for (kinds, from, expected) in [
            (&[][..], None, vec![FollowRequest, Follow]),
            (&[Follow][..], None, vec![Follow]),
            (&[Follow, FollowRequest][..], Some(cleo), vec![FollowRequest]),
            (&[][..], Some(ann), vec![]),
        ] {
            let found = store.notifications(ann, kinds, from, Page::newest(9)).await.unwrap();
            let found: Vec<NotificationKind> = found.iter().map(|note| note.kind).collect();
            assert_eq!(found, expected, "{kinds:?} {from:?}");
        }
        let all = store.notifications(ann, &[], None, Page::newest(9)).await.unwrap();
        let (newest, oldest) = (all[0].id, all[1].id);
        let older = Page { max_id: Some(newest.get()), ..Page::newest(9) };
        assert_eq!(store.notifications(ann, &[], None, older).await.unwrap(), all[1..]);
        for (after, limit, expected) in [(0, 9, 2), (0, 1, 1), (oldest.get(), 9, 1)] {
            assert_eq!(store.unread(ann, after, limit).await.unwrap(), expected, "{after} {limit}");
        }
        assert_eq!(store.notification(ann, oldest).await.unwrap(), Some(all[1].clone()));
        assert_eq!(store.notification(ben, oldest).await.unwrap(), None, "not theirs");
        let absent = NotificationId::new(77).unwrap();
        assert_eq!(store.notification(ann, absent).await.unwrap(), None);
        store.dismiss(ben, Some(oldest)).await.unwrap();
        assert_eq!(store.unread(ann, 0, 9).await.unwrap(), 2, "not theirs to dismiss");
        store.dismiss(ann, Some(oldest)).await.unwrap();
        assert_eq!(store.notifications(ann, &[], None, Page::newest(9)).await.unwrap(), all[..1]);
        store.dismiss(ann, None).await.unwrap();
        assert_eq!(store.unread(ann, 0, 9).await.unwrap(), 0);
        assert_eq!(store.unread(ben, 0, 9).await.unwrap(), 1);
    });
}

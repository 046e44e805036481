//! Posts: threads, listings, marks, versions and polls, on both engines.

use crate::{members::join, plain_post};
use model::{
    AccountId, ListId, Page, PollId, Status, StatusId, StoreError, Visibility,
    event::Mark,
    list::{List, RepliesPolicy},
    member::Role,
    poll::NewPoll,
    ports::{RelationStore, ScheduledStore, StatusStore, TimelineQuery},
    relation::FollowOptions,
    scheduled::NewScheduled,
    status::{NewStatus, ReblogOf, ReplyTo, StatusEdit},
    thread::ThreadPost,
};
use store::Engine;
use testkit::{
    clock::START,
    conformance::{Case, check},
    postgres::Cluster,
};

async fn people(case: &Case) -> [AccountId; 3] {
    [
        join(case, "ann", Role::Member).await,
        join(case, "ben", Role::Member).await,
        join(case, "cleo", Role::Member).await,
    ]
}

async fn stored(case: &Case, new: NewStatus) -> Status {
    case.store.create_status(new).await.unwrap().0
}

fn reblog(by: AccountId, of: &Status, visibility: Visibility) -> NewStatus {
    let reblog_of = Some(ReblogOf { status: of.id, account: of.account });
    NewStatus { reblog_of, visibility, text: String::new(), ..plain_post(by) }
}

fn reply(by: AccountId, to: &Status) -> NewStatus {
    let place = ReplyTo { status: Some(to.id), account: to.account };
    NewStatus { in_reply_to: Some((place, to.conversation)), ..plain_post(by) }
}

fn tagged(by: AccountId, tags: &[&str]) -> NewStatus {
    NewStatus { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..plain_post(by) }
}

#[test]
fn a_thread_is_read_in_the_order_of_posting_without_reblogs() {
    check(|case| async move {
        let [ann, ben, cleo] = people(&case).await;
        let store = &case.store;
        let first = stored(&case, plain_post(ann)).await;
        let second = stored(&case, reply(ben, &first)).await;
        stored(&case, reblog(cleo, &first, Visibility::Public)).await;
        let third = stored(&case, reply(ann, &second)).await;
        stored(&case, plain_post(ben)).await;
        let place = |status: &Status| ThreadPost {
            id: status.id,
            answers: status.in_reply_to.and_then(|to| to.status),
            goes_on: status.in_reply_to.is_some_and(|to| to.account == status.account),
            visibility: status.visibility,
        };
        let fourth = stored(&case, reply(ann, &first)).await;
        let thread = store.thread(first.conversation, 9).await.unwrap();
        assert_eq!(thread, [&first, &second, &third, &fourth].map(place));
        assert_eq!(
            thread.iter().map(|post| post.goes_on).collect::<Vec<_>>(),
            [false, false, false, true]
        );
        let begun = store.thread(first.conversation, 2).await.unwrap();
        assert_eq!(begun, [&first, &second].map(place));
        let absent = StatusId::new(77).unwrap();
        let mut found = store.statuses(&[third.id, absent, first.id]).await.unwrap();
        found.sort_by_key(|status| status.id);
        assert_eq!(found, [first, third]);
    });
}

/// A list with one account on it.
async fn list_of(case: &Case, account: AccountId, member: AccountId) -> ListId {
    let mut birds = List {
        id: ListId::new(1).unwrap(),
        account,
        title: "Birds".into(),
        replies_policy: RepliesPolicy::List,
        exclusive: false,
    };
    birds.id = case.store.create_list(&birds).await.unwrap();
    case.store.add_to_list(&birds, &[member]).await.unwrap();
    birds.id
}

/// One post of each sort: what a listing holds of them.
#[test]
fn a_listing_holds_what_its_query_says() {
    check(|case| async move {
        let [ann, ben, cleo] = people(&case).await;
        let store = &case.store;
        store.follow(ann, ben, &FollowOptions::default(), START).await.unwrap();
        let birds = list_of(&case, ann, ben).await;
        let own = stored(&case, plain_post(ann)).await;
        let gull = stored(&case, tagged(ben, &["gull", "sea"])).await;
        let tern = stored(&case, tagged(cleo, &["tern", "sea"])).await;
        let private = NewStatus { visibility: Visibility::Followers, ..tagged(ben, &["gull"]) };
        let private = stored(&case, private).await;
        let answer = stored(&case, reply(ben, &tern)).await;
        let again = stored(&case, reblog(ben, &tern, Visibility::Public)).await;
        let tag = |tag: &str, any: &[&str], all: &[&str], none: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            TimelineQuery::Tag {
                tag: tag.into(),
                any: owned(any),
                all: owned(all),
                none: owned(none),
                local: false,
                only_media: false,
            }
        };
        let public =
            |local, remote, only_media| TimelineQuery::Public { local, remote, only_media };
        let of_ben = |visibility_max, exclude_replies, exclude_reblogs, tagged: Option<&str>| {
            TimelineQuery::Account {
                account: ben,
                visibility_max,
                exclude_replies,
                exclude_reblogs,
                only_media: false,
                tagged: tagged.map(str::to_owned),
            }
        };
        let private_too = Visibility::Followers;
        for (query, expected) in [
            (TimelineQuery::Home(ann), vec![&again, &answer, &private, &gull, &own]),
            (TimelineQuery::Home(cleo), vec![&tern]),
            (public(false, false, false), vec![&tern, &gull, &own]),
            (public(true, false, false), vec![&tern, &gull, &own]),
            (public(false, true, false), vec![]),
            (public(false, false, true), vec![]),
            (tag("sea", &[], &[], &[]), vec![&tern, &gull]),
            (tag("gull", &["tern"], &[], &[]), vec![&tern, &gull]),
            (tag("sea", &[], &["gull"], &[]), vec![&gull]),
            (tag("sea", &[], &[], &["gull"]), vec![&tern]),
            (tag("none", &[], &[], &[]), vec![]),
            (TimelineQuery::List(birds), vec![&again, &answer, &private, &gull]),
            (of_ben(private_too, false, false, None), vec![&again, &answer, &private, &gull]),
            (of_ben(Visibility::Public, false, false, None), vec![&again, &answer, &gull]),
            (of_ben(Visibility::Public, true, true, None), vec![&gull]),
            (of_ben(private_too, false, false, Some("gull")), vec![&private, &gull]),
        ] {
            let found = store.timeline(&query, Page::newest(9)).await.unwrap();
            let expected: Vec<StatusId> = expected.iter().map(|status| status.id).collect();
            assert_eq!(found, expected, "{query:?}");
            if let [first, rest @ ..] = found.as_slice() {
                let older = Page { max_id: Some(first.get()), ..Page::newest(9) };
                assert_eq!(store.timeline(&query, older).await.unwrap(), rest, "{query:?}");
                let upwards = Page { min_id: Some(0), ..Page::newest(1) };
                let oldest = store.timeline(&query, upwards).await.unwrap();
                assert_eq!(oldest, found[found.len() - 1..], "{query:?}");
            }
        }
    });
}

#[test]
fn tags_are_offered_by_their_beginning() {
    check(|case| async move {
        let [ann, ..] = people(&case).await;
        stored(&case, tagged(ann, &["gull", "gulls", "tern", "gul_x"])).await;
        for (text, limit, offset, expected) in [
            ("gul", 9, 0, vec!["gul_x", "gull", "gulls"]),
            ("gul", 1, 1, vec!["gull"]),
            ("gull", 1, 0, vec!["gull"]),
            ("_", 9, 0, vec![]),
            ("%", 9, 0, vec![]),
        ] {
            let found = case.store.tags_by_prefix(text, limit, offset).await.unwrap();
            assert_eq!(found, expected, "{text} {limit} {offset}");
        }
    });
}

#[test]
fn marks_are_set_once_listed_and_taken_away() {
    check(|case| async move {
        let [ann, ben, cleo] = people(&case).await;
        let store = &case.store;
        let one = stored(&case, plain_post(ann)).await;
        let two = stored(&case, plain_post(ann)).await;
        let all = [Mark::Favourite, Mark::Bookmark, Mark::Mute, Mark::Pin];
        for mark in all {
            // Only one's own posts are pinned.
            let is_set = mark != Mark::Pin;
            let set = store.mark(ben, one.id, mark, true, None, START).await.unwrap();
            assert_eq!(set, is_set, "{mark:?}");
            assert!(!store.mark(ben, one.id, mark, true, None, START).await.unwrap(), "{mark:?}");
        }
        let absent = StatusId::new(77).unwrap();
        assert!(!store.mark(ben, absent, Mark::Favourite, true, None, START).await.unwrap());
        assert!(store.mark(cleo, one.id, Mark::Favourite, true, Some(ann), START).await.unwrap());
        assert!(store.mark(ben, two.id, Mark::Favourite, true, None, START).await.unwrap());
        for status in [&one, &two] {
            assert!(store.mark(ann, status.id, Mark::Pin, true, None, START).await.unwrap());
        }
        assert_eq!(store.pinned(ann).await.unwrap(), [two.id, one.id]);
        let of = |found: Vec<(model::EdgeId, StatusId)>| -> Vec<StatusId> {
            found.into_iter().map(|(_, status)| status).collect()
        };
        let newest = Page::newest(9);
        let favourites = store.marked(ben, Mark::Favourite, newest).await.unwrap();
        let older = Page { max_id: Some(favourites[0].0.get()), ..newest };
        assert_eq!(of(favourites), [two.id, one.id]);
        assert_eq!(of(store.marked(ben, Mark::Favourite, older).await.unwrap()), [one.id]);
        assert_eq!(of(store.marked(ben, Mark::Bookmark, newest).await.unwrap()), [one.id]);
        let by = store.favourited_by(one.id, newest).await.unwrap();
        assert_eq!(by.iter().map(|edge| edge.account).collect::<Vec<_>>(), [cleo, ben]);
        let marks = store.marks(ben, &[one.id, two.id, absent]).await.unwrap();
        let on_one = marks.iter().find(|(id, _)| *id == one.id).unwrap().1;
        assert!(on_one.favourited && on_one.bookmarked && on_one.muted && !on_one.pinned);
        assert_eq!(marks.len(), 2);
        for mark in all {
            let was_set = mark != Mark::Pin;
            let gone = store.mark(ben, one.id, mark, false, None, START).await.unwrap();
            assert_eq!(gone, was_set, "{mark:?}");
        }
        assert_eq!(store.marks(ben, &[one.id]).await.unwrap(), []);
        let counts = store.status_counts(&[one.id]).await.unwrap();
        assert_eq!(counts[0].1.favourites, 1);
    });
}

#[test]
fn reblogs_are_found_from_the_post_and_go_with_it() {
    check(|case| async move {
        let [ann, ben, cleo] = people(&case).await;
        let store = &case.store;
        let post = stored(&case, plain_post(ann)).await;
        let by_ben = stored(&case, reblog(ben, &post, Visibility::Public)).await;
        let by_cleo = stored(&case, reblog(cleo, &post, Visibility::Followers)).await;
        let again = store.create_status(reblog(ben, &post, Visibility::Public)).await.unwrap();
        assert_eq!((again.0.id, again.1), (by_ben.id, false));
        let public = store.reblogged_by(post.id, Page::newest(9)).await.unwrap();
        assert_eq!(public.iter().map(|edge| edge.account).collect::<Vec<_>>(), [ben]);
        assert_eq!(store.local_rebloggers(post.id, 9).await.unwrap(), [cleo, ben]);
        assert_eq!(store.local_rebloggers(post.id, 1).await.unwrap(), [cleo]);
        assert_eq!(store.reblog_by(cleo, post.id).await.unwrap(), Some(by_cleo.id));
        assert_eq!(store.reblog_by(ann, post.id).await.unwrap(), None);
        assert_eq!(store.delete_status(ben, post.id, START).await.unwrap(), None, "not theirs");
        assert_eq!(store.delete_status(ann, post.id, START).await.unwrap(), Some(post.clone()));
        assert_eq!(store.delete_status(ann, post.id, START).await.unwrap(), None);
        assert!(store.statuses(&[post.id, by_ben.id, by_cleo.id]).await.unwrap().is_empty());
        let told = case.heard.events();
        let gone = told.iter().find_map(|event| match event {
            model::Event::Deleted { rebloggers, .. } => Some(rebloggers.clone()),
            _ => None,
        });
        let mut gone = gone.unwrap();
        gone.sort_unstable();
        assert_eq!(gone, [ben, cleo]);
    });
}

#[test]
fn an_answer_to_a_post_that_is_gone_stays_an_answer_to_its_author() {
    check(|case| async move {
        let [ann, ben, cleo] = people(&case).await;
        let store = &case.store;
        let post = stored(&case, plain_post(ann)).await;
        let answers =
            [stored(&case, reply(ben, &post)).await, stored(&case, reply(ann, &post)).await];
        let below = stored(&case, reply(cleo, &answers[0])).await;
        store.delete_status(ann, post.id, START).await.unwrap();
        let ids = answers.each_ref().map(|answer| answer.id);
        for found in store.statuses(&ids).await.unwrap() {
            assert_eq!(found.in_reply_to, Some(ReplyTo { status: None, account: ann }));
            assert_eq!(found.conversation, post.conversation);
        }
        assert_eq!(store.statuses(&[below.id]).await.unwrap()[0].in_reply_to, below.in_reply_to);
        let told = case.heard.events();
        let told = told.iter().find_map(|event| match event {
            model::Event::Deleted { answers, .. } => Some(answers.clone()),
            _ => None,
        });
        let mut told = told.unwrap();
        told.sort_unstable();
        assert_eq!(told, ids, "who keeps them has to read them anew");
        // One of them goes: there is nothing left that counted it.
        store.delete_status(ben, ids[0], START).await.unwrap();
    });
}

#[test]
fn an_edit_keeps_the_wording_that_goes() {
    check(|case| async move {
        let [ann, ..] = people(&case).await;
        let store = &case.store;
        let post = stored(&case, plain_post(ann)).await;
        assert!(store.history(post.id).await.unwrap().is_empty());
        let edit = |text: &str, ms, same_wording| StatusEdit {
            id: post.id,
            edited: START.plus_ms(ms),
            sensitive: true,
            spoiler: "careful".into(),
            text: text.into(),
            language: Some("en".into()),
            media: Default::default(),
            described: vec![],
            mentions: Default::default(),
            tags: vec![],
            poll: None,
            same_wording,
            notify: vec![],
        };
        let edits = [("second", 10, false), ("second", 20, true), ("third", 30, false)];
        for (text, ms, same) in edits {
            let edited = store.edit_status(edit(text, ms, same)).await.unwrap().unwrap();
            let since = if same { 10 } else { ms };
            assert_eq!((edited.text.as_str(), edited.edited), (text, Some(START.plus_ms(since))));
        }
        let history = store.history(post.id).await.unwrap();
        let wordings: Vec<(&str, i64)> =
            history.iter().map(|v| (v.text.as_str(), v.at.ms() - START.ms())).collect();
        assert_eq!(wordings, [("so", 0), ("second", 10)]);
        assert_eq!((history[1].spoiler.as_str(), history[1].sensitive), ("careful", true));
        let absent = StatusEdit { id: StatusId::new(77).unwrap(), ..edit("x", 1, false) };
        assert!(store.edit_status(absent).await.unwrap().is_none());
    });
}

/// Holds a poll's row on PostgreSQL, so that ballots come as far as they can and no further.
async fn held(case: &Case, poll: PollId) -> Option<tokio_postgres::Client> {
    let Engine::Postgres(options) = &case.ground.engine else { return None };
    let client = Cluster::shared().client(options.url.rsplit('/').next().unwrap()).await;
    let hold = format!("BEGIN; SELECT 1 FROM poll WHERE id = {poll} FOR UPDATE");
    client.batch_execute(&hold).await.unwrap();
    Some(client)
}

/// Two ballots of one voter at once, with different choices so that no key is met twice. `None`:
/// the machine was so slow that one of them waited for too long, and nothing was shown.
async fn two_ballots(case: &Case, voter: AccountId, id: PollId) -> Option<()> {
    let poll = case.store.polls(&[id]).await.unwrap().pop().unwrap();
    let held = held(case, id).await;
    let votes = [0, 1].map(|choice| {
        let (store, poll) = (case.store.clone(), poll.clone());
        tokio::spawn(async move { store.vote(voter, &poll, &[choice], START).await })
    });
    if let Some(client) = held {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        testkit::until("both wait", || async {
            let row = client.query_one(waiting, &[]).await.unwrap();
            let is_over = votes.iter().any(tokio::task::JoinHandle::is_finished);
            (is_over || row.get::<_, i64>(0) == 2).then_some(())
        })
        .await;
        client.batch_execute("COMMIT").await.unwrap();
    }
    let mut counted = 0;
    for vote in votes {
        match vote.await.unwrap() {
            Ok(()) => counted += 1,
            Err(StoreError::Conflict("vote")) => {}
            Err(StoreError::Away { .. } | StoreError::Unsettled { .. }) => return None,
            Err(error) => panic!("{error}"),
        }
    }
    let after = case.store.polls(&[id]).await.unwrap().pop().unwrap();
    let votes: i64 = after.options.iter().map(|option| option.votes).sum();
    assert_eq!((counted, votes, after.voters), (1, 1, 1));
    Some(())
}

#[test]
fn of_two_ballots_of_one_voter_at_once_exactly_one_counts() {
    check(|case| async move {
        let [ann, ben, _] = people(&case).await;
        for multiple in [false, true] {
            testkit::until("two ballots that are answered", || async {
                let asked = NewPoll {
                    options: vec!["gull".into(), "tern".into()],
                    expires: None,
                    multiple,
                    hide_totals: false,
                };
                let post = stored(&case, NewStatus { poll: Some(asked), ..plain_post(ann) }).await;
                two_ballots(&case, ben, post.poll.unwrap()).await
            })
            .await;
        }
    });
}

#[test]
fn a_ballot_counts_once_and_whole() {
    check(|case| async move {
        let [ann, ben, cleo] = people(&case).await;
        let store = &case.store;
        let asked = NewPoll {
            options: vec!["gull".into(), "tern".into(), "auk".into()],
            expires: None,
            multiple: true,
            hide_totals: false,
        };
        let post = stored(&case, NewStatus { poll: Some(asked), ..plain_post(ann) }).await;
        let id = post.poll.unwrap();
        let poll = store.polls(&[id]).await.unwrap().pop().unwrap();
        store.vote(ben, &poll, &[0, 2], START).await.unwrap();
        store.vote(cleo, &poll, &[2], START).await.unwrap();
        for choices in [&[1][..], &[0][..], &[0, 2][..]] {
            let again = store.vote(ben, &poll, choices, START).await;
            assert!(again.is_err(), "{choices:?}");
        }
        let after = store.polls(&[id]).await.unwrap().pop().unwrap();
        let votes: Vec<i64> = after.options.iter().map(|option| option.votes).collect();
        assert_eq!((votes, after.voters), (vec![1, 0, 2], 2));
        let mut mine = store.votes_of(ben, &[id]).await.unwrap();
        mine.sort_unstable();
        assert_eq!(mine, [(id, 0), (id, 2)]);
        assert!(store.votes_of(ann, &[id]).await.unwrap().is_empty());
    });
}

#[test]
fn scheduled_posts_are_listed_newest_first_and_by_their_author_alone() {
    check(|case| async move {
        let [ann, ben, _] = people(&case).await;
        let store = &case.store;
        let new = |account, minutes: i64| NewScheduled {
            account,
            at: START.plus_ms(minutes * 60_000),
            draft: "{}".into(),
            media: vec![],
            idempotency_key: None,
            created: START,
        };
        let first = store.schedule(&new(ann, 20)).await.unwrap();
        let second = store.schedule(&new(ann, 10)).await.unwrap();
        store.schedule(&new(ben, 10)).await.unwrap();
        let found = store.scheduled_of(ann, Page::newest(9)).await.unwrap();
        assert_eq!(found, [second.clone(), first.clone()]);
        let older = Page { max_id: Some(second.id.get()), ..Page::newest(9) };
        assert_eq!(store.scheduled_of(ann, older).await.unwrap(), [first]);
    });
}

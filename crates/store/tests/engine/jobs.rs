//! Jobs: claimed by one at a time, done once, given up in the end; on both engines.

use crate::{members::join, side_by_side};
use model::{
    AccountId, Event, MediaId, PollId, StoreError, Timestamp,
    job::Job,
    media::NewMedia,
    member::Role,
    notification::NotificationKind,
    poll::{NewPoll, Poll},
    ports::{
        AccountStore, AppStore, JobStore, MediaStore, RelationStore, ScheduledStore, StatusStore,
    },
    scheduled::NewScheduled,
    token::Session,
};
use std::sync::{Arc, Mutex};
use testkit::{
    clock::START,
    conformance::{Case, check},
};

const LEASE_MS: i64 = 60_000;
const ENDS: Timestamp = START.plus_ms(300_000);

async fn member(case: &Case, name: &str) -> AccountId {
    join(case, name, Role::Member).await
}

/// A poll of this author that ends at [`ENDS`].
async fn poll(case: &Case, author: AccountId) -> Poll {
    let poll = NewPoll {
        options: vec!["yes".into(), "no".into()],
        expires: Some(ENDS),
        multiple: false,
        hide_totals: false,
    };
    let new = model::status::NewStatus { poll: Some(poll), ..crate::plain_post(author) };
    let (status, _) = case.store.create_status(new).await.unwrap();
    let id: PollId = status.poll.unwrap();
    case.store.polls(&[id]).await.unwrap().pop().unwrap()
}

async fn claim(case: &Case, now: Timestamp) -> Option<Job> {
    let mut jobs = case.store.claim_jobs(now, LEASE_MS, 8).await.unwrap();
    assert!(jobs.len() <= 1, "{jobs:?}");
    jobs.pop()
}

async fn notes(case: &Case, account: AccountId) -> usize {
    let page = model::Page::newest(40);
    let kinds = [NotificationKind::Poll];
    case.store.notifications(account, &kinds, None, page).await.unwrap().len()
}

#[test]
fn a_job_is_claimed_when_due_and_again_when_its_lease_has_run_out() {
    check(|case| async move {
        let author = member(&case, "ann").await;
        let poll = poll(&case, author).await;
        assert_eq!(case.store.next_job().await.unwrap(), Some(ENDS));
        assert_eq!(claim(&case, ENDS.plus_ms(-1)).await, None);
        let first = claim(&case, ENDS).await.unwrap();
        assert_eq!((first.subject, first.attempts, first.cursor), (poll.id.get(), 1, 0));
        let leased = ENDS.plus_ms(LEASE_MS);
        assert_eq!(case.store.next_job().await.unwrap(), Some(leased));
        assert_eq!(claim(&case, leased.plus_ms(-1)).await, None);
        let second = claim(&case, leased).await.unwrap();
        assert_eq!((second.id, second.attempts), (first.id, 2));
        // The first claim is over: none of its steps changes anything.
        let late = &first;
        assert!(!case.store.tell_poll_end(late, &poll, &[author], None, leased).await.unwrap());
        assert!(!case.store.postpone_job(late, Some(START), "late").await.unwrap());
        assert!(!case.store.end_job(late).await.unwrap());
        assert_eq!(notes(&case, author).await, 0);
        assert!(case.store.tell_poll_end(&second, &poll, &[author], None, leased).await.unwrap());
        assert!(!case.store.end_job(&second).await.unwrap(), "it ended with its effect");
        assert_eq!(notes(&case, author).await, 1);
        assert_eq!(case.store.next_job().await.unwrap(), None);
    });
}

#[test]
fn of_many_who_claim_at_once_one_gets_it() {
    check(|case| async move {
        let author = member(&case, "ann").await;
        for _ in 0..5 {
            poll(&case, author).await;
        }
        let claimed = Arc::new(Mutex::new(Vec::new()));
        side_by_side(8, |_| {
            let (store, claimed) = (case.store.clone(), Arc::clone(&claimed));
            async move {
                let jobs = store.claim_jobs(ENDS, LEASE_MS, 8).await.unwrap();
                claimed.lock().unwrap().extend(jobs);
            }
        })
        .await;
        let mut ids: Vec<_> = claimed.lock().unwrap().iter().map(|job| job.id).collect();
        // On PostgreSQL whoever waited for a row may leave others' rows for the next round.
        ids.extend(case.store.claim_jobs(ENDS, LEASE_MS, 8).await.unwrap().iter().map(|j| j.id));
        ids.sort_unstable();
        assert_eq!(ids.len(), 5);
        ids.dedup();
        assert_eq!(ids.len(), 5, "nobody's twice");
    });
}

#[test]
fn a_job_given_up_stays_and_is_not_claimed() {
    check(|case| async move {
        let author = member(&case, "ann").await;
        poll(&case, author).await;
        let job = claim(&case, ENDS).await.unwrap();
        assert!(case.store.postpone_job(&job, Some(ENDS.plus_ms(5)), "once").await.unwrap());
        let job = claim(&case, ENDS.plus_ms(5)).await.unwrap();
        assert!(case.store.postpone_job(&job, None, "no use").await.unwrap());
        assert_eq!(case.store.next_job().await.unwrap(), None);
        assert_eq!(claim(&case, Timestamp::from_ms(i64::MAX)).await, None);
        let kept = case.db.query("SELECT error FROM job", vec![]).await.unwrap();
        assert_eq!(kept[0].text(0).unwrap(), "no use");
    });
}

#[test]
fn voters_are_told_in_steps_that_a_later_claim_goes_on_from() {
    check(|case| async move {
        let author = member(&case, "ann").await;
        let poll = poll(&case, author).await;
        let mut voters = Vec::new();
        for name in ["ben", "cat", "dan"] {
            let voter = member(&case, name).await;
            case.store.vote(voter, &poll, &[0], START).await.unwrap();
            voters.push(voter);
        }
        assert_eq!(case.store.voters(poll.id, 0, 2).await.unwrap(), voters[..2]);
        assert_eq!(case.store.voters(poll.id, voters[1].get(), 2).await.unwrap(), voters[2..]);
        let job = claim(&case, ENDS).await.unwrap();
        let (some, until) = (&voters[..2], Some(voters[1]));
        assert!(case.store.tell_poll_end(&job, &poll, some, until, ENDS).await.unwrap());
        let event = case.heard.events().pop().unwrap();
        let Event::PollEnded { status, notifications } = event else { panic!("{event:?}") };
        assert_eq!((status, notifications.len()), (poll.status, 2));
        assert!(notifications.iter().all(|n| n.from == author && n.status == Some(poll.status)));
        let again = claim(&case, ENDS.plus_ms(LEASE_MS)).await.unwrap();
        assert_eq!(again.cursor, voters[1].get());
        assert!(case.store.tell_poll_end(&again, &poll, &voters[2..], None, ENDS).await.unwrap());
        for voter in voters {
            assert_eq!(notes(&case, voter).await, 1);
        }
    });
}

#[test]
fn what_has_expired_goes_a_bounded_number_at_a_time_and_nothing_else() {
    check(|case| async move {
        let author = member(&case, "ann").await;
        let day = 24 * 3_600_000;
        let post = |key: &str, created| model::status::NewStatus {
            idempotency_key: Some(key.to_owned()),
            created,
            ..crate::plain_post(author)
        };
        for key in ["a", "b", "c"] {
            case.store.create_status(post(key, START)).await.unwrap();
        }
        let young = START.plus_ms(1);
        let (kept, _) = case.store.create_status(post("d", young)).await.unwrap();
        let session = |expires| Session {
            id: model::SessionId::new(1).unwrap(),
            account: author,
            secret_hash: format!("{expires:?}").into_bytes(),
            browser: String::new(),
            created: START,
            used: START,
            expires,
        };
        let now = START.plus_ms(day);
        let (old, alive) = (session(now), session(now.plus_ms(1)));
        for begun in [&old, &alive] {
            case.store.create_session(begun, None, 9, None).await.unwrap();
        }
        // Two of the keys and the session; then the third key; then nothing.
        for expected in [3, 1, 0] {
            assert_eq!(case.store.remove_expired(now, 2).await.unwrap(), expected);
        }
        let found = async |hash: &[u8]| case.store.session_by_secret(hash).await.unwrap();
        assert!(found(&old.secret_hash).await.is_none());
        assert!(found(&alive.secret_hash).await.is_some());
        assert!(case.store.create_status(post("a", now)).await.unwrap().1, "a new post");
        let (again, is_new) = case.store.create_status(post("d", now)).await.unwrap();
        assert_eq!((again.id, is_new), (kept.id, false));
    });
}

fn new_scheduled(author: AccountId, at: Timestamp, media: Vec<MediaId>) -> NewScheduled {
    let draft = "{}".to_owned();
    NewScheduled { account: author, at, draft, media, idempotency_key: None, created: START }
}

#[test]
fn a_scheduled_post_is_published_by_the_latest_claim_alone() {
    check(|case| async move {
        let author = member(&case, "ann").await;
        let upload =
            NewMedia { account: author, description: String::new(), focus: None, created: START };
        let media = case.store.create_media(&upload).await.unwrap();
        let new = new_scheduled(author, ENDS, vec![media]);
        let kept = case.store.schedule(&new).await.unwrap();
        let held = case.store.schedule(&new).await;
        assert!(matches!(held, Err(StoreError::Conflict("media"))), "{held:?}");
        let post = || model::status::NewStatus {
            media: [media].into_iter().collect(),
            ..crate::plain_post(author)
        };
        let stolen = case.store.create_status(post()).await;
        assert!(matches!(stolen, Err(StoreError::Conflict("media"))), "{stolen:?}");
        assert!(case.store.orphaned_media(ENDS, 10).await.unwrap().is_empty());
        let first = claim(&case, ENDS).await.unwrap();
        let second = claim(&case, ENDS.plus_ms(LEASE_MS)).await.unwrap();
        assert_eq!((first.subject, second.attempts), (kept.id.get(), 2));
        assert_eq!(case.store.publish_scheduled(&first, post()).await.unwrap(), None);
        let status = case.store.publish_scheduled(&second, post()).await.unwrap().unwrap();
        assert_eq!(status.media.to_vec(), [media]);
        assert_eq!(case.store.publish_scheduled(&second, post()).await.unwrap(), None);
        assert_eq!(case.store.scheduled(kept.id).await.unwrap(), None);
        assert_eq!(case.store.next_job().await.unwrap(), None);
    });
}

#[test]
fn moving_or_taking_back_a_scheduled_post_ends_the_claim_on_it() {
    check(|case| async move {
        let author = member(&case, "ann").await;
        let other = member(&case, "ben").await;
        let kept = case.store.schedule(&new_scheduled(author, ENDS, vec![])).await.unwrap();
        let job = claim(&case, ENDS).await.unwrap();
        let later = ENDS.plus_ms(3_600_000);
        assert!(!case.store.reschedule(other, kept.id, later).await.unwrap());
        assert!(!case.store.unschedule(other, kept.id, START).await.unwrap());
        assert!(case.store.reschedule(author, kept.id, later).await.unwrap());
        let post = crate::plain_post(author);
        assert_eq!(case.store.publish_scheduled(&job, post.clone()).await.unwrap(), None);
        assert_eq!(case.store.next_job().await.unwrap(), Some(later));
        let job = claim(&case, later).await.unwrap();
        assert!(case.store.unschedule(author, kept.id, START).await.unwrap());
        assert_eq!(case.store.publish_scheduled(&job, post).await.unwrap(), None);
        assert!(!case.store.unschedule(author, kept.id, START).await.unwrap());
        assert_eq!(case.store.next_job().await.unwrap(), None);
    });
}

#[test]
fn unlocking_a_local_account_calls_for_whoever_waits() {
    check(|case| async move {
        let (ann, ben) = (member(&case, "ann").await, member(&case, "ben").await);
        let store = &case.store;
        let locked = |locked| model::account::ProfileChange {
            locked: Some(locked),
            ..model::account::ProfileChange::default()
        };
        store.change_profile(ann, locked(false)).await.unwrap();
        assert_eq!(claim(&case, START).await, None, "nobody waits");
        store.change_profile(ann, locked(true)).await.unwrap();
        let options = model::relation::FollowOptions::default();
        store.request_follow(ben, ann, &options, START).await.unwrap();
        store.change_profile(ann, locked(true)).await.unwrap();
        store.change_profile(ann, model::account::ProfileChange::default()).await.unwrap();
        store.change_profile(ben, locked(false)).await.unwrap();
        assert_eq!(claim(&case, START).await, None, "and still may not");
        store.change_profile(ann, locked(false)).await.unwrap();
        let job = claim(&case, START).await.unwrap();
        assert_eq!((job.kind, job.subject), (model::job::JobKind::Admit, ann.get()));
        assert!(store.end_job(&job).await.unwrap());
    });
}

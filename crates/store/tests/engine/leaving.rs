//! A member leaves: what one deed ends, and how the rest goes in bounded parts by one claim.

use crate::members::{join, new_member};
use model::{
    AccountId, DecisionId, StoreError, TokenId,
    decision::{Decision, Verdict},
    job::JobKind,
    mail::{Link, LinkPurpose},
    member::{NewMember, Role},
    ports::{
        AccountStore, AppStore, DecisionStore, JobStore, LeavingStore, MailStore, RelationStore,
        StatusStore,
    },
    relation::FollowOptions,
    token::Scopes,
};
use testkit::{clock::START, conformance::check};

fn decision(target: AccountId) -> Decision {
    Decision {
        id: DecisionId::new(1).unwrap(),
        target,
        actor: None,
        verdict: Verdict::Delete,
        reason: "as asked".into(),
        at: START,
    }
}

#[test]
fn a_member_leaves_once_and_a_tombstone_keeps_the_name() {
    check(|case| async move {
        let owner = join(&case, "owner", Role::Owner).await;
        let ann = join(&case, "ann", Role::Member).await;
        let alone = case.store.leave(&decision(owner)).await;
        assert!(matches!(alone, Err(StoreError::Conflict("last_owner"))), "{alone:?}");
        assert!(case.store.leave(&decision(ann)).await.unwrap());
        assert!(!case.store.leave(&decision(ann)).await.unwrap(), "she has left");
        assert!(case.store.member(ann).await.unwrap().is_none());
        let tomb = case.store.account_by_handle("ann", None).await.unwrap().unwrap();
        assert_eq!(tomb.standing.suspended, Some(START));
        let back = Decision { verdict: Verdict::Unsuspend, ..decision(ann) };
        assert!(!case.store.decide(&back).await.unwrap(), "nobody comes back");
        let kept = case.store.decisions(ann, 9).await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].verdict, kept[0].reason.as_str()), (Verdict::Delete, "as asked"));
        let second = join(&case, "second", Role::Owner).await;
        assert!(case.store.leave(&decision(owner)).await.unwrap());
        assert_eq!(case.store.owner().await.unwrap(), Some(second));
    });
}

#[test]
fn what_is_left_goes_in_parts_of_a_size_and_nobody_elses_goes_along() {
    check(|case| async move {
        join(&case, "owner", Role::Owner).await;
        let ann = join(&case, "ann", Role::Member).await;
        let bob = join(&case, "bob", Role::Member).await;
        let app = model::AppId::new(1).unwrap();
        for _ in 0..5 {
            case.store.create_token(app, Some(ann), Scopes(1), START).await.unwrap();
        }
        let his = case.store.create_token(app, Some(bob), Scopes(1), START).await.unwrap();
        for (one, other) in [(ann, bob), (bob, ann)] {
            case.store.set_note(one, other, "a note").await.unwrap();
            let options = FollowOptions::default();
            case.store.request_follow(one, other, &options, START).await.unwrap();
        }
        assert!(case.store.leave(&decision(ann)).await.unwrap());
        // Two tokens, then two, then one; notes, requests and notices of both with the first.
        assert_eq!(case.store.clear_left(ann, 2).await.unwrap(), 2 + 2 + 2 + 2);
        for expected in [2, 1, 0] {
            assert_eq!(case.store.clear_left(ann, 2).await.unwrap(), expected);
        }
        let token: Option<TokenId> = case.store.token(his).await.unwrap().map(|t| t.id);
        assert_eq!(token, Some(his));
        let between = case.store.relationships(bob, &[ann]).await.unwrap();
        assert!(
            between[0].note.is_empty()
                && between[0].requested.is_none()
                && !between[0].requested_by
        );
    });
}

#[test]
fn one_claim_at_a_time_clears_and_the_latest_ends_it() {
    check(|case| async move {
        join(&case, "owner", Role::Owner).await;
        let ann = join(&case, "ann", Role::Member).await;
        assert!(case.store.leave(&decision(ann)).await.unwrap());
        let claim = async |at| case.store.claim_jobs(at, 1_000, 9).await.unwrap();
        let first = claim(START).await.pop().expect("a job");
        assert_eq!((first.kind, first.subject), (JobKind::Leave, ann.get()));
        assert!(claim(START).await.is_empty());
        let later = START.plus_ms(2_000);
        let second = claim(later).await.pop().expect("the lease has run out");
        for late in [case.store.leave_on(&first, later), case.store.left_for_good(&first, ann)] {
            assert!(!late.await.unwrap());
        }
        assert!(case.store.leave_on(&second, later).await.unwrap());
        let third = claim(later).await.pop().expect("a fresh job");
        assert_eq!((third.kind, third.subject, third.attempts), (JobKind::Leave, ann.get(), 1));
        assert!(case.store.left_for_good(&third, ann).await.unwrap());
        assert_eq!(case.store.next_job().await.unwrap(), None);
    });
}

#[test]
fn who_never_confirmed_and_never_began_goes_and_the_name_is_free() {
    check(|case| async move {
        join(&case, "owner", Role::Owner).await;
        let ann = join(&case, "ann", Role::Member).await;
        let mut ids = Vec::new();
        for name in ["eve", "fay", "gil", "hal"] {
            let new = NewMember { confirmed: false, ..new_member(name, Role::Member) };
            ids.push(case.store.create_member(new).await.unwrap());
        }
        let [eve, fay, gil, hal] = ids[..] else { panic!("four") };
        let options = FollowOptions::default();
        case.store.follow(fay, ann, &options, START).await.unwrap();
        case.store.create_status(crate::plain_post(gil)).await.unwrap();
        case.store.follow(ann, eve, &options, START).await.unwrap();
        let job = case.store.claim_mail(START, 1_000, 9).await.unwrap().pop().expect("a mail");
        let link = Link {
            hash: vec![1],
            purpose: LinkPurpose::Confirm,
            account: hal,
            address: "hal@example.org".into(),
            created: START,
            expires: START.plus_ms(1_000),
        };
        assert!(case.store.put_link(&job, &link, 9).await.unwrap());
        let found = async |before, now| case.store.unconfirmed(before, now, 9).await.unwrap();
        assert!(found(START.plus_ms(-1), START).await.is_empty(), "there is time yet");
        assert_eq!(found(START, START).await, [eve], "others have begun, or have a link");
        assert_eq!(found(START, link.expires).await, [eve, hal]);
        assert_eq!(case.store.unconfirmed(START, link.expires, 1).await.unwrap(), [eve]);
        let now = START.plus_ms(1);
        for (who, expected) in [(ann, false), (fay, false), (gil, false), (hal, false), (eve, true)]
        {
            let gone = case.store.leave_unconfirmed(who, START, now).await.unwrap();
            assert_eq!(gone, expected, "{who}");
        }
        assert!(!case.store.leave_unconfirmed(eve, START, now).await.unwrap(), "once");
        assert!(case.store.member(eve).await.unwrap().is_none());
        let jobs = case.store.claim_jobs(now, 1_000, 9).await.unwrap();
        let job = jobs.iter().find(|job| job.kind == JobKind::Forget).expect("a job").clone();
        assert_eq!(job.subject, eve.get());
        case.store.unfollow(ann, eve).await.unwrap();
        while case.store.clear_left(eve, 9).await.unwrap() > 0 {}
        assert!(case.store.forget_account(&job, eve).await.unwrap());
        assert!(!case.store.forget_account(&job, eve).await.unwrap(), "the claim is over");
        assert!(case.store.account_by_handle("eve", None).await.unwrap().is_none());
        assert_ne!(join(&case, "eve", Role::Member).await, eve, "somebody else may have the name");
    });
}

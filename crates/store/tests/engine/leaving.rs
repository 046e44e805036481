//! A member leaves: what one deed ends, and how the rest goes in bounded parts by one claim.

use crate::members::join;
use model::{
    AccountId, DecisionId, StoreError, TokenId,
    decision::{Decision, Verdict},
    job::JobKind,
    member::Role,
    ports::{AccountStore, AppStore, DecisionStore, JobStore, LeavingStore, RelationStore},
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
        assert!(between[0].note.is_empty() && !between[0].requested && !between[0].requested_by);
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

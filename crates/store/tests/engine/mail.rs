//! Mail and the links in it: enqueued with its cause, claimed apart from other jobs, ended whole;
//! links used once, for their purpose, by whoever has the address still; on both engines.

use crate::{members::join, side_by_side};
use model::{
    AccountId, MailId, StoreError, Timestamp,
    job::{Job, JobKind},
    mail::{Link, LinkPurpose, MailKind, NewMail},
    member::{NewMember, Role},
    ports::{AccountStore, AppStore, JobStore, MailStore},
    token::{AuthCode, Scopes, Session},
};
use std::sync::{Arc, Mutex};
use testkit::{
    clock::START,
    conformance::{Case, check},
};

const LEASE_MS: i64 = 60_000;
const LATER: Timestamp = START.plus_ms(3_600_000);

fn asked(address: &str) -> NewMail {
    NewMail { kind: MailKind::Reset, account: None, address: address.into(), created: START }
}

fn new_member(name: &str, email: &str) -> NewMember {
    NewMember {
        username: name.into(),
        display_name: String::new(),
        email: email.into(),
        password_hash: "none".into(),
        role: Role::Member,
        confirmed: false,
        locale: "en".into(),
        reason: None,
        created_by_app: None,
        private_key_pem: None,
        public_key_pem: None,
        created: START,
    }
}

async fn unconfirmed(case: &Case, name: &str, email: &str) -> AccountId {
    case.store.create_member(new_member(name, email)).await.unwrap()
}

async fn claim(case: &Case, now: Timestamp) -> Job {
    let mut jobs = case.store.claim_mail(now, LEASE_MS, 8).await.unwrap();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

fn link(account: AccountId, purpose: LinkPurpose, address: &str, number: u8) -> Link {
    let created = START.plus_ms(i64::from(number));
    let hash = vec![number; 32];
    Link { hash, purpose, account, address: address.into(), created, expires: LATER }
}

async fn works(case: &Case, link: &Link) -> bool {
    let found = case.store.link(&link.hash, link.purpose, START).await.unwrap();
    found.inspect(|found| assert_eq!(found, link)).is_some()
}

#[test]
fn a_mail_goes_with_its_job_and_both_are_claimed_apart_from_others() {
    check(|case| async move {
        assert!(case.store.enqueue_mail(&asked("Ann@example.org"), 10).await.unwrap());
        assert_eq!(case.store.next_mail().await.unwrap(), Some(START));
        assert_eq!(case.store.next_job().await.unwrap(), None);
        assert!(case.store.claim_jobs(LATER, LEASE_MS, 8).await.unwrap().is_empty());
        let first = claim(&case, START).await;
        assert_eq!((first.kind, first.attempts), (JobKind::Mail, 1));
        let id = MailId::new(first.subject).unwrap();
        let mail = case.store.mail(id).await.unwrap().unwrap();
        assert_eq!((mail.kind, mail.account), (MailKind::Reset, None));
        assert_eq!((mail.address.as_str(), mail.created), ("Ann@example.org", START));
        let second = claim(&case, START.plus_ms(LEASE_MS)).await;
        // The first claim is over: none of its steps changes anything.
        let ann = join(&case, "ann", Role::Member).await;
        let fresh = link(ann, LinkPurpose::Reset, "ann@example.org", 1);
        assert!(!case.store.put_link(&first, &fresh, 3).await.unwrap());
        assert!(!works(&case, &fresh).await);
        assert!(!case.store.end_mail(&first).await.unwrap());
        assert!(!case.store.give_mail_up(&first, "late").await.unwrap());
        assert!(case.store.mail(id).await.unwrap().is_some());
        assert!(case.store.put_link(&second, &fresh, 3).await.unwrap());
        assert!(works(&case, &fresh).await);
        assert!(case.store.end_mail(&second).await.unwrap());
        assert!(case.store.mail(id).await.unwrap().is_none());
        assert_eq!(case.store.next_mail().await.unwrap(), None);
    });
}

#[test]
fn of_many_who_claim_mail_at_once_one_gets_it() {
    check(|case| async move {
        for number in 0..5 {
            let mail = asked(&format!("{number}@example.org"));
            assert!(case.store.enqueue_mail(&mail, 10).await.unwrap());
        }
        let claimed = Arc::new(Mutex::new(Vec::new()));
        side_by_side(8, |_| {
            let (store, claimed) = (case.store.clone(), Arc::clone(&claimed));
            async move {
                let jobs = store.claim_mail(START, LEASE_MS, 8).await.unwrap();
                claimed.lock().unwrap().extend(jobs);
            }
        })
        .await;
        let mut ids: Vec<_> = claimed.lock().unwrap().iter().map(|job| job.id).collect();
        ids.extend(case.store.claim_mail(START, LEASE_MS, 8).await.unwrap().iter().map(|j| j.id));
        ids.sort_unstable();
        assert_eq!(ids.len(), 5);
        ids.dedup();
        assert_eq!(ids.len(), 5, "nobody's twice");
    });
}

#[test]
fn strangers_fill_the_queue_to_a_bound_and_what_is_given_up_keeps_no_address() {
    check(|case| async move {
        for number in 0..3 {
            let mail = asked(&format!("{number}@example.org"));
            assert!(case.store.enqueue_mail(&mail, 3).await.unwrap());
        }
        assert!(!case.store.enqueue_mail(&asked("x@example.org"), 3).await.unwrap());
        let jobs = case.store.claim_mail(START, LEASE_MS, 8).await.unwrap();
        assert_eq!(jobs.len(), 3, "no job without its mail");
        assert!(case.store.give_mail_up(&jobs[0], "refused").await.unwrap());
        let kept =
            case.db.query("SELECT error FROM job WHERE run_ms IS NULL", vec![]).await.unwrap();
        assert_eq!((kept.len(), kept[0].text(0).unwrap()), (1, "refused"));
        let left = case.db.query("SELECT address FROM mail", vec![]).await.unwrap();
        assert_eq!(left.len(), 2);
        assert!(case.store.enqueue_mail(&asked("x@example.org"), 3).await.unwrap());
    });
}

#[test]
fn a_sign_up_that_is_not_confirmed_enqueues_its_mail_and_a_failed_one_does_not() {
    check(|case| async move {
        let ann = unconfirmed(&case, "ann", "Ann@example.org").await;
        let job = claim(&case, START).await;
        let mail = case.store.mail(MailId::new(job.subject).unwrap()).await.unwrap().unwrap();
        assert_eq!((mail.kind, mail.account), (MailKind::Confirm, Some(ann)));
        assert_eq!(mail.address, "Ann@example.org");
        assert!(case.store.end_mail(&job).await.unwrap());
        join(&case, "bob", Role::Member).await;
        let refused = case.store.create_member(new_member("eve", "ann@example.org")).await;
        assert!(matches!(refused, Err(StoreError::Conflict("member_email"))), "{refused:?}");
        assert_eq!(case.store.next_mail().await.unwrap(), None);
    });
}

/// Puts a link as sending does.
async fn put(case: &Case, link: &Link, kept: u32) {
    assert!(case.store.enqueue_mail(&asked("x@example.org"), 1_000).await.unwrap());
    let job = claim(case, START).await;
    assert!(case.store.put_link(&job, link, kept).await.unwrap());
    assert!(case.store.end_mail(&job).await.unwrap());
}

#[test]
fn links_are_kept_to_a_number_and_work_for_their_purpose_until_they_expire() {
    check(|case| async move {
        let ann = join(&case, "ann", Role::Member).await;
        let bob = join(&case, "bob", Role::Member).await;
        let reset = |account, number| link(account, LinkPurpose::Reset, "a@example.org", number);
        let others = [reset(bob, 1), link(ann, LinkPurpose::Confirm, "ann@example.org", 2)];
        for other in &others {
            put(&case, other, 2).await;
        }
        for number in 3..6 {
            put(&case, &reset(ann, number), 2).await;
        }
        let mut alive = Vec::new();
        for number in 3..6 {
            alive.push(works(&case, &reset(ann, number)).await);
        }
        assert_eq!(alive, [false, true, true], "the oldest went");
        for other in &others {
            assert!(works(&case, other).await);
        }
        let found = |purpose, now| case.store.link(&[5; 32], purpose, now);
        let find = async |purpose, now| found(purpose, now).await.unwrap().is_some();
        assert!(find(LinkPurpose::Reset, LATER.plus_ms(-1)).await);
        assert!(!find(LinkPurpose::Reset, LATER).await);
        assert!(!find(LinkPurpose::Confirm, START).await);
        assert_eq!(case.store.remove_expired(LATER.plus_ms(-1), 10).await.unwrap(), 0);
        assert_eq!(case.store.remove_expired(LATER, 3).await.unwrap(), 3);
        assert_eq!(case.store.remove_expired(LATER, 3).await.unwrap(), 1);
    });
}

#[test]
fn a_link_confirms_its_own_address_once_and_not_one_that_was_given_up() {
    check(|case| async move {
        let ann = unconfirmed(&case, "ann", "old@example.org").await;
        let first = claim(&case, START).await;
        let old = link(ann, LinkPurpose::Confirm, "old@example.org", 1);
        assert!(case.store.put_link(&first, &old, 3).await.unwrap());
        assert!(case.store.end_mail(&first).await.unwrap());
        join(&case, "bob", Role::Member).await;
        let change =
            async |address: &str| case.store.change_unconfirmed_address(ann, address, START).await;
        let taken = change("BOB@example.org").await;
        assert!(matches!(taken, Err(StoreError::Conflict("member_email"))), "{taken:?}");
        assert_eq!(case.store.next_mail().await.unwrap(), None, "nothing of it happened");
        assert!(works(&case, &old).await);
        assert!(change("New@example.org").await.unwrap());
        assert!(!works(&case, &old).await);
        assert!(!case.store.confirm_by_link(&old, START).await.unwrap());
        let job = claim(&case, START).await;
        // As if the old one had been sent by a claim that was slow.
        assert!(case.store.put_link(&job, &old, 3).await.unwrap());
        assert!(!case.store.confirm_by_link(&old, START).await.unwrap(), "not hers any more");
        assert!(works(&case, &old).await, "nothing of it happened");
        let new = link(ann, LinkPurpose::Confirm, "New@example.org", 2);
        assert!(case.store.put_link(&job, &new, 3).await.unwrap());
        let at = START.plus_ms(7);
        assert!(!case.store.confirm_by_link(&new, LATER).await.unwrap(), "too late");
        assert!(case.store.confirm_by_link(&new, at).await.unwrap());
        assert!(!case.store.confirm_by_link(&new, at).await.unwrap());
        assert!(!works(&case, &old).await);
        let member = case.store.member(ann).await.unwrap().unwrap();
        assert_eq!((member.email.as_str(), member.confirmed), ("New@example.org", Some(at)));
        assert!(!change("third@example.org").await.unwrap(), "she is confirmed");
    });
}

#[test]
fn a_reset_ends_all_access_confirms_and_tells_by_mail_once() {
    check(|case| async move {
        let ann = unconfirmed(&case, "ann", "Ann@example.org").await;
        let bob = join(&case, "bob", Role::Member).await;
        let job = claim(&case, START).await;
        let reset = link(ann, LinkPurpose::Reset, "ann@example.org", 1);
        let confirm = link(ann, LinkPurpose::Confirm, "ann@example.org", 2);
        for fresh in [&reset, &confirm] {
            assert!(case.store.put_link(&job, fresh, 3).await.unwrap());
        }
        assert!(case.store.end_mail(&job).await.unwrap());
        let app = model::AppId::new(1).unwrap();
        let mut access = Vec::new();
        for (account, number) in [(ann, 1), (bob, 2)] {
            let scopes = Scopes::default();
            let token = case.store.create_token(app, Some(account), scopes, START).await.unwrap();
            let session = Session {
                id: model::SessionId::new(1).unwrap(),
                account,
                secret_hash: vec![number; 32],
                browser: String::new(),
                created: START,
                used: START,
                expires: LATER,
            };
            case.store.create_session(&session, None, 9, None).await.unwrap();
            let code = AuthCode {
                hash: vec![number; 32],
                app,
                account,
                scopes,
                redirect_uri: "x:y".into(),
                challenge: None,
                expires: LATER,
                taken: None,
                token: None,
            };
            case.store.create_code(&code, Timestamp::from_ms(0)).await.unwrap();
            access.push((token, code));
        }
        let at = START.plus_ms(9);
        assert!(case.store.reset_by_link(&reset, "fresh", at).await.unwrap());
        for (place, alive) in [(0, false), (1, true)] {
            let (token, code) = &access[place];
            let token = case.store.token(*token).await.unwrap().unwrap();
            assert_eq!(token.revoked, (!alive).then_some(at));
            let session = case.store.session_by_secret(&code.hash).await.unwrap();
            assert_eq!(session.is_some(), alive);
            assert_eq!(case.store.redeem_code(code, at).await.unwrap().is_some(), alive);
        }
        let member = case.store.member(ann).await.unwrap().unwrap();
        assert_eq!((member.password_hash.as_str(), member.confirmed), ("fresh", Some(at)));
        assert!(!works(&case, &confirm).await, "all her links end");
        assert!(!case.store.reset_by_link(&reset, "again", at).await.unwrap());
        let job = claim(&case, at).await;
        let mail = case.store.mail(MailId::new(job.subject).unwrap()).await.unwrap().unwrap();
        assert_eq!((mail.kind, mail.account), (MailKind::PasswordChanged, Some(ann)));
    });
}

#[test]
fn a_password_changed_by_other_ways_is_told_where_wanted_and_ends_links_too() {
    check(|case| async move {
        let ann = join(&case, "ann", Role::Member).await;
        let lost = link(ann, LinkPurpose::Reset, "ann@example.org", 3);
        put(&case, &lost, 3).await;
        case.store.set_password(ann, "other", START, false).await.unwrap();
        assert!(!works(&case, &lost).await);
        assert_eq!(case.store.next_mail().await.unwrap(), None);
        case.store.set_password(ann, "another", START, true).await.unwrap();
        let job = claim(&case, START).await;
        let mail = case.store.mail(MailId::new(job.subject).unwrap()).await.unwrap().unwrap();
        assert_eq!((mail.kind, mail.account), (MailKind::PasswordChanged, Some(ann)));
        assert_eq!(mail.address, "ann@example.org");
    });
}

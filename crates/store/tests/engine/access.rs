//! Sessions, codes and tokens: how they end, each by itself and all at once, on both engines.

use crate::members::join;
use model::{
    AccountId, AppId, SessionId, Timestamp, TokenId,
    app::App,
    limits::{ARRIVAL_DAYS, ARRIVALS_KEPT},
    mail::MailKind,
    member::Role,
    ports::{AccountStore, AppStore, JobStore, MailStore},
    token::{Arrival, AuthCode, Scopes, Session},
};
use testkit::{
    clock::START,
    conformance::{Case, check},
};

const BROWSER: &str = "Firefox on Linux";

fn session(account: AccountId, name: &str) -> Session {
    Session {
        id: SessionId::new(1).unwrap(),
        account,
        secret_hash: name.as_bytes().to_vec(),
        browser: BROWSER.into(),
        created: START,
        used: START,
        expires: START.plus_ms(1_000),
    }
}

fn named(name: &str, created: Timestamp) -> App {
    App {
        id: AppId::new(1).unwrap(),
        client_id: name.into(),
        client_secret_hash: vec![1],
        name: name.into(),
        website: None,
        redirect_uris: vec!["app:/".into()],
        scopes: Scopes(1),
        created,
    }
}

async fn app(case: &Case) -> AppId {
    case.store.create_app(&named("an app", START)).await.unwrap()
}

fn code(app: AppId, account: AccountId, name: &str) -> AuthCode {
    AuthCode {
        hash: name.as_bytes().to_vec(),
        app,
        account,
        scopes: Scopes(1),
        redirect_uri: "app:/".into(),
        challenge: None,
        expires: START.plus_ms(600_000),
        taken: None,
        token: None,
    }
}

/// What is left of somebody's sessions, codes and tokens.
async fn left(case: &Case, account: AccountId, code: &str) -> (usize, bool, usize) {
    let sessions = case.store.sessions_of(account).await.unwrap().len();
    let code = case.store.code(code.as_bytes()).await.unwrap().is_some();
    (sessions, code, case.store.tokens_of(account, 9).await.unwrap().len())
}

async fn open(case: &Case, app: AppId, account: AccountId, name: &str) -> (SessionId, TokenId) {
    case.store.create_session(&session(account, name), None, 9, None).await.unwrap();
    let second = session(account, &format!("{name} second"));
    let second = case.store.create_session(&second, None, 9, None).await.unwrap();
    let code = code(app, account, name);
    case.store.create_code(&code, Timestamp::from_ms(0)).await.unwrap();
    let token = case.store.create_token(app, Some(account), Scopes(1), START).await.unwrap();
    (second, token)
}

#[test]
fn a_session_is_found_by_its_secret_lives_on_when_used_and_ends_once() {
    check(|case| async move {
        let (ann, bob) =
            (join(&case, "ann", Role::Member).await, join(&case, "bob", Role::Member).await);
        let id = case.store.create_session(&session(ann, "a"), None, 9, None).await.unwrap();
        let found =
            async |secret: &str| case.store.session_by_secret(secret.as_bytes()).await.unwrap();
        assert_eq!(found("a").await, Some(Session { id, ..session(ann, "a") }));
        assert_eq!(found("b").await, None);
        let (used, expires) = (START.plus_ms(5), START.plus_ms(2_000));
        case.store.touch_session(id, used, expires).await.unwrap();
        assert_eq!(found("a").await.map(|s| (s.used, s.expires)), Some((used, expires)));
        assert!(!case.store.end_session(bob, id).await.unwrap(), "it is not theirs");
        assert!(case.store.end_session(ann, id).await.unwrap());
        assert!(!case.store.end_session(ann, id).await.unwrap());
        assert_eq!(found("a").await, None);
        // The same secret twice is no accident that anybody could live with.
        case.store.create_session(&session(ann, "c"), None, 9, None).await.unwrap();
        assert!(case.store.create_session(&session(bob, "c"), None, 9, None).await.is_err());
    });
}

#[test]
fn a_new_session_takes_the_place_of_another_and_of_the_oldest() {
    check(|case| async move {
        let (ann, bob) =
            (join(&case, "ann", Role::Member).await, join(&case, "bob", Role::Member).await);
        case.store.create_session(&session(bob, "bob"), None, 9, None).await.unwrap();
        let mut last = None;
        for name in ["a", "b", "c", "d"] {
            last =
                Some(case.store.create_session(&session(ann, name), None, 3, None).await.unwrap());
        }
        let names = async |account| {
            let sessions = case.store.sessions_of(account).await.unwrap();
            let name = |s: Session| String::from_utf8(s.secret_hash).unwrap();
            sessions.into_iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(names(ann).await, ["d", "c", "b"]);
        case.store.create_session(&session(ann, "e"), last, 3, None).await.unwrap();
        assert_eq!(names(ann).await, ["e", "c", "b"]);
        assert_eq!(names(bob).await, ["bob"]);
    });
}

#[test]
fn all_access_ends_at_once_but_for_one_session_and_nobody_elses() {
    check(|case| async move {
        let (ann, bob) =
            (join(&case, "ann", Role::Member).await, join(&case, "bob", Role::Member).await);
        let app = app(&case).await;
        let (kept, _) = open(&case, app, ann, "ann").await;
        open(&case, app, bob, "bob").await;
        case.store.end_access(ann, Some(kept), START).await.unwrap();
        assert_eq!(left(&case, ann, "ann").await, (1, false, 0));
        assert_eq!(case.store.sessions_of(ann).await.unwrap()[0].id, kept);
        assert_eq!(left(&case, bob, "bob").await, (2, true, 1));
        case.store.end_access(ann, None, START).await.unwrap();
        assert_eq!(left(&case, ann, "ann").await, (0, false, 0));
    });
}

#[test]
fn a_new_password_ends_what_the_old_one_opened_and_keeps_when_a_token_had_ended() {
    check(|case| async move {
        let ann = join(&case, "ann", Role::Member).await;
        let app = app(&case).await;
        let (_, first) = open(&case, app, ann, "ann").await;
        let second = case.store.create_token(app, Some(ann), Scopes(1), START).await.unwrap();
        case.store.revoke_token(first, START.plus_ms(1)).await.unwrap();
        let later = START.plus_ms(9);
        case.store.set_password(ann, "new", later, false).await.unwrap();
        assert_eq!(left(&case, ann, "ann").await, (0, false, 0));
        let revoked = async |id| case.store.token(id).await.unwrap().unwrap().revoked;
        assert_eq!(revoked(first).await, Some(START.plus_ms(1)));
        assert_eq!(revoked(second).await, Some(later));
        assert_eq!(case.store.member(ann).await.unwrap().unwrap().password_hash, "new");
        let nobody = AccountId::new(1).unwrap();
        assert!(case.store.set_password(nobody, "new", later, true).await.is_err());
    });
}

#[test]
fn the_day_on_which_tokens_were_used_is_kept() {
    check(|case| async move {
        let ann = join(&case, "ann", Role::Member).await;
        let app = app(&case).await;
        let (_, first) = open(&case, app, ann, "ann").await;
        let second = case.store.create_token(app, Some(ann), Scopes(1), START).await.unwrap();
        case.store.note_tokens_used(&[first], START.day()).await.unwrap();
        let tokens = case.store.tokens_of(ann, 9).await.unwrap();
        let used: Vec<_> = tokens.iter().map(|t| (t.id, t.used)).collect();
        assert_eq!(used, [(second, None), (first, Some(START.day()))]);
        assert_eq!(case.store.tokens_of(ann, 1).await.unwrap().len(), 1);
    });
}

#[test]
fn apps_and_tokens_that_serve_nobody_go_and_no_others() {
    check(|case| async move {
        let day_ms = 24 * 3_600_000;
        let ann = join(&case, "ann", Role::Member).await;
        let store = &case.store;
        let register = async |name: &str, at| store.create_app(&named(name, at)).await.unwrap();
        let idle = register("idle", START).await;
        let young = register("young", START.plus_ms(1)).await;
        let entered = register("entered", START).await;
        let by_code = register("by code", START).await;
        let half_way = register("half way", START).await;
        let unowned = register("unowned", START).await;
        let busy = register("busy", START).await;
        // A member came in, and left again: the app may be used by others.
        let ended = store.create_token(entered, Some(ann), Scopes(1), START).await.unwrap();
        assert!(store.revoke_token(ended, START).await.unwrap());
        let taken = code(by_code, ann, "taken");
        for code in [&taken, &code(half_way, ann, "half way")] {
            store.create_code(code, Timestamp::from_ms(0)).await.unwrap();
        }
        let alive = store.redeem_code(&taken, START).await.unwrap().unwrap();
        let unused = store.create_token(unowned, None, Scopes(1), START).await.unwrap();
        let used = store.create_token(busy, None, Scopes(1), START).await.unwrap();
        let left = async || {
            let mut left = Vec::new();
            for app in [idle, young, entered, by_code, half_way, unowned, busy] {
                left.push(store.app(app).await.unwrap().is_some());
            }
            for token in [ended, alive, unused, used] {
                left.push(store.token(token).await.unwrap().is_some());
            }
            left.iter().map(|is_there| if *is_there { 'x' } else { '-' }).collect::<String>()
        };
        for (days, short_ms, gone, expected) in [
            (1, 1, 0, "xxxxxxx xxxx"),
            (1, 0, 1, "xxxxxxx -xxx"),
            (7, 1, 0, "xxxxxxx -xxx"),
            (7, 0, 1, "-xxxxxx -xxx"),
            (8, 0, 1, "--xxxxx -xxx"),
            (90, 1, 0, "--xxxxx -xxx"),
            // First the token, then the app that has none any more.
            (90, 0, 1, "--xxxxx -x-x"),
            (90, 0, 1, "--xxx-x -x-x"),
            (400, 0, 1, "--xxx-x -x--"),
            (400, 0, 1, "--xxx-- -x--"),
            (4_000, 0, 0, "--xxx-- -x--"),
        ] {
            if (days, gone) == (90, 1) {
                let day = START.plus_ms(60 * day_ms).day();
                store.note_tokens_used(&[used], day).await.unwrap();
            }
            let now = START.plus_ms(days * day_ms - short_ms);
            assert_eq!(store.remove_expired(now, 10).await.unwrap(), gone, "day {days}");
            assert_eq!(left().await, expected.replace(' ', ""), "day {days}, {short_ms} ms before");
        }
    });
}

#[test]
fn from_where_somebody_arrives_is_remembered_for_a_number_of_places_and_told_once() {
    check(|case| async move {
        let (ann, bob) =
            (join(&case, "ann", Role::Member).await, join(&case, "bob", Role::Member).await);
        let arrive = async |name: &str, place: &str, is_told, at| {
            let arrival = Arrival { place: place.into(), is_told };
            let begun = Session { created: at, ..session(ann, name) };
            case.store.create_session(&begun, None, 99, Some(&arrival)).await.unwrap();
        };
        arrive("a", "home", false, START).await;
        assert!(case.store.has_arrived(ann, "home", START).await.unwrap());
        assert!(!case.store.has_arrived(ann, "home", START.plus_ms(1)).await.unwrap(), "before");
        assert!(!case.store.has_arrived(ann, "elsewhere", START).await.unwrap());
        assert!(!case.store.has_arrived(bob, "home", START).await.unwrap(), "not he");
        assert!(case.store.claim_mail(START, 1_000, 9).await.unwrap().is_empty());
        arrive("b", "elsewhere", true, START).await;
        let job = case.store.claim_mail(START, 1_000, 9).await.unwrap().pop().expect("a mail");
        let mail = case.store.mail(model::MailId::new(job.subject).unwrap()).await.unwrap();
        let mail = mail.expect("it waits");
        assert_eq!((mail.kind, mail.account), (MailKind::SignIn, Some(ann)));
        assert_eq!((mail.address.as_str(), mail.about.as_str()), ("ann@example.org", BROWSER));
        for n in 0..i64::from(ARRIVALS_KEPT) {
            arrive(&format!("n{n}"), &format!("n{n}"), false, START.plus_ms(1 + n)).await;
        }
        assert!(!case.store.has_arrived(ann, "home", START).await.unwrap(), "the oldest went");
        assert!(case.store.has_arrived(ann, "n0", START).await.unwrap());
        // In time all are forgotten; sessions have expired by then, too.
        let later = START.plus_ms(ARRIVAL_DAYS * 86_400_000 + 1_000);
        while case.store.remove_expired(later, 9).await.unwrap() > 0 {}
        assert!(!case.store.has_arrived(ann, "n9", START).await.unwrap());
    });
}

#[test]
fn apps_that_serve_nobody_go_in_bounded_parts() {
    check(|case| async move {
        for name in ["a", "b", "c"] {
            case.store.create_app(&named(name, START)).await.unwrap();
        }
        let now = START.plus_ms(30 * 24 * 3_600_000);
        for expected in [2, 1, 0] {
            assert_eq!(case.store.remove_expired(now, 2).await.unwrap(), expected);
        }
    });
}

#[test]
fn members_count_as_active_by_the_day_of_their_last_use() {
    check(|case| async move {
        let app = app(&case).await;
        let [ann, bob, cid] = [
            join(&case, "ann", Role::Member).await,
            join(&case, "bob", Role::Member).await,
            join(&case, "cid", Role::Member).await,
        ];
        let seen = async |since| case.store.active_members(since).await.unwrap();
        assert_eq!(seen(START.day()).await, 0, "nobody has used anything");
        let token = async |who| case.store.create_token(app, who, Scopes(1), START).await.unwrap();
        let (hers, his, own) = (token(Some(ann)).await, token(Some(bob)).await, token(None).await);
        case.store.note_tokens_used(&[hers, own], START.day()).await.unwrap();
        case.store.note_tokens_used(&[his], START.day().plus_ms(-86_400_000)).await.unwrap();
        assert_eq!(seen(START.day()).await, 1);
        assert_eq!(seen(START.day().plus_ms(-86_400_000)).await, 2, "and who came the day before");
        case.store.create_session(&session(cid, "c"), None, 9, None).await.unwrap();
        case.store.create_session(&session(ann, "a"), None, 9, None).await.unwrap();
        assert_eq!(seen(START.day()).await, 2, "each once, by app or browser");
        let next = START.day().plus_ms(86_400_000);
        let begun = case.store.sessions_of(cid).await.unwrap().pop().expect("a session").id;
        case.store.touch_session(begun, next.plus_ms(5), next.plus_ms(9)).await.unwrap();
        assert!(case.store.revoke_token(hers, next).await.unwrap());
        assert_eq!(seen(next).await, 1, "cid came back");
        assert_eq!(seen(START.day()).await, 2, "who has left with her app was seen all the same");
        case.store.note_tokens_used(&[his], START.day()).await.unwrap();
        case.store.note_tokens_used(&[his], START.day().plus_ms(-1)).await.unwrap();
        assert_eq!(seen(START.day()).await, 3, "no later note makes it earlier");
    });
}

//! Accounts and members: how they are found, changed and judged, on both engines.

use crate::members::join;
use model::{
    Account, AccountId, Event, Page, Timestamp,
    account::{ProfileChange, ProfileField, Standing},
    app::App,
    decision::{Decision, Verdict},
    marker::MarkerTimeline,
    member::{Preferences, Role},
    ports::{AccountQuery, AccountStore, AppStore, DecisionStore},
    token::{AuthCode, Scopes},
};
use testkit::{
    clock::START,
    conformance::{Case, check},
};

/// Ann, Ben and Cleo, in this order.
async fn people(case: &Case) -> [AccountId; 3] {
    [
        join(case, "Ann", Role::Owner).await,
        join(case, "ben", Role::Member).await,
        join(case, "annette", Role::Moderator).await,
    ]
}

async fn account(case: &Case, id: AccountId) -> Account {
    case.store.accounts(&[id]).await.unwrap().pop().unwrap()
}

fn remote(name: &str) -> Account {
    Account {
        id: AccountId::new(1).unwrap(),
        username: name.into(),
        domain: Some("Gulls.Example".into()),
        uri: Some(format!("https://gulls.example/{name}")),
        display_name: "A gull".into(),
        note: String::new(),
        fields: vec![],
        avatar: None,
        header: None,
        locked: false,
        bot: true,
        discoverable: true,
        indexable: false,
        hide_collections: false,
        created: START,
        standing: Standing::default(),
    }
}

#[test]
fn accounts_are_found_by_id_handle_name_and_prefix_whatever_the_case() {
    check(|case| async move {
        let [ann, ben, annette] = people(&case).await;
        let store = &case.store;
        let far = store.upsert_remote_account(&remote("Ann")).await.unwrap();
        let gone = AccountId::new(77).unwrap();
        let mut found = store.accounts(&[ben, gone, ann, far]).await.unwrap();
        found.sort_by_key(|account| account.id);
        assert_eq!(found.iter().map(|a| a.id).collect::<Vec<_>>(), [ann, ben, far]);
        assert_eq!(found[0].username, "Ann");
        for (name, domain, expected) in [
            ("ANN", None, Some(ann)),
            ("ann", Some("gulls.example"), Some(far)),
            ("ann", Some("GULLS.example"), Some(far)),
            ("ann", Some("other.example"), None),
            ("an", None, None),
        ] {
            let found = store.account_by_handle(name, domain).await.unwrap();
            assert_eq!(found.map(|account| account.id), expected, "{name} {domain:?}");
        }
        let names = ["BEN".to_owned(), "nobody".to_owned(), "ann".to_owned()];
        let found = store.local_accounts_by_name(&names).await.unwrap();
        assert_eq!(found.iter().map(|a| a.id).collect::<Vec<_>>(), [ben, ann]);
        // Nobody is followed yet: those who joined first come first.
        for (text, limit, offset, expected) in [
            ("AN", 9, 0, vec![ann, annette, far]),
            ("an", 2, 0, vec![ann, annette]),
            ("an", 2, 1, vec![annette, far]),
            ("an", 2, 3, vec![]),
            ("anne", 9, 0, vec![annette]),
            ("%", 9, 0, vec![]),
        ] {
            let found = store.find_accounts(&asked(text, limit, offset)).await.unwrap();
            assert_eq!(found, expected, "{text} {limit} {offset}");
        }
        let options = model::relation::FollowOptions::default();
        model::ports::RelationStore::follow(store, ben, annette, &options, START).await.unwrap();
        assert_eq!(store.find_accounts(&asked("an", 1, 0)).await.unwrap(), [annette]);
        let away = Standing { suspended: Some(START), silenced: None };
        store.set_standing(annette, away).await.unwrap();
        assert_eq!(store.find_accounts(&asked("an", 9, 0)).await.unwrap(), [ann, far]);
    });
}

#[test]
fn a_remote_account_is_taken_in_once_and_changed_from_then_on() {
    check(|case| async move {
        let store = &case.store;
        let first = store.upsert_remote_account(&remote("gull")).await.unwrap();
        let changed = Account { display_name: "The gull".into(), locked: true, ..remote("gull") };
        assert_eq!(store.upsert_remote_account(&changed).await.unwrap(), first);
        let found = account(&case, first).await;
        assert_eq!(
            (found.display_name.as_str(), found.locked, found.bot),
            ("The gull", true, true)
        );
        assert_eq!(found.domain.as_deref(), Some("gulls.example"));
        let nowhere = Account { domain: None, ..remote("tern") };
        assert!(store.upsert_remote_account(&nowhere).await.is_err());
        assert_eq!(store.totals().await.unwrap(), (0, 0), "nobody of these is a member");
    });
}

#[test]
fn members_are_found_by_address_and_listed_newest_first() {
    check(|case| async move {
        let [ann, ben, annette] = people(&case).await;
        let store = &case.store;
        let found = store.member_by_email("ANN@Example.org").await.unwrap().unwrap();
        assert_eq!((found.account, found.role), (ann, Role::Owner));
        assert!(store.member_by_email("ann@example.com").await.unwrap().is_none());
        assert!(store.member(AccountId::new(77).unwrap()).await.unwrap().is_none());
        for (page, expected) in [
            (Page::newest(9), vec![annette, ben, ann]),
            (Page::newest(1), vec![annette]),
            (Page { max_id: Some(annette.get()), ..Page::newest(1) }, vec![ben]),
            (Page { max_id: Some(ann.get()), ..Page::newest(9) }, vec![]),
        ] {
            let found = store.members(page).await.unwrap();
            assert_eq!(found.iter().map(|m| m.account).collect::<Vec<_>>(), expected, "{page:?}");
        }
        assert_eq!(store.totals().await.unwrap(), (3, 0));
        let at = START.plus_ms(5);
        store.confirm_member(ben, at).await.unwrap();
        assert_eq!(store.member(ben).await.unwrap().unwrap().confirmed, Some(at));
        assert!(store.confirm_member(AccountId::new(77).unwrap(), at).await.is_err());
    });
}

#[test]
fn a_profile_changes_in_the_parts_that_are_named() {
    check(|case| async move {
        let [ann, ..] = people(&case).await;
        let field = ProfileField { name: "Site".into(), value: "x".into(), verified: Some(START) };
        let all = ProfileChange {
            display_name: Some("Ann \u{1F426}".into()),
            note: Some("a note".into()),
            fields: Some(vec![field.clone()]),
            avatar: Some(Some("a.png".into())),
            header: Some(Some("h.png".into())),
            locked: Some(true),
            bot: Some(true),
            discoverable: Some(false),
            indexable: Some(false),
            hide_collections: Some(true),
            preferences: None,
        };
        case.store.change_profile(ann, all).await.unwrap();
        let found = account(&case, ann).await;
        assert_eq!((found.display_name.as_str(), found.note.as_str()), ("Ann \u{1F426}", "a note"));
        assert_eq!(found.fields, [field]);
        assert_eq!(
            (found.avatar.as_deref(), found.header.as_deref()),
            (Some("a.png"), Some("h.png"))
        );
        assert!(found.locked && found.bot && found.hide_collections);
        assert!(!found.discoverable && !found.indexable);
        let some = ProfileChange { avatar: Some(None), ..ProfileChange::default() };
        case.store.change_profile(ann, some).await.unwrap();
        let after = account(&case, ann).await;
        assert_eq!(after, Account { avatar: None, ..found });
        let told = case.heard.events();
        let about = |event: &Event| matches!(event, Event::ProfileChanged(id) if *id == ann);
        assert_eq!(told.iter().filter(|event| about(event)).count(), 2);
    });
}

#[test]
fn preferences_and_markers_are_kept_by_member() {
    check(|case| async move {
        let [ann, ben, _] = people(&case).await;
        let store = &case.store;
        let wanted =
            Preferences { sensitive: true, language: Some("de".into()), ..Default::default() };
        let change = |name: &str| ProfileChange {
            display_name: Some(name.into()),
            preferences: Some(wanted.clone()),
            ..ProfileChange::default()
        };
        store.change_profile(ann, change("Ann")).await.unwrap();
        assert_eq!(store.member(ann).await.unwrap().unwrap().preferences, wanted);
        assert_eq!(store.member(ben).await.unwrap().unwrap().preferences, Preferences::default());
        let nobody = AccountId::new(77).unwrap();
        assert!(store.change_profile(nobody, change("Nobody")).await.is_err());
        assert!(store.markers(ann).await.unwrap().is_empty());
        for (timeline, read, version) in [
            (MarkerTimeline::Home, 5, 1),
            (MarkerTimeline::Home, 9, 2),
            (MarkerTimeline::Notifications, 7, 1),
        ] {
            let at = START.plus_ms(read);
            let marker = store.set_marker(ann, timeline, read, at).await.unwrap();
            let shown = (marker.timeline, marker.last_read_id, marker.version, marker.updated);
            assert_eq!(shown, (timeline, read, version, at));
        }
        let mut read: Vec<i64> =
            store.markers(ann).await.unwrap().iter().map(|marker| marker.last_read_id).collect();
        read.sort_unstable();
        assert_eq!(read, [7, 9]);
        assert!(store.markers(ben).await.unwrap().is_empty());
    });
}

#[test]
fn decisions_take_effect_with_their_record_and_leave_an_owner() {
    check(|case| async move {
        let [ann, ben, _] = people(&case).await;
        let store = &case.store;
        let decision = |target, verdict, at: Timestamp| Decision {
            id: model::DecisionId::new(1).unwrap(),
            target,
            actor: Some(ann),
            verdict,
            reason: "because".into(),
            at,
        };
        for (target, verdict, expected) in [
            (ben, Verdict::Suspend, "Ok(true)"),
            (ben, Verdict::Suspend, "Ok(false)"),
            (ben, Verdict::Unsuspend, "Ok(true)"),
            (ben, Verdict::Unsuspend, "Ok(false)"),
            (ann, Verdict::Suspend, "Err(Conflict(\"last_owner\"))"),
            (ann, Verdict::Role(Role::Member), "Err(Conflict(\"last_owner\"))"),
            (ben, Verdict::Role(Role::Owner), "Ok(true)"),
            (ann, Verdict::Role(Role::Member), "Ok(true)"),
            (AccountId::new(77).unwrap(), Verdict::Suspend, "Ok(false)"),
        ] {
            let done = store.decide(&decision(target, verdict, START)).await;
            assert_eq!(format!("{done:?}"), expected, "{target} {verdict:?}");
        }
        assert_eq!(store.member(ann).await.unwrap().unwrap().role, Role::Member);
        assert_eq!(account(&case, ben).await.standing.suspended, None);
        let later = decision(ben, Verdict::Password, START.plus_ms(1));
        assert!(store.decide_password(&later, "another hash", false).await.unwrap());
        assert_eq!(store.member(ben).await.unwrap().unwrap().password_hash, "another hash");
        let nobody = decision(AccountId::new(77).unwrap(), Verdict::Password, START);
        assert!(!store.decide_password(&nobody, "x", false).await.unwrap());
        let found = store.decisions(ben, 3).await.unwrap();
        let verdicts: Vec<Verdict> = found.iter().map(|decision| decision.verdict).collect();
        let expected = [Verdict::Password, Verdict::Role(Role::Owner), Verdict::Unsuspend];
        assert_eq!(verdicts, expected);
        assert_eq!((found[0].actor, found[0].reason.as_str()), (Some(ann), "because"));
        assert_eq!(found[0].at, START.plus_ms(1));
    });
}

#[test]
fn an_app_is_found_and_a_code_that_was_burnt_gives_no_token() {
    check(|case| async move {
        let [ann, ..] = people(&case).await;
        let store = &case.store;
        let app = App {
            id: model::AppId::new(1).unwrap(),
            client_id: "client".into(),
            client_secret_hash: vec![0, 255],
            name: "An app".into(),
            website: None,
            redirect_uris: vec!["app:/a".into(), "https://b.example/?c=d".into()],
            scopes: Scopes(u64::MAX >> 1),
            created: START,
        };
        let id = store.create_app(&app).await.unwrap();
        let app = App { id, ..app };
        assert_eq!(store.app(id).await.unwrap(), Some(app.clone()));
        assert_eq!(store.app_by_client("client").await.unwrap(), Some(app));
        assert_eq!(store.app_by_client("Client").await.unwrap(), None);
        assert_eq!(store.app(model::AppId::new(77).unwrap()).await.unwrap(), None);
        let code = AuthCode {
            hash: vec![1, 2],
            app: id,
            account: ann,
            scopes: Scopes(1),
            redirect_uri: "app:/a".into(),
            challenge: None,
            expires: START.plus_ms(1_000),
            taken: None,
            token: None,
        };
        store.create_code(&code, START).await.unwrap();
        assert!(!store.burn_code(&[9], START).await.unwrap());
        assert!(store.burn_code(&code.hash, START).await.unwrap());
        assert!(!store.burn_code(&code.hash, START).await.unwrap());
        assert_eq!(store.redeem_code(&code, START).await.unwrap(), None);
        assert!(store.tokens_of(ann, 9).await.unwrap().is_empty());
    });
}

fn asked(text: &str, limit: u32, offset: u32) -> AccountQuery {
    AccountQuery { text: text.into(), followed_by: None, limit, offset }
}

#[test]
fn people_are_found_by_the_words_of_their_names_and_the_exact_first() {
    check(|case| async move {
        let [ann, ben, annette] = people(&case).await;
        let store = &case.store;
        let named = |name: &str| model::account::ProfileChange {
            display_name: Some(name.into()),
            ..model::account::ProfileChange::default()
        };
        store.change_profile(ben, named("Robert \"Ann\" Tables")).await.unwrap();
        let options = model::relation::FollowOptions::default();
        for follower in [ann, annette] {
            model::ports::RelationStore::follow(store, follower, ben, &options, START)
                .await
                .unwrap();
        }
        for (text, expected) in [
            ("ann", vec![ann, ben, annette]),
            ("ANNETTE", vec![annette]),
            ("robert", vec![ben]),
            ("tab", vec![ben]),
            ("table rob", vec![ben]),
            ("robert chairs", vec![]),
            ("obert", vec![]),
        ] {
            let found = store.find_accounts(&asked(text, 9, 0)).await.unwrap();
            assert_eq!(found, expected, "{text}");
        }
        for (reader, expected) in
            [(ann, vec![ann, ben]), (ben, vec![ben]), (annette, vec![ben, annette])]
        {
            let query = AccountQuery { followed_by: Some(reader), ..asked("ann", 9, 0) };
            assert_eq!(store.find_accounts(&query).await.unwrap(), expected, "{reader}");
        }
        // A new name takes the place of the old one.
        store.change_profile(ben, named("Bob")).await.unwrap();
        assert!(store.find_accounts(&asked("robert", 9, 0)).await.unwrap().is_empty());
        assert_eq!(store.find_accounts(&asked("bob", 9, 0)).await.unwrap(), [ben]);
    });
}

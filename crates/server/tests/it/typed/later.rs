//! What a client does besides reading and writing posts: puts them off, reports, enters and leaves.
//!
//! megalodon 1.3 reads no preferences that Mastodon answers (it knows five and refuses others), and
//! asks paths that are none for unmuting and for saving markers: those three are asked in `rows`.

use super::{App, id, post, story};
use crate::instance::Instance;
use megalodon::{
    SNS,
    entities::{ScheduledStatus, report::Category},
    megalodon::{AppInputOptions, PostStatusInputOptions, PostStatusOutput, ReportInputOptions},
};
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A post of ann's that is to appear in a day.
async fn put_off(ann: &App) -> ScheduledStatus {
    let now = post(ann, "Now", None).await.created_at;
    let options = PostStatusInputOptions { scheduled_at: Some(now + DAY), ..Default::default() };
    let made = ann.post_status("Tomorrow".into(), Some(&options)).await.expect("kept").json();
    match made {
        PostStatusOutput::ScheduledStatus(later) => later,
        PostStatusOutput::Status(status) => panic!("it appeared at once: {}", status.id),
    }
}

#[test]
fn a_post_is_put_off_moved_and_called_off() {
    story(|ann, bob| async move {
        let later = put_off(&ann).await;
        assert_eq!(later.params.text, "Tomorrow");
        let all = ann.get_scheduled_statuses(None).await.expect("all").json();
        assert_eq!(all.first().map(|one| one.id.as_str()), Some(later.id.as_str()));
        let when = later.scheduled_at + DAY;
        let moved = ann.schedule_status(later.id.clone(), Some(when)).await.expect("moved").json();
        assert_eq!(moved.scheduled_at, when);
        let kept = ann.get_scheduled_status(later.id.clone()).await.expect("kept").json();
        assert_eq!(kept.scheduled_at, when);
        assert!(bob.get_scheduled_status(later.id.clone()).await.is_err(), "it is its author's");
        assert!(bob.get_scheduled_statuses(None).await.expect("his").json().is_empty());
        // It wants nothing where Mastodon answers `{}`: what was done shows after.
        let _off = ann.cancel_scheduled_status(later.id.clone()).await;
        assert!(ann.get_scheduled_status(later.id).await.is_err(), "it was called off");
    });
}

#[test]
fn somebody_is_reported() {
    story(|ann, bob| async move {
        let said = post(&bob, "Watches, cheap", None).await;
        let options = ReportInputOptions {
            status_ids: Some(vec![said.id.clone()]),
            comment: Some("sells watches".into()),
            category: Some(Category::Spam),
            ..Default::default()
        };
        let report = ann.report(id(&bob).await, Some(&options)).await.expect("reported").json();
        assert!(!report.action_taken);
        assert_eq!(report.category, Some(Category::Spam));
        assert_eq!(report.status_ids, Some(vec![said.id]));
        assert!(ann.report("1".into(), None).await.is_err(), "nobody is reported by that id");
    });
}

#[test]
fn somebody_asks_to_follow_is_let_in_by_nobody_and_leaves() {
    story(|ann, bob| async move {
        let (ann_id, bob_id) = (id(&ann).await, id(&bob).await);
        let locked = megalodon::megalodon::UpdateCredentialsInputOptions {
            locked: Some(true),
            ..Default::default()
        };
        ann.update_credentials(Some(&locked)).await.expect("locked");
        bob.follow_account(ann_id.clone(), None).await.expect("asked");
        let refused = ann.reject_follow_request(bob_id.clone()).await.expect("refused").json();
        assert!(!refused.followed_by);
        assert!(ann.get_follow_requests(None).await.expect("requests").json().is_empty());
        ann.follow_account(bob_id.clone(), None).await.expect("followed");
        let hers = ann.get_account_following(ann_id, None).await.expect("whom").json();
        assert_eq!(hers.first().map(|a| a.acct.as_str()), Some("bob"));
        assert!(!ann.unfollow_account(bob_id).await.expect("left").json().following);
    });
}

#[test]
fn an_app_speaks_for_itself_signs_somebody_up_and_gives_its_token_back() {
    let here = Instance::new();
    let base = format!("http://{}", here.address());
    let app = |token: Option<String>| {
        megalodon::generator(SNS::Mastodon, base.clone(), token, None).expect("an app")
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let options = AppInputOptions {
            scopes: Some(vec!["read".into(), "write".into()]),
            ..Default::default()
        };
        let known = app(None).register_app("Typed".into(), &options).await.expect("registered");
        let form = json!({ "grant_type": "client_credentials", "client_id": known.client_id,
            "client_secret": known.client_secret, "scope": "read write" });
        let token = here.ask("POST", "/oauth/token", "", Some(form)).body;
        let own = token["access_token"].as_str().expect("a token").to_owned();
        let itself = app(Some(own.clone())).verify_app_credentials().await.expect("it").json();
        assert_eq!(itself.name, "Typed");
        let [name, mail] = ["cid", "cid@example.org"].map(str::to_owned);
        let (word, yes, locale) = ("correct horse battery", "true", "en");
        let signed_up = |app: super::App, name: String, mail: String| async move {
            let [word, yes, locale] = [word, yes, locale].map(str::to_owned);
            app.register_account(name, mail, word, yes, locale, None).await
        };
        let made = signed_up(app(Some(own.clone())), name.clone(), mail.clone()).await;
        let made = made.expect("signed up").json().access_token;
        assert!(!id(&app(Some(made.clone()))).await.is_empty());
        assert!(signed_up(app(Some(own)), name, mail).await.is_err(), "the name is taken");
        let (client, secret) = (known.client_id.clone(), known.client_secret.clone());
        let _left = app(None).revoke_access_token(client, secret, made.clone()).await;
        let gone = app(Some(made)).verify_account_credentials().await.expect_err("it left");
        assert!(gone.to_string().contains("401"), "{gone}");
    });
}

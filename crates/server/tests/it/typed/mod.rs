//! Round trips through megalodon, a client that Rust apps are built on, unmodified: what it sends
//! is understood, and every entity that comes back has the shape that its types demand. A missing
//! or misnamed field, a number that should be text, a null where none may be: each fails to parse.

use crate::instance::Instance;
use megalodon::{
    Megalodon, SNS,
    entities::{
        Status, UploadMedia, attachment::AttachmentType, notification::NotificationType,
        status::StatusVisibility,
    },
    megalodon::{
        AppInputOptions, CredentialsFieldAttribute, EditStatusInputOptions,
        FollowAccountInputOptions, GetAccountStatusesInputOptions, GetNotificationsInputOptions,
        GetTimelineOptions, PollOptions, PostStatusInputOptions, PostStatusOutput,
        UpdateCredentialsInputOptions, UpdateMediaInputOptions, UploadMediaInputOptions,
    },
};
use std::{future::Future, time::Duration};

mod later;
mod streams;

type App = Box<dyn Megalodon + Send + Sync>;

/// Two people's apps on a fresh instance, and a story.
fn story<F: Future<Output = ()>>(tell: impl FnOnce(App, App) -> F) {
    let here = Instance::new();
    let base = format!("http://{}", here.address());
    let app = |name| {
        let token = Some(here.member(name));
        megalodon::generator(SNS::Mastodon, base.clone(), token, None).expect("an app")
    };
    let told = tell(app("ann"), app("bob"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), told).await.expect("no hang");
    });
}

async fn id(app: &App) -> String {
    app.verify_account_credentials().await.expect("who").json().id
}

async fn post(app: &App, text: &str, options: Option<PostStatusInputOptions>) -> Status {
    let made = app.post_status(text.to_owned(), options.as_ref()).await.expect("posted").json();
    match made {
        PostStatusOutput::Status(status) => status,
        PostStatusOutput::ScheduledStatus(_) => panic!("nothing was scheduled"),
    }
}

fn ids(statuses: &[Status]) -> Vec<&str> {
    statuses.iter().map(|status| status.id.as_str()).collect()
}

#[test]
fn it_is_taken_for_mastodon_and_describes_itself() {
    let here = Instance::new();
    let base = format!("http://{}", here.address());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        assert_eq!(megalodon::detector(&base).await.expect("detected"), SNS::Mastodon);
        let app = megalodon::generator(SNS::Mastodon, base.clone(), None, None).expect("an app");
        let instance = app.get_instance().await.expect("instance").json();
        assert_eq!(instance.configuration.statuses.max_characters, 500);
        assert_eq!(instance.contact_account.map(|a| a.acct).as_deref(), Some("owner"));
        assert!(instance.configuration.polls.expect("polls").max_options >= 4);
        assert!(app.get_instance_custom_emojis().await.expect("emojis").json().is_empty());
        let options = AppInputOptions {
            scopes: Some(vec!["read".into(), "write".into()]),
            redirect_uris: Some("https://app.example/landed".into()),
            website: Some("https://app.example".into()),
        };
        let registered = app.register_app("Typed".into(), &options).await.expect("registered");
        assert_eq!(registered.name, "Typed");
        assert_eq!(registered.redirect_uri.as_deref(), Some("https://app.example/landed"));
        assert!(registered.url.expect("where to log in").starts_with(&base));
        let refused = app.get_home_timeline(None).await.expect_err("nobody has no home");
        assert!(refused.to_string().contains("401"), "{refused}");
    });
}

#[test]
fn people_follow_block_and_mute() {
    story(|ann, bob| async move {
        let (ann_id, bob_id) = (id(&ann).await, id(&bob).await);
        let told = UpdateCredentialsInputOptions {
            display_name: Some("Ann Åström".into()),
            note: Some("Sails.".into()),
            locked: Some(true),
            fields_attributes: Some(vec![CredentialsFieldAttribute {
                name: "boat".into(),
                value: "Fulmar".into(),
            }]),
            ..Default::default()
        };
        ann.update_credentials(Some(&told)).await.expect("updated");
        let seen = bob.get_account(ann_id.clone()).await.expect("ann").json();
        assert_eq!((seen.display_name.as_str(), seen.locked), ("Ann Åström", true));
        assert!(seen.note.contains("Sails."));
        assert_eq!(seen.fields.first().map(|f| f.name.as_str()), Some("boat"));
        let asked = bob.follow_account(ann_id.clone(), None).await.expect("asked").json();
        assert!(asked.requested && !asked.following);
        assert_eq!(ann.get_follow_requests(None).await.expect("requests").json().len(), 1);
        let let_in = ann.accept_follow_request(bob_id.clone()).await.expect("let in").json();
        assert!(let_in.followed_by);
        // megalodon 1.3 says `reblog` where Mastodon listens for `reblogs`: nothing changes by it.
        let quiet = FollowAccountInputOptions { reblog: Some(false), notify: Some(true) };
        let follow = bob.follow_account(ann_id.clone(), Some(&quiet)).await.expect("again").json();
        assert!(follow.following && follow.showing_reblogs);
        let followers = ann.get_account_followers(ann_id.clone(), None).await.expect("them").json();
        assert_eq!(followers.first().map(|a| a.acct.as_str()), Some("bob"));
        let noted = bob.set_account_note(ann_id.clone(), Some("Met at sea".into())).await;
        assert_eq!(noted.expect("noted").json().note.as_deref(), Some("Met at sea"));
        let muted = bob.mute_account(ann_id.clone(), true).await.expect("muted").json();
        assert!(muted.muting && muted.muting_notifications);
        assert_eq!(bob.get_mutes(None).await.expect("mutes").json().len(), 1);
        let blocked = ann.block_account(bob_id.clone()).await.expect("blocked").json();
        assert!(blocked.blocking && !blocked.followed_by);
        assert_eq!(ann.get_blocks(None).await.expect("blocks").json().len(), 1);
        assert!(!ann.unblock_account(bob_id.clone()).await.expect("unblocked").json().blocking);
        let relations = bob.get_relationships(vec![ann_id]).await.expect("relations").json();
        assert!(relations.first().is_some_and(|r| !r.following && !r.blocked_by));
        let found = bob.search_account("an".into(), None).await.expect("found").json();
        assert_eq!(found.first().map(|a| a.username.as_str()), Some("ann"));
        assert_eq!(bob.lookup_account("ann".into()).await.expect("found").json().acct, "ann");
        assert!(bob.lookup_account("nobody".into()).await.is_err());
    });
}

#[test]
fn a_post_is_written_marked_edited_and_taken_back() {
    story(|ann, bob| async move {
        let options = PostStatusInputOptions {
            spoiler_text: Some("weather".into()),
            sensitive: Some(true),
            visibility: Some(StatusVisibility::Unlisted),
            language: Some("en".into()),
            ..Default::default()
        };
        let said = post(&ann, "Wind from the #north for @bob", Some(options)).await;
        let (text, of) = (said.spoiler_text.as_str(), said.visibility.clone());
        assert_eq!((text, of), ("weather", StatusVisibility::Unlisted));
        assert!(said.sensitive && said.language.as_deref() == Some("en"));
        assert_eq!(said.tags.first().map(|t| t.name.as_str()), Some("north"));
        assert_eq!(said.mentions.first().map(|m| m.acct.as_str()), Some("bob"));
        let of = || said.id.clone();
        assert_eq!(bob.favourite_status(of()).await.expect("ok").json().favourited, Some(true));
        assert_eq!(bob.bookmark_status(of()).await.expect("ok").json().bookmarked, Some(true));
        assert_eq!(bob.mute_status(of()).await.expect("ok").json().muted, Some(true));
        assert_eq!(bob.unmute_status(of()).await.expect("ok").json().muted, Some(false));
        assert_eq!(ann.pin_status(of()).await.expect("ok").json().pinned, Some(true));
        let again = bob.reblog_status(of()).await.expect("reblogged").json();
        assert_eq!(again.reblogged, Some(true), "a reblog bears the marks of what it repeats");
        assert_eq!(again.reblog.map(|inner| inner.id), Some(of()));
        let whom = bob.get_status_favourited_by(of()).await.expect("whom").json();
        assert_eq!(whom.first().map(|a| a.acct.as_str()), Some("bob"));
        assert_eq!(bob.get_status_reblogged_by(of()).await.expect("whom").json().len(), 1);
        assert_eq!(ids(&bob.get_bookmarks(None).await.expect("kept").json()), [of()]);
        assert_eq!(ids(&bob.get_favourites(None).await.expect("liked").json()), [of()]);
        let edit = EditStatusInputOptions { status: Some("Calm.".into()), ..Default::default() };
        let edited = ann.edit_status(of(), &edit).await.expect("edited").json();
        assert!(edited.edited_at.is_some() && edited.content.contains("Calm."));
        assert_eq!(ann.get_status_source(of()).await.expect("source").json().text, "Calm.");
        assert!(bob.edit_status(of(), &edit).await.is_err(), "only its author edits a post");
        assert_eq!(bob.unreblog_status(of()).await.expect("ok").json().reblogged, Some(false));
        assert_eq!(bob.unfavourite_status(of()).await.expect("ok").json().favourited, Some(false));
        assert_eq!(bob.unbookmark_status(of()).await.expect("ok").json().bookmarked, Some(false));
        assert_eq!(ann.unpin_status(of()).await.expect("ok").json().pinned, Some(false));
        assert!(bob.delete_status(of()).await.is_err(), "only its author deletes a post");
        ann.delete_status(of()).await.expect("deleted");
        let gone = bob.get_status(of()).await.expect_err("it is gone");
        assert!(gone.to_string().contains("404"), "{gone}");
    });
}

#[test]
fn a_thread_a_poll_and_a_picture_keep_their_shape() {
    story(|ann, bob| async move {
        let poll = PollOptions {
            options: vec!["tea".into(), "coffee".into()],
            expires_in: Some(3_600),
            multiple: Some(true),
            hide_totals: Some(false),
        };
        let options = PostStatusInputOptions { poll: Some(poll), ..Default::default() };
        let asked = post(&ann, "Which?", Some(options)).await;
        let poll = asked.poll.clone().expect("a poll");
        assert!(poll.multiple && !poll.expired && poll.expires_at.is_some());
        let voted = bob.vote_poll(poll.id.clone(), vec![0, 1], None).await.expect("voted").json();
        assert_eq!((voted.votes_count, voted.voters_count, voted.voted), (2, Some(1), Some(true)));
        let twice = bob.vote_poll(poll.id.clone(), vec![0], None).await.expect_err("once only");
        assert!(twice.to_string().contains("422"), "{twice}");
        assert_eq!(ann.get_poll(poll.id).await.expect("poll").json().options.len(), 2);

        let file = std::io::Cursor::new(crate::media::picture());
        let told = UploadMediaInputOptions {
            description: Some("a dot".into()),
            focus: Some("0.5,-0.5".into()),
        };
        let name = Some("dot.png".to_owned());
        let sent = ann.upload_media_reader(Box::new(file), Some(&told), name).await;
        let media = match sent.expect("uploaded").json() {
            UploadMedia::Attachment(whole) => whole.id,
            UploadMedia::AsyncAttachment(early) => early.id,
        };
        let better = UpdateMediaInputOptions {
            description: Some("a small dot".into()),
            ..Default::default()
        };
        ann.update_media(media.clone(), Some(&better)).await.expect("described");
        let mut whole = ann.get_media(media.clone()).await;
        while whole.is_err() {
            tokio::task::yield_now().await;
            whole = ann.get_media(media.clone()).await;
        }
        let whole = whole.expect("ready").json();
        assert_eq!(whole.description.as_deref(), Some("a small dot"));
        assert!(whole.r#type == AttachmentType::Image && whole.blurhash.is_some());
        let meta = whole.meta.and_then(|meta| meta.focus).expect("where to look");
        assert!((meta.x - 0.5).abs() < 0.01 && (meta.y + 0.5).abs() < 0.01);
        let options = PostStatusInputOptions {
            media_ids: Some(vec![media]),
            in_reply_to_id: Some(asked.id.clone()),
            ..Default::default()
        };
        let reply = post(&ann, "Like this", Some(options)).await;
        assert_eq!(reply.media_attachments.len(), 1);
        assert_eq!(reply.in_reply_to_id.as_deref(), Some(asked.id.as_str()));
        let thread = bob.get_status_context(reply.id.clone(), None).await.expect("thread").json();
        assert_eq!(ids(&thread.ancestors), [asked.id.as_str()]);
        let mine = GetAccountStatusesInputOptions { only_media: Some(true), ..Default::default() };
        let shown = bob.get_account_statuses(asked.account.id, Some(&mine)).await.expect("hers");
        assert_eq!(ids(&shown.json()), [reply.id.as_str()]);
    });
}

#[test]
fn timelines_lists_markers_and_search() {
    story(|ann, bob| async move {
        let ann_id = id(&ann).await;
        bob.follow_account(ann_id.clone(), None).await.expect("followed");
        let first = post(&ann, "One #knot", None).await;
        let second = post(&ann, "Two #knot", None).await;
        let both = [second.id.as_str(), first.id.as_str()];
        assert_eq!(ids(&bob.get_home_timeline(None).await.expect("home").json()), both);
        assert_eq!(ids(&bob.get_public_timeline(None).await.expect("public").json()), both);
        assert_eq!(ids(&bob.get_local_timeline(None).await.expect("local").json()), both);
        assert_eq!(ids(&bob.get_tag_timeline("knot".into(), None).await.expect("").json()), both);
        let newer = GetTimelineOptions {
            min_id: Some(first.id.clone()),
            limit: Some(1),
            ..Default::default()
        };
        let page = bob.get_public_timeline(Some(&newer)).await.expect("a page").json();
        assert_eq!(ids(&page), [second.id.as_str()]);

        let list = bob.create_list("crew".into()).await.expect("a list").json();
        // Mastodon answers `{}`; megalodon 1.3 wants the list again and misses its fields.
        let added = bob.add_accounts_to_list(list.id.clone(), vec![ann_id.clone()]).await;
        assert!(added.is_err(), "megalodon is mended: look at what it got");
        assert_eq!(
            ids(&bob.get_list_timeline(list.id.clone(), None).await.expect("").json()),
            both
        );
        let renamed = bob.update_list(list.id.clone(), "old crew".into()).await.expect("renamed");
        assert_eq!(renamed.json().title, "old crew");
        assert_eq!(bob.get_account_lists(ann_id.clone()).await.expect("hers").json().len(), 1);
        let members = bob.get_accounts_in_list(list.id.clone(), None).await.expect("who").json();
        assert_eq!(members.first().map(|a| a.acct.as_str()), Some("ann"));
        // Here and below it wants nothing where Mastodon answers `{}`: what was done shows after.
        let removed = bob.delete_accounts_from_list(list.id.clone(), vec![ann_id]).await;
        assert!(removed.is_err(), "megalodon is mended: look at what it got");
        let members = bob.get_accounts_in_list(list.id.clone(), None).await.expect("who").json();
        assert!(members.is_empty());
        assert!(ann.get_list(list.id.clone()).await.is_err(), "a list is its owner's alone");
        let deleted = bob.delete_list(list.id).await;
        assert!(deleted.is_err(), "megalodon is mended: look at what it got");
        assert!(bob.get_lists().await.expect("none").json().is_empty());

        let found = bob.search("knot".into(), None).await.expect("found").json();
        assert_eq!(found.hashtags.first().map(|t| t.name.as_str()), Some("knot"));
        let found = bob.search("ann".into(), None).await.expect("found").json();
        assert_eq!(found.accounts.first().map(|a| a.acct.as_str()), Some("ann"));
    });
}

#[test]
fn notifications_come_and_are_dismissed() {
    story(|ann, bob| async move {
        let ann_id = id(&ann).await;
        let said = post(&ann, "Anybody there?", None).await;
        bob.follow_account(ann_id, None).await.expect("followed");
        bob.favourite_status(said.id.clone()).await.expect("favourited");
        bob.reblog_status(said.id.clone()).await.expect("reblogged");
        post(&bob, "@ann here", None).await;
        let told = ann.get_notifications(None).await.expect("told").json();
        let kinds: Vec<_> = told.iter().map(|n| n.r#type.clone()).collect();
        use NotificationType::{Favourite, Follow, Mention, Reblog};
        assert_eq!(kinds, [Mention, Reblog, Favourite, Follow]);
        let follow = told.last().map(|n| n.id.clone()).expect("the follow");
        let older = GetNotificationsInputOptions {
            max_id: told.first().map(|n| n.id.clone()),
            limit: Some(2),
            ..Default::default()
        };
        let page = ann.get_notifications(Some(&older)).await.expect("a page").json();
        let kinds: Vec<_> = page.iter().map(|n| n.r#type.clone()).collect();
        assert_eq!(kinds, [Reblog, Favourite]);
        assert_eq!(ann.get_notification(follow.clone()).await.expect("it").json().id, follow);
        assert!(bob.get_notification(follow.clone()).await.is_err(), "others' are nobody's");
        ann.dismiss_notification(follow).await.expect("dismissed");
        assert_eq!(ann.get_notifications(None).await.expect("told").json().len(), 3);
        ann.dismiss_notifications().await.expect("cleared");
        assert!(ann.get_notifications(None).await.expect("none").json().is_empty());
    });
}

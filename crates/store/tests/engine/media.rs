//! Attachments: each step changes only what it may, on both engines.

use crate::members::join;
use model::{
    AccountId, MediaId, Timestamp,
    media::{Finished, Media, MediaKind, MediaState, MediaWords, NewMedia, Size},
    member::Role,
    ports::{AccountStore, LeavingStore, MediaStore, ScheduledStore, StatusStore},
    scheduled::NewScheduled,
    status::{NewStatus, StatusEdit},
};
use testkit::{
    clock::START,
    conformance::{Case, check},
};

fn account(raw: i64) -> AccountId {
    AccountId::new(raw).unwrap()
}

async fn upload(case: &Case, owner: i64, created: Timestamp) -> MediaId {
    let new = NewMedia {
        account: account(owner),
        description: "a cat".into(),
        focus: Some((-500, 250)),
        created,
    };
    case.store.create_media(&new).await.unwrap()
}

async fn read(case: &Case, id: MediaId) -> Option<Media> {
    case.store.media(&[id]).await.unwrap().pop()
}

fn finished() -> Finished {
    Finished {
        kind: MediaKind::Image,
        file: "ab/file.jpg".into(),
        thumbnail: "ab/file_small.jpg".into(),
        blurhash: Some("LEHV6nWB2yk8".into()),
        size: Size { width: 400, height: 300 },
        thumbnail_size: Size { width: 200, height: 150 },
    }
}

/// A post of the owner that carries the attachment.
fn post(owner: i64, media: MediaId) -> NewStatus {
    NewStatus { media: [media].into_iter().collect(), ..crate::plain_post(account(owner)) }
}

#[test]
fn an_upload_is_noted_then_finished_once() {
    check(|case| async move {
        let id = upload(&case, 1, START).await;
        let noted = read(&case, id).await.unwrap();
        assert_eq!((noted.state, noted.focus), (MediaState::Processing, Some((-500, 250))));
        assert!(case.store.finish_media(id, Some(&finished())).await.unwrap());
        let ready = read(&case, id).await.unwrap();
        assert_eq!((ready.state, ready.file.as_str()), (MediaState::Ready, "ab/file.jpg"));
        assert_eq!(ready.size, Size { width: 400, height: 300 });
        assert_eq!(ready.blurhash.as_deref(), Some("LEHV6nWB2yk8"));
        assert!(!case.store.finish_media(id, None).await.unwrap(), "it was done");
        assert_eq!(read(&case, id).await.unwrap().state, MediaState::Ready);
    });
}

#[test]
fn all_names_of_files_are_read_in_parts() {
    check(|case| async move {
        let ann = join(&case, "ann", Role::Member).await;
        let ben = join(&case, "ben", Role::Member).await;
        let [one, other] = [upload(&case, 1, START).await, upload(&case, 1, START).await];
        assert!(case.store.finish_media(other, Some(&finished())).await.unwrap());
        let named = ["ab/file.jpg".to_owned(), "ab/file_small.jpg".to_owned()];
        let first = case.store.media_files(None, 1).await.unwrap();
        assert_eq!(first, [(one, [String::new(), String::new()])]);
        assert_eq!(case.store.media_files(Some(one), 9).await.unwrap(), [(other, named)]);
        assert!(case.store.media_files(Some(other), 9).await.unwrap().is_empty());
        let avatar = Some(Some("cd/face.png".to_owned()));
        let change = model::account::ProfileChange { avatar, ..Default::default() };
        case.store.change_profile(ben, change).await.unwrap();
        assert_eq!(case.store.profile_files(None, 1).await.unwrap(), [(ann, vec![])]);
        let rest = case.store.profile_files(Some(ann), 9).await.unwrap();
        assert_eq!(rest, [(ben, vec!["cd/face.png".to_owned()])]);
    });
}

#[test]
fn a_failed_upload_stays_failed() {
    check(|case| async move {
        let id = upload(&case, 1, START).await;
        assert!(case.store.finish_media(id, None).await.unwrap());
        assert!(!case.store.finish_media(id, Some(&finished())).await.unwrap());
        assert_eq!(read(&case, id).await.unwrap().state, MediaState::Failed);
    });
}

#[test]
fn only_the_owner_describes_and_only_before_it_is_posted() {
    check(|case| async move {
        let id = upload(&case, 1, START).await;
        let describe = |owner: i64, text: &'static str, focus| {
            let case = case.clone();
            async move {
                case.store.describe_media(account(owner), id, Some(text), focus).await.unwrap()
            }
        };
        assert!(!describe(2, "mine", None).await);
        assert!(describe(1, "two cats", Some((1, 2))).await);
        let media = read(&case, id).await.unwrap();
        assert_eq!((media.description.as_str(), media.focus), ("two cats", Some((1, 2))));
        case.store.create_status(post(1, id)).await.unwrap();
        assert!(!describe(1, "three cats", Some((3, 3))).await);
        let media = read(&case, id).await.unwrap();
        assert_eq!((media.description.as_str(), media.focus), ("two cats", Some((1, 2))));
    });
}

#[test]
fn an_edit_describes_the_pictures_of_its_own_post_alone() {
    check(|case| async move {
        let [id, other] = [upload(&case, 1, START).await, upload(&case, 1, START).await];
        let post_of = post(1, id);
        let (status, _) = case.store.create_status(post_of).await.unwrap();
        case.store.create_status(post(1, other)).await.unwrap();
        let words = |media, text: Option<&str>, focus| MediaWords {
            media,
            description: text.map(str::to_owned),
            focus,
        };
        let edit = |described, ms| StatusEdit {
            described,
            edited: START.plus_ms(ms),
            media: status.media.clone(),
            ..crate::search::edit(status.id, "so")
        };
        for (ms, (described, expected)) in (1..).zip([
            (vec![words(id, Some("two cats"), None)], ("two cats", Some((-500, 250)))),
            (vec![words(id, None, Some((1, 2)))], ("two cats", Some((1, 2)))),
            (vec![words(other, Some("no cats"), Some((3, 3)))], ("two cats", Some((1, 2)))),
        ]) {
            assert!(case.store.edit_status(edit(described, ms)).await.unwrap().is_some());
            let media = read(&case, id).await.unwrap();
            assert_eq!((media.description.as_str(), media.focus), expected);
        }
        let media = read(&case, other).await.unwrap();
        assert_eq!((media.description.as_str(), media.focus), ("a cat", Some((-500, 250))));
    });
}

#[test]
fn all_media_of_who_leaves_are_found_a_few_at_a_time() {
    check(|case| async move {
        let hers = [upload(&case, 1, START).await, upload(&case, 1, START).await];
        upload(&case, 2, START).await;
        let found = case.store.left_media(account(1), 9).await.unwrap();
        assert_eq!(found.iter().map(|media| media.id).collect::<Vec<_>>(), hers);
        let first = case.store.left_media(account(1), 1).await.unwrap();
        assert_eq!(first, found[..1]);
        assert!(case.store.left_media(account(3), 9).await.unwrap().is_empty());
    });
}

#[test]
fn only_old_media_without_a_status_are_orphans() {
    check(|case| async move {
        let day = 24 * 3_600_000;
        let old = upload(&case, 1, Timestamp::from_ms(START.ms() - day)).await;
        let carried = upload(&case, 1, Timestamp::from_ms(START.ms() - day)).await;
        let young = upload(&case, 1, START).await;
        case.store.create_status(post(1, carried)).await.unwrap();
        let orphans = case.store.orphaned_media(START, 10).await.unwrap();
        assert_eq!(orphans.iter().map(|m| m.id).collect::<Vec<_>>(), [old]);
        assert!(case.store.orphaned_media(START, 0).await.unwrap().is_empty());
        assert!(!case.store.delete_media(carried).await.unwrap());
        assert!(!case.store.give_up_media(carried).await.unwrap());
        assert!(case.store.delete_media(old).await.unwrap());
        assert!(!case.store.give_up_media(old).await.unwrap());
        assert!(!case.store.delete_media(old).await.unwrap());
        assert!(read(&case, old).await.is_none());
        assert!(read(&case, carried).await.is_some() && read(&case, young).await.is_some());
    });
}

#[test]
fn what_is_given_up_is_carried_by_nothing_and_is_an_orphan_however_often_one_is_killed_over_it() {
    check(|case| async move {
        let young = upload(&case, 1, START).await;
        let before = Timestamp::from_ms(START.ms() - 1);
        assert!(case.store.orphaned_media(before, 10).await.unwrap().is_empty());
        for _ in 0..2 {
            assert!(case.store.give_up_media(young).await.unwrap());
            let orphans = case.store.orphaned_media(before, 10).await.unwrap();
            assert_eq!(orphans.iter().map(|m| m.id).collect::<Vec<_>>(), [young]);
            assert!(case.store.create_status(post(1, young)).await.is_err());
        }
        assert!(case.store.delete_media(young).await.unwrap());
        assert!(read(&case, young).await.is_none());
    });
}

#[test]
fn media_of_what_was_taken_back_have_their_day_anew() {
    check(|case| async move {
        let day = 24 * 3_600_000;
        let author = join(&case, "ann", Role::Member).await.get();
        let long_ago = Timestamp::from_ms(START.ms() - 30 * day);
        let (posted, planned) =
            (upload(&case, author, long_ago).await, upload(&case, author, long_ago).await);
        let made = case.store.create_status(post(author, posted)).await.unwrap().0;
        let new = NewScheduled {
            account: account(author),
            at: START.plus_ms(day),
            draft: "{}".into(),
            media: vec![planned],
            idempotency_key: None,
            created: long_ago,
        };
        let later = case.store.schedule(&new).await.unwrap();
        case.store.delete_status(account(author), made.id, START).await.unwrap().unwrap();
        assert!(case.store.unschedule(account(author), later.id, START).await.unwrap());
        let orphans = async |before| case.store.orphaned_media(before, 10).await.unwrap();
        assert!(orphans(START).await.is_empty(), "there is a day to post them again");
        let then: Vec<MediaId> = orphans(START.plus_ms(1)).await.iter().map(|m| m.id).collect();
        assert_eq!(then, [posted, planned]);
        let again = case.store.create_status(post(author, posted)).await.unwrap().0;
        assert_eq!(read(&case, posted).await.unwrap().status, Some(again.id));
    });
}

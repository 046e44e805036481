//! What the server does by itself while it serves: due jobs, and the clean-up of what has expired.
//! When and how much; what is done is a verb of `social`.

use crate::{
    backup,
    limits::{
        EXPIRED_EVERY_MS, EXPIRED_REST_MS, FILES_EVERY_MS, FILES_FIRST_MS, FILES_REST_MS,
        JOBS_LOOK_MS, JOBS_REST_MS, TOKENS_USED_EVERY_MS,
    },
};
use model::Timestamp;
use social::{
    Social,
    media::{Darkroom, PARTS},
};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// Does jobs as their hour comes. Sleeps until the next one is due or the queue has changed, and
/// never for long: another node may have enqueued one, or be killed over one.
pub(crate) async fn jobs(social: Arc<Social>, room: Darkroom) {
    loop {
        let wait_ms = match social.run_due_jobs(&room).await {
            Ok(next) => wait_ms(social.now(), next),
            Err(error) => {
                tracing::warn!(%error, "jobs wait");
                JOBS_REST_MS
            }
        };
        let wait = Duration::from_millis(wait_ms.unsigned_abs());
        let _ = tokio::time::timeout(wait, social.jobs_changed()).await;
    }
}

/// Sends mail as its hour comes, beside the other jobs: a slow mail server keeps no poll waiting.
pub(crate) async fn mail(social: Arc<Social>) {
    loop {
        let wait_ms = match social.run_due_mail().await {
            Ok(next) => wait_ms(social.now(), next),
            Err(error) => {
                tracing::warn!(%error, "mail waits");
                JOBS_REST_MS
            }
        };
        let wait = Duration::from_millis(wait_ms.unsigned_abs());
        let _ = tokio::time::timeout(wait, social.mail_changed()).await;
    }
}

/// Removes expired keys and sessions in bounded parts, every now and then and at the start.
pub(crate) async fn remove_expired(social: Arc<Social>) {
    loop {
        let wait_ms = match social.remove_expired().await {
            Ok((gone, true)) => {
                tracing::info!(gone, "expired rows were removed, and there are more");
                EXPIRED_REST_MS
            }
            Ok(_) => EXPIRED_EVERY_MS,
            Err(error) => {
                tracing::warn!(%error, "what has expired stays a while longer");
                EXPIRED_EVERY_MS
            }
        };
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
}

/// Looks once a day for files that no row names, a part at a time. Not while the folder keeps what
/// an older restore moved aside: whoever goes back to that finds the pictures that it names.
pub(crate) async fn sweep_files(social: Arc<Social>, room: Darkroom, data: PathBuf) {
    tokio::time::sleep(Duration::from_millis(FILES_FIRST_MS)).await;
    loop {
        if !backup::keeps_an_older_state(&data) {
            for part in 0..PARTS {
                match social.sweep_files(&room, part).await {
                    Ok(0) => {}
                    Ok(gone) => tracing::info!(gone, "files that nothing named were removed"),
                    Err(error) => tracing::warn!(%error, "files that nothing names stay"),
                }
                tokio::time::sleep(Duration::from_millis(FILES_REST_MS)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(FILES_EVERY_MS)).await;
    }
}

/// Writes down on which day tokens were last used, in bounded parts.
pub(crate) async fn note_tokens_used(social: Arc<Social>) {
    loop {
        let more = social.note_tokens_used().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it is not noted which tokens were used");
            false
        });
        let wait_ms = if more { EXPIRED_REST_MS } else { TOKENS_USED_EVERY_MS };
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
}

/// How long to sleep, in milliseconds: the clock may have been set, so never below zero.
fn wait_ms(now: Timestamp, next: Option<Timestamp>) -> i64 {
    next.map_or(JOBS_LOOK_MS, |next| next.since_ms(now).clamp(0, JOBS_LOOK_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Place, config, control, open};
    use model::account::ProfileChange;
    use social::media::ProfilePictures;
    use std::fs;

    /// As a kill leaves it: a profile picture that was replaced, one that a backup held back, an
    /// upload whose row was never finished.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_file_that_no_row_names_goes_once_it_is_a_day_old() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { data: folder.path().join("data"), config: None };
        let instance = open::open(&place, &config::load(&place).unwrap()).await.unwrap();
        let (social, room) = (&instance.social, &instance.darkroom);
        let role = model::member::Role::Member;
        let ann = control::join(&instance, "ann", "ann@example.org", "correct horse", role);
        let ann = ann.await.unwrap();
        let mut png = Vec::new();
        let picture = image::DynamicImage::new_rgb8(8, 8);
        picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
        let uploaded = social.upload(room, ann, png.clone().into(), "", None).await.unwrap();
        let shown = ProfilePictures { avatar: Some(png.into()), header: None };
        social.change_profile(room, ann, ProfileChange::default(), shown).await.unwrap();
        let media = place.data.join("media");
        let put = |key: String| {
            let path = media.join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            path
        };
        let rest = "0f".repeat(15);
        let (old, young) = (put(format!("ab/{rest}.png")), put(format!("ab/{rest}_small.png")));
        let not_ours = put("ab/notes.txt".to_owned());
        let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let all = || -> Vec<PathBuf> {
            let folders = fs::read_dir(&media).unwrap().map(|entry| entry.unwrap().path());
            let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
            files.map(|entry| entry.unwrap().path()).collect()
        };
        let before = all();
        assert!(before.len() >= 6, "of an upload two, a face and three: {before:?}");
        for path in before.iter().filter(|path| **path != young) {
            fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
        }
        let mut gone = 0;
        for part in 0..PARTS {
            gone += social.sweep_files(room, part).await.unwrap();
        }
        assert_eq!((gone, old.exists()), (1, false));
        assert!(not_ours.exists() && all().len() == before.len() - 1, "{:?}", all());
        assert!(room.files().get(&uploaded.file, None).await.unwrap().is_some());
    }

    #[test]
    fn the_sleep_ends_with_the_next_job_and_has_a_bound() {
        let at = Timestamp::from_ms;
        for (next, expected) in [
            (None, JOBS_LOOK_MS),
            (Some(at(1_000)), 0),
            (Some(at(1_000 - 5)), 0),
            (Some(at(1_250)), 250),
            (Some(at(i64::MAX)), JOBS_LOOK_MS),
        ] {
            assert_eq!(wait_ms(at(1_000), next), expected, "{next:?}");
        }
    }
}

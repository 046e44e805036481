//! What the server does by itself while it serves: due jobs, and the clean-up of what has expired.
//! When and how much; what is done is a verb of `social`.

use crate::limits::{
    EXPIRED_EVERY_MS, EXPIRED_REST_MS, JOBS_LOOK_MS, JOBS_REST_MS, TOKENS_USED_EVERY_MS,
};
use model::Timestamp;
use social::{Social, media::Darkroom};
use std::{sync::Arc, time::Duration};

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

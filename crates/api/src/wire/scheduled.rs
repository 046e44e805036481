//! The `ScheduledStatus` entity. Source:
//! <https://docs.joinmastodon.org/entities/ScheduledStatus/>.

use super::{Urls, status, time};
use serde_json::{Value, json};
use social::scheduled::ScheduledView;

/// A scheduled post with what it was asked for.
pub fn scheduled(view: &ScheduledView, urls: &Urls) -> Value {
    let draft = &view.draft;
    let media = match draft.media.as_slice() {
        [] => Value::Null,
        ids => ids.iter().map(ToString::to_string).collect(),
    };
    let poll = draft.poll.as_ref().map(|poll| {
        json!({ "options": poll.options, "expires_in": poll.expires_in_s,
            "multiple": poll.multiple, "hide_totals": poll.hide_totals })
    });
    json!({
        "id": view.id.to_string(),
        "scheduled_at": time(view.at),
        "params": {
            "text": draft.text,
            "poll": poll,
            "media_ids": media,
            "sensitive": draft.sensitive,
            "spoiler_text": draft.spoiler,
            "visibility": draft.visibility.map(model::Visibility::word),
            "language": draft.language,
            "in_reply_to_id": draft.in_reply_to.map(|id| id.to_string()),
            // Apps read a number of 32 bits here, which no id of ours fits; none is kept from them.
            "application_id": 0,
            "idempotency": draft.idempotency_key,
            "scheduled_at": null,
            "with_rate_limit": false,
        },
        "media_attachments": view.media.iter().map(|m| status::media(m, urls)).collect::<Vec<_>>(),
    })
}

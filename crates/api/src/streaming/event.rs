//! What is told, as clients read it: an event's name and its payload.

use crate::{
    Api,
    wire::{self, Urls, account::account},
};
use serde_json::json;
use social::{StatusView, streams::What};

/// Name and payload (JSON, or an id).
pub(super) fn event(api: &Api, what: &What) -> (&'static str, String) {
    let urls = Urls { base: &api.base_url };
    let now = api.social.now();
    let status = |view: &StatusView| {
        let mut json = Vec::with_capacity(2_048);
        wire::status::write(&mut json, view, &urls, now);
        String::from_utf8(json).unwrap_or_default()
    };
    match what {
        What::Update(view) => ("update", status(view)),
        What::StatusUpdate(view) => ("status.update", status(view)),
        What::Delete(id) => ("delete", id.to_string()),
        What::Notification(n) => {
            ("notification", wire::other::notification(n, &urls, now).to_string())
        }
        What::Conversation(view) => {
            let people = std::iter::once(&view.author).chain(&view.mentions);
            let accounts: Vec<_> = people.map(|a| account(a, &urls)).collect();
            let conversation = json!({
                "id": view.entry.status.conversation.to_string(),
                "unread": true,
                "accounts": accounts,
                "last_status": wire::status::status(view, &urls, now),
            });
            ("conversation", conversation.to_string())
        }
    }
}

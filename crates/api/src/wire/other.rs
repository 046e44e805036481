//! Small entities: apps, lists, markers, notifications, preferences, reports.

use super::{Urls, account, put, status, time};
use model::{Timestamp, app::App, list::List, marker::Marker, member::Preferences, report::Report};
use serde_json::{Value, json};
use social::{AccountView, read::NotificationView};

/// An app, with its secret where it is being shown for the only time.
pub fn app(app: &App, secret: Option<&str>) -> Value {
    let scopes = model::scope::names(app.scopes);
    let mut json = json!({
        "id": app.id.to_string(),
        "name": app.name,
        "website": app.website,
        "scopes": scopes,
        "redirect_uri": app.redirect_uris.join("\n"),
        "redirect_uris": app.redirect_uris,
        "vapid_key": "",
    });
    if let Some(secret) = secret {
        put(&mut json, "client_id", json!(app.client_id));
        put(&mut json, "client_secret", json!(secret));
        put(&mut json, "client_secret_expires_at", json!(0));
    }
    json
}

/// A list.
pub fn list(list: &List) -> Value {
    json!({ "id": list.id.to_string(), "title": list.title,
        "replies_policy": list.replies_policy.word(), "exclusive": list.exclusive })
}

/// A reading position.
pub fn marker(m: &Marker) -> Value {
    json!({ "last_read_id": m.last_read_id.to_string(), "version": m.version,
        "updated_at": time(m.updated) })
}

/// Composing and reading defaults.
pub fn preferences(p: &Preferences) -> Value {
    json!({
        "posting:default:visibility": p.visibility.word(),
        "posting:default:sensitive": p.sensitive,
        "posting:default:language": p.language,
        "reading:expand:media": p.expand_media,
        "reading:expand:spoilers": p.expand_spoilers,
        "reading:autoplay:gifs": p.autoplay_gifs,
    })
}

/// A notification.
pub fn notification(n: &NotificationView, urls: &Urls, now: Timestamp) -> Value {
    let id = n.notification.id.to_string();
    json!({
        "id": id,
        "type": n.notification.kind.word(),
        "created_at": time(n.notification.created),
        "group_key": format!("ungrouped-{id}"),
        "account": account::account(&n.from, urls),
        "status": n.status.as_ref().map(|s| status::status(s, urls, now)),
    })
}

/// A report, as its maker gets it back.
pub fn report(r: &Report, target: &AccountView, urls: &Urls) -> Value {
    let content = &r.content;
    let texts = |ids: &mut dyn Iterator<Item = String>| ids.collect::<Vec<_>>();
    json!({
        "id": r.id.to_string(),
        "action_taken": r.resolved.is_some(),
        "action_taken_at": r.resolved.map(time),
        "category": content.category.word(),
        "comment": content.comment,
        "forwarded": content.forward,
        "created_at": time(content.created),
        "status_ids": texts(&mut content.statuses.iter().map(ToString::to_string)),
        "rule_ids": texts(&mut content.rules.iter().map(ToString::to_string)),
        "target_account": account::account(target, urls),
    })
}

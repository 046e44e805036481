//! Small entities: apps, lists, markers, notifications, preferences.

use super::{Urls, account, put, status, time};
use model::{Timestamp, app::App, list::List, marker::Marker, member::Preferences};
use serde_json::{Value, json};
use social::read::NotificationView;

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

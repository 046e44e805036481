//! Notifications. Source: <https://docs.joinmastodon.org/methods/notifications/>.

use crate::{
    Api,
    accounts::{Answer, Paged, id},
    caller::Caller,
    wire::{self, Urls},
};
use axum::{
    Json,
    extract::{OriginalUri, Path, State},
    http::HeaderMap,
};
use httpkit::{ApiError, PageQuery, Query, lenient, paging};
use model::{AccountId, marker::MarkerTimeline, notification::NotificationKind};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub(crate) struct NotificationsQuery {
    #[serde(flatten)]
    page: PageQuery,
    #[serde(default, deserialize_with = "lenient::texts")]
    types: Vec<String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    exclude_types: Vec<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    account_id: Option<String>,
}

/// `GET /api/v1/notifications`.
pub(crate) async fn all(
    State(api): State<Api>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Query(q): Query<NotificationsQuery>,
) -> Paged {
    let account = caller.member("read:notifications")?;
    let wanted = |kind: &NotificationKind| {
        let is = |word: &String| word == kind.word();
        (q.types.is_empty() || q.types.iter().any(is)) && !q.exclude_types.iter().any(is)
    };
    let kinds: Vec<NotificationKind> = NotificationKind::ALL.into_iter().filter(wanted).collect();
    if kinds.is_empty() {
        return Ok((HeaderMap::new(), Json(json!([]))));
    }
    let from: Option<AccountId> = match q.account_id.as_deref() {
        None | Some("") => None,
        Some(text) => match text.parse() {
            Ok(id) => Some(id),
            // Nobody has told anything under what is no id.
            Err(_) => return Ok((HeaderMap::new(), Json(json!([])))),
        },
    };
    let page = q.page.page(40, 80);
    let (found, ends) = api.social.notifications(account, &kinds, from, page).await?;
    let urls = Urls { base: &api.base_url };
    let now = api.social.now();
    let link = |(first, last)| paging::link(&api.base_url, &uri, first, last);
    let headers = ends.map_or_else(HeaderMap::new, link);
    let json = found.iter().map(|n| wire::other::notification(n, &urls, now)).collect();
    Ok((headers, Json(json)))
}

/// `GET /api/v1/notifications/:id`.
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(notification): Path<String>,
) -> Answer {
    let account = caller.member("read:notifications")?;
    let found = api.social.store().notification(account, id(&notification)?).await?;
    let found = found.ok_or_else(ApiError::not_found)?;
    let view = api.social.notification_views(account, vec![found]).await?.pop();
    let view = view.ok_or_else(ApiError::not_found)?;
    let urls = Urls { base: &api.base_url };
    Ok(Json(wire::other::notification(&view, &urls, api.social.now())))
}

/// `POST /api/v1/notifications/clear`.
pub(crate) async fn clear(State(api): State<Api>, caller: Caller) -> Answer {
    let account = caller.member("write:notifications")?;
    api.social.store().dismiss(account, None).await?;
    Ok(Json(json!({})))
}

/// `POST /api/v1/notifications/:id/dismiss`.
pub(crate) async fn dismiss(
    State(api): State<Api>,
    caller: Caller,
    Path(notification): Path<String>,
) -> Answer {
    let account = caller.member("write:notifications")?;
    api.social.store().dismiss(account, Some(id(&notification)?)).await?;
    Ok(Json(json!({})))
}

/// `GET /api/v1/notifications/unread_count`.
pub(crate) async fn unread(State(api): State<Api>, caller: Caller) -> Answer {
    let account = caller.member("read:notifications")?;
    let markers = api.social.store().markers(account).await?;
    let read = markers.iter().find(|m| m.timeline == MarkerTimeline::Notifications);
    let after = read.map_or(0, |m| m.last_read_id);
    let count = api.social.store().unread(account, after, 100).await?;
    Ok(Json(json!({ "count": count })))
}

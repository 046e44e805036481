//! Scheduled posts. Source: <https://docs.joinmastodon.org/methods/scheduled_statuses/>.

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
use httpkit::{ApiError, Body, PageQuery, Query, lenient, paging};
use model::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use social::scheduled::ScheduledView;

/// A time as apps send it (RFC 3339; without an offset it is of UTC). What is none: Mastodon's
/// answer.
pub(crate) fn time_of(text: &str) -> Result<Timestamp, ApiError> {
    let text = text.trim();
    let with_offset = text.parse::<jiff::Timestamp>();
    let at = with_offset.or_else(|_| {
        let of_utc = text.parse::<jiff::civil::DateTime>()?;
        jiff::tz::TimeZone::UTC.to_timestamp(of_utc)
    });
    let at = at.map_err(|_| ApiError::unprocessable("Record invalid"))?;
    Ok(Timestamp::from_ms(at.as_millisecond()))
}

pub(crate) fn shown(api: &Api, view: &ScheduledView) -> Value {
    let urls = Urls { base: &api.base_url };
    wire::scheduled::scheduled(view, &urls)
}

/// `GET /api/v1/scheduled_statuses`.
pub(crate) async fn all(
    State(api): State<Api>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<PageQuery>,
) -> Paged {
    let account = caller.member("read:statuses")?;
    let found = api.social.scheduled(account, page.page(20, 40)).await?;
    let headers = match (found.first(), found.last()) {
        (Some(first), Some(last)) => {
            paging::link(&api.base_url, &uri, first.id.get(), last.id.get())
        }
        _ => HeaderMap::new(),
    };
    Ok((headers, Json(found.iter().map(|view| shown(&api, view)).collect())))
}

/// `GET /api/v1/scheduled_statuses/:id`.
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(scheduled): Path<String>,
) -> Answer {
    let account = caller.member("read:statuses")?;
    Ok(Json(shown(&api, &api.social.own_scheduled(account, id(&scheduled)?).await?)))
}

#[derive(Deserialize)]
pub(crate) struct ScheduledForm {
    #[serde(default, deserialize_with = "lenient::text")]
    scheduled_at: Option<String>,
}

/// `PUT /api/v1/scheduled_statuses/:id`: another time; without one nothing changes.
pub(crate) async fn edit(
    State(api): State<Api>,
    caller: Caller,
    Path(scheduled): Path<String>,
    Body(form): Body<ScheduledForm>,
) -> Answer {
    let account = caller.member("write:statuses")?;
    let scheduled = id(&scheduled)?;
    let view = match form.scheduled_at.as_deref() {
        None | Some("") => api.social.own_scheduled(account, scheduled).await?,
        Some(text) => api.social.reschedule(account, scheduled, time_of(text)?).await?,
    };
    Ok(Json(shown(&api, &view)))
}

/// `DELETE /api/v1/scheduled_statuses/:id`.
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(scheduled): Path<String>,
) -> Answer {
    let account = caller.member("write:statuses")?;
    api.social.unschedule(account, id(&scheduled)?).await?;
    Ok(Json(json!({})))
}

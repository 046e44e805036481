//! Timelines. Source: <https://docs.joinmastodon.org/methods/timelines/>.

use crate::{
    Api,
    accounts::{Paged, id},
    caller::{Caller, Viewer},
    wire::{self, Urls},
};
use axum::{
    Json,
    extract::{OriginalUri, Path, State},
    http::{HeaderMap, Uri},
};
use httpkit::{ApiError, PageQuery, Query, lenient, paging};
use model::ports::TimelineQuery;
use serde::Deserialize;
use serde_json::Value;
use social::StatusView;

/// A page of posts with its `Link`.
pub(crate) fn page(api: &Api, uri: &Uri, views: &[StatusView]) -> (HeaderMap, Json<Value>) {
    let urls = Urls { base: &api.base_url };
    let now = api.social.now();
    let headers = match (views.first(), views.last()) {
        (Some(first), Some(last)) => {
            let (first, last) = (first.entry.status.id, last.entry.status.id);
            paging::link(&api.base_url, uri, first.get(), last.get())
        }
        _ => HeaderMap::new(),
    };
    (headers, Json(views.iter().map(|v| wire::status::status(v, &urls, now)).collect()))
}

/// `GET /api/v1/timelines/home`.
pub(crate) async fn home(
    State(api): State<Api>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Query(q): Query<PageQuery>,
) -> Paged {
    let reader = caller.member("read:statuses")?;
    let ids = api.social.home(reader, q.page(20, 40)).await?;
    Ok(page(&api, &uri, &api.social.statuses(Some(reader), &ids).await?))
}

#[derive(Deserialize)]
pub(crate) struct PublicQuery {
    #[serde(flatten)]
    page: PageQuery,
    #[serde(default, deserialize_with = "lenient::boolean")]
    local: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    remote: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    only_media: Option<bool>,
}

/// `GET /api/v1/timelines/public`.
pub(crate) async fn public(
    State(api): State<Api>,
    Viewer(viewer): Viewer,
    OriginalUri(uri): OriginalUri,
    Query(q): Query<PublicQuery>,
) -> Paged {
    let query = TimelineQuery::Public {
        local: q.local.unwrap_or(false),
        remote: q.remote.unwrap_or(false),
        only_media: q.only_media.unwrap_or(false),
    };
    let views = api.social.listing(viewer, &query, q.page.page(20, 40)).await?;
    Ok(page(&api, &uri, &views))
}

/// `GET /api/v1/timelines/tag/:tag`.
pub(crate) async fn tag(
    State(api): State<Api>,
    Viewer(viewer): Viewer,
    Path(tag): Path<String>,
    OriginalUri(uri): OriginalUri,
    Query(q): Query<PublicQuery>,
) -> Paged {
    let query = TimelineQuery::Tag {
        tag: model::text::normalise_tag(&tag),
        local: q.local.unwrap_or(false),
        only_media: q.only_media.unwrap_or(false),
    };
    let views = api.social.listing(viewer, &query, q.page.page(20, 40)).await?;
    Ok(page(&api, &uri, &views))
}

/// `GET /api/v1/timelines/list/:id`.
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(list): Path<String>,
    OriginalUri(uri): OriginalUri,
    Query(q): Query<PageQuery>,
) -> Paged {
    let reader = caller.member("read:lists")?;
    let list = api.social.store().list(id(&list)?).await?.filter(|l| l.account == reader);
    let list = list.ok_or_else(ApiError::not_found)?;
    let query = TimelineQuery::List(list.id);
    Ok(page(&api, &uri, &api.social.listing(Some(reader), &query, q.page(20, 40)).await?))
}

//! Timelines. Source: <https://docs.joinmastodon.org/methods/timelines/>.
//!
//! Visitors, who all see the same, share answers; a flood on a public page makes each of them once.

use crate::{
    Api,
    accounts::id,
    caller::{Caller, Viewer},
    kept::{self, Made},
    refusal::Refused,
    wire::{self, Urls},
};
use axum::{
    body::Bytes,
    extract::{OriginalUri, Path, State},
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use httpkit::{ApiError, PageQuery, Query, SharedPage, lenient, paging};
use model::{Page, ports::TimelineQuery};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use social::{Shows, StatusView, read::Listing};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What a page of twenty posts usually takes, so that its bytes are not moved while it grows.
const PAGE_BYTES: usize = 48 * 1024;
/// What a post usually takes.
const POST_BYTES: usize = 3 * 1024;

/// A page of posts as it is sent: its `Link`, and its JSON.
pub(crate) struct Posts {
    headers: HeaderMap,
    json: Vec<u8>,
}

impl Posts {
    fn answer(headers: HeaderMap, json: Bytes) -> Response {
        let mut response = Response::new(json.into());
        *response.headers_mut() = headers;
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        response
    }
}

impl IntoResponse for Posts {
    fn into_response(self) -> Response {
        Self::answer(self.headers, self.json.into())
    }
}

/// What a handler of posts answers with.
pub(crate) type Timeline = Result<Posts, Refused>;

/// Posts as a JSON array.
pub(crate) fn posts(api: &Api, headers: HeaderMap, views: &[StatusView]) -> Posts {
    let urls = Urls { base: &api.base_url };
    let now = api.social.now();
    let mut json = Vec::with_capacity(if views.is_empty() { 2 } else { PAGE_BYTES });
    json.push(b'[');
    for (at, view) in views.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        wire::status::write(&mut json, view, &urls, now);
    }
    json.push(b']');
    Posts { headers, json }
}

/// One post as it is sent to whoever wrote or marked it.
pub(crate) fn one(api: &Api, view: &StatusView) -> Posts {
    let mut json = Vec::with_capacity(POST_BYTES);
    wire::status::write(&mut json, view, &Urls { base: &api.base_url }, api.social.now());
    Posts { headers: HeaderMap::new(), json }
}

/// A page of posts. What was hidden of it pages too, so that a page of which nothing is left still
/// leads on.
pub(crate) fn page(api: &Api, uri: &Uri, listing: &Listing) -> Posts {
    let link = |(first, last)| paging::link(&api.base_url, uri, first, last);
    posts(api, listing.ends.map_or_else(HeaderMap::new, link), &listing.views)
}

/// An answer that is the same for whoever may have it, made once for all who ask until something
/// public changes. `key` names it: a path of ours, with nothing that a stranger has invented.
pub(crate) async fn for_all(
    api: &Api,
    key: &str,
    asked: &HeaderMap,
    make: impl AsyncFnOnce() -> Result<serde_json::Value, Refused>,
) -> Result<Response, Refused> {
    showing(api, key, asked, async || Ok((make().await?, Shows::default()))).await
}

/// The same until something changes of what it shows; where that is nothing, as above.
pub(crate) async fn showing(
    api: &Api,
    key: &str,
    asked: &HeaderMap,
    make: impl AsyncFnOnce() -> Result<(serde_json::Value, Shows), Refused>,
) -> Result<Response, Refused> {
    let shared = api.shared.page(key, async || {
        let (json, shows) = make().await?;
        let page = SharedPage::new(JSON, HeaderMap::new(), json.to_string().into());
        Ok::<_, Refused>(page.about(shows.topics, shows.is_timed))
    });
    Ok(shared.await?.response(asked))
}

/// A listing as a visitor sees it, from the answers that visitors share. `path` names what is
/// listed and `flags` the choices that are on; parameters that mean nothing here are not in the
/// key, so that inventing some does not make the answer anew.
async fn for_visitors(
    api: &Api,
    path: &str,
    flags: &[(&str, bool)],
    query: &TimelineQuery,
    window: Page,
    asked: &HeaderMap,
) -> Result<Response, Refused> {
    let mut key = format!("{path}?limit={}", window.limit);
    for (name, _) in flags.iter().filter(|(_, on)| *on) {
        key.push_str(&format!("&{name}=true"));
    }
    let base = key.clone();
    let bounds =
        [("max_id", window.max_id), ("since_id", window.since_id), ("min_id", window.min_id)];
    for (name, bound) in bounds {
        if let Some(bound) = bound {
            key.push_str(&format!("&{name}={bound}"));
        }
    }
    let shared = api.shared.page(&key, async || {
        let uri: Uri = base.parse().map_err(|_| ApiError::not_found())?;
        let made = page(api, &uri, &api.social.listing(None, query, window).await?);
        Ok::<_, Refused>(SharedPage::new(JSON, made.headers, made.json.into()))
    });
    Ok(shared.await?.response(asked))
}

/// `GET /api/v1/timelines/home`. Its newest page is kept for those who ask for it again.
pub(crate) async fn home(
    State(api): State<Api>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Query(q): Query<PageQuery>,
) -> Result<Response, Refused> {
    let reader = caller.member(kept::SCOPE)?;
    let (window, query) = (q.page(20, 40), uri.query().unwrap_or_default());
    let is_newest = window == Page::newest(window.limit) && kept::may_keep(query);
    // Before anything is gathered.
    let (stamp, now) = (api.social.home_stamp(reader).filter(|_| is_newest), api.social.now());
    let listing = api.social.home_timeline(reader, window).await?;
    let Posts { headers, json } = page(&api, &uri, &listing);
    let body = Bytes::from(json);
    let mut response = Posts::answer(headers, body.clone());
    // What is hidden may come back without anything happening that is shown.
    if let Some(stamp) = stamp.filter(|_| !listing.hides) {
        let (topics, until) = kept::shown(&listing.views, now);
        let made = Made { reader, query: query.into(), stamp, topics, until, body };
        response.extensions_mut().insert(made);
    }
    Ok(response)
}

/// Hashtags that a tag timeline may be narrowed or widened by, of each kind; Mastodon's bound.
const OTHER_TAGS_MAX: usize = 4;

#[derive(Deserialize)]
pub(crate) struct TagQuery {
    #[serde(flatten)]
    public: PublicQuery,
    #[serde(default, deserialize_with = "lenient::texts")]
    any: Vec<String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    all: Vec<String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    none: Vec<String>,
}

/// Other hashtags as asked for, normalised.
fn others(tags: &[String]) -> Vec<String> {
    let named = tags.iter().map(|tag| model::text::normalise_tag(tag));
    named.filter(|tag| !tag.is_empty()).take(OTHER_TAGS_MAX).collect()
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

impl PublicQuery {
    fn flags(&self) -> [(&'static str, bool); 3] {
        let on = |flag: Option<bool>| flag.unwrap_or(false);
        [
            ("local", on(self.local)),
            ("remote", on(self.remote)),
            ("only_media", on(self.only_media)),
        ]
    }
}

/// `GET /api/v1/timelines/public`.
pub(crate) async fn public(
    State(api): State<Api>,
    viewer: Viewer,
    OriginalUri(uri): OriginalUri,
    asked: HeaderMap,
    Query(q): Query<PublicQuery>,
) -> Result<Response, Refused> {
    let viewer = viewer.reading("read:statuses")?;
    let window = q.page.page(20, 40);
    let query = TimelineQuery::Public {
        local: q.local.unwrap_or(false),
        remote: q.remote.unwrap_or(false),
        only_media: q.only_media.unwrap_or(false),
    };
    if viewer.is_none() {
        let path = "/api/v1/timelines/public";
        return for_visitors(&api, path, &q.flags(), &query, window, &asked).await;
    }
    let views = api.social.listing(viewer, &query, window).await?;
    Ok(page(&api, &uri, &views).into_response())
}

/// `GET /api/v1/timelines/tag/:tag`.
pub(crate) async fn tag(
    State(api): State<Api>,
    viewer: Viewer,
    Path(tag): Path<String>,
    OriginalUri(uri): OriginalUri,
    asked: HeaderMap,
    Query(q): Query<TagQuery>,
) -> Result<Response, Refused> {
    let viewer = viewer.reading("read:statuses")?;
    let window = q.public.page.page(20, 40);
    let tag = model::text::normalise_tag(&tag);
    let path = format!("/api/v1/timelines/tag/{}", utf8_percent_encode(&tag, NON_ALPHANUMERIC));
    let (any, all, none) = (others(&q.any), others(&q.all), others(&q.none));
    let alone = any.is_empty() && all.is_empty() && none.is_empty();
    let query = TimelineQuery::Tag {
        tag,
        any,
        all,
        none,
        local: q.public.local.unwrap_or(false),
        only_media: q.public.only_media.unwrap_or(false),
    };
    if viewer.is_none() && alone {
        return for_visitors(&api, &path, &q.public.flags(), &query, window, &asked).await;
    }
    let views = api.social.listing(viewer, &query, window).await?;
    Ok(page(&api, &uri, &views).into_response())
}

/// `GET /api/v1/timelines/list/:id`.
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(list): Path<String>,
    OriginalUri(uri): OriginalUri,
    Query(q): Query<PageQuery>,
) -> Timeline {
    let reader = caller.member("read:lists")?;
    let window = q.page(20, 40);
    Ok(page(&api, &uri, &api.social.list_timeline(reader, id(&list)?, window).await?))
}

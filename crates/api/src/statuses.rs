//! Statuses. Source: <https://docs.joinmastodon.org/methods/statuses/>.

use crate::{
    Api,
    accounts::{Answer, ManyQuery, Paged, edges_seen, id},
    caller::{Caller, Viewer},
    refusal::Refused,
    scheduled,
    timelines::{Timeline, one, posts, showing},
    wire::{self, Urls},
};
use axum::{
    Json,
    extract::{OriginalUri, Path, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use httpkit::{ApiError, Body, PageQuery, Query, lenient, paging};
use model::{
    MediaId, StatusId, Visibility, event::Mark, limits::IDEMPOTENCY_KEY_BYTES, media::MediaWords,
    thread::ThreadBounds,
};
use serde::Deserialize;
use serde_json::{Value, json};
use social::{
    Shows, StatusView, Topic,
    post::{Draft, PollDraft},
    scheduled::Posted,
};

#[derive(Deserialize)]
struct PollForm {
    #[serde(default, deserialize_with = "lenient::texts")]
    options: Vec<String>,
    #[serde(default, deserialize_with = "lenient::integer")]
    expires_in: Option<i64>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    multiple: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    hide_totals: Option<bool>,
}

impl PollForm {
    /// A group of nothing, which some apps send for none.
    fn is_nothing(&self) -> bool {
        let flags = [self.multiple, self.hide_totals];
        self.options.is_empty() && self.expires_in.is_none() && flags == [None, None]
    }
}

#[derive(Deserialize)]
struct MediaForm {
    #[serde(default, deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    focus: Option<String>,
}

impl MediaForm {
    fn words(self) -> Result<Option<MediaWords>, ApiError> {
        let focus = crate::media::focus(self.focus.as_deref())?;
        let known = self.id.and_then(|id| id.parse().ok());
        Ok(known.map(|media| MediaWords { media, description: self.description, focus }))
    }
}

#[derive(Deserialize)]
pub(crate) struct StatusForm {
    #[serde(default, deserialize_with = "lenient::text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    spoiler_text: Option<String>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    sensitive: Option<bool>,
    visibility: Option<String>,
    language: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    in_reply_to_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    media_ids: Vec<String>,
    #[serde(default)]
    media_attributes: Option<Vec<MediaForm>>,
    poll: Option<PollForm>,
    #[serde(default, deserialize_with = "lenient::text")]
    scheduled_at: Option<String>,
}

impl StatusForm {
    fn draft(self) -> Result<Draft, ApiError> {
        let wrong = |what: &str| ApiError::unprocessable(format!("Validation failed: {what}"));
        let visibility = match self.visibility.as_deref() {
            None | Some("") => None,
            Some(word) => {
                let known = Visibility::from_word(word);
                Some(known.ok_or_else(|| wrong("Visibility is not included in the list"))?)
            }
        };
        let in_reply_to = match self.in_reply_to_id.as_deref() {
            None | Some("") => None,
            Some(text) => Some(id(text)?),
        };
        let media = self.media_ids.iter().map(|t| t.parse::<MediaId>());
        let described = self.media_attributes.into_iter().flatten().map(MediaForm::words);
        let described: Vec<Option<MediaWords>> = described.collect::<Result<_, _>>()?;
        Ok(Draft {
            text: self.status.unwrap_or_default(),
            spoiler: self.spoiler_text.unwrap_or_default(),
            sensitive: self.sensitive,
            visibility,
            language: self.language.filter(|l| !l.is_empty()),
            in_reply_to,
            media: media.collect::<Result<_, _>>().map_err(|_| wrong("Media is not known"))?,
            described: described.into_iter().flatten().collect(),
            poll: self.poll.filter(|p| !p.is_nothing()).map(|p| PollDraft {
                options: p.options,
                expires_in_s: p.expires_in.unwrap_or(0),
                multiple: p.multiple.unwrap_or(false),
                hide_totals: p.hide_totals.unwrap_or(false),
            }),
            idempotency_key: None,
            app: None,
        })
    }
}

fn shown(api: &Api, view: &StatusView) -> Json<Value> {
    let urls = Urls { base: &api.base_url };
    Json(wire::status::status(view, &urls, api.social.now()))
}

/// `POST /api/v1/statuses`: a post, or with `scheduled_at` a scheduled one. The same
/// `Idempotency-Key` gives the first again.
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Body(form): Body<StatusForm>,
) -> Result<Response, Refused> {
    let account = caller.member("write:statuses")?;
    let at = form.scheduled_at.as_deref().filter(|at| !at.is_empty());
    let at = at.map(scheduled::time_of).transpose()?;
    let key = headers.get("idempotency-key").and_then(|v| v.to_str().ok());
    if key.is_some_and(|k| k.len() > IDEMPOTENCY_KEY_BYTES) {
        return Err(ApiError::unprocessable("Idempotency-Key is too long").into());
    }
    let draft =
        Draft { idempotency_key: key.map(str::to_owned), app: Some(caller.app), ..form.draft()? };
    Ok(match api.social.post_at(account, draft, at).await? {
        Posted::Now(view) => one(&api, &view).into_response(),
        Posted::Later(view) => Json(scheduled::shown(&api, &view)).into_response(),
    })
}

/// `GET /api/v1/statuses/:id`. Visitors share it.
pub(crate) async fn show(
    State(api): State<Api>,
    viewer: Viewer,
    Path(status): Path<String>,
    asked: HeaderMap,
) -> Result<Response, Refused> {
    let viewer = viewer.reading("read:statuses")?;
    let status = id::<StatusId>(&status)?;
    let made = async || {
        let view = api.social.status(viewer, status).await?;
        Ok::<_, Refused>((shown(&api, &view).0, Shows::default().with([&view])))
    };
    if viewer.is_some() {
        return Ok(Json(made().await?.0).into_response());
    }
    showing(&api, &format!("/api/v1/statuses/{status}"), &asked, made).await
}

/// `GET /api/v1/statuses?id[]=`.
pub(crate) async fn many(
    State(api): State<Api>,
    viewer: Viewer,
    Query(q): Query<ManyQuery>,
) -> Answer {
    let viewer = viewer.reading("read:statuses")?;
    let ids: Vec<StatusId> = q.id.iter().take(20).filter_map(|t| t.parse().ok()).collect();
    let views = api.social.statuses(viewer, &ids).await?;
    Ok(Json(views.iter().map(|v| shown(&api, v).0).collect()))
}

/// `PUT /api/v1/statuses/:id`.
pub(crate) async fn edit(
    State(api): State<Api>,
    caller: Caller,
    Path(status): Path<String>,
    Body(form): Body<StatusForm>,
) -> Answer {
    let account = caller.member("write:statuses")?;
    Ok(shown(&api, &api.social.reword(account, id(&status)?, form.draft()?).await?))
}

#[derive(Deserialize)]
pub(crate) struct DeleteQuery {
    #[serde(default, deserialize_with = "lenient::boolean")]
    delete_media: Option<bool>,
}

/// `DELETE /api/v1/statuses/:id`: the post with its source, to be redrafted. Its pictures wait a
/// day for that, unless they are to go at once.
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(status): Path<String>,
    Query(q): Query<DeleteQuery>,
) -> Answer {
    let account = caller.member("write:statuses")?;
    let view = api.social.delete(account, id(&status)?).await?;
    if q.delete_media == Some(true) {
        api.social.discard_media_of(&api.darkroom, &view).await;
    }
    let mut json = shown(&api, &view);
    wire::put(&mut json, "text", json!(view.entry.status.text));
    Ok(json)
}

/// `GET /api/v1/statuses/:id/context`. Visitors share it, and are shown less of a long thread.
pub(crate) async fn context(
    State(api): State<Api>,
    viewer: Viewer,
    Path(status): Path<String>,
    asked: HeaderMap,
) -> Result<Response, Refused> {
    let viewer = viewer.reading("read:statuses")?;
    let status = id::<StatusId>(&status)?;
    let bounds = ThreadBounds::of(viewer);
    let made = async || {
        let thread = api.social.thread(viewer, status, &bounds).await?;
        let all = |views: &[StatusView]| views.iter().map(|v| shown(&api, v).0).collect::<Vec<_>>();
        let (above, below) = (all(&thread.ancestors), all(&thread.descendants));
        let shows = Shows::default().with(thread.ancestors.iter().chain(&thread.descendants));
        let shows = shows.and(Topic::Thread(thread.conversation));
        // Whether the post itself may still be seen is also its author's matter.
        let shows = shows.and(Topic::Status(status)).and(Topic::Account(thread.author));
        Ok::<_, Refused>((json!({ "ancestors": above, "descendants": below }), shows))
    };
    if viewer.is_some() {
        return Ok(Json(made().await?.0).into_response());
    }
    showing(&api, &format!("/api/v1/statuses/{status}/context"), &asked, made).await
}

/// `GET /api/v1/statuses/:id/source`: of whatever the member sees; a boost has no words of its own.
pub(crate) async fn source(
    State(api): State<Api>,
    caller: Caller,
    Path(status): Path<String>,
) -> Answer {
    let account = caller.member("read:statuses")?;
    let view = api.social.status(Some(account), id(&status)?).await?;
    if view.reblog.is_some() {
        return Err(ApiError::not_found().into());
    }
    let s = &view.entry.status;
    Ok(Json(json!({ "id": s.id.to_string(), "text": s.text, "spoiler_text": s.spoiler })))
}

/// `GET /api/v1/statuses/:id/history`: oldest first, the present wording last.
pub(crate) async fn history(
    State(api): State<Api>,
    viewer: Viewer,
    Path(status): Path<String>,
) -> Answer {
    let viewer = viewer.reading("read:statuses")?;
    let view = api.social.status(viewer, id(&status)?).await?;
    let urls = Urls { base: &api.base_url };
    let s = &view.entry.status;
    let mut versions = api.social.store().history(s.id).await?;
    let options = view.entry.poll.iter().flat_map(|p| p.options.iter().map(|o| o.title.clone()));
    versions.push(model::status::StatusVersion {
        at: s.edited.unwrap_or(s.created),
        text: s.text.clone(),
        spoiler: s.spoiler.clone(),
        sensitive: s.sensitive,
        media: s.media.clone(),
        described: Default::default(),
        poll_options: options.collect(),
    });
    // What an edit has taken away still belongs to the post, and to the versions that had it.
    let mut ids: Vec<MediaId> = versions.iter().flat_map(|v| v.media.iter().copied()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut media = api.social.store().media(&ids).await?;
    media.retain(|m| m.status == Some(s.id));
    let version = |v| wire::status::version(&view, v, &media, &urls);
    Ok(Json(versions.iter().map(version).collect()))
}

/// Makes the handlers that set or take away a mark.
macro_rules! marks {
    ($($name:ident: $scope:literal $mark:expr, $on:literal;)*) => {$(
        pub(crate) async fn $name(
            State(api): State<Api>,
            caller: Caller,
            Path(status): Path<String>,
        ) -> Timeline {
            let account = caller.member($scope)?;
            Ok(one(&api, &api.social.mark(account, id(&status)?, $mark, $on).await?))
        }
    )*};
}
marks! {
    favourite: "write:favourites" Mark::Favourite, true;
    unfavourite: "write:favourites" Mark::Favourite, false;
    bookmark: "write:bookmarks" Mark::Bookmark, true;
    unbookmark: "write:bookmarks" Mark::Bookmark, false;
    pin: "write:accounts" Mark::Pin, true;
    unpin: "write:accounts" Mark::Pin, false;
    mute: "write:mutes" Mark::Mute, true;
    unmute: "write:mutes" Mark::Mute, false;
}

#[derive(Deserialize)]
pub(crate) struct ReblogForm {
    visibility: Option<String>,
}

/// `POST /api/v1/statuses/:id/reblog`.
pub(crate) async fn reblog(
    State(api): State<Api>,
    caller: Caller,
    Path(status): Path<String>,
    Body(form): Body<ReblogForm>,
) -> Answer {
    let account = caller.member("write:statuses")?;
    let visibility = form.visibility.as_deref().and_then(Visibility::from_word);
    Ok(shown(&api, &api.social.reblog(account, id(&status)?, visibility).await?))
}

/// `POST /api/v1/statuses/:id/unreblog`.
pub(crate) async fn unreblog(
    State(api): State<Api>,
    caller: Caller,
    Path(status): Path<String>,
) -> Answer {
    let account = caller.member("write:statuses")?;
    Ok(shown(&api, &api.social.unreblog(account, id(&status)?).await?))
}

/// Makes the handlers that list who has done something with a post.
macro_rules! doers {
    ($($name:ident)*) => {$(
        pub(crate) async fn $name(
            State(api): State<Api>,
            viewer: Viewer,
            Path(status): Path<String>,
            OriginalUri(uri): OriginalUri,
            Query(page): Query<PageQuery>,
        ) -> Paged {
            let viewer = viewer.reading("read:accounts")?;
            let view = api.social.status(viewer, id(&status)?).await?;
            let store = api.social.store();
            let found = store.$name(view.entry.status.id, page.page(40, 80)).await?;
            edges_seen(&api, &uri, viewer, found).await
        }
    )*};
}
doers! { favourited_by reblogged_by }

async fn marked(
    api: &Api,
    caller: Caller,
    scope: &str,
    mark: Mark,
    uri: &axum::http::Uri,
    page: &PageQuery,
) -> Timeline {
    let account = caller.member(scope)?;
    let found = api.social.store().marked(account, mark, page.page(20, 40)).await?;
    let ids: Vec<StatusId> = found.iter().map(|(_, status)| *status).collect();
    let views = api.social.statuses(Some(account), &ids).await?;
    let headers = match (found.first(), found.last()) {
        (Some((first, _)), Some((last, _))) => {
            paging::link(&api.base_url, uri, first.get(), last.get())
        }
        _ => HeaderMap::new(),
    };
    Ok(posts(api, headers, &views))
}

/// `GET /api/v1/favourites`.
pub(crate) async fn favourites(
    State(api): State<Api>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<PageQuery>,
) -> Timeline {
    marked(&api, caller, "read:favourites", Mark::Favourite, &uri, &page).await
}

/// `GET /api/v1/bookmarks`.
pub(crate) async fn bookmarks(
    State(api): State<Api>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<PageQuery>,
) -> Timeline {
    marked(&api, caller, "read:bookmarks", Mark::Bookmark, &uri, &page).await
}

#[derive(Deserialize)]
pub(crate) struct VoteForm {
    #[serde(default, deserialize_with = "lenient::texts")]
    choices: Vec<String>,
}

fn poll_of(api: &Api, view: &StatusView) -> Result<Json<Value>, Refused> {
    let mut status = shown(api, view).0;
    let poll = status.get_mut("poll").map(Value::take).filter(|poll| !poll.is_null());
    Ok(Json(poll.ok_or_else(ApiError::not_found)?))
}

/// `GET /api/v1/polls/:id`.
pub(crate) async fn poll(
    State(api): State<Api>,
    viewer: Viewer,
    Path(poll): Path<String>,
) -> Answer {
    let viewer = viewer.reading("read:statuses")?;
    let found = api.social.store().polls(&[id(&poll)?]).await?.pop();
    let found = found.ok_or_else(ApiError::not_found)?;
    poll_of(&api, &api.social.status(viewer, found.status).await?)
}

/// `POST /api/v1/polls/:id/votes`.
pub(crate) async fn vote(
    State(api): State<Api>,
    caller: Caller,
    Path(poll): Path<String>,
    Body(form): Body<VoteForm>,
) -> Answer {
    let account = caller.member("write:statuses")?;
    let choices: Result<Vec<u32>, _> = form.choices.iter().map(|c| c.parse()).collect();
    let wrong = |_| ApiError::unprocessable("Validation failed: choices must be numbers");
    let choices = choices.map_err(wrong)?;
    poll_of(&api, &api.social.vote(account, id(&poll)?, &choices).await?)
}

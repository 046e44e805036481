//! Follows, requests, blocks, mutes, notes.
//! Source: <https://docs.joinmastodon.org/methods/accounts/>.

use crate::{
    Api,
    accounts::{Answer, ManyQuery, Paged, edge_links, edges, edges_seen, id},
    caller::{Caller, Viewer},
    wire::{self, Urls, account::relationship},
};
use axum::{
    Json,
    extract::{OriginalUri, Path, State},
};
use httpkit::{Body, PageQuery, Query, lenient};
use model::{AccountId, limits::MUTE_SECONDS_MAX, relation::MuteOptions};
use serde::Deserialize;
use serde_json::json;
use social::FollowWish;

/// `GET /api/v1/accounts/relationships?id[]=`.
pub(crate) async fn relationships(
    State(api): State<Api>,
    caller: Caller,
    Query(q): Query<ManyQuery>,
) -> Answer {
    let viewer = caller.member("read:follows")?;
    let ids: Vec<AccountId> = q.id.iter().take(80).filter_map(|t| t.parse().ok()).collect();
    let found = api.social.relationships(viewer, &ids).await?;
    Ok(Json(found.iter().map(relationship).collect()))
}

#[derive(Deserialize)]
pub(crate) struct FollowForm {
    #[serde(default, deserialize_with = "lenient::boolean")]
    reblogs: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    notify: Option<bool>,
    #[serde(default, deserialize_with = "lenient::some_texts")]
    languages: Option<Vec<String>>,
}

/// `POST /api/v1/accounts/:id/follow`.
pub(crate) async fn follow(
    State(api): State<Api>,
    caller: Caller,
    Path(target): Path<String>,
    Body(form): Body<FollowForm>,
) -> Answer {
    let account = caller.member("write:follows")?;
    let known = |list: Vec<String>| {
        list.into_iter().filter(|word| model::language::is_code(word)).collect()
    };
    let wish = FollowWish {
        reblogs: form.reblogs,
        notify: form.notify,
        languages: form.languages.map(known),
    };
    Ok(Json(relationship(&api.social.follow(account, id(&target)?, wish).await?)))
}

/// `POST /api/v1/accounts/:id/unfollow`.
pub(crate) async fn unfollow(
    State(api): State<Api>,
    caller: Caller,
    Path(target): Path<String>,
) -> Answer {
    let account = caller.member("write:follows")?;
    Ok(Json(relationship(&api.social.unfollow(account, id(&target)?).await?)))
}

/// `POST /api/v1/accounts/:id/remove_from_followers`.
pub(crate) async fn remove_follower(
    State(api): State<Api>,
    caller: Caller,
    Path(target): Path<String>,
) -> Answer {
    let account = caller.member("write:follows")?;
    Ok(Json(relationship(&api.social.remove_follower(account, id(&target)?).await?)))
}

/// `POST /api/v1/accounts/:id/block`.
pub(crate) async fn block(
    State(api): State<Api>,
    caller: Caller,
    Path(target): Path<String>,
) -> Answer {
    let account = caller.member("write:blocks")?;
    Ok(Json(relationship(&api.social.block(account, id(&target)?, true).await?)))
}

/// `POST /api/v1/accounts/:id/unblock`.
pub(crate) async fn unblock(
    State(api): State<Api>,
    caller: Caller,
    Path(target): Path<String>,
) -> Answer {
    let account = caller.member("write:blocks")?;
    Ok(Json(relationship(&api.social.block(account, id(&target)?, false).await?)))
}

#[derive(Deserialize)]
pub(crate) struct MuteForm {
    #[serde(default, deserialize_with = "lenient::boolean")]
    notifications: Option<bool>,
    #[serde(default, deserialize_with = "lenient::integer")]
    duration: Option<i64>,
}

/// `POST /api/v1/accounts/:id/mute`.
pub(crate) async fn mute(
    State(api): State<Api>,
    caller: Caller,
    Path(target): Path<String>,
    Body(form): Body<MuteForm>,
) -> Answer {
    let account = caller.member("write:mutes")?;
    // None, or none to speak of: until it is taken back.
    let duration = form.duration.filter(|seconds| *seconds > 0);
    let end = |seconds: i64| api.social.now().plus_ms(seconds.min(MUTE_SECONDS_MAX) * 1_000);
    let options = MuteOptions {
        notifications: form.notifications.unwrap_or(true),
        expires: duration.map(end),
    };
    Ok(Json(relationship(&api.social.mute(account, id(&target)?, Some(options)).await?)))
}

/// `POST /api/v1/accounts/:id/unmute`.
pub(crate) async fn unmute(
    State(api): State<Api>,
    caller: Caller,
    Path(target): Path<String>,
) -> Answer {
    let account = caller.member("write:mutes")?;
    Ok(Json(relationship(&api.social.mute(account, id(&target)?, None).await?)))
}

#[derive(Deserialize)]
pub(crate) struct NoteForm {
    #[serde(default)]
    comment: String,
}

/// `POST /api/v1/accounts/:id/note`.
pub(crate) async fn note(
    State(api): State<Api>,
    caller: Caller,
    Path(target): Path<String>,
    Body(form): Body<NoteForm>,
) -> Answer {
    let account = caller.member("write:accounts")?;
    let target = id(&target)?;
    let short: String = form.comment.chars().take(2_000).collect();
    api.social.relationship(account, target).await?;
    api.social.store().set_note(account, target, &short).await?;
    Ok(Json(relationship(&api.social.relationship(account, target).await?)))
}

/// Makes the handlers that list accounts by an edge of the caller's.
macro_rules! own_listings {
    ($($name:ident: $scope:literal $method:ident;)*) => {$(
        pub(crate) async fn $name(
            State(api): State<Api>,
            caller: Caller,
            OriginalUri(uri): OriginalUri,
            Query(page): Query<PageQuery>,
        ) -> Paged {
            let account = caller.member($scope)?;
            let found = api.social.store().$method(account, page.page(40, 80)).await?;
            edges(&api, &uri, found).await
        }
    )*};
}
own_listings! {
    blocks: "read:blocks" blocks;
    requests: "read:follows" requests_for;
}

/// `GET /api/v1/mutes`: whom one mutes now, and until when.
/// Source: <https://docs.joinmastodon.org/entities/Account/#MutedAccount>.
pub(crate) async fn mutes(
    State(api): State<Api>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<PageQuery>,
) -> Paged {
    let account = caller.member("read:mutes")?;
    let now = api.social.now();
    let found = api.social.store().mutes(account, page.page(40, 80), now).await?;
    let ids: Vec<AccountId> = found.iter().map(|(edge, _)| edge.account).collect();
    let urls = Urls { base: &api.base_url };
    let shown = api.social.people(&ids).await?.into_iter().map(|view| {
        let mute = found.iter().find(|(edge, _)| edge.account == view.account.id);
        let mut json = wire::account::account(&view, &urls);
        wire::put(&mut json, "mute_expires_at", json!(mute.and_then(|m| m.1).map(wire::time)));
        json
    });
    let json = shown.collect();
    Ok((edge_links(&api, &uri, found.iter().map(|(edge, _)| edge)), Json(json)))
}

/// Makes the handlers that list whom an account follows, and by whom it is followed.
macro_rules! listings {
    ($($name:ident: $method:ident;)*) => {$(
        pub(crate) async fn $name(
            State(api): State<Api>,
            viewer: Viewer,
            Path(account): Path<String>,
            OriginalUri(uri): OriginalUri,
            Query(page): Query<PageQuery>,
        ) -> Paged {
            let viewer = viewer.reading("read:accounts")?;
            let view = api.social.any_account(id(&account)?).await?;
            let (of, page) = (view.account.id, page.page(40, 80));
            let is_here = view.account.standing.suspended.is_none();
            let found = match is_here && api.social.lists_edges(viewer, &view.account).await? {
                true => api.social.store().$method(of, page).await?,
                false => vec![],
            };
            // One's own lists are whole.
            let reader = viewer.filter(|viewer| *viewer != of);
            edges_seen(&api, &uri, reader, found).await
        }
    )*};
}
listings! {
    followers: followers;
    following: following;
}

/// `POST /api/v1/follow_requests/:id/authorize`.
pub(crate) async fn authorize(
    State(api): State<Api>,
    caller: Caller,
    Path(asker): Path<String>,
) -> Answer {
    let account = caller.member("write:follows")?;
    Ok(Json(relationship(&api.social.answer_request(account, id(&asker)?, true).await?)))
}

/// `POST /api/v1/follow_requests/:id/reject`.
pub(crate) async fn reject(
    State(api): State<Api>,
    caller: Caller,
    Path(asker): Path<String>,
) -> Answer {
    let account = caller.member("write:follows")?;
    Ok(Json(relationship(&api.social.answer_request(account, id(&asker)?, false).await?)))
}

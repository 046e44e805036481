//! Lists. Source: <https://docs.joinmastodon.org/methods/lists/>.

use crate::{
    Api,
    accounts::{Answer, Paged, edges, id},
    caller::Caller,
    refusal::Refused,
    wire,
};
use axum::{
    Json,
    extract::{OriginalUri, Path, State},
    http::HeaderMap,
};
use httpkit::{ApiError, Body, PageQuery, Query, lenient};
use model::{
    AccountId, ListId,
    limits::LISTS_PER_ACCOUNT,
    list::{List, RepliesPolicy},
};
use serde::Deserialize;
use serde_json::json;

async fn own(api: &Api, account: AccountId, list: &str) -> Result<List, Refused> {
    let found = api.social.store().list(id::<ListId>(list)?).await?;
    Ok(found.filter(|l| l.account == account).ok_or_else(ApiError::not_found)?)
}

/// `GET /api/v1/lists`.
pub(crate) async fn all(State(api): State<Api>, caller: Caller) -> Answer {
    let account = caller.member("read:lists")?;
    let lists = api.social.store().lists(account).await?;
    Ok(Json(lists.iter().map(wire::other::list).collect()))
}

/// `GET /api/v1/lists/:id`.
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(list): Path<String>,
) -> Answer {
    let account = caller.member("read:lists")?;
    Ok(Json(wire::other::list(&own(&api, account, &list).await?)))
}

#[derive(Deserialize)]
pub(crate) struct ListForm {
    title: Option<String>,
    replies_policy: Option<String>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    exclusive: Option<bool>,
}

fn apply(form: ListForm, mut list: List) -> Result<List, ApiError> {
    let wrong = |what: &str| ApiError::unprocessable(format!("Validation failed: {what}"));
    if let Some(title) = form.title {
        list.title = title;
    }
    if list.title.trim().is_empty() {
        return Err(wrong("Title can't be blank"));
    }
    if list.title.chars().count() > 255 {
        return Err(wrong("Title is too long (maximum is 255 characters)"));
    }
    if let Some(word) = form.replies_policy {
        let known = RepliesPolicy::from_word(&word);
        list.replies_policy = known.ok_or_else(|| wrong("Replies policy is not included"))?;
    }
    list.exclusive = form.exclusive.unwrap_or(list.exclusive);
    Ok(list)
}

/// `POST /api/v1/lists`.
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(form): Body<ListForm>,
) -> Answer {
    let account = caller.member("write:lists")?;
    if api.social.store().lists(account).await?.len() >= LISTS_PER_ACCOUNT {
        return Err(ApiError::unprocessable("You have reached the maximum number of lists").into());
    }
    // The store gives the id; until then any will do.
    let unsaved = ListId::new(1).ok_or_else(ApiError::internal)?;
    let empty = List {
        id: unsaved,
        account,
        title: String::new(),
        replies_policy: RepliesPolicy::default(),
        exclusive: false,
    };
    let list = apply(form, empty)?;
    let id = api.social.store().create_list(&list).await?;
    Ok(Json(wire::other::list(&List { id, ..list })))
}

/// `PUT /api/v1/lists/:id`.
pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(list): Path<String>,
    Body(form): Body<ListForm>,
) -> Answer {
    let account = caller.member("write:lists")?;
    let list = apply(form, own(&api, account, &list).await?)?;
    api.social.store().change_list(&list).await?;
    Ok(Json(wire::other::list(&list)))
}

/// `DELETE /api/v1/lists/:id`.
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(list): Path<String>,
) -> Answer {
    let account = caller.member("write:lists")?;
    let list = own(&api, account, &list).await?;
    api.social.store().delete_list(&list).await?;
    Ok(Json(json!({})))
}

/// `GET /api/v1/lists/:id/accounts`: a page, or with `limit=0` all of them.
pub(crate) async fn members(
    State(api): State<Api>,
    caller: Caller,
    Path(list): Path<String>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<PageQuery>,
) -> Paged {
    let account = caller.member("read:lists")?;
    let list = own(&api, account, &list).await?;
    if !page.is_unlimited() {
        let found = api.social.store().list_members(list.id, page.page(40, 80)).await?;
        return edges(&api, &uri, found).await;
    }
    let (_, all) = edges(&api, &uri, api.social.list_members(list.id).await?).await?;
    Ok((HeaderMap::new(), all))
}

#[derive(Deserialize)]
pub(crate) struct MembersForm {
    #[serde(default, deserialize_with = "lenient::texts")]
    account_ids: Vec<String>,
}

impl MembersForm {
    fn ids(&self) -> Result<Vec<AccountId>, ApiError> {
        self.account_ids.iter().take(200).map(|t| id(t)).collect()
    }
}

/// `POST /api/v1/lists/:id/accounts`: only whom one follows.
pub(crate) async fn add(
    State(api): State<Api>,
    caller: Caller,
    Path(list): Path<String>,
    Body(form): Body<MembersForm>,
) -> Answer {
    let account = caller.member("write:lists")?;
    let list = own(&api, account, &list).await?;
    let ids = form.ids()?;
    let standing = api.social.relationships(account, &ids).await?;
    let followed = |r: &model::relation::Relationship| {
        r.following.is_some() || r.requested.is_some() || r.account == account
    };
    if standing.len() != ids.len() || !standing.iter().all(followed) {
        return Err(ApiError::not_found().into());
    }
    api.social.store().add_to_list(&list, &ids).await?;
    Ok(Json(json!({})))
}

/// `DELETE /api/v1/lists/:id/accounts`.
pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(list): Path<String>,
    Body(form): Body<MembersForm>,
) -> Answer {
    let account = caller.member("write:lists")?;
    let list = own(&api, account, &list).await?;
    api.social.store().remove_from_list(&list, &form.ids()?).await?;
    Ok(Json(json!({})))
}

/// `GET /api/v1/accounts/:id/lists`.
pub(crate) async fn with(
    State(api): State<Api>,
    caller: Caller,
    Path(target): Path<String>,
) -> Answer {
    let account = caller.member("read:lists")?;
    let lists = api.social.store().lists_with(account, id(&target)?).await?;
    Ok(Json(lists.iter().map(wire::other::list).collect()))
}

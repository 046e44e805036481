//! Accounts. Source: <https://docs.joinmastodon.org/methods/accounts/>.

use crate::{
    Api,
    caller::{Caller, Uploader, Viewer, issue_token},
    meter::MaySignUp,
    refusal::Refused,
    wire::{self, Urls},
};
use axum::{
    Json,
    extract::{OriginalUri, Path, State},
    http::HeaderMap,
};
use bytes::Bytes;
use httpkit::{ApiError, Body, PageQuery, Query, lenient, paging, upload::UploadedFile};
use model::{
    AccountId, Visibility,
    account::{ProfileChange, ProfileField},
    marker::MarkerTimeline,
    ports::TimelineQuery,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use social::{media::ProfilePictures, members::SignUp, read::Listing};

pub(crate) type Answer = Result<Json<Value>, Refused>;
pub(crate) type Paged = Result<(HeaderMap, Json<Value>), Refused>;

/// An id in a path; what is none does not exist.
pub(crate) fn id<T: std::str::FromStr>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

#[derive(Deserialize)]
pub(crate) struct SignUpForm {
    #[serde(default)]
    username: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default, deserialize_with = "lenient::boolean")]
    agreement: Option<bool>,
    locale: Option<String>,
    reason: Option<String>,
}

/// `POST /api/v1/accounts`: 200 with a token, 403 where sign-up is closed, 422 with details, 429
/// where the address has signed up too often.
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    _: MaySignUp,
    Body(form): Body<SignUpForm>,
) -> Answer {
    caller.allowed("write:accounts")?;
    // Else whoever has one account makes others past what an address may.
    if caller.account.is_some() {
        return Err(ApiError::forbidden("This method requires an app's own token").into());
    }
    if !api.social.settings().signup_open {
        return Err(ApiError::forbidden("This instance is not open to sign-up").into());
    }
    let form = SignUp {
        username: form.username,
        email: form.email,
        password: form.password,
        agreement: form.agreement.unwrap_or(false),
        locale: form.locale,
        reason: form.reason,
    };
    let account = match api.social.sign_up(&form, Some(caller.app)).await? {
        Ok(account) => account,
        Err(wrong) => {
            let mut details = Map::new();
            let mut sentences = Vec::new();
            for (field, code, text) in wrong {
                details.insert(field.into(), json!([{ "error": code, "description": text }]));
                sentences.push(format!("{field} {text}"));
            }
            return Err(ApiError::invalid(&sentences.join(", "), Value::Object(details)).into());
        }
    };
    let now = api.social.now();
    let store = api.social.store();
    let token = store.create_token(caller.app, Some(account), caller.scopes, now).await?;
    Ok(Json(json!({
        "access_token": issue_token(&api.sealer, token, Some(account)),
        "token_type": "Bearer",
        "scope": model::scope::names(caller.scopes).join(" "),
        "created_at": now.ms() / 1_000,
    })))
}

async fn own(api: &Api, account: AccountId) -> Answer {
    let view = api.social.account(account).await?;
    let member = api.social.store().member(account).await?.ok_or_else(ApiError::unauthorized)?;
    let waiting = api.social.store().requests_for(account, model::Page::newest(40)).await?.len();
    let urls = Urls { base: &api.base_url };
    Ok(Json(wire::account::credential(&view, &member, waiting, &urls)))
}

/// `GET /api/v1/accounts/verify_credentials`.
pub(crate) async fn verify(State(api): State<Api>, caller: Caller) -> Answer {
    let account = caller.member("profile").or_else(|_| caller.member("read:accounts"))?;
    own(&api, account).await
}

#[derive(Deserialize, Default)]
struct SourceForm {
    privacy: Option<String>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    sensitive: Option<bool>,
    language: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct UpdateForm {
    display_name: Option<String>,
    note: Option<String>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    locked: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    bot: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    discoverable: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    indexable: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    hide_collections: Option<bool>,
    fields_attributes: Option<Value>,
    avatar: Option<UploadedFile>,
    header: Option<UploadedFile>,
    #[serde(default)]
    source: SourceForm,
}

/// Fields come as a list, or as an object whose keys are places.
fn fields_of(value: Value) -> Vec<ProfileField> {
    let rows: Vec<Value> = match value {
        Value::Array(rows) => rows,
        Value::Object(map) => map.into_iter().map(|(_, row)| row).collect(),
        _ => vec![],
    };
    let part = |row: &Value, key: &str| {
        row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    rows.iter()
        .map(|row| ProfileField {
            name: part(row, "name"),
            value: part(row, "value"),
            verified: None,
        })
        .filter(|f| !f.name.is_empty() || !f.value.is_empty())
        .collect()
}

/// A new picture for the profile, if one was sent; a blank one changes nothing.
fn picture(file: Option<UploadedFile>) -> Option<Bytes> {
    file.filter(|file| !file.is_empty()).map(|file| file.bytes)
}

/// `PATCH /api/v1/accounts/update_credentials`.
pub(crate) async fn update(
    State(api): State<Api>,
    by: Uploader,
    Body(form): Body<UpdateForm>,
) -> Answer {
    let account = by.account;
    let pictures = ProfilePictures { avatar: picture(form.avatar), header: picture(form.header) };
    let change = ProfileChange {
        avatar: None,
        header: None,
        display_name: form.display_name,
        note: form.note,
        fields: form.fields_attributes.map(fields_of),
        locked: form.locked,
        bot: form.bot,
        discoverable: form.discoverable,
        indexable: form.indexable,
        hide_collections: form.hide_collections,
        preferences: None,
    };
    let mut preferences =
        api.social.store().member(account).await?.ok_or_else(ApiError::unauthorized)?.preferences;
    let before = preferences.clone();
    if let Some(word) = &form.source.privacy {
        let wrong = || ApiError::unprocessable("Validation failed: Privacy is not included");
        preferences.visibility = Visibility::from_word(word).ok_or_else(wrong)?;
    }
    if let Some(sensitive) = form.source.sensitive {
        preferences.sensitive = sensitive;
    }
    if let Some(language) = form.source.language {
        let known = model::language::is_code(&language);
        preferences.language = known.then_some(language);
    }
    let preferences = Some(preferences).filter(|now| *now != before);
    let change = ProfileChange { preferences, ..change };
    api.social.change_profile(&api.darkroom, account, change, pictures).await?;
    own(&api, account).await
}

/// `GET /api/v1/accounts/:id`. A suspended account is there, with nothing on it.
pub(crate) async fn show(
    State(api): State<Api>,
    viewer: Viewer,
    Path(account): Path<String>,
) -> Answer {
    viewer.reading("read:accounts")?;
    let view = api.social.any_account(id(&account)?).await?;
    Ok(Json(wire::account::account(&view, &Urls { base: &api.base_url })))
}

#[derive(Deserialize)]
pub(crate) struct ManyQuery {
    #[serde(default, deserialize_with = "lenient::texts")]
    pub id: Vec<String>,
}

/// `GET /api/v1/accounts?id[]=`: those that exist and are not suspended.
pub(crate) async fn many(
    State(api): State<Api>,
    viewer: Viewer,
    Query(q): Query<ManyQuery>,
) -> Answer {
    viewer.reading("read:accounts")?;
    let ids: Vec<AccountId> = q.id.iter().take(40).filter_map(|t| t.parse().ok()).collect();
    let urls = Urls { base: &api.base_url };
    let views = api.social.people(&ids).await?;
    Ok(Json(views.iter().map(|v| wire::account::account(v, &urls)).collect()))
}

#[derive(Deserialize)]
pub(crate) struct LookupQuery {
    #[serde(default)]
    acct: String,
}

/// `GET /api/v1/accounts/lookup?acct=`.
pub(crate) async fn lookup(
    State(api): State<Api>,
    viewer: Viewer,
    Query(q): Query<LookupQuery>,
) -> Answer {
    viewer.reading("read:accounts")?;
    let handle = model::text::Handle::parse(&q.acct).ok_or_else(ApiError::not_found)?;
    let domain = handle.domain.as_deref().filter(|d| *d != api.domain);
    let found = api.social.store().account_by_handle(&handle.username, domain).await?;
    let account = found.ok_or_else(ApiError::not_found)?;
    let view = api.social.any_account(account.id).await?;
    Ok(Json(wire::account::account(&view, &Urls { base: &api.base_url })))
}

#[derive(Deserialize)]
pub(crate) struct StatusesQuery {
    #[serde(flatten)]
    page: PageQuery,
    #[serde(default, deserialize_with = "lenient::boolean")]
    only_media: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    exclude_replies: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    exclude_reblogs: Option<bool>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    pinned: Option<bool>,
    tagged: Option<String>,
}

/// `GET /api/v1/accounts/:id/statuses`.
pub(crate) async fn statuses(
    State(api): State<Api>,
    viewer: Viewer,
    Path(account): Path<String>,
    OriginalUri(uri): OriginalUri,
    Query(q): Query<StatusesQuery>,
) -> crate::timelines::Timeline {
    let viewer = viewer.reading("read:statuses")?;
    let view = api.social.any_account(id(&account)?).await?;
    let account = view.account.id;
    let listing = if view.account.standing.suspended.is_some() {
        Listing { hides: false, views: vec![], ends: None }
    } else if q.pinned == Some(true) {
        let ids = api.social.store().pinned(account).await?;
        // All of them are on this page.
        let views = api.social.statuses(viewer, &ids).await?;
        Listing { hides: views.len() < ids.len(), views, ends: None }
    } else {
        let query = TimelineQuery::Account {
            account,
            // What this viewer may not see of it falls out at sight; visitors see no narrower.
            visibility_max: viewer.map_or(Visibility::Unlisted, |_| Visibility::Direct),
            exclude_replies: q.exclude_replies.unwrap_or(false),
            exclude_reblogs: q.exclude_reblogs.unwrap_or(false),
            only_media: q.only_media.unwrap_or(false),
            tagged: q.tagged.as_deref().map(model::text::normalise_tag),
        };
        api.social.listing(viewer, &query, q.page.page(20, 40)).await?
    };
    Ok(crate::timelines::page(&api, &uri, &listing))
}

/// `GET /api/v1/preferences`.
pub(crate) async fn preferences(State(api): State<Api>, caller: Caller) -> Answer {
    let account = caller.member("read:accounts")?;
    let member = api.social.store().member(account).await?.ok_or_else(ApiError::unauthorized)?;
    Ok(Json(wire::other::preferences(&member.preferences)))
}

#[derive(Deserialize)]
pub(crate) struct MarkersQuery {
    #[serde(default, deserialize_with = "lenient::texts")]
    timeline: Vec<String>,
}

/// `GET /api/v1/markers?timeline[]=`.
pub(crate) async fn markers(
    State(api): State<Api>,
    caller: Caller,
    Query(q): Query<MarkersQuery>,
) -> Answer {
    let account = caller.member("read:statuses")?;
    let mut json = Map::new();
    for marker in api.social.store().markers(account).await? {
        let word = marker.timeline.word();
        if q.timeline.iter().any(|t| t == word) {
            json.insert(word.to_owned(), wire::other::marker(&marker));
        }
    }
    Ok(Json(Value::Object(json)))
}

#[derive(Deserialize)]
struct MarkerForm {
    #[serde(default, deserialize_with = "lenient::integer")]
    last_read_id: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct MarkersForm {
    home: Option<MarkerForm>,
    notifications: Option<MarkerForm>,
}

/// `POST /api/v1/markers`.
pub(crate) async fn set_markers(
    State(api): State<Api>,
    caller: Caller,
    Body(form): Body<MarkersForm>,
) -> Answer {
    let account = caller.member("write:statuses")?;
    let mut json = Map::new();
    let asked =
        [(MarkerTimeline::Home, form.home), (MarkerTimeline::Notifications, form.notifications)];
    for (timeline, form) in asked {
        let Some(last) = form.and_then(|f| f.last_read_id) else { continue };
        let now = api.social.now();
        let marker = api.social.store().set_marker(account, timeline, last, now).await?;
        json.insert(timeline.word().to_owned(), wire::other::marker(&marker));
    }
    Ok(Json(Value::Object(json)))
}

/// A page of accounts with its `Link`: without those that are suspended, which page all the same.
pub(crate) async fn edges(
    api: &Api,
    uri: &axum::http::Uri,
    edges: Vec<model::relation::Edge>,
) -> Paged {
    edges_seen(api, uri, None, edges).await
}

/// The same without those whom this reader does not meet either.
pub(crate) async fn edges_seen(
    api: &Api,
    uri: &axum::http::Uri,
    reader: Option<AccountId>,
    edges: Vec<model::relation::Edge>,
) -> Paged {
    let ids: Vec<AccountId> = edges.iter().map(|e| e.account).collect();
    let urls = Urls { base: &api.base_url };
    let views = api.social.company(reader, &ids).await?;
    let json = views.iter().map(|v| wire::account::account(v, &urls)).collect();
    Ok((edge_links(api, uri, edges.iter()), Json(json)))
}

/// The `Link` of a page of edges.
pub(crate) fn edge_links<'a>(
    api: &Api,
    uri: &axum::http::Uri,
    edges: impl DoubleEndedIterator<Item = &'a model::relation::Edge> + Clone,
) -> HeaderMap {
    match (edges.clone().next(), edges.clone().next_back()) {
        (Some(first), Some(last)) => {
            paging::link(&api.base_url, uri, first.id.get(), last.id.get())
        }
        _ => HeaderMap::new(),
    }
}

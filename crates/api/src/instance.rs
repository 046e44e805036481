//! What this server says of itself. Sources: <https://docs.joinmastodon.org/methods/instance/>,
//! NodeInfo 2.0, RFC 7033 (WebFinger), RFC 8414.

use crate::{
    Api,
    accounts::Answer,
    limits::{READY_AGAIN_S, READY_KNOWN_MS, STOPPING_S},
    timelines::for_all,
    wire::{self, Urls},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use httpkit::{ApiError, Query};
use model::{Timestamp, limits, scope};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

fn configuration(api: &Api) -> Value {
    json!({
        "urls": { "streaming": api.base_url.replacen("http", "ws", 1), "status": null,
            "about": null, "privacy_policy": null, "terms_of_service": null },
        "vapid": { "public_key": "" },
        "accounts": { "max_featured_tags": 0, "max_pinned_statuses": limits::PINNED_STATUSES },
        "statuses": {
            "max_characters": api.social.settings().status_characters,
            "max_media_attachments": limits::MEDIA_PER_STATUS,
            "characters_reserved_per_url": limits::LINK_CHARACTERS,
        },
        "polls": {
            "max_options": limits::POLL_OPTIONS_MAX,
            "max_characters_per_option": limits::POLL_OPTION_CHARACTERS,
            "min_expiration": limits::POLL_SECONDS_MIN,
            "max_expiration": limits::POLL_SECONDS_MAX,
        },
        "media_attachments": {
            "supported_mime_types": ["image/jpeg", "image/png", "image/gif", "image/webp"],
            "description_limit": limits::DESCRIPTION_CHARACTERS,
            "image_size_limit": social::limits::PICTURE_BYTES_MAX,
            "image_matrix_limit": social::limits::PICTURE_PIXELS_MAX,
            "video_size_limit": 0, "video_frame_rate_limit": 0, "video_matrix_limit": 0,
        },
        "translation": { "enabled": false },
    })
}

/// Mastodon's version whose API this is, as clients parse it, and then the truth.
fn version(api: &Api) -> String {
    format!("4.7.3 (compatible; Fulmar {})", api.version)
}

/// Whom visitors may turn to: the owner's account, where there is one in good standing.
async fn contact(api: &Api) -> Result<Value, crate::refusal::Refused> {
    let owner = api.social.store().owner().await?;
    let views = api.social.accounts(owner.as_slice()).await?;
    let shown = views.iter().find(|view| view.account.standing.suspended.is_none());
    let urls = Urls { base: &api.base_url };
    Ok(shown.map_or(Value::Null, |view| wire::account::account(view, &urls)))
}

/// The rules, each with the number by which a report names it.
fn rules(api: &Api) -> Value {
    let numbered = api.rules.iter().zip(1..);
    numbered.map(|(text, id)| json!({ "id": id.to_string(), "text": text, "hint": "" })).collect()
}

/// An answer that everybody shares, and that is not sent again to who has it.
type Shared = Result<Response, crate::refusal::Refused>;

/// `GET /api/v2/instance`.
pub(crate) async fn v2(State(api): State<Api>, asked: HeaderMap) -> Shared {
    for_all(&api, "/api/v2/instance", &asked, async || described(&api).await).await
}

async fn described(api: &Api) -> Result<Value, crate::refusal::Refused> {
    let active = api.social.active().await?;
    Ok(json!({
        "domain": api.domain,
        "title": api.title,
        "version": version(api),
        "source_url": "",
        "description": api.description,
        "usage": { "users": { "active_month": active.month } },
        "thumbnail": { "url": format!("{}/static/header.svg", api.base_url) },
        "icon": [],
        "languages": api.languages,
        "configuration": configuration(api),
        "registrations": { "enabled": api.social.settings().signup_open,
            "approval_required": false, "reason_required": null, "message": null,
            "min_age": null, "url": null },
        "api_versions": { "mastodon": 1 },
        "contact": { "email": api.contact_email, "account": contact(api).await? },
        "rules": rules(api),
    }))
}

/// `GET /api/v1/instance`.
pub(crate) async fn v1(State(api): State<Api>, asked: HeaderMap) -> Shared {
    for_all(&api, "/api/v1/instance", &asked, async || described_v1(&api).await).await
}

async fn described_v1(api: &Api) -> Result<Value, crate::refusal::Refused> {
    let (members, statuses) = api.social.store().totals().await?;
    let configuration = configuration(api);
    Ok(json!({
        "uri": api.domain,
        "title": api.title,
        "short_description": api.description,
        "description": api.description,
        "email": api.contact_email,
        "version": version(api),
        "urls": { "streaming_api": configuration.pointer("/urls/streaming") },
        "stats": { "user_count": members, "status_count": statuses, "domain_count": 0 },
        "thumbnail": null,
        "languages": api.languages,
        "registrations": api.social.settings().signup_open,
        "approval_required": false,
        "invites_enabled": false,
        "configuration": configuration,
        "contact_account": contact(api).await?,
        "rules": rules(api),
    }))
}

/// `GET /.well-known/nodeinfo`.
pub(crate) async fn nodeinfo_links(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "links": [{ "rel": "http://nodeinfo.diaspora.software/ns/schema/2.0",
        "href": format!("{}/nodeinfo/2.0", api.base_url) }] }))
}

/// `GET /nodeinfo/2.0`. `upstream` tells clients whose API this is.
pub(crate) async fn nodeinfo(State(api): State<Api>, asked: HeaderMap) -> Shared {
    for_all(&api, "/nodeinfo/2.0", &asked, async || node(&api).await).await
}

async fn node(api: &Api) -> Result<Value, crate::refusal::Refused> {
    let (members, statuses) = api.social.store().totals().await?;
    let active = api.social.active().await?;
    let users = json!({ "total": members, "activeMonth": active.month,
        "activeHalfyear": active.half_year });
    Ok(json!({
        "version": "2.0",
        "software": { "name": "fulmar", "version": api.version },
        "protocols": [],
        "services": { "inbound": [], "outbound": [] },
        "usage": { "users": users, "localPosts": statuses },
        "openRegistrations": api.social.settings().signup_open,
        "metadata": { "upstream": { "name": "mastodon" } },
    }))
}

#[derive(Deserialize)]
pub(crate) struct FingerQuery {
    #[serde(default)]
    resource: String,
}

/// `GET /.well-known/webfinger`. No `self` link while there is no federation: other servers must
/// not believe that they can follow anybody here.
pub(crate) async fn webfinger(
    State(api): State<Api>,
    Query(q): Query<FingerQuery>,
) -> Result<Response, crate::refusal::Refused> {
    // An account is also asked for by the address of its page.
    let paged = q.resource.strip_prefix(&api.base_url).and_then(|path| path.strip_prefix("/@"));
    let paged = paged.map(|name| format!("{name}@{}", api.domain));
    let named = paged.as_deref().or_else(|| q.resource.strip_prefix("acct:"));
    let handle = named.and_then(model::text::Handle::parse);
    let handle =
        handle.ok_or_else(|| ApiError::bad_request("resource must be acct:name@domain"))?;
    if handle.domain.as_deref() != Some(api.domain.as_str()) {
        return Err(ApiError::not_found().into());
    }
    let found = api.social.store().account_by_handle(&handle.username, None).await?;
    let account = found.ok_or_else(ApiError::not_found)?;
    let account = api.social.account(account.id).await?;
    let page = Urls { base: &api.base_url }.account(&account.account);
    let json = json!({
        "subject": format!("acct:{}@{}", account.account.username, api.domain),
        "aliases": [page],
        "links": [{ "rel": "http://webfinger.net/rel/profile-page", "type": "text/html",
            "href": page }],
    });
    Ok(([(header::CONTENT_TYPE, "application/jrd+json")], json.to_string()).into_response())
}

/// `GET /.well-known/host-meta`.
pub(crate) async fn host_meta(State(api): State<Api>) -> Response {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <XRD xmlns=\"http://docs.oasis-open.org/ns/xri/xrd-1.0\"><Link rel=\"lrdd\" \
         template=\"{}/.well-known/webfinger?resource={{uri}}\"/></XRD>\n",
        api.base_url
    );
    ([(header::CONTENT_TYPE, "application/xrd+xml")], xml).into_response()
}

/// `GET /.well-known/oauth-authorization-server` (RFC 8414).
pub(crate) async fn oauth_metadata(State(api): State<Api>) -> Json<Value> {
    let base = &api.base_url;
    Json(json!({
        "issuer": format!("{base}/"),
        "authorization_endpoint": format!("{base}/oauth/authorize"),
        "token_endpoint": format!("{base}/oauth/token"),
        "userinfo_endpoint": format!("{base}/oauth/userinfo"),
        "revocation_endpoint": format!("{base}/oauth/revoke"),
        "app_registration_endpoint": format!("{base}/api/v1/apps"),
        "scopes_supported": scope::all_names(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": crate::oauth::grants(&api),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }))
}

/// `GET /api/v1/custom_emojis`: this server has none.
pub(crate) async fn emojis(State(api): State<Api>, asked: HeaderMap) -> Shared {
    for_all(&api, "/api/v1/custom_emojis", &asked, async || Ok(json!([]))).await
}

/// `GET /health`: the process answers. In Mastodon's own word, which probes look for.
pub(crate) async fn health() -> &'static str {
    "OK"
}

/// `GET /ready`: this server can be sent requests: the store answers, and it is not stopping.
pub(crate) async fn ready(State(api): State<Api>) -> Answer {
    if api.stopping.is_cancelled() {
        return Err(ApiError::unavailable(STOPPING_S, "stopping").into());
    }
    let now = api.social.now();
    let is_there = match api.readiness.known(now) {
        Some(is_there) => is_there,
        None => {
            let answered = api.social.store().owner().await;
            api.readiness.learn(now, answered.is_ok());
            answered.map(|_| true)?
        }
    };
    if !is_there {
        return Err(ApiError::unavailable(READY_AGAIN_S, "store_away").into());
    }
    Ok(Json(json!({ "status": "OK" })))
}

/// Whether the store answered when it was asked last. Everybody may ask whether this server is
/// ready, also while it is attacked; so the store is asked twice a second at most.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Timestamp, bool)>>);

impl Readiness {
    /// What is known, if it is known from just now. Where it is not, whoever asks finds out, and
    /// others are told what was known before.
    fn known(&self, now: Timestamp) -> Option<bool> {
        let mut kept = self.0.lock();
        let (asked, is_there) = kept.as_mut()?;
        if (0..READY_KNOWN_MS).contains(&now.since_ms(*asked)) {
            return Some(*is_there);
        }
        *asked = now;
        None
    }

    fn learn(&self, asked: Timestamp, is_there: bool) {
        *self.0.lock() = Some((asked, is_there));
    }
}

/// The picture of those who have not uploaded one.
pub(crate) async fn avatar() -> Response {
    svg("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 96 96\"><path fill=\"#c9d6de\" \
         d=\"M0 0h96v96H0z\"/><circle cx=\"48\" cy=\"38\" r=\"18\" fill=\"#7d95a5\"/>\
         <path fill=\"#7d95a5\" d=\"M12 96c0-22 16-34 36-34s36 12 36 34z\"/></svg>")
}

/// The header of those who have not uploaded one.
pub(crate) async fn header_picture() -> Response {
    svg("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 200\">\
         <path fill=\"#1f5f7a\" d=\"M0 0h600v200H0z\"/></svg>")
}

fn svg(text: &'static str) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, axum::http::HeaderValue::from_static(value));
    }
    (headers, text).into_response()
}

/// A method that a path does not have. The router says beside it which ones it has.
pub(crate) async fn no_such_method() -> Response {
    ApiError::plain(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed").into_response()
}

/// Whatever has no route.
pub(crate) async fn nowhere() -> Response {
    ApiError::plain(StatusCode::NOT_FOUND, "Not found").into_response()
}

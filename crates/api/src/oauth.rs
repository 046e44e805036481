//! Apps and OAuth 2 (RFC 6749, PKCE RFC 7636, revocation RFC 7009), but for the pages on which a
//! member consents: those are in `web`.
//! Source: <https://docs.joinmastodon.org/methods/oauth/>.

use crate::{
    Api,
    accounts::Answer,
    caller::{Caller, Newcomer, issue_token, token_of},
    meter::Spender,
    refusal::Refused,
    wire,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use httpkit::{ApiError, Body, lenient, oauth};
use model::{
    AppId,
    app::{App, ScopeRefusal},
    scope,
    token::Scopes,
};
use serde::Deserialize;
use serde_json::json;
use social::access::{LogIn, is_same_secret, sha256};

#[derive(Deserialize)]
pub(crate) struct AppForm {
    #[serde(default)]
    client_name: String,
    #[serde(default, deserialize_with = "lenient::texts")]
    redirect_uris: Vec<String>,
    #[serde(default)]
    scopes: Option<String>,
    website: Option<String>,
}

/// `POST /api/v1/apps`.
pub(crate) async fn create_app(
    State(api): State<Api>,
    spender: Spender,
    Body(form): Body<AppForm>,
) -> Answer {
    let wrong = |what: &str| ApiError::unprocessable(format!("Validation failed: {what}"));
    let name = form.client_name.trim();
    if name.is_empty() || name.chars().count() > 60 {
        return Err(wrong("Application name can't be blank or longer than 60").into());
    }
    let uris: Vec<String> =
        form.redirect_uris.iter().flat_map(|t| t.split_whitespace()).map(str::to_owned).collect();
    let harmful = |u: &String| {
        let scheme = u.split(':').next().unwrap_or("").to_ascii_lowercase();
        oauth::redirect_source(u).is_empty()
            || u.contains('#')
            // They cannot stand in the header that leads back.
            || u.chars().any(char::is_control)
            || matches!(scheme.as_str(), "javascript" | "data" | "vbscript")
    };
    if uris.is_empty() || uris.len() > 16 || uris.iter().any(|u| harmful(u) || u.len() > 2_000) {
        return Err(wrong("Redirect URI must be an absolute URI.").into());
    }
    let asked = form.scopes.as_deref().filter(|text| !text.trim().is_empty());
    let secret = api.social.secret();
    let unsaved = AppId::new(1).ok_or_else(ApiError::internal)?;
    let app = App {
        id: unsaved,
        client_id: api.social.secret(),
        client_secret_hash: sha256(secret.as_bytes()),
        name: name.to_owned(),
        website: form.website.filter(|w| w.starts_with("http") && w.len() < 2_000),
        redirect_uris: uris,
        scopes: scope::parse(asked.unwrap_or("read"))
            .ok_or_else(|| wrong("Scopes are not known"))?,
        created: api.social.now(),
    };
    spender.spend(&api.apps, spender.address, api.social.now())?;
    let id = api.social.store().create_app(&app).await?;
    Ok(Json(wire::other::app(&App { id, ..app }, Some(&secret))))
}

/// `GET /api/v1/apps/verify_credentials`.
pub(crate) async fn verify_app(State(api): State<Api>, Newcomer(caller): Newcomer) -> Answer {
    let app = api.social.store().app(caller.app).await?.ok_or_else(ApiError::unauthorized)?;
    Ok(Json(wire::other::app(&app, None)))
}

#[derive(Deserialize)]
pub(crate) struct TokenForm {
    #[serde(default)]
    grant_type: String,
    client_id: Option<String>,
    client_secret: Option<String>,
    #[serde(default)]
    redirect_uri: String,
    code: Option<String>,
    code_verifier: Option<String>,
    scope: Option<String>,
    token: Option<String>,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// The grants that [`token`] takes, for the metadata.
pub(crate) fn grants(api: &Api) -> Vec<&'static str> {
    let mut grants = vec!["authorization_code", "client_credentials"];
    if api.password_grant {
        grants.push("password");
    }
    grants
}

/// What an app asks for, if it registered that.
fn granted(app: &App, scope: Option<&str>) -> Result<Scopes, ApiError> {
    app.grant(scope).map_err(|why| {
        let text = match why {
            ScopeRefusal::Unknown => "The requested scope is invalid, unknown, or malformed.",
            ScopeRefusal::NotRegistered => "The app has not registered this scope",
        };
        ApiError::oauth(StatusCode::BAD_REQUEST, "invalid_scope", text)
    })
}

/// The app whose identifier and secret were sent, in the body or as HTTP Basic.
async fn client(api: &Api, headers: &HeaderMap, form: &TokenForm) -> Result<App, Refused> {
    let wrong = || {
        let text = "Client authentication failed due to unknown client, no client \
                    authentication included, or unsupported authentication method.";
        ApiError::oauth(StatusCode::UNAUTHORIZED, "invalid_client", text)
    };
    let (id, secret) = match (&form.client_id, &form.client_secret) {
        (Some(id), Some(secret)) => (id.clone(), secret.clone()),
        _ => oauth::basic(headers).ok_or_else(wrong)?,
    };
    let app = api.social.store().app_by_client(&id).await?.ok_or_else(wrong)?;
    if !is_same_secret(&sha256(secret.as_bytes()), &app.client_secret_hash) {
        return Err(wrong().into());
    }
    Ok(app)
}

/// `POST /oauth/token`: for a code, for the app itself, or for a password where the host allows it.
pub(crate) async fn token(
    State(api): State<Api>,
    spender: Spender,
    headers: HeaderMap,
    Body(form): Body<TokenForm>,
) -> Answer {
    let app = client(&api, &headers, &form).await?;
    let now = api.social.now();
    let wrong = |code: &str, text: &str| ApiError::oauth(StatusCode::BAD_REQUEST, code, text);
    let lacking = |what: &str| wrong("invalid_request", &format!("Missing parameter: {what}."));
    let (id, account, scopes) = match form.grant_type.as_str() {
        "" => return Err(lacking("grant_type").into()),
        "authorization_code" if form.code.as_deref().is_none_or(str::is_empty) => {
            return Err(lacking("code").into());
        }
        "authorization_code" => {
            let code = form.code.as_deref().unwrap_or("");
            let verifier = form.code_verifier.as_deref();
            let redeemed =
                api.social.redeem_code(app.id, code, &form.redirect_uri, verifier).await?;
            let Some((id, account, scopes)) = redeemed else {
                let text = "The provided authorization grant is invalid, expired, revoked, does \
                            not match the redirection URI used in the authorization request, or \
                            was issued to another client.";
                return Err(wrong("invalid_grant", text).into());
            };
            (id, Some(account), scopes)
        }
        "client_credentials" => {
            let scopes = granted(&app, form.scope.as_deref())?;
            spender.spend(&api.app_tokens, spender.address, now)?;
            (api.social.store().create_token(app.id, None, scopes, now).await?, None, scopes)
        }
        "password" if api.password_grant => {
            let scopes = granted(&app, form.scope.as_deref())?;
            let (name, password) = (form.username.as_str(), form.password.as_str());
            let attempt = LogIn { name, password, address: spender.address, device: None };
            let Some(member) = api.social.log_in(&attempt).await? else {
                let text = "This name and password do not belong together.";
                return Err(wrong("invalid_grant", text).into());
            };
            let account = Some(member.account);
            let id = api.social.store().create_token(app.id, account, scopes, now).await?;
            (id, account, scopes)
        }
        _ => {
            let text = "The authorization grant type is not supported by this server.";
            return Err(wrong("unsupported_grant_type", text).into());
        }
    };
    // Nobody may keep this (RFC 6749 section 5.1): the layer around all of `/oauth/` says so.
    Ok(Json(json!({
        "access_token": issue_token(&api.sealer, id, account),
        "token_type": "Bearer",
        "scope": scope::names(scopes).join(" "),
        "created_at": now.ms() / 1_000,
    })))
}

/// `GET` and `POST /oauth/userinfo`: who the token's member is, as OpenID Connect names it.
/// Source: <https://docs.joinmastodon.org/methods/oauth/#userinfo>.
pub(crate) async fn userinfo(State(api): State<Api>, caller: Caller) -> Answer {
    let account = caller.member("profile").or_else(|_| caller.member("read:accounts"))?;
    let view = api.social.account(account).await?;
    let shown = wire::account::account(&view, &wire::Urls { base: &api.base_url });
    let its = |name: &str| shown.get(name).cloned();
    Ok(Json(json!({
        "iss": format!("{}/", api.base_url),
        "sub": its("uri"),
        "name": its("display_name"),
        "preferred_username": its("username"),
        "profile": its("url"),
        "picture": its("avatar"),
    })))
}

/// `POST /oauth/revoke` (RFC 7009): 200 also for a token that is dead already or never was, 400
/// without any, 403 for another app's.
pub(crate) async fn revoke(
    State(api): State<Api>,
    headers: HeaderMap,
    Body(form): Body<TokenForm>,
) -> Answer {
    let app = client(&api, &headers, &form).await?;
    let text = form.token.as_deref().filter(|token| !token.is_empty()).ok_or_else(|| {
        ApiError::oauth(StatusCode::BAD_REQUEST, "invalid_request", "The token is missing")
    })?;
    if let Some(id) = token_of(&api.sealer, text)
        && let Some(token) = api.social.store().token(id).await?
    {
        if token.app != app.id {
            let text = "You are not authorized to revoke this token";
            return Err(ApiError::oauth(StatusCode::FORBIDDEN, "unauthorized_client", text).into());
        }
        api.social.store().revoke_token(id, api.social.now()).await?;
    }
    Ok(Json(json!({})))
}

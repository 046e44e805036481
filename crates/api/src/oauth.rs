//! Apps and OAuth 2 (RFC 6749, PKCE RFC 7636, revocation RFC 7009).
//! Source: <https://docs.joinmastodon.org/methods/oauth/>.

use crate::{
    Api,
    accounts::Answer,
    caller::{Caller, Newcomer, Origin, issue_token, token_of},
    device,
    refusal::Refused,
    wire,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use httpkit::{ApiError, Body, Query, lenient, oauth};
use model::{AccountId, AppId, app::App, scope, text::escape, token::Scopes};
use serde::Deserialize;
use serde_json::json;
use social::access::{LogIn, is_same_secret, sha256};

/// The redirect that means "show the code" (out of band).
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

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

fn scopes_of(text: Option<&str>) -> Result<Scopes, ApiError> {
    let wrong = || {
        let text = "The requested scope is invalid, unknown, or malformed.";
        ApiError::oauth(StatusCode::BAD_REQUEST, "invalid_scope", text)
    };
    scope::parse(text.filter(|t| !t.trim().is_empty()).unwrap_or("read")).ok_or_else(wrong)
}

/// `POST /api/v1/apps`.
pub(crate) async fn create_app(State(api): State<Api>, Body(form): Body<AppForm>) -> Answer {
    let wrong = |what: &str| ApiError::unprocessable(format!("Validation failed: {what}"));
    let name = form.client_name.trim();
    if name.is_empty() || name.chars().count() > 60 {
        return Err(wrong("Application name can't be blank or longer than 60").into());
    }
    let uris: Vec<String> =
        form.redirect_uris.iter().flat_map(|t| t.split_whitespace()).map(str::to_owned).collect();
    let harmful = |u: &String| {
        let scheme = u.split(':').next().unwrap_or("").to_ascii_lowercase();
        !u.contains(':')
            || u.contains('#')
            || matches!(scheme.as_str(), "javascript" | "data" | "vbscript")
    };
    if uris.is_empty() || uris.len() > 16 || uris.iter().any(|u| harmful(u) || u.len() > 2_000) {
        return Err(wrong("Redirect URI must be an absolute URI.").into());
    }
    let secret = api.social.secret();
    let unsaved = AppId::new(1).ok_or_else(ApiError::internal)?;
    let app = App {
        id: unsaved,
        client_id: api.social.secret(),
        client_secret_hash: sha256(secret.as_bytes()),
        name: name.to_owned(),
        website: form.website.filter(|w| w.starts_with("http") && w.len() < 2_000),
        redirect_uris: uris,
        scopes: scopes_of(form.scopes.as_deref()).map_err(|_| wrong("Scopes are not known"))?,
        created: api.social.now(),
    };
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
    let scopes = scopes_of(scope)?;
    if app.scopes.contains(scopes) {
        return Ok(scopes);
    }
    let text = "The app has not registered this scope";
    Err(ApiError::oauth(StatusCode::BAD_REQUEST, "invalid_scope", text))
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
    Origin(address): Origin,
    headers: HeaderMap,
    Body(form): Body<TokenForm>,
) -> Answer {
    let app = client(&api, &headers, &form).await?;
    let now = api.social.now();
    let wrong = |code: &str, text: &str| ApiError::oauth(StatusCode::BAD_REQUEST, code, text);
    let (id, scopes) = match form.grant_type.as_str() {
        "authorization_code" => {
            let code = form.code.as_deref().unwrap_or("");
            let verifier = form.code_verifier.as_deref();
            let redeemed =
                api.social.redeem_code(app.id, code, &form.redirect_uri, verifier).await?;
            let Some((id, _, scopes)) = redeemed else {
                let text = "The provided authorization grant is invalid, expired, revoked, does \
                            not match the redirection URI used in the authorization request, or \
                            was issued to another client.";
                return Err(wrong("invalid_grant", text).into());
            };
            (id, scopes)
        }
        "client_credentials" => {
            let scopes = granted(&app, form.scope.as_deref())?;
            (api.social.store().create_token(app.id, None, scopes, now).await?, scopes)
        }
        "password" if api.password_grant => {
            let scopes = granted(&app, form.scope.as_deref())?;
            let (name, password) = (form.username.as_str(), form.password.as_str());
            let attempt = LogIn { name, password, address, device: None };
            let Some(member) = api.social.log_in(&attempt).await? else {
                let text = "This name and password do not belong together.";
                return Err(wrong("invalid_grant", text).into());
            };
            let account = Some(member.account);
            (api.social.store().create_token(app.id, account, scopes, now).await?, scopes)
        }
        _ => {
            let text = "The authorization grant type is not supported by this server.";
            return Err(wrong("unsupported_grant_type", text).into());
        }
    };
    // Nobody may keep this (RFC 6749 section 5.1): the layer around all of `/oauth/` says so.
    Ok(Json(json!({
        "access_token": issue_token(&api.sealer, id),
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

#[derive(Deserialize, Clone)]
pub(crate) struct AuthorizeQuery {
    #[serde(default)]
    response_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    scope: Option<String>,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// Whether a form was sent from a page of ours, by what the browser says of itself: Sec-Fetch-Site
/// (Fetch Metadata), or the Origin (RFC 6454) where a browser is too old for that. What says
/// neither is no browser, and carries nobody's cookies.
fn is_our_form(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text("host")
        }
        (None, None) => true,
    }
}

/// What an app asks for, checked. The outer error is a page: nothing is sent to an address that the
/// app did not register. The inner one goes to that address (RFC 6749 section 4.1.2.1).
async fn request(
    api: &Api,
    q: &AuthorizeQuery,
) -> Result<Result<(App, Scopes), Response>, Refused> {
    let app = api.social.store().app_by_client(&q.client_id).await?;
    let app = app.ok_or_else(|| ApiError::bad_request("This app is not known here"))?;
    if !app.redirect_uris.contains(&q.redirect_uri) {
        return Err(ApiError::bad_request("The redirect URI is not one the app registered").into());
    }
    let (code, error) = if q.response_type != "code" {
        let text = "Only response_type=code is supported";
        ("unsupported_response_type", ApiError::bad_request(text))
    } else if let Err(why) =
        oauth::challenge(q.code_challenge.as_deref(), q.code_challenge_method.as_deref())
    {
        ("invalid_request", ApiError::bad_request(why))
    } else {
        match granted(&app, q.scope.as_deref()) {
            Ok(scopes) => return Ok(Ok((app, scopes))),
            Err(error) => ("invalid_scope", error),
        }
    };
    if q.redirect_uri == OUT_OF_BAND {
        return Err(error.into());
    }
    let text = error.description();
    Ok(Err(to_app(q, &[("error", code), ("error_description", text)])))
}

/// Sends the browser back to the app with an answer, and with the app's own `state`.
fn to_app(q: &AuthorizeQuery, answer: &[(&str, &str)]) -> Response {
    let mut to = q.redirect_uri.clone();
    let mut glue = if to.contains('?') { '&' } else { '?' };
    for (name, value) in answer.iter().copied().chain(q.state.as_deref().map(|s| ("state", s))) {
        to.push(glue);
        to.push_str(name);
        to.push('=');
        to.extend(percent_encoding::utf8_percent_encode(value, IN_QUERY));
        glue = '&';
    }
    Redirect::to(&to).into_response()
}

/// Everything but what RFC 3986 section 2.3 leaves unreserved.
const IN_QUERY: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn page(title: &str, body: &str, form_action: &str) -> Response {
    let action: String =
        form_action.chars().filter(|c| !c.is_control() && !matches!(c, ';' | ',' | ' ')).collect();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self' {action}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Html(html)).into_response()
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#f4f1ea;color:#22303c;\
margin:0;display:grid;place-items:center;min-height:100vh}main{background:#fff;padding:2rem;\
border-radius:12px;max-width:22rem;width:calc(100% - 6rem);box-shadow:0 2px 16px #0001}\
label{display:block;margin:.75rem 0}input{display:block;width:100%;box-sizing:border-box;\
padding:.6rem;font:inherit;border:1px solid #9aa5ad;border-radius:6px}button{font:inherit;\
padding:.6rem 1.2rem;border:0;border-radius:6px;background:#1f5f7a;color:#fff}\
[role=alert]{color:#a3241c}code{word-break:break-all}";
/// SHA-256 of [`STYLE`] in base64; a test holds them together.
const STYLE_HASH: &str = "zimBRgoz2IySTDuHS+FJBJ7O6S6/CfZ/tWtGv9+i+js=";

fn log_in_page(app: &App, scopes: Scopes, q: &AuthorizeQuery, wrong: Option<&str>) -> Response {
    let mut body = String::from("<h1>Log in</h1><p><strong>");
    escape(&app.name, &mut body);
    body.push_str("</strong> asks for: ");
    escape(&scope::names(scopes).join(", "), &mut body);
    body.push_str("</p>");
    if let Some(wrong) = wrong {
        body.push_str("<p role=\"alert\">");
        escape(wrong, &mut body);
        body.push_str("</p>");
    }
    body.push_str("<form method=\"post\" action=\"/oauth/authorize\">");
    let method = q.code_challenge.as_ref().map(|_| "S256".to_owned());
    for (name, value) in [
        ("response_type", Some(q.response_type.clone())),
        ("client_id", Some(q.client_id.clone())),
        ("redirect_uri", Some(q.redirect_uri.clone())),
        ("scope", q.scope.clone()),
        ("state", q.state.clone()),
        ("code_challenge", q.code_challenge.clone()),
        ("code_challenge_method", method),
    ] {
        let Some(value) = value else { continue };
        body.push_str(&format!("<input type=\"hidden\" name=\"{name}\" value=\""));
        escape(&value, &mut body);
        body.push_str("\">");
    }
    body.push_str(
        "<label>E-mail address or name<input name=\"username\" required autofocus \
         autocomplete=\"username\"></label><label>Password<input name=\"password\" \
         type=\"password\" required autocomplete=\"current-password\"></label>\
         <button>Log in and allow</button></form>",
    );
    page("Log in", &body, &oauth::redirect_source(&q.redirect_uri))
}

/// `GET /oauth/authorize`: the log-in page, which is the consent too.
pub(crate) async fn authorize_page(
    State(api): State<Api>,
    Query(q): Query<AuthorizeQuery>,
) -> Result<Response, Refused> {
    let (app, scopes) = match request(&api, &q).await? {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal),
    };
    Ok(log_in_page(&app, scopes, &q, None))
}

/// `POST /oauth/authorize`: a code for the right password. Forms from elsewhere are refused by
/// their origin; there is no ambient log-in that they could abuse either.
pub(crate) async fn authorize(
    State(api): State<Api>,
    Origin(address): Origin,
    headers: HeaderMap,
    Body(q): Body<AuthorizeQuery>,
) -> Result<Response, Refused> {
    if !is_our_form(&headers) {
        return Err(ApiError::forbidden("This form was sent from elsewhere").into());
    }
    let (app, scopes) = match request(&api, &q).await? {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal),
    };
    let (name, password) = (q.username.as_str(), q.password.as_str());
    let attempt = LogIn { name, password, address, device: device::known(&api, &headers) };
    let Some(member) = api.social.log_in(&attempt).await? else {
        let wrong = "This name and password do not belong together.";
        return Ok(log_in_page(&app, scopes, &q, Some(wrong)));
    };
    let challenge = q.code_challenge.clone().filter(|c| !c.is_empty());
    let code =
        api.social.issue_code(app.id, member.account, scopes, &q.redirect_uri, challenge).await?;
    if q.redirect_uri == OUT_OF_BAND {
        let body =
            format!("<h1>Your code</h1><p>Copy it into the app:</p><p><code>{code}</code></p>");
        return Ok(remembered(&api, &attempt, member.account, page("Your code", &body, "")));
    }
    Ok(remembered(&api, &attempt, member.account, to_app(&q, &[("code", &code)])))
}

/// The answer to a right password: the browser is a known one from now on.
fn remembered(
    api: &Api,
    attempt: &LogIn<'_>,
    account: AccountId,
    mut answer: Response,
) -> Response {
    let is_known = attempt.device.is_some_and(|device| device.account == account);
    let cookie = if is_known { None } else { device::remember(api, account) };
    if let Some(cookie) = cookie {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    #[test]
    fn the_page_style_is_the_one_its_policy_admits() {
        let hash = sha256(STYLE.as_bytes());
        assert_eq!(base64::engine::general_purpose::STANDARD.encode(hash), STYLE_HASH);
    }

    #[test]
    fn a_form_from_elsewhere_is_known_by_either_header() {
        for (site, origin, ours) in [
            (Some("same-origin"), None, true),
            (Some("cross-site"), Some("https://social.example"), false),
            (Some("same-site"), None, false),
            (None, Some("https://social.example"), true),
            (None, Some("https://evil.example"), false),
            (None, Some("https://social.example.evil.example"), false),
            (None, Some("null"), false),
            (None, None, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", "social.example".parse().unwrap());
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is_our_form(&headers), ours, "{site:?} {origin:?}");
        }
    }
}

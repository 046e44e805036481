//! What every answer of the API says besides its body: how much of its caller's allowance is left,
//! and that nobody may keep it unless the handler says otherwise. Only sign-ups are refused here;
//! everything else is refused by what the machine can bear, in `shield`.
//!
//! Source: <https://docs.joinmastodon.org/api/rate-limits/>.

use crate::{
    Api,
    caller::{Caller, Shown, bearer, caller_of},
};
use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use httpkit::{
    ApiError,
    client_address::principal,
    rate::{self, Report, Rule},
};

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// The middleware of all routes; what is no part of the API passes through as it is.
pub(crate) async fn layer(State(api): State<Api>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_api = path.starts_with("/api/");
    if !is_api && !path.starts_with("/oauth/") {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let told = if is_api { Some(count(&api, &mut parts).await) } else { None };
    let is_shared = parts.method == Method::GET && !parts.headers.contains_key("authorization");
    let mut response = match told {
        Some(Err(refused)) => {
            ApiError::too_many(refused.wait_s(api.social.now().ms())).into_response()
        }
        _ => next.run(Request::from_parts(parts, body)).await,
    };
    let headers = response.headers_mut();
    if let Some(Ok(report) | Err(report)) = told {
        report.write(headers);
    }
    if is_shared {
        headers.entry(header::CACHE_CONTROL).or_insert(PRIVATE);
    } else {
        headers.insert(header::CACHE_CONTROL, PRIVATE);
    }
    response
}

/// Counts the request for whoever sends it; `Err` where it is a sign-up too many.
async fn count(api: &Api, parts: &mut Parts) -> Result<Report, Report> {
    let caller = known(api, parts).await;
    let now_ms = api.social.now().ms();
    let count = |rule: Rule, principal: u64| api.meter.count(rule, principal, now_ms);
    if let Some(account) = caller.and_then(|caller| caller.account) {
        let account = account.get().cast_unsigned();
        let all = count(rate::ACCOUNT, account);
        return Ok(special(parts).map_or(all, |rule| count(rule, account).or_tighter(all)));
    }
    let address = principal((api.address_of)(parts));
    let all = count(rate::ADDRESS, address);
    // Without a token nothing is signed up, so nothing is used.
    if caller.is_some() && is_sign_up(parts) {
        return api.sign_ups.take(address, now_ms).map(|report| report.or_tighter(all));
    }
    Ok(all)
}

/// Looks the token up and leaves what it found to the handler. Where the store is away nothing is
/// left, and the handler meets that by itself.
async fn known(api: &Api, parts: &mut Parts) -> Option<Caller> {
    let text = bearer(parts)?;
    let caller = match caller_of(api, &text).await {
        Ok(caller) => Some(caller),
        Err(refused) if refused.0.status() == StatusCode::UNAUTHORIZED => None,
        Err(_) => return None,
    };
    parts.extensions.insert(Shown(caller));
    caller
}

fn is_sign_up(parts: &Parts) -> bool {
    parts.method == Method::POST && plain(parts) == "/api/v1/accounts"
}

/// The path without the slash at its end, which is answered all the same.
fn plain(parts: &Parts) -> &str {
    let path = parts.uri.path();
    path.strip_suffix('/').unwrap_or(path)
}

/// The rule that a request of a member falls under besides the general one.
fn special(parts: &Parts) -> Option<Rule> {
    let path = plain(parts);
    let post = path.strip_prefix("/api/v1/statuses/");
    if parts.method == Method::POST {
        let is_media = path == "/api/v1/media" || path == "/api/v2/media";
        let is_undone = post.is_some_and(|rest| rest.ends_with("/unreblog"));
        return if is_media { Some(rate::MEDIA) } else { is_undone.then_some(rate::DELETE) };
    }
    let is_deleted = parts.method == Method::DELETE && post.is_some_and(|id| !id.contains('/'));
    is_deleted.then_some(rate::DELETE)
}

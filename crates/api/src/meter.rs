//! What every answer of the API says besides its body: how much of its caller's allowance is left,
//! and that nobody may keep it unless the handler says otherwise. Only sign-ups and uploads are
//! refused, by their handlers; everything else is refused by what the machine can bear, in
//! `shield`.
//!
//! A hook, and it asks the store nothing: a token that is not in memory is looked up by whoever
//! answers, and counted with the answer.
//!
//! Source: <https://docs.joinmastodon.org/api/rate-limits/>.

use crate::{
    Api,
    caller::{Caller, Sealed, Shown, bearer, token_of},
    refusal::Refused,
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, Method, Request, Uri, header, request::Parts},
    response::Response,
};
use httpkit::{
    ApiError,
    client_address::principal,
    hook::{After, Hook},
    rate::{self, Report, Rule},
};
use model::TokenId;
use std::sync::{Arc, OnceLock};

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// Counts the requests to the API and says so in its answers; what is no part of the API passes
/// through as it is.
#[derive(Clone)]
pub struct Allowances(pub Api);

/// What is known of a request until its answer is there.
pub struct Counted {
    told: Told,
    sign_up: Option<SignUps>,
    /// A visitor's GET, whose answer others may keep where the handler says so.
    is_shared: bool,
}

/// What the answer will say.
enum Told {
    /// Nothing: OAuth has no allowance.
    Nothing,
    /// This.
    Report(Report),
    /// What the count of this token's account gives, or else that of the address.
    OfToken(TokenId, Count, u64),
}

/// Under which rules a request counts.
#[derive(Clone, Copy)]
struct Count {
    special: Option<Rule>,
    now_ms: i64,
}

impl Count {
    fn of_account(self, api: &Api, account: u64) -> Report {
        let count = |rule| api.meter.count(rule, account, self.now_ms);
        let all = count(rate::ACCOUNT);
        self.special.map_or(all, |rule| count(rule).or_tighter(all))
    }

    fn of_address(self, api: &Api, address: u64) -> Report {
        api.meter.count(rate::ADDRESS, address, self.now_ms)
    }

    /// Of the account behind a caller, or of the address where there is none.
    fn of(self, api: &Api, caller: Option<Caller>, address: u64) -> Report {
        match caller.and_then(|caller| caller.account) {
            Some(account) => self.of_account(api, account.get().cast_unsigned()),
            None => self.of_address(api, address),
        }
    }
}

impl Hook for Allowances {
    type Kept = Option<Counted>;

    fn before<B>(&self, request: &mut Request<B>) -> Result<Option<Counted>, Box<Response>> {
        let path = request.uri().path();
        let is_api = path.starts_with("/api/");
        let is_counted = is_api || path.starts_with("/oauth/");
        if !is_counted || request.method() == Method::OPTIONS {
            return Ok(None);
        }
        let is_shared = request.method() == Method::GET
            && !request.headers().contains_key(header::AUTHORIZATION);
        let sign_up = is_sign_up(request.method(), request.uri()).then(SignUps::default);
        if let Some(sign_up) = &sign_up {
            request.extensions_mut().insert(sign_up.clone());
        }
        let told = if is_api { self.told(request) } else { Told::Nothing };
        Ok(Some(Counted { told, sign_up, is_shared }))
    }

    fn after(&self, kept: Option<Counted>, response: Response) -> After {
        let Some(Counted { told, sign_up, is_shared }) = kept else { return After::Now(response) };
        let sign_up = sign_up.and_then(|uses| uses.0.get().copied());
        let report = match told {
            Told::Nothing => None,
            Told::Report(report) => Some(report),
            Told::OfToken(token, count, address) => {
                if let Some(caller) = Caller::known(&self.0, token) {
                    Some(count.of(&self.0, Some(caller), address))
                } else {
                    // Whoever answered did not ask whose it is; few do not.
                    let api = self.0.clone();
                    return After::Later(Box::pin(async move {
                        let live = Caller::alive(&api, token).await.ok();
                        let report = count.of(&api, live, address);
                        said(Some(report), sign_up, is_shared, response)
                    }));
                }
            }
        };
        After::Now(said(report, sign_up, is_shared, response))
    }
}

impl Allowances {
    /// Counts a request as far as it can be told without asking the store, and leaves to the
    /// handler what its token turned out to be.
    fn told<B>(&self, request: &mut Request<B>) -> Told {
        let api = &self.0;
        let special = special(request.method(), request.uri());
        let count = Count { special, now_ms: api.social.now().ms() };
        let address = || principal((api.address_of)(request.extensions(), request.headers()));
        let Some(text) = bearer(request.headers()) else {
            return Told::Report(count.of_address(api, address()));
        };
        let Some(token) = token_of(&api.sealer, text) else {
            let told = Told::Report(count.of_address(api, address()));
            request.extensions_mut().insert(Shown(None));
            return told;
        };
        match Caller::known(api, token) {
            Some(caller) => {
                let told = Told::Report(match caller.account {
                    Some(account) => count.of_account(api, account.get().cast_unsigned()),
                    None => count.of_address(api, address()),
                });
                request.extensions_mut().insert(Shown(Some(caller)));
                told
            }
            None => {
                let told = Told::OfToken(token, count, address());
                request.extensions_mut().insert(Sealed(token));
                told
            }
        }
    }
}

/// Writes what the answer says of its caller's allowance, and who may keep it.
fn said(
    report: Option<Report>,
    sign_up: Option<Report>,
    is_shared: bool,
    mut response: Response,
) -> Response {
    let headers = response.headers_mut();
    if let Some(report) = report {
        sign_up.map_or(report, |sign_up| sign_up.or_tighter(report)).write(headers);
    }
    if is_shared {
        headers.entry(header::CACHE_CONTROL).or_insert(PRIVATE);
    } else {
        headers.insert(header::CACHE_CONTROL, PRIVATE);
    }
    response
}

/// What an address has left of its sign-ups, once one was used by the request at hand.
#[derive(Clone, Default)]
struct SignUps(Arc<OnceLock<Report>>);

/// Leave to sign somebody up: one of the address's sign-ups is used by asking for it, and where
/// none is left the request is refused. To be asked for after the caller's token: without one
/// nothing is signed up, so nothing is used.
pub(crate) struct MaySignUp;

impl FromRequestParts<Api> for MaySignUp {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let now_ms = api.social.now().ms();
        let address = principal((api.address_of)(&parts.extensions, &parts.headers));
        let taken = api.sign_ups.take(address, now_ms);
        if let Some(uses) = parts.extensions.get::<SignUps>() {
            let (Ok(report) | Err(report)) = taken;
            let _set_once = uses.0.set(report);
        }
        match taken {
            Ok(_) => Ok(Self),
            Err(refused) => Err(ApiError::too_many(refused.wait_s(now_ms)).into()),
        }
    }
}

fn is_sign_up(method: &Method, uri: &Uri) -> bool {
    method == Method::POST && plain(uri) == "/api/v1/accounts"
}

/// The path without the slash at its end, which is answered all the same.
fn plain(uri: &Uri) -> &str {
    let path = uri.path();
    path.strip_suffix('/').unwrap_or(path)
}

/// The rule that a request of a member falls under besides the general one.
fn special(method: &Method, uri: &Uri) -> Option<Rule> {
    if method == Method::GET {
        return None;
    }
    let path = plain(uri);
    let post = path.strip_prefix("/api/v1/statuses/");
    if method == Method::POST {
        let is_media = path == "/api/v1/media" || path == "/api/v2/media";
        let is_undone = post.is_some_and(|rest| rest.ends_with("/unreblog"));
        return if is_media { Some(rate::MEDIA) } else { is_undone.then_some(rate::DELETE) };
    }
    let is_deleted = method == Method::DELETE && post.is_some_and(|id| !id.contains('/'));
    is_deleted.then_some(rate::DELETE)
}

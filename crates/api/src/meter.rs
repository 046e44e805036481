//! What every answer of the API says besides its body: how much of its caller's allowance is left,
//! and that nobody may keep it unless the handler says otherwise. Only sign-ups, uploads and what
//! is stored for apps without a member are refused, by their handlers through a [`Spender`];
//! everything else is refused by what the machine can bear, in `shield`.
//!
//! A hook, and it asks the store nothing: a token that is not in memory is looked up by whoever
//! answers, and counted with the answer.
//!
//! Source: <https://docs.joinmastodon.org/api/rate-limits/>.

use crate::{
    Api,
    caller::{Bearer, Caller, Sealed, Shown, bearer, token_of},
    refusal::Refused,
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, Method, Request, Uri, header, request::Parts},
    response::Response,
};
use httpkit::{
    ApiError,
    allowance::Allowance,
    client_address::principal,
    hook::{After, Hook},
    rate::{self, Report, Rule},
};
use model::{Timestamp, TokenId};
use std::sync::{Arc, OnceLock};

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// Counts the requests to the API and says so in its answers; what is no part of the API passes
/// through as it is.
#[derive(Clone)]
pub struct Allowances(pub Api);

/// What is known of a request until its answer is there.
pub struct Counted {
    told: Told,
    /// Where the handler may spend of an allowance that is refused when used up: what it spent.
    spent: Option<Spent>,
    /// A visitor's GET, whose answer others may keep where the handler says so.
    is_shared: bool,
}

/// What the answer will say.
enum Told {
    /// Nothing: OAuth has none but for what its handler spends.
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
        let told = if is_api { self.told(request) } else { Told::Nothing };
        let spent = spends(request.method(), request.uri()).then(|| {
            let spent = Spent::default();
            request.extensions_mut().insert(spent.clone());
            spent
        });
        Ok(Some(Counted { told, spent, is_shared }))
    }

    fn after(&self, kept: Option<Counted>, response: Response) -> After {
        let Some(Counted { told, spent, is_shared }) = kept else { return After::Now(response) };
        let spent = spent.and_then(|spent| spent.0.get().copied());
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
                        said(Some(report), spent, is_shared, response)
                    }));
                }
            }
        };
        After::Now(said(report, spent, is_shared, response))
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
        // What was opened on the way in need not be looked for again.
        let token = match request.extensions().get::<Bearer>() {
            Some(Bearer(opened)) => opened.map(|opened| opened.token),
            None => {
                let Some(text) = bearer(request.headers()) else {
                    return Told::Report(count.of_address(api, address()));
                };
                token_of(&api.sealer, text)
            }
        };
        let Some(token) = token else {
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
    spent: Option<Report>,
    is_shared: bool,
    mut response: Response,
) -> Response {
    let headers = response.headers_mut();
    let tighter = match (report, spent) {
        (Some(report), Some(spent)) => Some(spent.or_tighter(report)),
        (report, spent) => spent.or(report),
    };
    if let Some(report) = tighter {
        report.write(headers);
    }
    if is_shared {
        headers.entry(header::CACHE_CONTROL).or_insert(PRIVATE);
    } else {
        headers.insert(header::CACHE_CONTROL, PRIVATE);
    }
    response
}

/// What is left of an allowance, once one was spent of it by the request at hand.
#[derive(Clone, Default)]
struct Spent(Arc<OnceLock<Report>>);

/// Whoever may spend of an allowance that is refused when it is used up. What is spent is said in
/// the answer.
pub(crate) struct Spender {
    /// The number of the address that the request comes from.
    pub address: u64,
    spent: Option<Spent>,
}

impl Spender {
    /// Spends one; 429 where none is left.
    pub fn spend(&self, from: &Allowance, principal: u64, now: Timestamp) -> Result<(), ApiError> {
        let taken = from.take(principal, now.ms());
        if let Some(spent) = &self.spent {
            let (Ok(report) | Err(report)) = taken;
            let _set_once = spent.0.set(report);
        }
        taken.map(drop).map_err(|refused| ApiError::too_many(refused.wait_s(now.ms())))
    }
}

impl FromRequestParts<Api> for Spender {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Self::Rejection> {
        let address = principal((api.address_of)(&parts.extensions, &parts.headers));
        Ok(Self { address, spent: parts.extensions.get().cloned() })
    }
}

/// Leave to sign somebody up: one of the address's sign-ups is used by asking for it, and where
/// none is left the request is refused. To be asked for after the caller's token: without one
/// nothing is signed up, so nothing is used.
pub(crate) struct MaySignUp;

impl FromRequestParts<Api> for MaySignUp {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let Ok(spender) = Spender::from_request_parts(parts, api).await;
        spender.spend(&api.sign_ups, spender.address, api.social.now())?;
        Ok(Self)
    }
}

/// Whether the handler of this may spend of an allowance.
fn spends(method: &Method, uri: &Uri) -> bool {
    let places =
        ["/api/v1/accounts", "/api/v1/apps", "/api/v1/media", "/api/v2/media", "/oauth/token"];
    method == Method::POST && places.contains(&plain(uri))
}

/// The path without the slash at its end, which is answered all the same.
fn plain(uri: &Uri) -> &str {
    let path = uri.path();
    path.strip_suffix('/').unwrap_or(path)
}

/// The rule that a request of a member falls under besides the general one, and is only reported.
fn special(method: &Method, uri: &Uri) -> Option<Rule> {
    if method == Method::GET {
        return None;
    }
    let path = plain(uri);
    let post = path.strip_prefix("/api/v1/statuses/");
    if method == Method::POST {
        let is_undone = post.is_some_and(|rest| rest.ends_with("/unreblog"));
        return is_undone.then_some(rate::DELETE);
    }
    let is_deleted = method == Method::DELETE && post.is_some_and(|id| !id.contains('/'));
    is_deleted.then_some(rate::DELETE)
}

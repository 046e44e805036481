//! Who calls: a bearer token, verified by its MAC before anything else is asked (RFC 6750).

use crate::{Api, meter::Spender, refusal::Refused, seats::Seat};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use httpkit::{ApiError, Sealer, seal::Kind};
use model::{AccountId, AppId, TokenId, scope, token::Scopes};
use social::access::LiveToken;

/// What a token's string says by itself, to whoever has the key: nobody needs to be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Which token it is.
    pub token: TokenId,
    /// Whose it was when it was given; none of an app's own token.
    pub account: Option<AccountId>,
}

/// What the token in a request's header says, for the rooms further in: an extension of requests
/// whose token was opened on their way in. None: this server did not seal it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bearer(pub Option<Opened>);

/// A token's string.
pub fn issue_token(sealer: &Sealer, token: TokenId, account: Option<AccountId>) -> String {
    let mut said = [0_u8; 16];
    let (of_token, of_account) = said.split_at_mut(8);
    of_token.copy_from_slice(&token.get().to_be_bytes());
    let Some(account) = account else { return sealer.seal(Kind::Token, of_token) };
    of_account.copy_from_slice(&account.get().to_be_bytes());
    sealer.seal(Kind::Token, &said)
}

/// What a string says, if this server sealed it as a token.
pub fn open_token(sealer: &Sealer, text: &str) -> Option<Opened> {
    let said = sealer.open(Kind::Token, text)?;
    let (token, rest) = said.split_first_chunk::<8>()?;
    let token = TokenId::new(i64::from_be_bytes(*token))?;
    let account = match rest {
        [] => None,
        rest => Some(AccountId::new(i64::from_be_bytes(rest.try_into().ok()?))?),
    };
    Some(Opened { token, account })
}

/// The token that a string stands for, if this server sealed it.
pub fn token_of(sealer: &Sealer, text: &str) -> Option<TokenId> {
    open_token(sealer, text).map(|opened| opened.token)
}

/// Somebody with a live token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub app: AppId,
    pub account: Option<AccountId>,
    pub scopes: Scopes,
    /// They signed up and have yet to confirm their address.
    pub unconfirmed: bool,
}

impl Caller {
    /// The caller, unless the account waits for its address to be confirmed.
    pub fn confirmed(self) -> Result<Self, ApiError> {
        if self.unconfirmed {
            let text = "Your login is missing a confirmed e-mail address";
            return Err(ApiError::forbidden(text));
        }
        Ok(self)
    }

    /// The member, if the token is one's and may do this.
    pub fn member(&self, needs: &str) -> Result<AccountId, ApiError> {
        self.allowed(needs)?;
        self.account.ok_or_else(|| {
            let text = "This method requires an authenticated user";
            ApiError::plain(axum::http::StatusCode::UNPROCESSABLE_ENTITY, text)
        })
    }

    /// Whether the token may do this.
    pub fn allowed(&self, needs: &str) -> Result<(), ApiError> {
        let needed = scope::parse(needs).ok_or_else(ApiError::internal)?;
        if self.scopes.contains(needed) { Ok(()) } else { Err(ApiError::outside_scopes()) }
    }
}

impl From<&LiveToken> for Caller {
    fn from(live: &LiveToken) -> Self {
        let unconfirmed = live.unconfirmed;
        Self { app: live.app, account: live.account, scopes: live.scopes, unconfirmed }
    }
}

/// What a request's token turned out to be, looked up once on its way in.
#[derive(Clone, Copy)]
pub(crate) struct Shown(pub Option<Caller>);

/// A request's token, which this server sealed; whether it lives is still to be asked.
#[derive(Clone, Copy)]
pub(crate) struct Sealed(pub TokenId);

/// The token in the header, if there is one.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The caller behind a token string.
pub(crate) async fn caller_of(api: &Api, text: &str) -> Result<Caller, Refused> {
    let id = token_of(&api.sealer, text).ok_or_else(ApiError::unauthorized)?;
    Caller::alive(api, id).await
}

impl Caller {
    /// The caller behind a token, if the token is in memory.
    pub fn known(api: &Api, token: TokenId) -> Option<Self> {
        api.social.known_token(token).as_deref().map(Self::from)
    }

    /// The caller behind a token.
    pub async fn alive(api: &Api, token: TokenId) -> Result<Self, Refused> {
        let live = api.social.live_token(token).await?.ok_or_else(ApiError::unauthorized)?;
        Ok(Self::from(&*live))
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let Newcomer(caller) = Newcomer::from_request_parts(parts, api).await?;
        Ok(caller.confirmed()?)
    }
}

/// A caller who may have yet to confirm their address. For the few routes that they may use.
pub(crate) struct Newcomer(pub Caller);

impl FromRequestParts<Api> for Newcomer {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        if let Some(Shown(caller)) = parts.extensions.get() {
            return caller.map(Self).ok_or_else(|| ApiError::unauthorized().into());
        }
        if let Some(Sealed(token)) = parts.extensions.get() {
            return Caller::alive(api, *token).await.map(Self);
        }
        let text = bearer(&parts.headers).ok_or_else(ApiError::unauthorized)?;
        caller_of(api, text).await.map(Self)
    }
}

/// What a token must be allowed to do on a route that takes files: said where the route is.
#[derive(Clone, Copy)]
pub(crate) struct UploadScope(pub &'static str);

/// The scope of uploads, which have an allowance that is refused when used up.
pub(crate) const MEDIA: &str = "write:media";

/// A member who sends files, asked for before a byte of them is read: who may not send any does not
/// get them into memory, and neither does whoever sends too many, at once or in all.
pub(crate) struct Uploader {
    pub account: AccountId,
    _seat: Option<Seat>,
}

impl FromRequestParts<Api> for Uploader {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let UploadScope(scope) = *parts.extensions.get().ok_or_else(ApiError::internal)?;
        let account = caller.member(scope)?;
        let Ok(spender) = Spender::from_request_parts(parts, api).await;
        // Only multipart carries files; the other encodings are as small as anywhere.
        let kind = parts.headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().trim_ascii());
        let is_large = kind.is_some_and(|kind| {
            kind.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
        });
        let seat = || api.upload_seats.take(account, Some(spender.address));
        let seat = is_large.then(seat).transpose()?;
        // Last: who got no seat has sent nothing, and shall not pay for it.
        if scope == MEDIA {
            let principal = account.get().cast_unsigned();
            spender.spend(&api.uploads, principal, api.social.now())?;
        }
        Ok(Self { account, _seat: seat })
    }
}

/// The number under which the address is counted that a request comes from.
pub(crate) struct Origin(pub u64);

impl FromRequestParts<Api> for Origin {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Self::Rejection> {
        Ok(Self(httpkit::client_address::principal((api.address_of)(
            &parts.extensions,
            &parts.headers,
        ))))
    }
}

/// Anybody: a visitor, or somebody whose token must then be good. Who it is comes out with a scope
/// named, so that no token sees more than it was given for.
pub(crate) struct Viewer(Option<Caller>);

impl Viewer {
    /// The member, if the request has a member's token; a token must be one that may do this.
    pub fn reading(&self, needs: &str) -> Result<Option<AccountId>, ApiError> {
        let Some(caller) = &self.0 else { return Ok(None) };
        caller.allowed(needs)?;
        Ok(caller.account)
    }
}

impl FromRequestParts<Api> for Viewer {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        if bearer(&parts.headers).is_none() {
            return Ok(Self(None));
        }
        Ok(Self(Some(Caller::from_request_parts(parts, api).await?)))
    }
}

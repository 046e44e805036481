//! Who sits at a browser: the member whose session its cookie opens, and the mark by which a form
//! is known to come from a page that this browser was shown. Before somebody has logged in that
//! mark belongs to a cookie of its own.
//!
//! Three cookies, all out of scripts' reach: `session` (a sealed secret), `form` (nothing but
//! chance, until the browser is closed), and `device`, which admits to nothing and only lets its
//! member try a password where strangers have used the tries up.

use crate::{
    Site,
    frame::{self},
    refusal::Refused,
};
use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Redirect, Response},
};
use httpkit::{
    ApiError, Sealer, client_address::principal, cookie::Transport, csrf, seal::Kind, security::Csp,
};
use model::{AccountId, browser, token::Session};
use social::{
    access::{Device, LogIn},
    limits::SESSION_DAYS,
    session::Entrance,
};

const SESSION: &str = "session";
const FORM: &str = "form";
const DEVICE: &str = "device";
const DAY_S: u64 = 86_400;
/// How long a browser is a known one.
const DEVICE_S: u64 = 365 * DAY_S;

/// A member at their browser.
pub(crate) struct Member {
    /// Their session.
    pub session: Session,
    /// What the cookie says: what marks of forms are bound to.
    cookie: String,
}

/// A browser, and whoever is logged in with it.
pub(crate) struct Browser {
    /// Whoever is.
    pub member: Option<Member>,
    /// What marks of forms are bound to before somebody logs in.
    form: String,
    /// It has no such cookie yet.
    is_new: bool,
    /// The number under which its address is counted.
    address: u64,
    device: Option<Device>,
    /// What it says of itself.
    user_agent: String,
    /// A form of it would come from a page of ours, by what it says.
    is_ours: bool,
}

fn transport(site: &Site) -> Transport {
    if site.base_url.starts_with("https:") { Transport::Secure } else { Transport::Plain }
}

/// The browser that a request comes from, if somebody has logged in with it before.
fn known(site: &Site, headers: &HeaderMap) -> Option<Device> {
    let text = transport(site).read(headers, DEVICE)?;
    let bytes: [u8; 16] = site.sealer.open(Kind::Device, text)?.try_into().ok()?;
    let [account, number] = [bytes.first_chunk::<8>()?, bytes.last_chunk::<8>()?];
    let account = AccountId::new(i64::from_be_bytes(*account))?;
    Some(Device { account, number: u64::from_be_bytes(*number) })
}

/// What a session's cookie says by itself, to whoever has the key: nobody needs to be asked. The
/// session may have ended since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionSaid {
    /// Whose it was.
    pub account: AccountId,
    /// When it began, in milliseconds since 1970.
    pub begun_unix_ms: u64,
}

/// Bytes of a session's secret.
const SECRET_BYTES: usize = 32;

/// What is sealed into a session's cookie: its secret, whose it is, when it began.
fn sealed(site: &Site, secret: &[u8], account: AccountId) -> String {
    let mut said = secret.to_vec();
    said.extend_from_slice(&account.get().to_be_bytes());
    said.extend_from_slice(&site.social.now().ms().to_be_bytes());
    site.sealer.seal(Kind::Session, &said)
}

/// What the cookie of a request says, if this server sealed it for a session.
#[must_use]
pub fn session_said(
    sealer: &Sealer,
    transport: Transport,
    headers: &HeaderMap,
) -> Option<SessionSaid> {
    let said = sealer.open(Kind::Session, transport.read(headers, SESSION)?)?;
    let (account, rest) = said.get(SECRET_BYTES..)?.split_first_chunk::<8>()?;
    let account = AccountId::new(i64::from_be_bytes(*account))?;
    Some(SessionSaid { account, begun_unix_ms: u64::from_be_bytes(rest.try_into().ok()?) })
}

/// Whoever is logged in. A cookie that we did not seal costs no question to the store.
async fn member(site: &Site, headers: &HeaderMap) -> Result<Option<Member>, Refused> {
    let Some(cookie) = transport(site).read(headers, SESSION) else { return Ok(None) };
    let Some(said) = site.sealer.open(Kind::Session, cookie) else { return Ok(None) };
    let Some(secret) = said.get(..SECRET_BYTES) else { return Ok(None) };
    let session = site.social.session(secret).await?;
    Ok(session.map(|session| Member { session, cookie: cookie.to_owned() }))
}

impl FromRequestParts<Site> for Browser {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Refused> {
        let headers = &parts.headers;
        let host = site.base_url.split_once("://").map_or("", |(_, host)| host);
        let form = transport(site).read(headers, FORM).filter(|form| !form.is_empty());
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Ok(Self {
            member: member(site, headers).await?,
            is_new: form.is_none(),
            form: form.map_or_else(|| site.social.secret(), str::to_owned),
            address: principal((site.address_of)(&parts.extensions, &parts.headers)),
            device: known(site, headers),
            user_agent: agent.unwrap_or_default().to_owned(),
            is_ours: csrf::same_site(headers, host).is_ok(),
        })
    }
}

/// What a form that is not ours is answered.
fn elsewhere() -> Refused {
    let text = "This form was sent from elsewhere, or its page was open for too long, or cookies \
                of this place are not kept.";
    ApiError::forbidden(text).into()
}

impl Browser {
    /// The mark for a form that logs in.
    pub fn door_mark(&self, site: &Site) -> String {
        csrf::token(&site.sealer, &self.form)
    }

    /// Refuses a form that logs in unless this browser was shown it.
    pub fn check_door(&self, site: &Site, mark: &str) -> Result<(), Refused> {
        if !self.is_ours || self.is_new {
            return Err(elsewhere());
        }
        csrf::check(&site.sealer, &self.form, mark).map_err(|_| elsewhere())
    }

    /// Whoever is logged in, where a form of theirs has to be one that they were shown.
    pub fn check_member(&self, site: &Site, mark: &str) -> Result<&Member, Refused> {
        let member = self.member.as_ref().filter(|_| self.is_ours).ok_or_else(elsewhere)?;
        csrf::check(&site.sealer, &member.cookie, mark).map_err(|_| elsewhere())?;
        Ok(member)
    }

    /// A try of a password from here.
    pub fn attempt<'a>(&self, name: &'a str, password: &'a str) -> LogIn<'a> {
        LogIn { name, password, address: self.address, device: self.device }
    }

    /// Logs somebody in who has proven who they are: a fresh session in the place of the one that
    /// this browser had, and a browser that is known from now on.
    pub async fn log_in(
        &self,
        site: &Site,
        account: AccountId,
        mut answer: Response,
    ) -> Result<Response, Refused> {
        let is_known = self.device.is_some_and(|device| device.account == account);
        let from = Entrance {
            user_agent: &self.user_agent,
            place: self.place(site, account),
            is_known,
            replaces: self.member.as_ref().map(|member| member.session.id),
        };
        let secret = site.social.begin_session(account, from).await?;
        let age_s = u64::try_from(SESSION_DAYS).unwrap_or(0) * DAY_S;
        let sealed = sealed(site, &secret, account);
        let session = transport(site).set(SESSION, &sealed, Some(age_s));
        let device = if is_known { None } else { remember(site, account) };
        for cookie in [session, device].into_iter().flatten() {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(answer)
    }

    /// From where somebody logs in, as it is remembered: by a keyed hash, so that whoever reads the
    /// database learns no address.
    fn place(&self, site: &Site, account: AccountId) -> String {
        let kind = browser::kind(&self.user_agent);
        let text = format!("{account} {} {kind}", self.address);
        site.sealer.sign(Kind::Place, text.as_bytes())
    }

    /// Takes the session's cookie away; that it has ended is the store's business.
    pub fn forget(site: &Site, mut answer: Response) -> Response {
        if let Some(cookie) = transport(site).clear(SESSION) {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        answer
    }

    /// A page for this browser, which gets the cookie that forms are bound to.
    pub fn page(
        &self,
        site: &Site,
        page: &impl Template,
        status: StatusCode,
        csp: &Csp,
    ) -> Result<Response, Refused> {
        let mut answer = frame::own(page, status, csp)?;
        if self.is_new
            && let Some(cookie) = transport(site).set(FORM, &self.form, None)
        {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(answer)
    }
}

impl Member {
    /// The mark for a form of theirs.
    pub fn mark(&self, site: &Site) -> String {
        csrf::token(&site.sealer, &self.cookie)
    }
}

fn remember(site: &Site, account: AccountId) -> Option<HeaderValue> {
    let mut bytes = account.get().to_be_bytes().to_vec();
    bytes.extend_from_slice(&site.social.unpredictable().to_be_bytes());
    transport(site).set(DEVICE, &site.sealer.seal(Kind::Device, &bytes), Some(DEVICE_S))
}

/// Sends a browser on after a form, to a page of ours.
pub(crate) fn on_to(path: &str) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Redirect::to(path)).into_response()
}

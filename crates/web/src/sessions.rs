//! What is open to a member's account: the browsers that are logged in and the apps that may act
//! for them, and how each ends.

use crate::{
    Site,
    browser::{Browser, on_to},
    cards::Moment,
    frame::Frame,
    refusal::Refused,
    settings::{at_the_door, name_of},
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use httpkit::{ApiError, Body, lenient, security::Csp};
use model::{SessionId, TokenId, scope};
use serde::Deserialize;
use social::limits::TOKENS_SHOWN;

/// A browser that is logged in.
#[derive(Clone, Debug)]
pub struct BrowserRow {
    /// Its session.
    pub id: String,
    /// What kind it is.
    pub kind: String,
    /// Since when.
    pub since: Moment,
    /// When it was last used.
    pub used: Moment,
    /// It is the one that looks at this page.
    pub here: bool,
}

/// An app that may act for the member.
#[derive(Clone, Debug)]
pub struct AppRow {
    /// Its token's id.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// What it may do.
    pub scopes: String,
    /// Since when.
    pub since: Moment,
    /// On which day it was last used.
    pub used: Option<Moment>,
}

/// `/settings/sessions`.
#[derive(Template, Clone, Debug)]
#[template(path = "sessions.html")]
pub struct SessionsPage {
    /// Around it.
    pub frame: Frame,
    /// Whose.
    pub who: String,
    /// The form's mark.
    pub mark: String,
    /// Browsers, newest first.
    pub browsers: Vec<BrowserRow>,
    /// Apps, newest first.
    pub apps: Vec<AppRow>,
    /// There are older ones that are not shown.
    pub more: bool,
}

#[derive(Deserialize)]
pub(crate) struct EndForm {
    #[serde(default)]
    mark: String,
    #[serde(default, deserialize_with = "lenient::integer")]
    session: Option<i64>,
    #[serde(default, deserialize_with = "lenient::integer")]
    token: Option<i64>,
    #[serde(default)]
    others: Option<String>,
}

/// `GET /settings/sessions`.
pub(crate) async fn show(State(site): State<Site>, browser: Browser) -> Result<Response, Refused> {
    let Some(member) = &browser.member else { return Ok(at_the_door("/settings/sessions")) };
    let account = member.session.account;
    let sessions = site.social.sessions(account).await?;
    let browsers = sessions.into_iter().map(|session| BrowserRow {
        id: session.id.to_string(),
        here: session.id == member.session.id,
        kind: session.browser,
        since: session.created.into(),
        used: session.used.into(),
    });
    let apps = site.social.authorised(account).await?;
    let more = apps.len() >= usize::try_from(TOKENS_SHOWN).unwrap_or(usize::MAX);
    let apps = apps.into_iter().map(|authorised| AppRow {
        id: authorised.token.id.to_string(),
        name: authorised.app,
        scopes: scope::names(authorised.token.scopes).join(", "),
        since: authorised.token.created.into(),
        used: authorised.token.used.map(Moment::from),
    });
    let page = SessionsPage {
        frame: Frame::unlisted(&site, "Browsers and apps"),
        who: name_of(&site, member).await?,
        mark: member.mark(&site),
        browsers: browsers.collect(),
        apps: apps.collect(),
        more,
    };
    browser.page(&site, &page, StatusCode::OK, &Csp::page())
}

/// `POST /settings/sessions`: ends one of them, or all but the browser that asks.
pub(crate) async fn end(
    State(site): State<Site>,
    browser: Browser,
    Body(sent): Body<EndForm>,
) -> Result<Response, Refused> {
    let member = browser.check_member(&site, &sent.mark)?;
    let (account, here) = (member.session.account, member.session.id);
    match (sent.session.and_then(SessionId::new), sent.token.and_then(TokenId::new)) {
        _ if sent.others.is_some() => site.social.end_access(account, Some(here)).await?,
        // That it has ended already is what was wanted.
        (Some(id), _) => {
            site.social.end_session(account, id).await?;
            if id == here {
                return Ok(Browser::forget(&site, on_to("/logout")));
            }
        }
        (None, Some(id)) => {
            site.social.end_token(account, id).await?;
        }
        (None, None) => return Err(ApiError::bad_request("Nothing to end was named.").into()),
    }
    Ok(on_to("/settings/sessions"))
}

#[cfg(test)]
impl crate::samples::Samples for SessionsPage {
    fn samples() -> Vec<Self> {
        let hostile = || crate::samples::HOSTILE.to_owned();
        let at = || Moment::from(model::Timestamp::from_ms(1_700_000_000_000));
        let row =
            |here| BrowserRow { id: "1".into(), kind: hostile(), since: at(), used: at(), here };
        let app =
            |used| AppRow { id: "1".into(), name: hostile(), scopes: hostile(), since: at(), used };
        let page = |browsers, apps, more| Self {
            frame: crate::samples::frame(),
            who: hostile(),
            mark: hostile(),
            browsers,
            apps,
            more,
        };
        vec![
            page(vec![row(true)], vec![], false),
            page(vec![row(true), row(false)], vec![app(None), app(Some(at()))], true),
        ]
    }
}

//! What a member settles by browser: the way to their sessions, and their password.

use crate::{
    Site,
    browser::{Browser, Member, on_to},
    frame::Frame,
    login::{Tried, retrying, too_many},
    refusal::Refused,
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use httpkit::{Body, security::Csp};
use serde::Deserialize;
use social::{VerbError, limits::PASSWORD_CHARACTERS_MIN};

/// `/settings`.
#[derive(Template, Clone, Debug)]
#[template(path = "settings.html")]
pub struct SettingsPage {
    /// Around it.
    pub frame: Frame,
    /// Whose.
    pub who: String,
    /// The form's mark.
    pub mark: String,
}

/// `/settings/password`.
#[derive(Template, Clone, Debug)]
#[template(path = "new_password.html")]
pub struct NewPasswordPage {
    /// Around it.
    pub frame: Frame,
    /// Whose, for whatever keeps passwords.
    pub who: String,
    /// The form's mark.
    pub mark: String,
    /// Fewest characters.
    pub characters_min: usize,
    /// What was wrong.
    pub wrong: Option<String>,
    /// It is done.
    pub done: bool,
}

#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    #[serde(default)]
    mark: String,
    #[serde(default)]
    current: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

/// The username of whoever is logged in.
pub(crate) async fn name_of(site: &Site, member: &Member) -> Result<String, Refused> {
    Ok(site.social.account(member.session.account).await?.account.username.clone())
}

/// Sends whoever is not logged in to where one does.
pub(crate) fn at_the_door(to: &str) -> Response {
    on_to(&format!("/login?to={to}"))
}

/// `GET /settings`.
pub(crate) async fn show(State(site): State<Site>, browser: Browser) -> Result<Response, Refused> {
    let Some(member) = &browser.member else { return Ok(at_the_door("/settings")) };
    let page = SettingsPage {
        frame: Frame::unlisted(&site, "Your account"),
        who: name_of(&site, member).await?,
        mark: member.mark(&site),
    };
    browser.page(&site, &page, StatusCode::OK, &Csp::page())
}

async fn form(
    site: &Site,
    member: &Member,
    wrong: Option<String>,
) -> Result<NewPasswordPage, Refused> {
    Ok(NewPasswordPage {
        frame: Frame::unlisted(site, "Change your password"),
        who: name_of(site, member).await?,
        mark: member.mark(site),
        characters_min: PASSWORD_CHARACTERS_MIN,
        wrong,
        done: false,
    })
}

/// `GET /settings/password`.
pub(crate) async fn password_page(
    State(site): State<Site>,
    browser: Browser,
) -> Result<Response, Refused> {
    let Some(member) = &browser.member else { return Ok(at_the_door("/settings/password")) };
    let page = form(&site, member, None).await?;
    browser.page(&site, &page, StatusCode::OK, &Csp::page())
}

/// Whether somebody who is logged in typed their own password; what to say if not.
pub(crate) async fn proven(
    site: &Site,
    browser: &Browser,
    member: &Member,
    password: &str,
) -> Result<Tried, Refused> {
    let account = member.session.account;
    match site.social.proves(account, &browser.attempt("", password)).await {
        Ok(true) => Ok(Tried::Right(account)),
        Ok(false) => Ok(Tried::Wrong {
            why: "This is not your password.".to_owned(),
            status: StatusCode::UNPROCESSABLE_ENTITY,
            retry_after_s: None,
        }),
        Err(VerbError::TooMany { retry_after_s }) => Ok(too_many(retry_after_s)),
        Err(other) => Err(other.into()),
    }
}

/// `POST /settings/password`: the new one holds, and everything that was opened with the old one
/// has ended; this browser goes on with a fresh session.
pub(crate) async fn password(
    State(site): State<Site>,
    browser: Browser,
    Body(sent): Body<PasswordForm>,
) -> Result<Response, Refused> {
    let member = browser.check_member(&site, &sent.mark)?;
    let refuse = async |why: String, status, retry_after_s| {
        let page = form(&site, member, Some(why)).await?;
        Ok(retrying(browser.page(&site, &page, status, &Csp::page())?, retry_after_s))
    };
    let unfit = StatusCode::UNPROCESSABLE_ENTITY;
    if sent.password != sent.again {
        return refuse("The two new ones are not the same.".to_owned(), unfit, None).await;
    }
    let account = match proven(&site, &browser, member, &sent.current).await? {
        Tried::Right(account) => account,
        Tried::Wrong { why, status, retry_after_s } => {
            return refuse(why, status, retry_after_s).await;
        }
    };
    match site.social.replace_password(account, &sent.password).await {
        Ok(()) => {}
        Err(VerbError::Invalid(why)) => return refuse(format!("{why}."), unfit, None).await,
        Err(other) => return Err(other.into()),
    }
    let page = NewPasswordPage { done: true, ..form(&site, member, None).await? };
    let answer = browser.page(&site, &page, StatusCode::OK, &Csp::page())?;
    browser.log_in(&site, account, answer).await
}

#[cfg(test)]
impl crate::samples::Samples for SettingsPage {
    fn samples() -> Vec<Self> {
        let hostile = || crate::samples::HOSTILE.to_owned();
        vec![Self { frame: crate::samples::frame(), who: hostile(), mark: hostile() }]
    }
}

#[cfg(test)]
impl crate::samples::Samples for NewPasswordPage {
    fn samples() -> Vec<Self> {
        let hostile = || crate::samples::HOSTILE.to_owned();
        let page = |wrong: Option<String>, done| Self {
            frame: crate::samples::frame(),
            who: hostile(),
            mark: hostile(),
            characters_min: 8,
            wrong,
            done,
        };
        vec![page(None, false), page(Some(hostile()), false), page(None, true)]
    }
}

//! A member deletes their account.

use crate::{
    Site,
    browser::{Browser, Member},
    frame::Frame,
    login::{Tried, retrying},
    refusal::Refused,
    settings::{at_the_door, name_of, proven},
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use httpkit::{Body, security::Csp};
use serde::Deserialize;
use social::{VerbError, decide::Cause};

/// `/settings/delete`.
#[derive(Template, Clone, Debug)]
#[template(path = "leaving.html")]
pub struct LeavingPage {
    /// Around it.
    pub frame: Frame,
    /// Whose.
    pub who: String,
    /// The form's mark.
    pub mark: String,
    /// What was wrong.
    pub wrong: Option<String>,
    /// It is done.
    pub done: bool,
}

#[derive(Deserialize)]
pub(crate) struct LeavingForm {
    #[serde(default)]
    mark: String,
    #[serde(default)]
    current: String,
}

async fn form(site: &Site, member: &Member, wrong: Option<String>) -> Result<LeavingPage, Refused> {
    let frame = Frame::unlisted(site, "Delete your account");
    let who = name_of(site, member).await?;
    Ok(LeavingPage { frame, who, mark: member.mark(site), wrong, done: false })
}

/// `GET /settings/delete`.
pub(crate) async fn show(State(site): State<Site>, browser: Browser) -> Result<Response, Refused> {
    let Some(member) = &browser.member else { return Ok(at_the_door("/settings/delete")) };
    let page = form(&site, member, None).await?;
    browser.page(&site, &page, StatusCode::OK, &Csp::page())
}

/// `POST /settings/delete`: with the password, and for good.
pub(crate) async fn leave(
    State(site): State<Site>,
    browser: Browser,
    Body(sent): Body<LeavingForm>,
) -> Result<Response, Refused> {
    let member = browser.check_member(&site, &sent.mark)?;
    let refuse = async |why: String, status, retry_after_s| {
        let page = form(&site, member, Some(why)).await?;
        Ok(retrying(browser.page(&site, &page, status, &Csp::page())?, retry_after_s))
    };
    let account = match proven(&site, &browser, member, &sent.current).await? {
        Tried::Right(account) => account,
        Tried::Wrong { why, status, retry_after_s } => {
            return refuse(why, status, retry_after_s).await;
        }
    };
    let page = LeavingPage { done: true, ..form(&site, member, None).await? };
    let cause = Cause { actor: Some(account), reason: String::new() };
    match site.social.delete_account(account, cause).await {
        Ok(_) => {}
        Err(VerbError::Forbidden(why)) => {
            return refuse(why.to_owned(), StatusCode::FORBIDDEN, None).await;
        }
        Err(other) => return Err(other.into()),
    }
    Ok(Browser::forget(&site, browser.page(&site, &page, StatusCode::OK, &Csp::page())?))
}

#[cfg(test)]
impl crate::samples::Samples for LeavingPage {
    fn samples() -> Vec<Self> {
        let hostile = || crate::samples::HOSTILE.to_owned();
        let page = |wrong: Option<String>, done| Self {
            frame: crate::samples::frame(),
            who: hostile(),
            mark: hostile(),
            wrong,
            done,
        };
        vec![page(None, false), page(Some(hostile()), false), page(None, true)]
    }
}

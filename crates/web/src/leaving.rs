//! A member deletes their account.

use crate::{
    Site,
    browser::Browser,
    frame::Frame,
    proof::{self, Asked, Desk, Filled, Proof},
    refusal::Refused,
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use httpkit::Body;
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

impl Proof for LeavingPage {
    const PATH: &'static str = "/settings/delete";
    const TITLE: &'static str = "Delete your account";
    fn of(Filled { frame, who, mark, wrong, done }: Filled) -> Self {
        Self { frame, who, mark, wrong, done }
    }
}

/// `GET /settings/delete`.
pub(crate) async fn show(State(site): State<Site>, browser: Browser) -> Result<Response, Refused> {
    proof::show::<LeavingPage>(&site, &browser).await
}

/// `POST /settings/delete`: with the password, and for good.
pub(crate) async fn leave(
    State(site): State<Site>,
    browser: Browser,
    Body(sent): Body<LeavingForm>,
) -> Result<Response, Refused> {
    let desk = Desk::checked(&site, &browser, &sent.mark)?;
    let account = match desk.ask::<LeavingPage>(&sent.current).await? {
        Asked::Proven(account) => account,
        Asked::Refused(page) => return Ok(page),
    };
    let done = desk.done::<LeavingPage>().await?;
    let cause = Cause { actor: Some(account), reason: String::new() };
    match site.social.delete_account(account, cause).await {
        Ok(_) => Ok(Browser::forget(&site, done)),
        Err(VerbError::Forbidden(why)) => {
            desk.refuse::<LeavingPage>(why.to_owned(), StatusCode::FORBIDDEN).await
        }
        Err(other) => Err(other.into()),
    }
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

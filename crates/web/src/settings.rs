//! What a member settles by browser: the way to their sessions, and their password.

use crate::{
    Site,
    browser::{Browser, Member, on_to},
    frame::Frame,
    proof::{self, Asked, Desk, Filled, Proof},
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

impl Proof for NewPasswordPage {
    const PATH: &'static str = "/settings/password";
    const TITLE: &'static str = "Change your password";
    fn of(Filled { frame, who, mark, wrong, done }: Filled) -> Self {
        Self { frame, who, mark, characters_min: PASSWORD_CHARACTERS_MIN, wrong, done }
    }
}

/// `GET /settings/password`.
pub(crate) async fn password_page(
    State(site): State<Site>,
    browser: Browser,
) -> Result<Response, Refused> {
    proof::show::<NewPasswordPage>(&site, &browser).await
}

/// `POST /settings/password`: the new one holds, and everything that was opened with the old one
/// has ended; this browser goes on with a fresh session.
pub(crate) async fn password(
    State(site): State<Site>,
    browser: Browser,
    Body(sent): Body<PasswordForm>,
) -> Result<Response, Refused> {
    let desk = Desk::checked(&site, &browser, &sent.mark)?;
    let refuse =
        async |why| desk.refuse::<NewPasswordPage>(why, StatusCode::UNPROCESSABLE_ENTITY).await;
    if sent.password != sent.again {
        return refuse("The two new ones are not the same.".to_owned()).await;
    }
    let account = match desk.ask::<NewPasswordPage>(&sent.current).await? {
        Asked::Proven(account) => account,
        Asked::Refused(page) => return Ok(page),
    };
    match site.social.replace_password(account, &sent.password).await {
        Ok(()) => browser.log_in(&site, account, desk.done::<NewPasswordPage>().await?).await,
        Err(VerbError::Invalid(why)) => refuse(format!("{why}.")).await,
        Err(other) => Err(other.into()),
    }
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

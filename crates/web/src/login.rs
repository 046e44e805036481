//! Logging in and out by browser. The form is also what an app's log-in shows (`authorize`), where
//! it carries what the app asked for.

use crate::{
    Site,
    browser::{Browser, on_to},
    frame::Frame,
    refusal::Refused,
};
use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use httpkit::{Body, Query, security::Csp};
use serde::Deserialize;
use social::VerbError;

/// What an app asks for, on the pages of its log-in.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What the app calls itself.
    pub app: String,
    /// What it may do then, in words.
    pub rights: Vec<String>,
    /// Where the browser is sent afterwards; empty where it is not.
    pub back: String,
}

/// `/login`, and an app's log-in.
#[derive(Template, Clone, Debug)]
#[template(path = "login.html")]
pub struct LogInPage {
    /// Around it.
    pub frame: Frame,
    /// Where the form goes.
    pub action: &'static str,
    /// What it carries unseen.
    pub carried: Vec<(&'static str, String)>,
    /// What was typed as a name.
    pub name: String,
    /// What was wrong with it.
    pub wrong: Option<String>,
    /// The app that wants it.
    pub wish: Option<Wish>,
    /// Whether a forgotten password can be replaced by mail.
    pub has_mail: bool,
}

/// `/logout`.
#[derive(Template, Clone, Debug)]
#[template(path = "logout.html")]
pub struct LogOutPage {
    /// Around it.
    pub frame: Frame,
    /// Who is logged in; nobody where it is done.
    pub who: Option<String>,
    /// The form's mark.
    pub mark: String,
}

#[derive(Deserialize)]
pub(crate) struct LogInForm {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    mark: String,
    #[serde(default)]
    to: String,
}

#[derive(Deserialize)]
pub(crate) struct LogOutForm {
    #[serde(default)]
    mark: String,
}

/// Where somebody may be sent after logging in: never where a link says that we do not know.
const WAYS: [&str; 4] =
    ["/settings/sessions", "/settings/password", "/settings/delete", "/settings"];

fn way(to: &str) -> &'static str {
    WAYS.into_iter().find(|way| *way == to).unwrap_or("/settings")
}

/// What came of a password.
pub(crate) enum Tried {
    /// It was right.
    Right(model::AccountId),
    /// It was not; what to say, and how to answer.
    Wrong { why: String, status: StatusCode, retry_after_s: Option<u32> },
}

/// Tries a name and a password.
pub(crate) async fn tried(
    site: &Site,
    browser: &Browser,
    name: &str,
    password: &str,
) -> Result<Tried, Refused> {
    let wrong = |why: String, status, retry_after_s| Tried::Wrong { why, status, retry_after_s };
    match site.social.log_in(&browser.attempt(name, password)).await {
        Ok(Some(member)) => Ok(Tried::Right(member.account)),
        Ok(None) => {
            let why = "This name and password do not belong together.";
            Ok(wrong(why.to_owned(), StatusCode::OK, None))
        }
        Err(VerbError::TooMany { retry_after_s }) => Ok(too_many(retry_after_s)),
        // The password was right, and something else is missing.
        Err(VerbError::Forbidden(why)) => Ok(wrong(why.to_owned(), StatusCode::FORBIDDEN, None)),
        Err(other) => Err(other.into()),
    }
}

/// What is said when passwords were wrong too often.
pub(crate) fn too_many(retry_after_s: u32) -> Tried {
    let why = format!(
        "That was wrong too often, here or elsewhere. Wait {retry_after_s} seconds before you try \
         again."
    );
    Tried::Wrong { why, status: StatusCode::TOO_MANY_REQUESTS, retry_after_s: Some(retry_after_s) }
}

/// Tells a client when to come back.
pub(crate) fn retrying(mut answer: Response, retry_after_s: Option<u32>) -> Response {
    if let Some(seconds) = retry_after_s {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

fn form(site: &Site, browser: &Browser, to: &str, name: &str, wrong: Option<String>) -> LogInPage {
    LogInPage {
        frame: Frame::unlisted(site, "Log in"),
        action: "/login",
        carried: vec![("mark", browser.door_mark(site)), ("to", way(to).to_owned())],
        name: name.to_owned(),
        wrong,
        wish: None,
        has_mail: site.social.has_mail(),
    }
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    to: String,
}

/// `GET /login`.
pub(crate) async fn show(
    State(site): State<Site>,
    browser: Browser,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    if browser.member.is_some() {
        return Ok(on_to(way(&asked.to)));
    }
    let page = form(&site, &browser, &asked.to, "", None);
    browser.page(&site, &page, StatusCode::OK, &Csp::page())
}

/// `POST /login`.
pub(crate) async fn enter(
    State(site): State<Site>,
    browser: Browser,
    Body(sent): Body<LogInForm>,
) -> Result<Response, Refused> {
    browser.check_door(&site, &sent.mark)?;
    match tried(&site, &browser, &sent.username, &sent.password).await? {
        Tried::Right(account) => browser.log_in(&site, account, on_to(way(&sent.to))).await,
        Tried::Wrong { why, status, retry_after_s } => {
            let page = form(&site, &browser, &sent.to, &sent.username, Some(why));
            Ok(retrying(browser.page(&site, &page, status, &Csp::page())?, retry_after_s))
        }
    }
}

/// `GET /logout`: a page with the button, since following a link must not change anything.
pub(crate) async fn leave_page(
    State(site): State<Site>,
    browser: Browser,
) -> Result<Response, Refused> {
    let (who, mark) = match &browser.member {
        Some(member) => {
            let view = site.social.account(member.session.account).await?;
            (Some(view.account.username.clone()), member.mark(&site))
        }
        None => (None, String::new()),
    };
    let title = if who.is_some() { "Log out" } else { "You are logged out" };
    let page = LogOutPage { frame: Frame::unlisted(&site, title), who, mark };
    browser.page(&site, &page, StatusCode::OK, &Csp::page())
}

/// `POST /logout`: the session has ended, wherever its cookie is.
pub(crate) async fn leave(
    State(site): State<Site>,
    browser: Browser,
    Body(sent): Body<LogOutForm>,
) -> Result<Response, Refused> {
    if browser.member.is_none() {
        return Ok(on_to("/logout"));
    }
    let session = &browser.check_member(&site, &sent.mark)?.session;
    site.social.end_session(session.account, session.id).await?;
    Ok(Browser::forget(&site, on_to("/logout")))
}

#[cfg(test)]
impl crate::samples::Samples for LogInPage {
    fn samples() -> Vec<Self> {
        let hostile = || crate::samples::HOSTILE.to_owned();
        let wish = |back: &str| Wish { app: hostile(), rights: vec![hostile()], back: back.into() };
        let page = |name: String, wrong: Option<String>, wish: Option<Wish>| Self {
            frame: crate::samples::frame(),
            action: "/login",
            carried: vec![("mark", hostile())],
            name,
            wrong,
            has_mail: wish.is_some(),
            wish,
        };
        vec![
            page(String::new(), None, None),
            page(hostile(), Some(hostile()), Some(wish(&hostile()))),
            page(hostile(), None, Some(wish(""))),
        ]
    }
}

#[cfg(test)]
impl crate::samples::Samples for LogOutPage {
    fn samples() -> Vec<Self> {
        let mark = crate::samples::HOSTILE.to_owned();
        [Some(mark.clone()), None]
            .map(|who| Self { frame: crate::samples::frame(), who, mark: mark.clone() })
            .into()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn after_logging_in_nobody_is_sent_elsewhere() {
        for (to, way) in [
            ("/settings/sessions", "/settings/sessions"),
            ("", "/settings"),
            ("https://evil.example/", "/settings"),
            ("//evil.example/", "/settings"),
            ("/settings/../logout", "/settings"),
        ] {
            assert_eq!(super::way(to), way, "{to}");
        }
    }
}

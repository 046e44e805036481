//! Forms by which a member does what cannot be undone by itself: they ask the password of whoever
//! is logged in, say what was wrong, and at the end that it is done. What is done is the page's.

use crate::{
    Site,
    browser::{Browser, Member},
    frame::Frame,
    login::{Tried, retrying, too_many},
    refusal::Refused,
    settings::{at_the_door, name_of},
};
use askama::Template;
use axum::{http::StatusCode, response::Response};
use httpkit::security::Csp;
use model::AccountId;
use social::VerbError;

/// What such a page shows.
pub(crate) struct Filled {
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

/// Such a page.
pub(crate) trait Proof: Template {
    /// Where it is.
    const PATH: &'static str;
    /// What it is called.
    const TITLE: &'static str;
    /// Of what it shows.
    fn of(filled: Filled) -> Self;
}

/// What came of a form that was sent.
pub(crate) enum Asked {
    /// The password was theirs.
    Proven(AccountId),
    /// It was not: what to answer.
    Refused(Response),
}

/// A member at such a page.
pub(crate) struct Desk<'a> {
    site: &'a Site,
    browser: &'a Browser,
    member: &'a Member,
}

/// `GET`: the form, or the way to the door.
pub(crate) async fn show<P: Proof>(site: &Site, browser: &Browser) -> Result<Response, Refused> {
    let Some(member) = &browser.member else { return Ok(at_the_door(P::PATH)) };
    Desk { site, browser, member }.page::<P>(None, false, StatusCode::OK).await
}

impl<'a> Desk<'a> {
    /// `POST`: of whoever was shown the form with this mark.
    pub fn checked(site: &'a Site, browser: &'a Browser, mark: &str) -> Result<Self, Refused> {
        Ok(Self { site, browser, member: browser.check_member(site, mark)? })
    }

    async fn page<P: Proof>(
        &self,
        wrong: Option<String>,
        done: bool,
        status: StatusCode,
    ) -> Result<Response, Refused> {
        let frame = Frame::unlisted(self.site, P::TITLE);
        let who = name_of(self.site, self.member).await?;
        let mark = self.member.mark(self.site);
        let page = P::of(Filled { frame, who, mark, wrong, done });
        self.browser.page(self.site, &page, status, &Csp::page())
    }

    /// The form again, with what was wrong.
    pub async fn refuse<P: Proof>(
        &self,
        why: String,
        status: StatusCode,
    ) -> Result<Response, Refused> {
        self.page::<P>(Some(why), false, status).await
    }

    /// That it is done. To be made before an account is gone, whose name it says.
    pub async fn done<P: Proof>(&self) -> Result<Response, Refused> {
        self.page::<P>(None, true, StatusCode::OK).await
    }

    /// Whether whoever is logged in typed their own password.
    pub async fn ask<P: Proof>(&self, password: &str) -> Result<Asked, Refused> {
        let account = self.member.session.account;
        let attempt = self.browser.attempt("", password);
        let wrong = match self.site.social.proves(account, &attempt).await {
            Ok(true) => return Ok(Asked::Proven(account)),
            Ok(false) => Tried::Wrong {
                why: "This is not your password.".to_owned(),
                status: StatusCode::UNPROCESSABLE_ENTITY,
                retry_after_s: None,
            },
            Err(VerbError::TooMany { retry_after_s }) => too_many(retry_after_s),
            Err(other) => return Err(other.into()),
        };
        Ok(match wrong {
            Tried::Right(account) => Asked::Proven(account),
            Tried::Wrong { why, status, retry_after_s } => {
                let page = self.refuse::<P>(why, status).await?;
                Asked::Refused(retrying(page, retry_after_s))
            }
        })
    }
}

//! What the pages around mail share: the form that asks for a mail to an address, the page that
//! says what happened, and the check that a form is ours. They have nothing that a browser adds by
//! itself, so nobody can be made to act by a form from elsewhere; such forms are refused all the
//! same, because they would use up somebody's allowance of mails.

use crate::{
    Site,
    frame::{self, Frame},
    refusal::Refused,
};
use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use httpkit::{ApiError, csrf, security::Csp};
use model::mail::LinkPurpose;
use serde::Deserialize;
use social::VerbError;

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    pub email: String,
}

/// What a link carries.
#[derive(Deserialize)]
pub(crate) struct Carried {
    #[serde(default)]
    pub token: String,
}

/// The form that asks for a mail.
#[derive(Template, Clone, Debug)]
#[template(path = "asking.html")]
pub struct AskingPage {
    /// Around it.
    pub frame: Frame,
    /// What the mail is for.
    pub about: &'static str,
    /// Where the form goes.
    pub action: &'static str,
    /// What was typed.
    pub email: String,
    /// What was wrong with it.
    pub wrong: Option<String>,
}

/// What happened, and where to go from there.
#[derive(Template, Clone, Debug)]
#[template(path = "outcome.html")]
pub struct OutcomePage {
    /// Around it.
    pub frame: Frame,
    /// In a few sentences.
    pub sentences: &'static [&'static str],
    /// A page to go on to, and its name.
    pub next: Option<(&'static str, &'static str)>,
}

/// The number under which the address is counted that a request comes from.
pub(crate) struct Origin(pub u64);

impl FromRequestParts<Site> for Origin {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Self::Rejection> {
        Ok(Self(httpkit::client_address::principal((site.address_of)(
            &parts.extensions,
            &parts.headers,
        ))))
    }
}

/// A place without mail has none of these pages.
pub(crate) fn with_mail(site: &Site) -> Result<(), Refused> {
    if site.social.has_mail() { Ok(()) } else { Err(Refused::nowhere()) }
}

/// Refuses a form from elsewhere.
pub(crate) fn ours(site: &Site, headers: &HeaderMap) -> Result<(), Refused> {
    let host = site.base_url.split_once("://").map_or("", |(_, host)| host);
    let elsewhere = |_| ApiError::forbidden("This form was sent from elsewhere.");
    Ok(csrf::same_site(headers, host).map_err(elsewhere)?)
}

/// A page of this site for one reader.
pub(crate) fn page(page: &impl Template, status: StatusCode) -> Result<Response, Refused> {
    frame::own(page, status, &Csp::page())
}

/// What happened.
pub(crate) fn outcome(
    site: &Site,
    status: StatusCode,
    title: &str,
    sentences: &'static [&'static str],
    next: Option<(&'static str, &'static str)>,
) -> Result<Response, Refused> {
    let frame = Frame::unlisted(site, title);
    page(&OutcomePage { frame, sentences, next }, status)
}

/// What a mailed link is for, as its pages say it.
pub(crate) struct Errand {
    /// What it does.
    pub purpose: LinkPurpose,
    /// What the form that asks for a mail is called, and what it says.
    pub title: &'static str,
    /// See `title`.
    pub about: &'static str,
    /// Where that form is.
    pub form: &'static str,
    /// What is said of a link that does not work (any more).
    pub gone: &'static [&'static str],
    /// What the way to another one is called.
    pub again: &'static str,
}

impl Errand {
    fn asking(&self, site: &Site, email: String) -> AskingPage {
        let frame = Frame::unlisted(site, self.title);
        AskingPage { frame, about: self.about, action: self.form, email, wrong: None }
    }

    /// The form that asks for a mail.
    pub fn ask_page(&self, site: &Site) -> Result<Response, Refused> {
        with_mail(site)?;
        page(&self.asking(site, String::new()), StatusCode::OK)
    }

    /// The form was sent: the same answer, as fast, for every address.
    pub async fn ask(
        &self,
        site: &Site,
        Origin(address): Origin,
        headers: &HeaderMap,
        form: Asked,
    ) -> Result<Response, Refused> {
        with_mail(site)?;
        ours(site, headers)?;
        let asked = match self.purpose {
            LinkPurpose::Confirm => site.social.ask_for_confirmation(&form.email, address).await,
            LinkPurpose::Reset => site.social.ask_for_reset(&form.email, address).await,
        };
        answer(site, self.asking(site, form.email), asked)
    }

    /// That a link does not work, and where there is another.
    pub fn gone(&self, site: &Site) -> Result<Response, Refused> {
        let again = Some((self.form, self.again));
        outcome(site, StatusCode::NOT_FOUND, "This link does not work", self.gone, again)
    }

    /// A link was followed: the page that it leads to. Looking uses nothing up.
    pub async fn followed(
        &self,
        site: &Site,
        token: String,
        leads_to: impl FnOnce(String) -> Result<Response, Refused>,
    ) -> Result<Response, Refused> {
        with_mail(site)?;
        if site.social.is_link(self.purpose, &token).await? {
            leads_to(token)
        } else {
            self.gone(site)
        }
    }
}

/// The answer to the form: the same whether or not somebody has the address.
fn answer(
    site: &Site,
    form: AskingPage,
    asked: Result<(), VerbError>,
) -> Result<Response, Refused> {
    let (status, wrong, retry_after_s) = match asked {
        Ok(()) => {
            let sentences = &[
                "If somebody here has this address, a mail is on its way to it, with a link.",
                "It can take a few minutes. Look among unwanted mail too.",
            ];
            return outcome(site, StatusCode::OK, "Look into your mailbox", sentences, None);
        }
        Err(VerbError::Invalid(why)) => (StatusCode::UNPROCESSABLE_ENTITY, why, None),
        Err(VerbError::TooMany { retry_after_s }) => {
            let minutes = retry_after_s.div_ceil(60);
            let why = format!(
                "That was asked for several times already. Look for the mails that came, or wait \
                 {minutes} minutes."
            );
            (StatusCode::TOO_MANY_REQUESTS, why, Some(retry_after_s))
        }
        Err(other) => return Err(other.into()),
    };
    let mut response = page(&AskingPage { wrong: Some(wrong), ..form }, status)?;
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

#[cfg(test)]
impl crate::samples::Samples for AskingPage {
    fn samples() -> Vec<Self> {
        let page = |email: &str, wrong: Option<&str>| Self {
            frame: crate::samples::frame(),
            about: "About it.",
            action: "/auth/password/new",
            email: email.into(),
            wrong: wrong.map(str::to_owned),
        };
        let hostile = crate::samples::HOSTILE;
        vec![page("", None), page(hostile, Some(hostile))]
    }
}

#[cfg(test)]
impl crate::samples::Samples for OutcomePage {
    fn samples() -> Vec<Self> {
        let page =
            |next| Self { frame: crate::samples::frame(), sentences: &["One.", "Two."], next };
        vec![page(None), page(Some(("/auth/password/new", "Again")))]
    }
}

//! Confirming an address by the link in a mail. Following the link shows a page and no more, since
//! programs that look through mail follow links too; the button on it confirms.

use crate::{
    Site,
    asking::{self, Asked, AskingPage, Carried, Origin},
    frame::Frame,
    refusal::Refused,
};
use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use httpkit::{Body, Query};
use model::mail::LinkPurpose;

/// The button that confirms.
#[derive(Template, Clone, Debug)]
#[template(path = "confirmation.html")]
pub struct ConfirmationPage {
    /// Around it.
    pub frame: Frame,
    /// What the link carries.
    pub token: String,
}

fn gone(site: &Site) -> Result<Response, Refused> {
    let sentences = &[
        "It was used already, or it is too old, or it was cut off on its way.",
        "If your address is confirmed, your app works. If it is not, ask for another link.",
    ];
    let again = Some(("/auth/confirmation/new", "Ask for another link"));
    asking::outcome(site, StatusCode::NOT_FOUND, "This link does not work", sentences, again)
}

/// `GET /auth/confirmation?token=`. Looking uses nothing up.
pub(crate) async fn page(
    State(site): State<Site>,
    Query(link): Query<Carried>,
) -> Result<Response, Refused> {
    asking::with_mail(&site)?;
    if !site.social.is_link(LinkPurpose::Confirm, &link.token).await? {
        return gone(&site);
    }
    let frame = Frame::unlisted(&site, "Confirm your address");
    asking::page(&ConfirmationPage { frame, token: link.token }, StatusCode::OK)
}

/// `POST /auth/confirmation`: the account can be used.
pub(crate) async fn confirm(
    State(site): State<Site>,
    headers: HeaderMap,
    Body(link): Body<Carried>,
) -> Result<Response, Refused> {
    asking::with_mail(&site)?;
    asking::ours(&site, &headers)?;
    if !site.social.confirm_address(&link.token).await? {
        return gone(&site);
    }
    let sentences = &["Your account can be used now. Go back to your app."];
    asking::outcome(&site, StatusCode::OK, "Your address is confirmed", sentences, None)
}

fn asking(site: &Site, email: String) -> AskingPage {
    AskingPage {
        frame: Frame::unlisted(site, "Confirm your address"),
        about: "Type the address that you signed up with. A mail will bring another link to \
                confirm it.",
        action: "/auth/confirmation/new",
        email,
        wrong: None,
    }
}

/// `GET /auth/confirmation/new`.
pub(crate) async fn ask_page(State(site): State<Site>) -> Result<Response, Refused> {
    asking::with_mail(&site)?;
    asking::page(&asking(&site, String::new()), StatusCode::OK)
}

/// `POST /auth/confirmation/new`: the same answer, as fast, for every address.
pub(crate) async fn ask(
    State(site): State<Site>,
    Origin(address): Origin,
    headers: HeaderMap,
    Body(form): Body<Asked>,
) -> Result<Response, Refused> {
    asking::with_mail(&site)?;
    asking::ours(&site, &headers)?;
    let asked = site.social.ask_for_confirmation(&form.email, address).await;
    asking::answer(&site, asking(&site, form.email), asked)
}

#[cfg(test)]
impl crate::samples::Samples for ConfirmationPage {
    fn samples() -> Vec<Self> {
        let page = |token: &str| Self { frame: crate::samples::frame(), token: token.into() };
        vec![page("abc"), page(crate::samples::HOSTILE)]
    }
}

//! Confirming an address by the link in a mail. Following the link shows a page and no more, since
//! programs that look through mail follow links too; the button on it confirms.

use crate::{
    Site,
    asking::{self, Asked, Carried, Errand, Origin},
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

const ERRAND: Errand = Errand {
    purpose: LinkPurpose::Confirm,
    title: "Confirm your address",
    about: "Type the address that you signed up with. A mail will bring another link to confirm \
            it.",
    form: "/auth/confirmation/new",
    gone: &[
        "It was used already, or it is too old, or it was cut off on its way.",
        "If your address is confirmed, your app works. If it is not, ask for another link.",
    ],
    again: "Ask for another link",
};

/// `GET /auth/confirmation?token=`.
pub(crate) async fn page(
    State(site): State<Site>,
    Query(link): Query<Carried>,
) -> Result<Response, Refused> {
    let leads_to = |token| {
        let frame = Frame::unlisted(&site, ERRAND.title);
        asking::page(&ConfirmationPage { frame, token }, StatusCode::OK)
    };
    ERRAND.followed(&site, link.token, leads_to).await
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
        return ERRAND.gone(&site);
    }
    let sentences = &["Your account can be used now. Go back to your app."];
    asking::outcome(&site, StatusCode::OK, "Your address is confirmed", sentences, None)
}

/// `GET /auth/confirmation/new`.
pub(crate) async fn ask_page(State(site): State<Site>) -> Result<Response, Refused> {
    ERRAND.ask_page(&site)
}

/// `POST /auth/confirmation/new`.
pub(crate) async fn ask(
    State(site): State<Site>,
    from: Origin,
    headers: HeaderMap,
    Body(form): Body<Asked>,
) -> Result<Response, Refused> {
    ERRAND.ask(&site, from, &headers, form).await
}

#[cfg(test)]
impl crate::samples::Samples for ConfirmationPage {
    fn samples() -> Vec<Self> {
        let page = |token: &str| Self { frame: crate::samples::frame(), token: token.into() };
        vec![page("abc"), page(crate::samples::HOSTILE)]
    }
}

//! A new password for who forgot theirs: asked for by address, chosen by the link in a mail.

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
use serde::Deserialize;
use social::mail::Chosen;

/// The form that chooses a password.
#[derive(Template, Clone, Debug)]
#[template(path = "password.html")]
pub struct PasswordPage {
    /// Around it.
    pub frame: Frame,
    /// What the link carries.
    pub token: String,
    /// Fewest characters.
    pub characters_min: usize,
    /// What is wrong with the one that was sent.
    pub wrong: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ChoiceForm {
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

const ERRAND: Errand = Errand {
    purpose: LinkPurpose::Reset,
    title: "Choose a new password",
    about: "Type the address that you signed up with. A mail will bring a link by which you choose \
            a new password.",
    form: "/auth/password/new",
    gone: &["It was used already, or it is too old, or it was cut off on its way."],
    again: "Ask for another one",
};

/// `GET /auth/password/new`.
pub(crate) async fn ask_page(State(site): State<Site>) -> Result<Response, Refused> {
    ERRAND.ask_page(&site)
}

/// `POST /auth/password/new`.
pub(crate) async fn ask(
    State(site): State<Site>,
    from: Origin,
    headers: HeaderMap,
    Body(form): Body<Asked>,
) -> Result<Response, Refused> {
    ERRAND.ask(&site, from, &headers, form).await
}

fn choosing(site: &Site, token: String, wrong: Option<String>) -> PasswordPage {
    let frame = Frame::unlisted(site, ERRAND.title);
    let characters_min = social::limits::PASSWORD_CHARACTERS_MIN;
    PasswordPage { frame, token, characters_min, wrong }
}

/// `GET /auth/password/edit?token=`.
pub(crate) async fn choose_page(
    State(site): State<Site>,
    Query(link): Query<Carried>,
) -> Result<Response, Refused> {
    let leads_to = |token| asking::page(&choosing(&site, token, None), StatusCode::OK);
    ERRAND.followed(&site, link.token, leads_to).await
}

/// `POST /auth/password/edit`: the password is the new one, and everything is logged out.
pub(crate) async fn choose(
    State(site): State<Site>,
    headers: HeaderMap,
    Body(form): Body<ChoiceForm>,
) -> Result<Response, Refused> {
    asking::with_mail(&site)?;
    asking::ours(&site, &headers)?;
    let refuse = |why: String| {
        asking::page(
            &choosing(&site, form.token.clone(), Some(why)),
            StatusCode::UNPROCESSABLE_ENTITY,
        )
    };
    if form.password != form.again {
        return refuse("The two are not the same.".to_owned());
    }
    match site.social.choose_password(&form.token, &form.password).await? {
        Chosen::Refused(why) => refuse(format!("This password {why}.")),
        Chosen::Gone => ERRAND.gone(&site),
        Chosen::Done => {
            let sentences = &[
                "All apps and browsers were logged out.",
                "Log in again in your app, with the new password.",
            ];
            asking::outcome(&site, StatusCode::OK, "Your password is changed", sentences, None)
        }
    }
}

#[cfg(test)]
impl crate::samples::Samples for PasswordPage {
    fn samples() -> Vec<Self> {
        let page = |token: &str, wrong: Option<&str>| Self {
            frame: crate::samples::frame(),
            token: token.into(),
            characters_min: 8,
            wrong: wrong.map(str::to_owned),
        };
        let hostile = crate::samples::HOSTILE;
        vec![page("abc", None), page(hostile, Some(hostile))]
    }
}

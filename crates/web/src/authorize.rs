//! An app asks to act for a member (RFC 6749 section 4.1, PKCE RFC 7636): the log-in page where
//! nobody is logged in, consent alone where somebody is. Source:
//! <https://docs.joinmastodon.org/methods/oauth/#authorize>.
//!
//! A request that is wrong is told on a page, never by sending the browser away: whoever may
//! register an app may choose where that would lead (RFC 9700 section 4.11.2). The page has a link,
//! so that a well-meaning app still hears of it.

use crate::{
    Site,
    browser::{Browser, Member},
    frame::{self, Frame},
    login::{LogInPage, Tried, Wish, retrying, tried},
    refusal::Refused,
};
use askama::Template;
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use httpkit::{ApiError, Body, Query, lenient, oauth, security::Csp};
use model::{
    AccountId,
    app::{App, ScopeRefusal},
    scope,
    token::Scopes,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// The redirect that means "show the code" (out of band).
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

/// Everything but what RFC 3986 section 2.3 leaves unreserved.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Consent of somebody who is logged in.
#[derive(Template, Clone, Debug)]
#[template(path = "consent.html")]
pub struct ConsentPage {
    /// Around it.
    pub frame: Frame,
    /// `@name` of whoever is logged in.
    pub who: String,
    /// What is asked.
    pub wish: Wish,
    /// What the form carries unseen.
    pub carried: Vec<(&'static str, String)>,
    /// The same page for somebody else.
    pub other: String,
}

/// A code to copy into an app.
#[derive(Template, Clone, Debug)]
#[template(path = "code.html")]
pub struct CodePage {
    /// Around it.
    pub frame: Frame,
    /// What the app calls itself.
    pub app: String,
    /// The code.
    pub code: String,
}

/// An app asked wrongly.
#[derive(Template, Clone, Debug)]
#[template(path = "misasked.html")]
pub struct MisaskedPage {
    /// Around it.
    pub frame: Frame,
    /// What is wrong.
    pub sentence: String,
    /// The app, and the address that tells it.
    pub back: Option<(String, String)>,
}

#[derive(Deserialize, Clone)]
pub(crate) struct Asked {
    #[serde(default)]
    response_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    scope: Option<String>,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    force_login: Option<bool>,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    mark: String,
    /// `allow` or `deny`, by somebody who is logged in.
    decision: Option<String>,
}

impl Asked {
    /// What was asked, for the form that comes back with the answer, or for a link.
    fn carried(&self) -> Vec<(&'static str, String)> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let fields = [
            ("response_type", Some(self.response_type.clone())),
            ("client_id", Some(self.client_id.clone())),
            ("redirect_uri", Some(self.redirect_uri.clone())),
            ("scope", given(&self.scope)),
            ("state", self.state.clone()),
            ("code_challenge", given(&self.code_challenge)),
            ("code_challenge_method", given(&self.code_challenge_method)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn csp(&self) -> Csp {
        Csp::page().redirecting_to(&self.redirect_uri)
    }
}

/// An address with more parameters in its query.
fn with_query<'a>(base: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut to = base.to_owned();
    let mut glue = if to.contains('?') { '&' } else { '?' };
    for (name, value) in pairs {
        to.push(glue);
        to.push_str(name);
        to.push('=');
        to.extend(utf8_percent_encode(value, IN_QUERY));
        glue = '&';
    }
    to
}

/// The app's own address, with an answer and with the app's own `state`.
fn to_app(asked: &Asked, answer: &[(&str, &str)]) -> String {
    let state = asked.state.as_deref().map(|state| ("state", state));
    with_query(&asked.redirect_uri, answer.iter().copied().chain(state))
}

fn send(to: &str) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Redirect::to(to)).into_response()
}

/// What is wrong with a request, as RFC 6749 section 4.1.2.1 names it, and in words.
fn fault(app: &App, asked: &Asked) -> Result<Scopes, (&'static str, &'static str)> {
    if asked.response_type != "code" {
        return Err(("unsupported_response_type", "Only response_type=code is supported."));
    }
    let (challenge, method) =
        (asked.code_challenge.as_deref(), asked.code_challenge_method.as_deref());
    oauth::challenge(challenge, method).map_err(|why| ("invalid_request", why))?;
    app.grant(asked.scope.as_deref()).map_err(|why| match why {
        ScopeRefusal::Unknown => {
            ("invalid_scope", "The app asks for something that does not exist here.")
        }
        ScopeRefusal::NotRegistered => {
            ("invalid_scope", "The app asks for more than it registered for.")
        }
    })
}

/// What an app asks for, checked; or the page that says what is wrong with it.
async fn checked(site: &Site, asked: &Asked) -> Result<Result<(App, Scopes), Response>, Refused> {
    let misasked = |sentence: &str, back| {
        let frame = Frame::unlisted(site, "This log-in cannot go on");
        let page = MisaskedPage { frame, sentence: sentence.to_owned(), back };
        frame::own(&page, StatusCode::BAD_REQUEST, &Csp::page())
    };
    let Some(app) = site.social.store().app_by_client(&asked.client_id).await? else {
        let sentence = "This app is not known here. It may have to be added anew, in the app.";
        return Ok(Err(misasked(sentence, None)?));
    };
    if !app.redirect_uris.contains(&asked.redirect_uri) {
        let sentence = "The address that the app wants you to be sent back to is not one that it \
                        registered.";
        return Ok(Err(misasked(sentence, None)?));
    }
    match fault(&app, asked) {
        Ok(scopes) => Ok(Ok((app, scopes))),
        Err((code, why)) => {
            let to = to_app(asked, &[("error", code), ("error_description", why)]);
            let back = (asked.redirect_uri != OUT_OF_BAND).then(|| (app.name.clone(), to));
            Ok(Err(misasked(why, back)?))
        }
    }
}

/// A right in words.
fn right(name: &str) -> String {
    let (group, what) = name.split_once(':').unwrap_or((name, ""));
    match (group, what) {
        ("read", "") => "Read all that you can read: posts, lists, notifications, settings".into(),
        ("write", "") => "Do all that you can do: post, delete, follow, change your profile".into(),
        ("follow", _) => "Follow, mute and block others for you".into(),
        ("push", _) => "Send you notifications".into(),
        ("profile", _) => "See who you are".into(),
        ("email", _) => "See your e-mail address".into(),
        ("admin", what) => format!("Run this place for you ({what})"),
        ("read", "accounts") => "Read your profile and those of others".into(),
        ("write", "accounts") => "Change your profile".into(),
        ("read", "statuses") => "Read the posts that you can read".into(),
        ("write", "statuses") => "Post, and change or delete your posts".into(),
        ("read", what) => format!("Read your {what}"),
        ("write", what) => format!("Make and change your {what}"),
        _ => name.to_owned(),
    }
}

fn wish(app: &App, scopes: Scopes, asked: &Asked) -> Wish {
    let source = oauth::redirect_source(&asked.redirect_uri);
    let back = source.split_once("://").map_or(String::new(), |(_, host)| host.to_owned());
    let rights = scope::names(scopes).into_iter().map(right).collect();
    Wish { app: app.name.clone(), rights, back }
}

fn log_in_page(
    site: &Site,
    browser: &Browser,
    (app, scopes): (&App, Scopes),
    asked: &Asked,
    wrong: Option<String>,
) -> LogInPage {
    let mut carried = asked.carried();
    carried.push(("mark", browser.door_mark(site)));
    LogInPage {
        frame: Frame::unlisted(site, "Log in"),
        action: "/oauth/authorize",
        carried,
        name: asked.username.clone(),
        wrong,
        wish: Some(wish(app, scopes, asked)),
        has_mail: site.social.has_mail(),
    }
}

async fn consent_page(
    site: &Site,
    member: &Member,
    (app, scopes): (&App, Scopes),
    asked: &Asked,
) -> Result<ConsentPage, Refused> {
    let view = site.social.account(member.session.account).await?;
    let mut carried = asked.carried();
    let pairs = carried.iter().map(|(name, value)| (*name, value.as_str()));
    let other = with_query("/oauth/authorize", pairs.chain([("force_login", "true")]));
    carried.push(("mark", member.mark(site)));
    Ok(ConsentPage {
        frame: Frame::unlisted(site, "Authorise an app"),
        who: format!("@{}", view.account.username),
        wish: wish(app, scopes, asked),
        carried,
        other,
    })
}

/// `GET /oauth/authorize`.
pub(crate) async fn show(
    State(site): State<Site>,
    browser: Browser,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let (app, scopes) = match checked(&site, &asked).await? {
        Ok(checked) => checked,
        Err(page) => return Ok(page),
    };
    let known = browser.member.as_ref().filter(|_| asked.force_login != Some(true));
    match known {
        Some(member) => {
            let page = consent_page(&site, member, (&app, scopes), &asked).await?;
            browser.page(&site, &page, StatusCode::OK, &asked.csp())
        }
        None => {
            let page = log_in_page(&site, &browser, (&app, scopes), &asked, None);
            browser.page(&site, &page, StatusCode::OK, &asked.csp())
        }
    }
}

/// A code for the app, on its way to it.
async fn given(
    site: &Site,
    app: &App,
    scopes: Scopes,
    asked: &Asked,
    account: AccountId,
) -> Result<Response, Refused> {
    let challenge = asked.code_challenge.clone().filter(|challenge| !challenge.is_empty());
    let code =
        site.social.issue_code(app.id, account, scopes, &asked.redirect_uri, challenge).await?;
    if asked.redirect_uri == OUT_OF_BAND {
        let frame = Frame::unlisted(site, "Your code");
        let page = CodePage { frame, app: app.name.clone(), code };
        return frame::own(&page, StatusCode::OK, &Csp::page());
    }
    Ok(send(&to_app(asked, &[("code", &code)])))
}

/// `POST /oauth/authorize`: a code for consent, or for the right password, which is consent too.
pub(crate) async fn decide(
    State(site): State<Site>,
    browser: Browser,
    Body(asked): Body<Asked>,
) -> Result<Response, Refused> {
    let member = match &asked.decision {
        Some(_) => Some(browser.check_member(&site, &asked.mark)?),
        None => browser.check_door(&site, &asked.mark).map(|()| None)?,
    };
    let (app, scopes) = match checked(&site, &asked).await? {
        Ok(checked) => checked,
        Err(page) => return Ok(page),
    };
    if let Some(member) = member {
        return match asked.decision.as_deref() {
            Some("allow") => given(&site, &app, scopes, &asked, member.session.account).await,
            Some("deny") => denied(&site, &asked),
            _ => Err(ApiError::bad_request("Neither yes nor no was said.").into()),
        };
    }
    match tried(&site, &browser, &asked.username, &asked.password).await? {
        Tried::Right(account) => {
            let answer = given(&site, &app, scopes, &asked, account).await?;
            browser.log_in(&site, account, answer).await
        }
        Tried::Wrong { why, status, retry_after_s } => {
            let page = log_in_page(&site, &browser, (&app, scopes), &asked, Some(why));
            Ok(retrying(browser.page(&site, &page, status, &asked.csp())?, retry_after_s))
        }
    }
}

fn denied(site: &Site, asked: &Asked) -> Result<Response, Refused> {
    if asked.redirect_uri == OUT_OF_BAND {
        let frame = Frame::unlisted(site, "Nothing was allowed");
        let sentence = "You can close this page.".to_owned();
        return frame::own(
            &MisaskedPage { frame, sentence, back: None },
            StatusCode::OK,
            &Csp::page(),
        );
    }
    let why = "The member said no.";
    Ok(send(&to_app(asked, &[("error", "access_denied"), ("error_description", why)])))
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::samples::{HOSTILE, Samples, frame};

    impl Samples for ConsentPage {
        fn samples() -> Vec<Self> {
            let page = |back: &str| Self {
                frame: frame(),
                who: "@ann".into(),
                wish: Wish {
                    app: HOSTILE.into(),
                    rights: vec![HOSTILE.into(), "x".into()],
                    back: back.into(),
                },
                carried: vec![("state", HOSTILE.into())],
                other: HOSTILE.into(),
            };
            vec![page(""), page(HOSTILE)]
        }
    }

    impl Samples for CodePage {
        fn samples() -> Vec<Self> {
            vec![Self { frame: frame(), app: HOSTILE.into(), code: HOSTILE.into() }]
        }
    }

    impl Samples for MisaskedPage {
        fn samples() -> Vec<Self> {
            let back = Some((HOSTILE.to_owned(), HOSTILE.to_owned()));
            [back, None].map(|back| Self { frame: frame(), sentence: HOSTILE.into(), back }).into()
        }
    }

    #[test]
    fn every_scope_has_words() {
        for name in scope::all_names() {
            assert_ne!(right(name), name, "{name}");
        }
    }
}

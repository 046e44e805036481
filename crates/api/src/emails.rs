//! The address of somebody who has signed up and not confirmed it yet: the only thing that their
//! token is good for. Source: <https://docs.joinmastodon.org/methods/emails/>.

use crate::{
    Api,
    accounts::Answer,
    caller::{Newcomer, Origin},
};
use axum::{Json, extract::State};
use httpkit::Body;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub(crate) struct ResendForm {
    email: Option<String>,
}

/// `POST /api/v1/emails/confirmations`: sends the mail again, to another address where one is
/// given. 403 for other apps and once it is confirmed, 422 for an address that cannot be had, 429
/// past the allowance.
pub(crate) async fn resend(
    State(api): State<Api>,
    Newcomer(caller): Newcomer,
    Origin(address): Origin,
    Body(form): Body<ResendForm>,
) -> Answer {
    let account = caller.member("write:accounts")?;
    let email = form.email.as_deref().map(str::trim).filter(|email| !email.is_empty());
    api.social.resend_confirmation(account, caller.app, email, address).await?;
    Ok(Json(json!({})))
}

/// `GET /api/v1/emails/check_confirmation`: whether the account can be used.
pub(crate) async fn check(State(api): State<Api>, Newcomer(caller): Newcomer) -> Answer {
    let account = caller.member("read:accounts")?;
    Ok(Json(json!(api.social.is_confirmed(account).await?)))
}

//! Reports. Source: <https://docs.joinmastodon.org/methods/reports/>.

use crate::{
    Api,
    accounts::{Answer, id},
    caller::Caller,
    wire::{self, Urls},
};
use axum::{Json, extract::State};
use httpkit::{ApiError, Body, lenient};
use model::{AccountId, StatusId, report::ReportCategory};
use serde::Deserialize;
use social::report::ReportDraft;

#[derive(Deserialize)]
pub(crate) struct ReportForm {
    #[serde(default, deserialize_with = "lenient::text")]
    account_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    status_ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    comment: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    category: Option<String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    rule_ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    forward: Option<bool>,
}

/// `POST /api/v1/reports`.
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(form): Body<ReportForm>,
) -> Answer {
    let account = caller.member("write:reports")?;
    let wrong = |what: &str| ApiError::unprocessable(format!("Validation failed: {what}"));
    let target: AccountId = id(form.account_id.as_deref().unwrap_or_default())?;
    let statuses = form.status_ids.iter().map(|text| id::<StatusId>(text));
    let rules = form.rule_ids.iter().map(|text| text.parse::<i64>());
    let category = match form.category.as_deref() {
        // Whoever names rules means that they were broken.
        None | Some("") if !form.rule_ids.is_empty() => ReportCategory::Violation,
        None | Some("") => ReportCategory::Other,
        Some(word) => ReportCategory::from_word(word)
            .ok_or_else(|| wrong("Category is not included in the list"))?,
    };
    let draft = ReportDraft {
        statuses: statuses.collect::<Result<_, _>>()?,
        comment: form.comment.unwrap_or_default(),
        category,
        rules: rules
            .collect::<Result<_, _>>()
            .map_err(|_| wrong("Rules does not reference valid rules"))?,
        forward: form.forward.unwrap_or(false),
    };
    let report = api.social.report(account, target, draft).await?;
    let reported = api.social.account(target).await?;
    Ok(Json(wire::other::report(&report, &reported, &Urls { base: &api.base_url })))
}

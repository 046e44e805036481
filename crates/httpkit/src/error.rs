//! Errors as Mastodon's clients expect them: `{"error": "..."}` and the right status. What went
//! wrong inside is logged under a request's id and never shown.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::StoreError;
use serde_json::{Value, json};

/// What went wrong behind a 5xx. It travels in the response's extensions to the request-id layer,
/// which logs the cause with the id and shows the id alone; but for what the caller must know to do
/// the right thing next, in a fixed sentence.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    pub(crate) cause: String,
    pub(crate) shown: Option<&'static str>,
}

/// An answer that is no success.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Value,
    retry_after_s: Option<u32>,
    reason: Option<&'static str>,
    cause: String,
}

impl ApiError {
    /// Any status with Mastodon's plain shape.
    pub fn plain(status: StatusCode, error: impl Into<String>) -> Self {
        let error: String = error.into();
        Self {
            status,
            body: json!({ "error": error }),
            retry_after_s: None,
            reason: None,
            cause: String::new(),
        }
    }
    /// An OAuth error (RFC 6749 section 5.2).
    pub fn oauth(status: StatusCode, code: &str, description: &str) -> Self {
        let body = json!({ "error": code, "error_description": description });
        Self { status, body, retry_after_s: None, reason: None, cause: String::new() }
    }
    /// A refused form: a sentence, and per field what is wrong with it.
    pub fn invalid(sentence: &str, details: Value) -> Self {
        let error = format!("Validation failed: {sentence}");
        let body = json!({ "error": error, "details": details });
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { status, body, retry_after_s: None, reason: None, cause: String::new() }
    }
    /// 400.
    pub fn bad_request(error: impl Into<String>) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, error)
    }
    /// 401: no token, or a dead one.
    pub fn unauthorized() -> Self {
        Self::plain(StatusCode::UNAUTHORIZED, "The access token is invalid")
    }
    /// 403.
    pub fn forbidden(error: impl Into<String>) -> Self {
        Self::plain(StatusCode::FORBIDDEN, error)
    }
    /// 403: the token lacks a scope.
    pub fn outside_scopes() -> Self {
        Self::forbidden("This action is outside the authorized scopes")
    }
    /// 404, also for what the asker may not see.
    pub fn not_found() -> Self {
        Self::plain(StatusCode::NOT_FOUND, "Record not found")
    }
    /// 404 that says what is not there.
    pub fn not_found_named(error: &str) -> Self {
        Self::plain(StatusCode::NOT_FOUND, error)
    }
    /// 422.
    pub fn unprocessable(error: impl Into<String>) -> Self {
        Self::plain(StatusCode::UNPROCESSABLE_ENTITY, error)
    }
    /// 429: the asker's own share is exceeded.
    pub fn too_many(retry_after_s: u32) -> Self {
        let error = Self::plain(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
        Self { retry_after_s: Some(retry_after_s), reason: Some("own_share"), ..error }
    }
    /// 503: shed, or something that is needed is away.
    pub fn unavailable(retry_after_s: u32, reason: &'static str) -> Self {
        let error = Self::plain(StatusCode::SERVICE_UNAVAILABLE, "Temporarily unavailable");
        Self { retry_after_s: Some(retry_after_s), reason: Some(reason), ..error }
    }
    /// 500, with nothing about it.
    pub fn internal() -> Self {
        Self::plain(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side")
    }
    /// 409: the state is in the way.
    pub fn conflict(error: impl Into<String>) -> Self {
        Self::plain(StatusCode::CONFLICT, error)
    }
    /// 410: was here and will not come back.
    pub fn gone() -> Self {
        Self::plain(StatusCode::GONE, "Gone")
    }
    /// 413: more than the route takes.
    pub fn too_large(error: impl Into<String>) -> Self {
        Self::plain(StatusCode::PAYLOAD_TOO_LARGE, error)
    }
    /// Adds what the log shall say, and the client not.
    #[must_use]
    pub fn with_cause(self, cause: impl std::fmt::Display) -> Self {
        Self { cause: cause.to_string(), ..self }
    }
    /// The message, as clients show it.
    pub fn message(&self) -> &str {
        self.body.get("error").and_then(Value::as_str).unwrap_or_default()
    }
    /// What is wrong in words: an OAuth error's description, else the message.
    pub fn description(&self) -> &str {
        let described = self.body.get("error_description").and_then(Value::as_str);
        described.unwrap_or_else(|| self.message())
    }
    /// The status it answers with.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

/// What somebody is told for whose deed there was no room.
const NO_SPACE: &str = "No space is left";
/// What somebody is told whose deed may have been stored, and may not.
const UNSETTLED: &str =
    "The server was not told in time whether this was stored. Look before you send it again";

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away { retry_after_s } => Self::unavailable(retry_after_s, "store_away"),
            StoreError::Unsettled { retry_after_s } => {
                let unsettled = Self::plain(StatusCode::SERVICE_UNAVAILABLE, UNSETTLED);
                Self {
                    reason: Some("store_unsettled"),
                    retry_after_s: Some(retry_after_s),
                    ..unsettled
                }
            }
            StoreError::Full => {
                let full = Self::plain(StatusCode::INSUFFICIENT_STORAGE, NO_SPACE);
                Self { reason: Some("disk_full"), retry_after_s: Some(60), ..full }
            }
            StoreError::Conflict(what) => {
                tracing::info!(what, "a write met a constraint");
                Self::plain(StatusCode::CONFLICT, "This was changed by somebody else meanwhile")
            }
            StoreError::Inconsistent(_) | StoreError::Broken(_) => {
                Self::internal().with_cause(&error)
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        // How to do better is said where somebody was not known: an app by its secret (RFC 6749
        // section 5.2), everybody else by a token (RFC 6750 section 3).
        let scheme = (self.status == StatusCode::UNAUTHORIZED).then(|| {
            let is_app = self.body.get("error").is_some_and(|code| code == "invalid_client");
            if is_app { "Basic realm=\"apps\"" } else { "Bearer realm=\"members\"" }
        });
        let mut response = (self.status, axum::Json(self.body)).into_response();
        if self.status.is_server_error() {
            let shown = match self.reason {
                Some("store_unsettled") => Some(UNSETTLED),
                Some("disk_full") => Some(NO_SPACE),
                _ => None,
            };
            response.extensions_mut().insert(Failure { cause: self.cause, shown });
        }
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(scheme) = scheme {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        if let Some(reason) = self.reason {
            headers.insert("fulmar-reason", HeaderValue::from_static(reason));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use http_body_util::BodyExt as _;

    async fn check(error: ApiError, expected: Expect) {
        let response = error.into_response();
        let status = response.status().as_u16();
        let head = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
        let retry = head("retry-after").map_or(String::new(), |text| format!(" retry {text}"));
        let reason = head("fulmar-reason").map_or(String::new(), |text| format!(" {text}"));
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        expected.assert_eq(&format!("{status}{retry}{reason} {}", String::from_utf8_lossy(&body)));
    }

    #[tokio::test]
    async fn shapes_are_mastodons_and_causes_stay_inside() {
        check(ApiError::not_found(), expect![[r#"404 {"error":"Record not found"}"#]]).await;
        check(
            ApiError::unauthorized(),
            expect![[r#"401 {"error":"The access token is invalid"}"#]],
        )
        .await;
        check(
            ApiError::too_many(30),
            expect![[r#"429 retry 30 own_share {"error":"Too many requests"}"#]],
        )
        .await;
        let details = json!({ "username": [{ "error": "ERR_BLANK" }] });
        check(ApiError::invalid("x", details), expect![[
            r#"422 {"details":{"username":[{"error":"ERR_BLANK"}]},"error":"Validation failed: x"}"#
        ]])
        .await;
        check(
            StoreError::Away { retry_after_s: 5 }.into(),
            expect![[r#"503 retry 5 store_away {"error":"Temporarily unavailable"}"#]],
        )
        .await;
        let unsettled = ApiError::from(StoreError::Unsettled { retry_after_s: 5 });
        assert_eq!(unsettled.message(), UNSETTLED);
        check(
            ApiError { body: json!({}), ..unsettled },
            expect![["503 retry 5 store_unsettled {}"]],
        )
        .await;
        check(
            StoreError::Full.into(),
            expect![[r#"507 retry 60 disk_full {"error":"No space is left"}"#]],
        )
        .await;
        check(
            StoreError::Inconsistent("secret".into()).into(),
            expect![[r#"500 {"error":"Something went wrong on our side"}"#]],
        )
        .await;
        check(
            StoreError::Conflict("secret").into(),
            expect![[r#"409 {"error":"This was changed by somebody else meanwhile"}"#]],
        )
        .await;
        check(ApiError::gone(), expect![[r#"410 {"error":"Gone"}"#]]).await;
        check(
            ApiError::outside_scopes(),
            expect![[r#"403 {"error":"This action is outside the authorized scopes"}"#]],
        )
        .await;
        check(
            StoreError::Broken("secret".into()).into(),
            expect![[r#"500 {"error":"Something went wrong on our side"}"#]],
        )
        .await;
    }
}

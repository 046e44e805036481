//! Refused verbs as answers of pages. Browsers get them as pages too: see `failure`.

use axum::response::{IntoResponse, Response};
use httpkit::ApiError;
use social::VerbError;

/// What a handler answers with when it does not answer with success.
#[derive(Debug)]
pub(crate) struct Refused(pub ApiError);

impl Refused {
    /// There is no such page, or it is not for this visitor.
    pub fn nowhere() -> Self {
        Self(ApiError::not_found())
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}
impl From<model::StoreError> for Refused {
    fn from(error: model::StoreError) -> Self {
        Self(error.into())
    }
}
impl From<askama::Error> for Refused {
    fn from(error: askama::Error) -> Self {
        Self(ApiError::internal().with_cause(error))
    }
}
impl From<VerbError> for Refused {
    fn from(error: VerbError) -> Self {
        Self(match error {
            VerbError::NotFound => ApiError::not_found(),
            VerbError::Forbidden(why) => ApiError::forbidden(why),
            VerbError::Invalid(why) => ApiError::unprocessable(why),
            VerbError::TooMany { retry_after_s } => ApiError::too_many(retry_after_s),
            VerbError::Busy => ApiError::unavailable(2, "busy"),
            VerbError::Store(error) => error.into(),
        })
    }
}
impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

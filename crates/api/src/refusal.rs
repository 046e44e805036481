//! Refused verbs as answers: the one place that maps them to a status.

use httpkit::ApiError;
use social::VerbError;

/// What a handler answers with when it does not answer with success.
pub(crate) struct Refused(pub ApiError);

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
impl From<VerbError> for Refused {
    fn from(error: VerbError) -> Self {
        Self(match error {
            VerbError::NotFound => ApiError::not_found(),
            VerbError::Forbidden(why) => ApiError::forbidden(why),
            VerbError::Invalid(why) => ApiError::unprocessable(format!("Validation failed: {why}")),
            VerbError::TooMany { retry_after_s } => ApiError::too_many(retry_after_s),
            VerbError::Busy => ApiError::unavailable(2, "busy"),
            VerbError::Store(error) => error.into(),
        })
    }
}
impl axum::response::IntoResponse for Refused {
    fn into_response(self) -> axum::response::Response {
        self.0.into_response()
    }
}

//! The answer to a request that is turned away: a status, when to come back, why, and an id to
//! complain with, in the API's shape of an error.

use axum::body::Body;
use http::{
    HeaderValue, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE,
        RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
    },
};
use httpkit::request_id::{REQUEST_ID, RequestId};
use shield::{decide::Door, gate::TurnedAway};

/// Seconds after which whoever was to be challenged may come back.
const CHALLENGED_AGAIN_S: u32 = 3;

/// Makes them.
pub(super) struct Refusals;

impl Refusals {
    /// The answer.
    pub(super) fn turned_away(
        &self,
        turned: &TurnedAway,
        door: Door,
        id: RequestId,
    ) -> Response<Body> {
        let (status, retry_after_s) = match turned {
            TurnedAway::Challenge => (503, CHALLENGED_AGAIN_S),
            TurnedAway::WaitingRoom { retry_after_s } => (503, *retry_after_s),
            TurnedAway::Refused(refusal) => (refusal.status, refusal.retry_after_s),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let what = if status == StatusCode::TOO_MANY_REQUESTS {
            "Too many requests"
        } else {
            "This place has more to do than it can. Try again in a little while"
        };
        let body = format!(r#"{{"error":"{what}","request_id":"{id}"}}"#);
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let text = HeaderValue::from_static;
        headers.insert(CONTENT_TYPE, text("application/json; charset=utf-8"));
        headers.insert(CACHE_CONTROL, text("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, text("nosniff"));
        headers.insert(RETRY_AFTER, retry_after_s.into());
        headers.insert("fulmar-reason", text(turned.code()));
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        if door != Door::Page {
            // Apps in browsers come from anywhere, and shall know when to come back.
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, text("*"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, text("retry-after,x-request-id"));
        }
        response
    }
}

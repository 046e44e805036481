//! One extractor for every body that an app may send: JSON, a form, multipart, or only a query.
//! All become one tree of values and are read into the same struct, so that no endpoint knows
//! which encoding came. Query parameters count too; those of the body win.

use crate::{
    ApiError,
    limits::{BODY_BYTES_MAX, FIELDS_MAX},
    nested::{self, NestedError},
};
use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, header, request::Parts},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A request's parameters, whatever their encoding.
pub struct Body<T>(pub T);

/// The query's parameters.
pub struct Query<T>(pub T);

impl From<NestedError> for ApiError {
    fn from(error: NestedError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// The fields of a form or query as a tree.
pub fn parse_form(text: &[u8]) -> Result<Map<String, Value>, ApiError> {
    // The decoder replaces what is not UTF-8; a damaged text must not be stored as if it were not.
    let decoded: Vec<u8> = percent_encoding::percent_decode(text).collect();
    if std::str::from_utf8(&decoded).is_err() {
        return Err(ApiError::bad_request("The parameters are not valid UTF-8"));
    }
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(text)
        .map_err(|_| ApiError::bad_request("The parameters cannot be read"))?;
    Ok(nested::tree(fields.iter().map(|(k, v)| (k.as_str(), Value::from(v.as_str()))))?)
}

fn read<T: DeserializeOwned>(tree: Map<String, Value>) -> Result<T, ApiError> {
    serde_json::from_value(Value::Object(tree))
        .map_err(|e| ApiError::unprocessable(format!("Validation failed: {e}")))
}

fn query_of(parts: &Parts) -> Result<Map<String, Value>, ApiError> {
    parse_form(parts.uri.query().unwrap_or("").as_bytes())
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(read(query_of(parts)?)?))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let mut tree = query_of(&parts)?;
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let kind = kind.unwrap_or("").to_owned();
        let bytes = collect(body).await?;
        tree.extend(body_tree(&kind, bytes).await?);
        Ok(Self(read(tree)?))
    }
}

async fn collect(body: axum::body::Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(ApiError::plain(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"))
        }
        Err(_) => Err(ApiError::bad_request("The body ended too early")),
    }
}

async fn body_tree(kind: &str, bytes: Bytes) -> Result<Map<String, Value>, ApiError> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    let essence = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" | "application/activity+json" => match serde_json::from_slice(&bytes) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err(ApiError::bad_request("The body must be a JSON object")),
            Err(_) => Err(ApiError::bad_request("The body is not valid JSON")),
        },
        "multipart/form-data" => multipart(kind, bytes).await,
        "application/x-www-form-urlencoded" | "" => parse_form(&bytes),
        _ => Err(ApiError::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body must be JSON, a form or multipart",
        )),
    }
}

async fn multipart(kind: &str, bytes: Bytes) -> Result<Map<String, Value>, ApiError> {
    let wrong = |_| ApiError::bad_request("The multipart body cannot be read");
    let boundary = multer::parse_boundary(kind).map_err(wrong)?;
    let stream = futures_util::stream::once(async move { Ok::<_, std::io::Error>(bytes) });
    let mut form = multer::Multipart::new(stream, boundary);
    let mut fields: Vec<(String, Value)> = Vec::new();
    while let Some(field) = form.next_field().await.map_err(wrong)? {
        if fields.len() >= FIELDS_MAX {
            return Err(NestedError::TooMany.into());
        }
        let name = field.name().unwrap_or("").to_owned();
        let is_file = field.file_name().is_some();
        let bytes = field.bytes().await.map_err(wrong)?;
        if is_file {
            return Err(ApiError::unprocessable("Validation failed: no file is accepted here"));
        }
        let text = String::from_utf8(bytes.to_vec())
            .map_err(|_| ApiError::bad_request("The parameters are not valid UTF-8"))?;
        fields.push((name, Value::from(text)));
    }
    Ok(nested::tree(fields.iter().map(|(k, v)| (k.as_str(), v.clone())))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn check(kind: &str, body: &str) -> Result<Value, u16> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        body_tree(kind, body).await.map(Value::Object).map_err(|e| e.status().as_u16())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn all_encodings_give_one_tree() {
        let form = "application/x-www-form-urlencoded";
        let multi = "multipart/form-data; boundary=X";
        let part = "--X\r\nContent-Disposition: form-data; name=\"a[]\"\r\n\r\n1\r\n--X--\r\n";
        let want = json!({"a": ["1"]});
        assert_eq!(check(form, "a[]=1").await, Ok(want.clone()));
        assert_eq!(
            check("application/json; charset=utf-8", r#"{"a":["1"]}"#).await,
            Ok(want.clone())
        );
        assert_eq!(check(multi, part).await, Ok(want));
        assert_eq!(check("", "").await, Ok(json!({})));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn damaged_bodies_are_refused() {
        let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
        let deep = format!("{{\"a\":{deep}}}");
        for (kind, body, status) in [
            ("application/json", "{", 400),
            ("application/json", "[]", 400),
            ("application/json", deep.as_str(), 400),
            ("application/x-www-form-urlencoded", "a=%FF", 400),
            ("multipart/form-data", "x", 400),
            ("multipart/form-data; boundary=X", "--X\r\nhalf", 400),
            ("text/xml", "<a/>", 415),
        ] {
            assert_eq!(check(kind, body).await, Err(status), "{kind} {body:.20}");
        }
    }
}

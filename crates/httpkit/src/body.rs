//! The extractors for parameters: [`Body`] reads JSON, forms and multipart alike and merges the
//! query string beneath (a body's parameter wins, as in Rails); [`Query`] reads the query alone.
//! Refusals are Mastodon-shaped: 400 malformed, 408 too slow, 413 too large, 415 another content
//! type, 422 of the wrong kind. A body without a content type is read as a form, as Rack does.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::{BodyExt, BodyStream, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::io::ErrorKind;

use crate::error::ApiError;
use crate::limits::{BODY_BYTES_MAX, QUERY_BYTES_MAX, UPLOAD_BODY_BYTES_MAX};
use crate::reader::{ParamError, read};
use crate::value::{Params, ParseError};
use crate::{form, json, multipart};

/// The parameters of a request, from its body and its query string, as a `T`.
pub struct Body<T>(pub T);

/// The parameters of a request's query string, as a `T`.
pub struct Query<T>(pub T);

/// How many bytes a route's body may have. Put it on routes that take files:
/// `.layer(axum::Extension(BodyLimit::UPLOADS))`. Without it: `BODY_BYTES_MAX`.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(usize);

impl BodyLimit {
    /// For routes that take files.
    pub const UPLOADS: Self = Self(UPLOAD_BODY_BYTES_MAX);
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        Ok(Self(read(params_of(request).await?)?))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Ok(Self(read(query_of(parts.uri.query())?)?))
    }
}

/// The parameters of a query string.
///
/// # Errors
/// When it is malformed or passes a limit.
pub fn query_of(query: Option<&str>) -> Result<Params, ParseError> {
    let query = query.unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err(ParseError::TooLarge);
    }
    form::parse(query.as_bytes())
}

/// Which of the three encodings a body is in.
enum Encoding {
    Json,
    Form,
    Multipart(String),
}

async fn params_of(request: Request) -> Result<Params, ParseError> {
    let (parts, body) = request.into_parts();
    let limit = parts.extensions.get::<BodyLimit>().map_or(BODY_BYTES_MAX, |limit| limit.0);
    let mut params = query_of(parts.uri.query())?;
    let encoding = encoding_of(&parts);
    let read = match encoding {
        Ok(Encoding::Multipart(boundary)) => {
            // One byte more than multer's own bound, so that its more precise error comes first.
            let stream = BodyStream::new(Limited::new(body, limit + 1));
            let chunks = futures_util::StreamExt::filter_map(stream, |frame| async {
                match frame {
                    Ok(frame) => frame.into_data().ok().map(Ok),
                    Err(error) => Some(Err(error)),
                }
            });
            multipart::parse(chunks, &boundary, limit).await?
        }
        other => {
            // Only multipart carries files: another encoding has no use for the room of uploads.
            let bytes = match Limited::new(body, limit.min(BODY_BYTES_MAX)).collect().await {
                Ok(collected) => collected.to_bytes(),
                Err(error) => return Err(unread(&*error)),
            };
            match other {
                _ if bytes.is_empty() => Params::new(),
                Ok(Encoding::Json) => json::parse(&bytes)?,
                Ok(_) => form::parse(&bytes)?,
                Err(unsupported) => return Err(unsupported),
            }
        }
    };
    params.extend(read);
    Ok(params)
}

/// Why the bytes of a body ended before its end. What breaks HTTP itself (a chunk without a length)
/// is the sender's mistake; all else is a sender who was slow, or is gone.
pub(crate) fn unread(error: &(dyn std::error::Error + 'static)) -> ParseError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return ParseError::TooLarge;
        }
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(ErrorKind::InvalidInput | ErrorKind::InvalidData)) {
            return ParseError::Malformed("HTTP");
        }
        cause = error.source();
    }
    ParseError::Cut
}

fn encoding_of(parts: &Parts) -> Result<Encoding, ParseError> {
    let Some(value) = parts.headers.get(CONTENT_TYPE) else { return Ok(Encoding::Form) };
    let kind = value.to_str().ok().and_then(|text| text.parse::<mime::Mime>().ok());
    let kind = kind.ok_or(ParseError::UnsupportedType)?;
    match (kind.type_(), kind.subtype(), kind.suffix()) {
        (mime::APPLICATION, mime::JSON, _) | (mime::APPLICATION, _, Some(mime::JSON)) => {
            Ok(Encoding::Json)
        }
        (mime::APPLICATION, mime::WWW_FORM_URLENCODED, _) => Ok(Encoding::Form),
        (mime::MULTIPART, mime::FORM_DATA, _) => kind
            .get_param(mime::BOUNDARY)
            .map(|boundary| Encoding::Multipart(boundary.as_str().to_owned()))
            .ok_or(ParseError::Malformed("multipart")),
        _ => Err(ParseError::UnsupportedType),
    }
}

impl From<ParseError> for ApiError {
    fn from(error: ParseError) -> Self {
        let text = error.to_string();
        match error {
            ParseError::TooLarge | ParseError::TooMany => Self::too_large(text),
            ParseError::UnsupportedType => {
                Self::plain(http::StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
            }
            ParseError::Cut => Self::plain(http::StatusCode::REQUEST_TIMEOUT, text),
            ParseError::TooDeep | ParseError::KeyTooLong => Self::unprocessable(text),
            ParseError::Encoding | ParseError::Malformed(_) | ParseError::Conflict(_) => {
                Self::bad_request(text)
            }
        }
    }
}

impl From<ParamError> for ApiError {
    fn from(error: ParamError) -> Self {
        let text = error.to_string();
        match error {
            ParamError::Missing(_) => Self::bad_request(text),
            ParamError::Wrong { .. } => Self::unprocessable(format!("Validation failed: {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::UploadedFile;
    use axum::body::Body as HttpBody;
    use expect_test::{Expect, expect};
    use serde::Deserialize;

    #[derive(Deserialize, Debug)]
    #[allow(dead_code, reason = "shown through Debug")]
    struct Form {
        status: String,
        #[serde(default)]
        sensitive: bool,
        file: Option<UploadedFile>,
    }

    /// Sends one body and shows the form, or the status and error.
    async fn check(content_type: &str, query: &str, body: Vec<u8>, expected: Expect) {
        let mut request = Request::builder().method("POST").uri(format!("/x?{query}"));
        if !content_type.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let request = request.body(HttpBody::from(body)).expect("a request");
        let shown = match Body::<Form>::from_request(request, &()).await {
            Ok(Body(form)) => format!("{form:?}"),
            Err(error) => format!("{} {}", error.status().as_u16(), error.message()),
        };
        expected.assert_eq(&shown);
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn three_encodings_give_one_form() {
        let same = || expect![[r#"Form { status: "hi", sensitive: true, file: None }"#]];
        let json = br#"{"status":"hi","sensitive":"1"}"#.to_vec();
        check("application/json; charset=utf-8", "", json, same()).await;
        check(FORM, "", b"status=hi&sensitive=true".to_vec(), same()).await;
        check("", "", b"status=hi&sensitive=on".to_vec(), same()).await;
        check(FORM, "status=hi&sensitive=1", Vec::new(), same()).await;
        check("application/json", "status=no&sensitive=1", br#"{"status":"hi"}"#.to_vec(), same())
            .await;
        let parts = "--B\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\nhi\r\n\
            --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\
            Content-Type: image/png\r\n\r\nPNG\r\n--B--\r\n";
        check("multipart/form-data; boundary=B", "", parts.into(), expect![[
            r#"Form { status: "hi", sensitive: false, file: Some(File("a", image/png, 3 bytes)) }"#
        ]])
        .await;
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_refused() {
        check(
            "application/json",
            "",
            b"{".to_vec(),
            expect!["400 the body is not well-formed JSON"],
        )
        .await;
        check(FORM, "", b"status=%f".to_vec(), expect!["400 the text is not valid UTF-8"]).await;
        check("text/plain", "", b"x".to_vec(), expect!["415 the content type is not supported"])
            .await;
        check(
            "multipart/form-data",
            "",
            b"x".to_vec(),
            expect!["400 the body is not well-formed multipart"],
        )
        .await;
        check(
            FORM,
            "",
            b"a=1".to_vec(),
            expect!["400 param is missing or the value is empty: status"],
        )
        .await;
        check(
            FORM,
            "",
            b"status[]=1".to_vec(),
            expect!["422 Validation failed: status: text is wanted"],
        )
        .await;
        let large = || b"status=".iter().copied().chain(vec![b'a'; BODY_BYTES_MAX]).collect();
        check(FORM, "", large(), expect!["413 the body is too large"]).await;
        check("multipart/form-data; boundary=B", "", large(), expect!["413 the body is too large"])
            .await;
        check(
            FORM,
            &"a".repeat(QUERY_BYTES_MAX + 1),
            Vec::new(),
            expect!["413 the body is too large"],
        )
        .await;
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_to_its_end_is_told_from_one_that_is_wrong() {
        use std::io::{Error, ErrorKind};
        let multipart = "multipart/form-data; boundary=B";
        for (kind, error, status) in [
            (FORM, ErrorKind::TimedOut, 408),
            ("application/json", ErrorKind::UnexpectedEof, 408),
            (multipart, ErrorKind::TimedOut, 408),
            (FORM, ErrorKind::InvalidInput, 400),
            (multipart, ErrorKind::InvalidInput, 400),
        ] {
            let sent = [Ok("--B\r\n"), Err(Error::from(error))];
            let body = HttpBody::from_stream(futures_util::stream::iter(sent));
            let request = Request::builder().uri("/x").header(CONTENT_TYPE, kind).body(body);
            let read = Body::<Form>::from_request(request.expect("a request"), &()).await;
            let answered = read.map_or_else(|error| error.status().as_u16(), |_| 200);
            assert_eq!(answered, status, "{kind}, {error}");
        }
    }

    #[tokio::test]
    async fn room_for_uploads_is_for_multipart_alone() {
        let text = || b"status=".iter().copied().chain(vec![b'a'; BODY_BYTES_MAX]).collect();
        let file = || {
            let head = "--B\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\nhi\r\n\
                --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
            let tail = b"\r\n--B--\r\n".iter().copied();
            head.bytes().chain(vec![b'a'; BODY_BYTES_MAX]).chain(tail).collect::<Vec<u8>>()
        };
        let multipart = "multipart/form-data; boundary=B";
        for (kind, body, uploads, status) in [
            (FORM, text(), true, 413),
            ("application/json", text(), true, 413),
            (multipart, file(), true, 200),
            (multipart, file(), false, 413),
        ] {
            let mut request = Request::builder().uri("/x").header(CONTENT_TYPE, kind);
            if uploads {
                request = request.extension(BodyLimit::UPLOADS);
            }
            let request = request.body(HttpBody::from(body)).expect("a request");
            let read = Body::<Form>::from_request(request, &()).await;
            let answered = read.map_or_else(|error| error.status().as_u16(), |_| 200);
            assert_eq!(answered, status, "{kind}, uploads: {uploads}");
        }
    }
}

//! Media attachments, and the files behind them. What a picture is and how it is stored is
//! `social::media`'s business. Source: <https://docs.joinmastodon.org/methods/media/>.

use crate::{
    Api,
    accounts::{Answer, id},
    caller::{Caller, Uploader},
    refusal::Refused,
    wire::{self, Urls},
};
use axum::{
    Json,
    body::Body as HttpBody,
    extract::{Path, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE,
        },
    },
    response::Response,
};
use httpkit::{ApiError, Body, etag, lenient, upload::UploadedFile};
use model::{
    MediaId,
    media::{Media, MediaState, focus_of},
};
use serde::Deserialize;
use serde_json::{Value, json};
use social::media::{self, GetRange};

/// A key never changes its content.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

type Coded = Result<(StatusCode, Json<Value>), Refused>;

#[derive(Deserialize)]
pub(crate) struct UploadForm {
    file: Option<UploadedFile>,
    #[serde(default, deserialize_with = "lenient::text")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    focus: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct DescribeForm {
    #[serde(default, deserialize_with = "lenient::text")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    focus: Option<String>,
}

/// A focal point as apps write it.
pub(crate) fn focus(text: Option<&str>) -> Result<Option<(i32, i32)>, ApiError> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => focus_of(text)
            .map(Some)
            .ok_or_else(|| ApiError::unprocessable("Validation failed: Focus is not x,y")),
    }
}

/// The attachment with the status that says how far it is; a failed one is refused.
fn shown(api: &Api, media: &Media, unfinished: StatusCode) -> Coded {
    let code = match media.state {
        MediaState::Ready => StatusCode::OK,
        MediaState::Processing => unfinished,
        MediaState::Failed => {
            let why = "Validation failed: File could not be read as a picture";
            return Err(ApiError::unprocessable(why).into());
        }
    };
    Ok((code, Json(wire::status::media(media, &Urls { base: &api.base_url }))))
}

async fn take(api: &Api, by: &Uploader, form: UploadForm) -> Result<Media, Refused> {
    let given = form.file.filter(|file| !file.is_empty());
    let file = given
        .ok_or_else(|| ApiError::unprocessable("Validation failed: File can't be blank"))?
        .bytes;
    let description = form.description.unwrap_or_default();
    let focus = focus(form.focus.as_deref())?;
    Ok(api.social.upload(&api.darkroom, by.account, file, &description, focus).await?)
}

/// `POST /api/v2/media`: 200 when it is ready at once, 202 while it is processed.
pub(crate) async fn create(
    State(api): State<Api>,
    by: Uploader,
    Body(form): Body<UploadForm>,
) -> Coded {
    let media = take(&api, &by, form).await?;
    shown(&api, &media, StatusCode::ACCEPTED)
}

/// `POST /api/v1/media`, the older form: always 200.
pub(crate) async fn create_v1(
    State(api): State<Api>,
    by: Uploader,
    Body(form): Body<UploadForm>,
) -> Coded {
    let media = take(&api, &by, form).await?;
    shown(&api, &media, StatusCode::OK)
}

/// `GET /api/v1/media/:id`: 206 while it is processed.
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(media): Path<String>,
) -> Coded {
    let account = caller.member("write:media")?;
    let media = api.social.uploaded(account, id::<MediaId>(&media)?).await?;
    shown(&api, &media, StatusCode::PARTIAL_CONTENT)
}

/// `PUT /api/v1/media/:id`, before it is posted.
pub(crate) async fn describe(
    State(api): State<Api>,
    caller: Caller,
    Path(media): Path<String>,
    Body(form): Body<DescribeForm>,
) -> Coded {
    let account = caller.member("write:media")?;
    let focus = focus(form.focus.as_deref())?;
    let description = form.description.as_deref();
    let media = id::<MediaId>(&media)?;
    let media = api.social.describe_upload(account, media, description, focus).await?;
    shown(&api, &media, StatusCode::OK)
}

/// `DELETE /api/v1/media/:id`, before it is posted.
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(media): Path<String>,
) -> Answer {
    let account = caller.member("write:media")?;
    api.social.discard_upload(&api.darkroom, account, id::<MediaId>(&media)?).await?;
    Ok(Json(json!({})))
}

/// `GET /media/...`: a file, or one part of it (RFC 9110 section 14).
pub(crate) async fn file(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(key): Path<String>,
) -> Result<Response, Refused> {
    let kind = media::content_type(&key).ok_or_else(ApiError::not_found)?;
    let tag = etag::etag(key.as_bytes());
    let mut response = Response::new(HttpBody::empty());
    response.headers_mut().insert(ETAG, tag.clone());
    response.headers_mut().insert(CACHE_CONTROL, FOR_EVER);
    if etag::not_modified(&headers, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let away = |error| ApiError::unavailable(5, "media").with_cause(error);
    let files = api.darkroom.files();
    let whole = files.get(&key, None).await.map_err(away)?.ok_or_else(ApiError::not_found)?;
    let size = whole.meta.size;
    let asked = headers.get(RANGE).and_then(|v| v.to_str().ok()).and_then(|v| part_of(v, size));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let (body, length) = match asked {
        None => (whole, size),
        Some(Part::Outside) => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            set(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(response);
        }
        Some(Part::Of(from, to)) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, CONTENT_RANGE, &format!("bytes {from}-{}/{size}", to - 1));
            let part = files.get(&key, Some(GetRange::Bounded(from..to))).await.map_err(away)?;
            (part.ok_or_else(ApiError::not_found)?, to - from)
        }
    };
    set(&mut response, CONTENT_LENGTH, &length.to_string());
    *response.body_mut() = HttpBody::from_stream(body.into_stream());
    Ok(response)
}

fn set(response: &mut Response, name: axum::http::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

/// What a `Range` header asks for of so many bytes.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// From this byte up to, not including, that one.
    Of(u64, u64),
    /// Nothing that is there.
    Outside,
}

/// `None`: several parts or no understandable one, so the whole is sent, as RFC 9110 allows.
fn part_of(header: &str, size: u64) -> Option<Part> {
    let (from, to) = header.strip_prefix("bytes=")?.trim().split_once('-')?;
    let part = match (from.is_empty(), to.is_empty()) {
        (true, true) => return None,
        (true, false) => (size.saturating_sub(to.parse().ok()?), size),
        (false, true) => (from.parse().ok()?, size),
        (false, false) => {
            let (from, last): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
            if last < from {
                return None;
            }
            (from, last.saturating_add(1).min(size))
        }
    };
    Some(if part.0 < part.1 { Part::Of(part.0, part.1) } else { Part::Outside })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_the_rfc_says() {
        for (header, expected) in [
            ("bytes=0-9", Some(Part::Of(0, 10))),
            ("bytes=90-", Some(Part::Of(90, 100))),
            ("bytes=-10", Some(Part::Of(90, 100))),
            ("bytes=-500", Some(Part::Of(0, 100))),
            ("bytes=50-18446744073709551615", Some(Part::Of(50, 100))),
            ("bytes=100-", Some(Part::Outside)),
            ("bytes=-0", Some(Part::Outside)),
            ("bytes=9-3", None),
            ("bytes=-", None),
            ("bytes=0-1,5-6", None),
            ("lines=0-1", None),
            ("bytes=a-b", None),
        ] {
            assert_eq!(part_of(header, 100), expected, "{header}");
        }
    }
}

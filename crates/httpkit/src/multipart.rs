//! `multipart/form-data` (RFC 7578) into [`Params`], read as it arrives: text fields join the tree
//! by their names, files become [`UploadedFile`]. Bounds are checked while reading, so that nothing
//! past them is ever held.

use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use multer::{Constraints, Field, Multipart, SizeLimit};

use crate::body::unread;
use crate::form::text;
use crate::limits::{BODY_BYTES_MAX, FIELDS_MAX, FILE_NAME_BYTES_MAX, UPLOAD_BYTES_MAX};
use crate::upload::UploadedFile;
use crate::value::{Nest, Params, ParseError, Value};

/// Reads a multipart stream to its end.
///
/// # Errors
/// When it is malformed, ends early, is not UTF-8 where text is wanted, or passes `bytes_max` or
/// another limit.
pub async fn parse<S, E>(stream: S, boundary: &str, bytes_max: usize) -> Result<Params, ParseError>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let whole = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let each = whole.min(u64::try_from(UPLOAD_BYTES_MAX).unwrap_or(u64::MAX));
    let limits = SizeLimit::new().whole_stream(whole).per_field(each);
    let limits = Constraints::new().size_limit(limits);
    let mut parts = Multipart::with_constraints(stream, boundary, limits);
    let mut nest = Nest::new();
    let mut count = 0;
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        count += 1;
        if count > FIELDS_MAX {
            return Err(ParseError::TooMany);
        }
        if let Some((name, value)) = read(part).await? {
            nest.add(&name, value)?;
        }
    }
    Ok(nest.finish())
}

/// The same for a body that is already whole: for fuzzing and tests.
///
/// # Errors
/// As [`parse`].
pub fn parse_whole(body: &[u8], boundary: &str) -> Result<Params, ParseError> {
    let body = Ok::<_, std::io::Error>(Bytes::copy_from_slice(body));
    let stream = futures_util::stream::iter([body]);
    parse(stream, boundary, UPLOAD_BYTES_MAX)
        .now_or_never()
        .unwrap_or(Err(ParseError::Malformed("multipart")))
}

/// One part; nothing for a file input that was left empty.
async fn read(mut part: Field<'_>) -> Result<Option<(String, Value)>, ParseError> {
    let Some(name) = part.name().map(str::to_owned) else {
        return Err(ParseError::Malformed("multipart"));
    };
    let file_name = part.file_name().map(str::to_owned);
    let content_type = part.content_type().map(ToString::to_string);
    // A route that takes files takes no longer texts for it.
    let bytes_max = if file_name.is_some() { UPLOAD_BYTES_MAX } else { BODY_BYTES_MAX };
    let mut bytes = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        if bytes.len() + chunk.len() > bytes_max {
            return Err(ParseError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    let Some(file_name) = file_name else { return Ok(Some((name, Value::Text(text(bytes)?)))) };
    if file_name.is_empty() && bytes.is_empty() {
        return Ok(None);
    }
    let file = UploadedFile {
        name: shortened(file_name)?,
        content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
        bytes: bytes.into(),
    };
    Ok(Some((name, Value::File(file))))
}

fn shortened(mut name: String) -> Result<String, ParseError> {
    let mut end = name.len().min(FILE_NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    if name.contains('\0') { Err(ParseError::Encoding) } else { Ok(name) }
}

fn broken(error: multer::Error) -> ParseError {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            ParseError::TooLarge
        }
        multer::Error::StreamReadFailed(cause) => unread(&*cause),
        _ => ParseError::Malformed("multipart"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(head: &str, body: &str) -> String {
        format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n")
    }

    fn check(body: &str, expected: Result<&str, ParseError>) {
        let shown = parse_whole(body.as_bytes(), "B").map(|params| format!("{params:?}"));
        assert_eq!(shown.as_deref(), expected.as_ref().copied(), "{body:?}");
    }

    #[test]
    fn fields_and_files() {
        let text = part("name=\"status\"", "hé") + &part("name=\"ids[]\"", "1") + "--B--\r\n";
        check(&text, Ok(r#"{"ids": List([Text("1")]), "status": Text("hé")}"#));
        let file = part("name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png", "PNG");
        check(&(file + "--B--\r\n"), Ok(r#"{"file": File(File("a.png", image/png, 3 bytes))}"#));
        let blank = part("name=\"file\"; filename=\"\"", "") + "--B--\r\n";
        check(&blank, Ok("{}"));
    }

    #[test]
    fn broken_bodies_are_refused() {
        let malformed = || Err(ParseError::Malformed("multipart"));
        check("", malformed());
        check("nonsense", malformed());
        check("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhalf", malformed());
        check(&(part("filename=\"a\"", "x") + "--B--\r\n"), malformed());
        let many = part("name=\"a\"", "x").repeat(FIELDS_MAX + 1) + "--B--\r\n";
        check(&many, Err(ParseError::TooMany));
        let nul = part("name=\"a\"", "x\0") + "--B--\r\n";
        check(&nul, Err(ParseError::Encoding));
    }

    #[test]
    fn a_text_may_not_be_as_long_as_a_file() {
        let long = "x".repeat(BODY_BYTES_MAX + 1);
        check(&(part("name=\"a\"", &long) + "--B--\r\n"), Err(ParseError::TooLarge));
        let file = part("name=\"a\"; filename=\"f\"", &long) + "--B--\r\n";
        assert!(parse_whole(file.as_bytes(), "B").is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0_usize..120,
        ) {
            let _ = parse_whole(&bytes, "B");
            let whole = part("name=\"a[b]\"; filename=\"f\"", "content") + "--B--\r\n";
            let _ = parse_whole(whole.as_bytes().get(..cut).unwrap_or_default(), "B");
        }
    }
}

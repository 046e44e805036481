//! `application/x-www-form-urlencoded`, of bodies and of query strings, into [`Params`].
//! Stricter than the URL standard on one point: text that is not UTF-8 is refused, not mended,
//! because what we store must be what was meant.

use std::borrow::Cow;

use crate::value::{Nest, Params, ParseError, Value};

/// Parses pairs joined by `&`. Source: URL Standard, section 5.1.
///
/// # Errors
/// On bad escapes, text that is not UTF-8, and past the limits.
pub fn parse(input: &[u8]) -> Result<Params, ParseError> {
    let mut nest = Nest::new();
    for pair in input.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let key = decode(halves.next().unwrap_or_default())?;
        let value = decode(halves.next().unwrap_or_default())?;
        nest.add(&key, Value::Text(value.into_owned()))?;
    }
    Ok(nest.finish())
}

/// Undoes `+` and percent escapes.
fn decode(raw: &[u8]) -> Result<Cow<'_, str>, ParseError> {
    if !raw.iter().any(|byte| matches!(byte, b'+' | b'%' | 0)) {
        return std::str::from_utf8(raw).map(Cow::Borrowed).map_err(|_| ParseError::Encoding);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(ParseError::Encoding),
            },
            other => other,
        });
    }
    text(bytes).map(Cow::Owned)
}

/// Bytes as text that the store can keep: UTF-8 without NUL.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, ParseError> {
    let text = String::from_utf8(bytes).map_err(|_| ParseError::Encoding)?;
    if text.contains('\0') { Err(ParseError::Encoding) } else { Ok(text) }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

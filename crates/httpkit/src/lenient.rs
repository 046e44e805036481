//! Values as apps send them: numbers and truth values as text, one where many are meant.
//! For `#[serde(deserialize_with = "...")]`, always beside `#[serde(default)]`.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// A truth value, if one was sent; an empty text is none.
pub fn boolean<'de, D: Deserializer<'de>>(d: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(d)? {
        Value::Null => Ok(None),
        Value::Bool(b) => Ok(Some(b)),
        Value::Number(n) => Ok(Some(n.as_i64() != Some(0))),
        Value::String(s) => match s.as_str() {
            "" => Ok(None),
            "0" | "f" | "F" | "false" | "FALSE" | "off" | "OFF" => Ok(Some(false)),
            _ => Ok(Some(true)),
        },
        _ => Err(D::Error::custom("a truth value was expected")),
    }
}

/// A whole number, if one was sent.
pub fn integer<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    let wrong = || D::Error::custom("a whole number was expected");
    match Value::deserialize(d)? {
        Value::Null => Ok(None),
        Value::Number(n) => n.as_i64().map(Some).ok_or_else(wrong),
        Value::String(s) if s.is_empty() => Ok(None),
        Value::String(s) => s.trim().parse().map(Some).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// A text, if one was sent; numbers count as their digits.
pub fn text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(d)? {
        Value::Null => Ok(None),
        Value::String(s) => Ok(Some(s)),
        Value::Number(n) => Ok(Some(n.to_string())),
        Value::Bool(b) => Ok(Some(b.to_string())),
        _ => Err(D::Error::custom("a text was expected")),
    }
}

/// One or many texts.
pub fn texts<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let one = |v: Value| match v {
        Value::String(s) => Ok(s),
        Value::Number(n) => Ok(n.to_string()),
        _ => Err(D::Error::custom("a text was expected")),
    };
    match Value::deserialize(d)? {
        Value::Null => Ok(vec![]),
        Value::Array(many) => many.into_iter().map(one).collect(),
        single => one(single).map(|s| vec![s]),
    }
}

//! Values as apps send them: numbers and truth values as text, one where many are meant.
//! For `#[serde(deserialize_with = "...")]`, always beside `#[serde(default)]`.

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::Value;
use std::fmt;

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

/// A whole number, if one was sent; a fraction is cut off, as Ruby does.
pub fn integer<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    let wrong = || D::Error::custom("a whole number was expected");
    match Value::deserialize(d)? {
        Value::Null => Ok(None),
        Value::Number(n) => match n.as_i64() {
            Some(n) => Ok(Some(n)),
            None => whole(&n.to_string()).map(Some).ok_or_else(wrong),
        },
        Value::String(s) if s.is_empty() => Ok(None),
        Value::String(s) => whole(s.trim()).map(Some).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// The number before a point; what follows it must be digits.
fn whole(text: &str) -> Option<i64> {
    let (number, fraction) = text.split_once('.').unwrap_or((text, ""));
    number.parse().ok().filter(|_| fraction.bytes().all(|b| b.is_ascii_digit()))
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
    d.deserialize_seq(Texts)
}

/// One or many texts, if they were sent; an empty list is a list.
pub fn some_texts<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<String>>, D::Error> {
    texts(d).map(Some)
}

/// Takes a list, or anything that can stand for a list of one.
struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one or many texts")
    }
    fn visit_unit<E: Error>(self) -> Result<Vec<String>, E> {
        Ok(vec![])
    }
    fn visit_str<E: Error>(self, one: &str) -> Result<Vec<String>, E> {
        Ok(vec![one.to_owned()])
    }
    fn visit_i64<E: Error>(self, one: i64) -> Result<Vec<String>, E> {
        Ok(vec![one.to_string()])
    }
    fn visit_u64<E: Error>(self, one: u64) -> Result<Vec<String>, E> {
        Ok(vec![one.to_string()])
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut many: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(item) = many.next_element::<Value>()? {
            match item {
                Value::String(text) => texts.push(text),
                Value::Number(number) => texts.push(number.to_string()),
                _ => return Err(A::Error::custom("a text was expected")),
            }
        }
        Ok(texts)
    }
}

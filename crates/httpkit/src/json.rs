//! JSON bodies into [`Params`], with depth and number of values bounded while they are read, so
//! that a small body cannot become a large tree.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits::{FIELDS_MAX, KEY_BYTES_MAX, NESTING_MAX};
use crate::value::{Params, ParseError, Value};

/// Parses a JSON object. An empty body is an empty object, as Rails has it.
///
/// # Errors
/// On malformed JSON, anything but an object at the top, and past the limits.
pub fn parse(input: &[u8]) -> Result<Params, ParseError> {
    if input.iter().all(u8::is_ascii_whitespace) {
        return Ok(Params::new());
    }
    std::str::from_utf8(input).map_err(|_| ParseError::Encoding)?;
    let bounds = Bounds { left: Cell::new(FIELDS_MAX), broken: Cell::new(None) };
    let mut reader = serde_json::Deserializer::from_slice(input);
    let tree = Tree { bounds: &bounds, depth: 0 }.deserialize(&mut reader);
    let tree = tree.and_then(|tree| reader.end().map(|()| tree));
    match (bounds.broken.take(), tree) {
        (Some(broken), _) => Err(broken),
        (None, Ok(Value::Map(params))) => Ok(params),
        (None, _) => Err(ParseError::Malformed("JSON")),
    }
}

/// What is left to read, and which limit was passed.
struct Bounds {
    left: Cell<usize>,
    broken: Cell<Option<ParseError>>,
}

impl Bounds {
    fn stop<E: Error>(&self, why: ParseError) -> E {
        self.broken.set(Some(why));
        E::custom("past a limit")
    }

    fn checked_text<E: Error>(&self, text: String) -> Result<String, E> {
        if text.contains('\0') { Err(self.stop(ParseError::Encoding)) } else { Ok(text) }
    }
}

#[derive(Clone, Copy)]
struct Tree<'a> {
    bounds: &'a Bounds,
    depth: usize,
}

impl Tree<'_> {
    /// The same, one level deeper.
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= NESTING_MAX {
            return Err(self.bounds.stop(ParseError::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        let Some(left) = self.bounds.left.get().checked_sub(1) else {
            return Err(self.bounds.stop(ParseError::TooMany));
        };
        self.bounds.left.set(left);
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Unsigned(value), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.bounds.checked_text(value).map(Value::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Params::new();
        while let Some(key) = pairs.next_key::<String>()? {
            if key.len() > KEY_BYTES_MAX {
                return Err(self.bounds.stop(ParseError::KeyTooLong));
            }
            let key = self.bounds.checked_text(key)?;
            map.insert(key, pairs.next_value_seed(inner)?);
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(body: &str, expected: Result<&str, ParseError>) {
        let shown = parse(body.as_bytes()).map(|params| format!("{params:?}"));
        assert_eq!(shown.as_deref(), expected.as_ref().copied(), "{body}");
    }

    #[test]
    fn objects_are_read() {
        check("", Ok("{}"));
        check(" \n", Ok("{}"));
        check(
            r#"{"a":1,"b":[true,null,"x",2.5]}"#,
            Ok(r#"{"a": Integer(1), "b": List([Bool(true), Null, Text("x"), Float(2.5)])}"#),
        );
        check(r#"{"a":18446744073709551615,"a":-1}"#, Ok(r#"{"a": Integer(-1)}"#));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["[1]", "1", "{", "{\"a\":}", "{} {}", "\"x\"", "nul", "{\"a\":\"\\ud800\"}"] {
            check(body, Err(ParseError::Malformed("JSON")));
        }
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err(ParseError::Encoding));
        check("{\"a\":\"\\u0000\"}", Err(ParseError::Encoding));
    }

    #[test]
    fn limits_hold() {
        let nested = |n: usize| format!("{{\"a\":{}1{}}}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(NESTING_MAX - 1).as_bytes()).is_ok());
        check(&nested(NESTING_MAX), Err(ParseError::TooDeep));
        check(&nested(100_000), Err(ParseError::TooDeep));
        let wide = format!("{{\"a\":[{}0]}}", "0,".repeat(FIELDS_MAX));
        check(&wide, Err(ParseError::TooMany));
        check(&format!("{{\"{}\":1}}", "k".repeat(KEY_BYTES_MAX + 1)), Err(ParseError::KeyTooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let _ = parse(&bytes);
        }
    }
}

//! The tree of parameters that every encoding is read into: JSON, forms, multipart, queries.
//! Pure and bounded (`limits.rs`), so that fuzzing calls it directly. What the values mean is left
//! to `reader.rs`, which reads them into typed structs.

use std::collections::BTreeMap;

use crate::limits::{FIELDS_MAX, KEY_BYTES_MAX, NESTING_MAX};
use crate::upload::UploadedFile;

/// A parameter, or a tree of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON `null`.
    Null,
    /// JSON `true` or `false`.
    Bool(bool),
    /// A whole number of JSON.
    Integer(i64),
    /// A whole number of JSON past `i64::MAX`.
    Unsigned(u64),
    /// A number of JSON with a fraction or an exponent.
    Float(f64),
    /// Text, of JSON or of a form.
    Text(String),
    /// A list: a JSON array or `key[]`.
    List(Vec<Value>),
    /// The same plain key given several times; one value is wanted: the last, many: all of them.
    Repeated(Vec<Value>),
    /// A JSON object, or `key[sub]`.
    Map(Params),
    /// A file of a multipart body.
    File(UploadedFile),
}

/// Named parameters, in the order of their names.
pub type Params = BTreeMap<String, Value>;

/// Why a body or query could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Text that is not UTF-8, a bad percent escape, or a NUL (PostgreSQL cannot store one).
    #[error("the text is not valid UTF-8")]
    Encoding,
    /// The format's own rules are broken, or the body ends too early.
    #[error("the body is not well-formed {0}")]
    Malformed(&'static str),
    /// Nested deeper than `NESTING_MAX`.
    #[error("the parameters are nested too deeply")]
    TooDeep,
    /// More than `FIELDS_MAX` values or parts.
    #[error("there are too many parameters")]
    TooMany,
    /// A name longer than `KEY_BYTES_MAX`.
    #[error("a parameter's name is too long")]
    KeyTooLong,
    /// One name is used as text and as a list or a group.
    #[error("the parameter `{0}` is given in two shapes")]
    Conflict(String),
    /// More bytes than the route takes.
    #[error("the body is too large")]
    TooLarge,
    /// The sender stopped before the end, or came too slowly.
    #[error("the body did not arrive in time")]
    Cut,
    /// A content type that is none of the three.
    #[error("the content type is not supported")]
    UnsupportedType,
}

/// Builds a tree from flat `key[sub][]` pairs, as Rack does, within the limits.
#[derive(Default)]
pub struct Nest {
    params: Params,
    values: usize,
}

impl Nest {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one pair.
    ///
    /// # Errors
    /// When a limit is passed or the shapes of two pairs contradict each other.
    pub fn add(&mut self, key: &str, value: Value) -> Result<(), ParseError> {
        self.values += 1;
        if self.values > FIELDS_MAX {
            return Err(ParseError::TooMany);
        }
        let path = steps(key)?;
        let Some((Step::Key(first), rest)) = path.split_first() else { return Ok(()) };
        put(self.params.entry((*first).to_owned()), rest, value)
            .map_err(|Shape| ParseError::Conflict(key.to_owned()))
    }

    /// The tree.
    #[must_use]
    pub fn finish(self) -> Params {
        self.params
    }
}

/// One step of `key[sub][]`.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Step<'a> {
    Key(&'a str),
    Push,
}

/// Two pairs that cannot both be in one tree.
struct Shape;

/// Splits `key[sub][]` into its steps. Brackets that do not balance make the whole a plain name.
fn steps(key: &str) -> Result<Vec<Step<'_>>, ParseError> {
    if key.len() > KEY_BYTES_MAX {
        return Err(ParseError::KeyTooLong);
    }
    if key.contains('\0') {
        return Err(ParseError::Encoding);
    }
    let Some((name, mut rest)) = key.split_once('[').filter(|(name, _)| !name.is_empty()) else {
        return Ok(vec![Step::Key(key)]);
    };
    let mut path = vec![Step::Key(name)];
    loop {
        let Some((sub, after)) = rest.split_once(']') else { return Ok(vec![Step::Key(key)]) };
        path.push(if sub.is_empty() { Step::Push } else { Step::Key(sub) });
        if path.len() > NESTING_MAX {
            return Err(ParseError::TooDeep);
        }
        match after.strip_prefix('[') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(path),
            None => return Ok(vec![Step::Key(key)]),
        }
    }
}

use std::collections::btree_map::Entry;

fn put(entry: Entry<'_, String, Value>, path: &[Step<'_>], value: Value) -> Result<(), Shape> {
    match entry {
        Entry::Vacant(empty) => {
            empty.insert(fresh(path, value));
            Ok(())
        }
        Entry::Occupied(mut held) => join(held.get_mut(), path, value),
    }
}

/// A new branch that holds the value at the path's end.
fn fresh(path: &[Step<'_>], value: Value) -> Value {
    path.iter().rev().fold(value, |inner, step| match step {
        Step::Push => Value::List(vec![inner]),
        Step::Key(key) => Value::Map(Params::from([((*key).to_owned(), inner)])),
    })
}

fn join(held: &mut Value, path: &[Step<'_>], value: Value) -> Result<(), Shape> {
    match (path.split_first(), held) {
        (None, Value::Map(_) | Value::List(_)) => Err(Shape),
        (None, Value::Repeated(all)) => {
            all.push(value);
            Ok(())
        }
        (None, held) => {
            let first = std::mem::replace(held, Value::Null);
            *held = Value::Repeated(vec![first, value]);
            Ok(())
        }
        (Some((Step::Key(key), rest)), Value::Map(map)) => {
            put(map.entry((*key).to_owned()), rest, value)
        }
        (Some((Step::Push, rest)), Value::List(list)) => {
            // `a[][x]=1&a[][y]=2` are one item with x and y; a second x begins the next item.
            match list.last_mut() {
                Some(last @ Value::Map(_)) if !rest.is_empty() && !has(last, rest) => {
                    join(last, rest, value)
                }
                _ => {
                    list.push(fresh(rest, value));
                    Ok(())
                }
            }
        }
        _ => Err(Shape),
    }
}

/// Whether the path already ends in a value.
fn has(value: &Value, path: &[Step<'_>]) -> bool {
    match (path.split_first(), value) {
        (None, _) => true,
        (Some((Step::Key(key), rest)), Value::Map(map)) => {
            map.get(*key).is_some_and(|inner| has(inner, rest))
        }
        (Some((Step::Push, _)), Value::List(_)) => false,
        (Some(_), Value::Map(_)) => false,
        (Some(_), _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::parse;
    use proptest::prelude::*;

    fn check(query: &str, expected: expect_test::Expect) {
        let shown = match parse(query.as_bytes()) {
            Ok(params) => show(&Value::Map(params)),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    fn show(value: &Value) -> String {
        let all = |values: &[Value]| values.iter().map(show).collect::<Vec<_>>().join(",");
        match value {
            Value::Text(text) => text.clone(),
            Value::List(list) => format!("[{}]", all(list)),
            Value::Repeated(list) => format!("({})", all(list)),
            Value::Map(map) => {
                let pairs: Vec<_> = map.iter().map(|(k, v)| format!("{k}:{}", show(v))).collect();
                format!("{{{}}}", pairs.join(","))
            }
            other => format!("{other:?}"),
        }
    }

    use expect_test::expect;

    #[test]
    fn flat_pairs_and_repeats() {
        check("a=1&b=x+y&a=2", expect!["{a:(1,2),b:x y}"]);
        check("", expect!["{}"]);
        check("a", expect!["{a:}"]);
        check("&&a=1&", expect!["{a:1}"]);
    }

    #[test]
    fn lists_and_groups() {
        check("id[]=1&id[]=2", expect!["{id:[1,2]}"]);
        check("id%5B%5D=1", expect!["{id:[1]}"]);
        check(
            "poll[options][]=a&poll[options][]=b&poll[multiple]=1",
            expect!["{poll:{multiple:1,options:[a,b]}}"],
        );
        check(
            "f[0][name]=a&f[0][value]=b&f[1][name]=c",
            expect!["{f:{0:{name:a,value:b},1:{name:c}}}"],
        );
        check("k[][id]=1&k[][word]=a&k[][id]=2", expect!["{k:[{id:1,word:a},{id:2}]}"]);
        check("k[][a][]=1&k[][a][]=2", expect!["{k:[{a:[1,2]}]}"]);
    }

    #[test]
    fn brackets_that_do_not_balance_are_plain_names() {
        check("a[b=1&[c]=2&d]e=3&f[g]h=4", expect!["{[c]:2,a[b:1,d]e:3,f[g]h:4}"]);
    }

    #[test]
    fn refused() {
        check("a=1&a[b]=2", expect!["the parameter `a[b]` is given in two shapes"]);
        check("a[]=1&a=2", expect!["the parameter `a` is given in two shapes"]);
        check("a=%zz", expect!["the text is not valid UTF-8"]);
        check("a=%ff", expect!["the text is not valid UTF-8"]);
        check("a=%00", expect!["the text is not valid UTF-8"]);
        check(&format!("a{}=1", "[b]".repeat(16)), expect!["the parameters are nested too deeply"]);
        check(&"k".repeat(513), expect!["a parameter's name is too long"]);
        check(&"a=1&".repeat(1001), expect!["there are too many parameters"]);
    }

    fn depth(value: &Value) -> usize {
        match value {
            Value::List(l) | Value::Repeated(l) => 1 + l.iter().map(depth).max().unwrap_or(0),
            Value::Map(map) => 1 + map.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn any_bytes_keep_within_depth(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'['), Just(b']'), Just(b'&'), Just(b'='), any::<u8>()],
                0..300,
            )
        ) {
            if let Ok(params) = parse(&bytes) {
                prop_assert!(depth(&Value::Map(params)) <= NESTING_MAX + 1);
            }
        }
    }
}

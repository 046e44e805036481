//! Names of fields as Rails has them: `a[]`, `a[b]`, `a[0][b]`. Mastodon's apps send them in forms
//! and queries; here they become the JSON that the same app could have sent instead.

use crate::limits::{FIELDS_MAX, NESTING_MAX};
use serde_json::{Map, Value};

/// Why fields make no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NestedError {
    /// Past [`FIELDS_MAX`].
    #[error("too many fields")]
    TooMany,
    /// Past [`NESTING_MAX`].
    #[error("fields are nested too deeply")]
    TooDeep,
    /// `a=1` and `a[b]=2` at once.
    #[error("a field is both a value and a group")]
    Mixed,
}

/// A tree of the fields, in their order. A name that repeats keeps its last value.
pub fn tree<'a>(
    fields: impl Iterator<Item = (&'a str, Value)>,
) -> Result<Map<String, Value>, NestedError> {
    let mut root = Value::Object(Map::new());
    for (n, (name, value)) in fields.enumerate() {
        if n >= FIELDS_MAX {
            return Err(NestedError::TooMany);
        }
        let path = split(name)?;
        insert(&mut root, &path, value)?;
    }
    match settle(root) {
        Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

fn split(name: &str) -> Result<Vec<&str>, NestedError> {
    let head = name.find('[').filter(|i| *i > 0 && name.ends_with(']'));
    let Some(open) = head else { return Ok(vec![name]) };
    let mut path = vec![&name[..open]];
    path.extend(name[open + 1..name.len() - 1].split("]["));
    if path.len() > NESTING_MAX { Err(NestedError::TooDeep) } else { Ok(path) }
}

/// Groups are objects while they grow; `[]` counts up, so that order is kept.
fn insert(at: &mut Value, path: &[&str], value: Value) -> Result<(), NestedError> {
    let Some((key, rest)) = path.split_first() else {
        *at = value;
        return Ok(());
    };
    let Value::Object(map) = at else { return Err(NestedError::Mixed) };
    let key = if key.is_empty() { format!("\u{0}{}", map.len()) } else { (*key).to_owned() };
    if rest.is_empty() {
        if map.get(&key).is_some_and(Value::is_object) {
            return Err(NestedError::Mixed);
        }
        map.insert(key, value);
        return Ok(());
    }
    insert(map.entry(key).or_insert_with(|| Value::Object(Map::new())), rest, value)
}

/// Groups whose names are all counted or numbers become lists.
fn settle(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let counted = |k: &String| k.starts_with('\u{0}') || k.bytes().all(|b| b.is_ascii_digit());
    if !map.is_empty() && map.keys().all(counted) {
        let order = |k: &String| k.trim_start_matches('\u{0}').parse::<u32>().unwrap_or(u32::MAX);
        let mut entries: Vec<(String, Value)> = map.into_iter().collect();
        entries.sort_by_key(|(k, _)| order(k));
        return Value::Array(entries.into_iter().map(|(_, v)| settle(v)).collect());
    }
    Value::Object(map.into_iter().map(|(k, v)| (k, settle(v))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(fields: &[(&str, &str)]) -> Result<Value, NestedError> {
        tree(fields.iter().map(|(k, v)| (*k, json!(v)))).map(Value::Object)
    }

    #[test]
    fn forms_become_trees() {
        for (fields, expected) in [
            (vec![("a", "1"), ("a", "2")], json!({"a": "2"})),
            (vec![("a[]", "1"), ("a[]", "2")], json!({"a": ["1", "2"]})),
            (
                vec![("p[o][]", "x"), ("p[o][]", "y"), ("p[e]", "9")],
                json!({"p": {"o": ["x", "y"], "e": "9"}}),
            ),
            (
                vec![("f[0][n]", "a"), ("f[0][v]", "b"), ("f[1][n]", "c")],
                json!({"f": [{"n": "a", "v": "b"}, {"n": "c"}]}),
            ),
            (vec![("[]", "x"), ("a]", "y")], json!({"[]": "x", "a]": "y"})),
        ] {
            assert_eq!(check(&fields), Ok(expected), "{fields:?}");
        }
        assert_eq!(check(&[("a", "1"), ("a[b]", "2")]), Err(NestedError::Mixed));
        assert_eq!(check(&[("a[b]", "1"), ("a", "2")]), Err(NestedError::Mixed));
        assert_eq!(check(&[("a[b][c][d][e][f][g][h][i]", "1")]), Err(NestedError::TooDeep));
    }

    proptest! {
        #[test]
        fn no_names_break_it(names in proptest::collection::vec("[a\\[\\]0é]{0,12}", 0..20)) {
            let _ = tree(names.iter().map(|n| (n.as_str(), json!(1))));
        }
    }
}

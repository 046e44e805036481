//! Rows as they come back, read by position. A column of the wrong type is a defect of ours and is
//! reported by its place, never by its content.

use crate::Value;
use model::StoreError;

/// One row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row(pub(crate) Vec<Value>);

impl Row {
    fn wrong(&self, i: usize, wanted: &str) -> StoreError {
        StoreError::Inconsistent(format!("column {i} of {}: not {wanted}", self.0.len()))
    }
    /// A BIGINT.
    pub fn int(&self, i: usize) -> Result<i64, StoreError> {
        self.opt_int(i)?.ok_or_else(|| self.wrong(i, "a number"))
    }
    /// A BIGINT or NULL.
    pub fn opt_int(&self, i: usize) -> Result<Option<i64>, StoreError> {
        match self.0.get(i) {
            Some(Value::Int(v)) => Ok(Some(*v)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.wrong(i, "a number or NULL")),
        }
    }
    /// A truth value.
    pub fn bool(&self, i: usize) -> Result<bool, StoreError> {
        Ok(self.int(i)? != 0)
    }
    /// A TEXT.
    pub fn text(&self, i: usize) -> Result<&str, StoreError> {
        self.opt_text(i)?.ok_or_else(|| self.wrong(i, "text"))
    }
    /// A TEXT or NULL.
    pub fn opt_text(&self, i: usize) -> Result<Option<&str>, StoreError> {
        match self.0.get(i) {
            Some(Value::Text(v)) => Ok(Some(v)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.wrong(i, "text or NULL")),
        }
    }
    /// A BLOB or BYTEA.
    pub fn bytes(&self, i: usize) -> Result<&[u8], StoreError> {
        match self.0.get(i) {
            Some(Value::Bytes(v)) => Ok(v),
            _ => Err(self.wrong(i, "bytes")),
        }
    }
    /// An id.
    pub fn id<T: TryFrom<i64>>(&self, i: usize) -> Result<T, StoreError> {
        T::try_from(self.int(i)?).map_err(|_| self.wrong(i, "an id"))
    }
    /// An id or NULL.
    pub fn opt_id<T: TryFrom<i64>>(&self, i: usize) -> Result<Option<T>, StoreError> {
        match self.opt_int(i)? {
            None => Ok(None),
            Some(raw) => T::try_from(raw).map(Some).map_err(|_| self.wrong(i, "an id")),
        }
    }
    /// Ids in a space-separated TEXT.
    pub fn ids<T: TryFrom<i64>, C: FromIterator<T>>(&self, i: usize) -> Result<C, StoreError> {
        self.text(i)?
            .split_ascii_whitespace()
            .map(|word| word.parse::<i64>().ok().and_then(|raw| T::try_from(raw).ok()))
            .collect::<Option<C>>()
            .ok_or_else(|| self.wrong(i, "a list of ids"))
    }
}

/// Ids as the space-separated TEXT that [`Row::ids`] reads.
pub(crate) fn join_ids<T: Into<i64> + Copy>(ids: &[T]) -> String {
    let mut text = String::with_capacity(ids.len() * 20);
    for (i, id) in ids.iter().enumerate() {
        if i > 0 {
            text.push(' ');
        }
        text.push_str(&(*id).into().to_string());
    }
    text
}

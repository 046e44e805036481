//! Values to PostgreSQL's wire form and back. Three column types exist in the schema, but an
//! expression may be of others (`EXISTS` is BOOL, `SUM` is NUMERIC, `1` is INT4): they come back as
//! the same values that SQLite gives.

use crate::{Value, text::without_nul};
use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, WrongType, to_sql_checked};

type AnyError = Box<dyn std::error::Error + Sync + Send>;

/// The type that a value is sent as; `None` for NULL, which fits any.
pub(super) fn type_of(value: &Value) -> Option<Type> {
    match value {
        Value::Null => None,
        Value::Int(_) | Value::Id(_) => Some(Type::INT8),
        Value::Text(_) => Some(Type::TEXT),
        Value::Bytes(_) => Some(Type::BYTEA),
    }
}

/// A value with the ids that its batch was given.
#[derive(Debug)]
pub(super) struct Bound<'a> {
    pub value: &'a Value,
    pub ids: &'a [i64],
}

impl ToSql for Bound<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, AnyError> {
        match self.value {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(v) => v.to_sql_checked(ty, out),
            Value::Id(slot) => self.ids.get(slot.0).copied().to_sql_checked(ty, out),
            Value::Text(v) => without_nul(v).as_ref().to_sql_checked(ty, out),
            Value::Bytes(v) => v.as_slice().to_sql_checked(ty, out),
        }
    }
    fn accepts(_: &Type) -> bool {
        true
    }
    to_sql_checked!();
}

/// A column's value, as the nouns read it.
pub(super) struct Cell(pub Value);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, AnyError> {
        let value = match *ty {
            Type::INT8 => Value::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Value::Int(i64::from(i32::from_sql(ty, raw)?)),
            Type::INT2 => Value::Int(i64::from(i16::from_sql(ty, raw)?)),
            Type::BOOL => Value::Int(i64::from(bool::from_sql(ty, raw)?)),
            Type::NUMERIC => Value::Int(whole_number(raw).ok_or("a number that is not whole")?),
            Type::BYTEA => Value::Bytes(raw.to_vec()),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
                Value::Text(<&str>::from_sql(ty, raw)?.to_owned())
            }
            _ => return Err(Box::new(WrongType::new::<Self>(ty.clone()))),
        };
        Ok(Self(value))
    }
    fn from_sql_null(_: &Type) -> Result<Self, AnyError> {
        Ok(Self(Value::Null))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A NUMERIC that is whole and fits; what sums of BIGINT are. Its form: count of digits, weight of
/// the first, sign, scale (16 bits each), then digits to the base 10,000.
/// Source: `numeric_send` in PostgreSQL's `src/backend/utils/adt/numeric.c`.
fn whole_number(raw: &[u8]) -> Option<i64> {
    let word = |at: usize| Some(i16::from_be_bytes([*raw.get(at)?, *raw.get(at + 1)?]));
    let (digits, weight, sign) = (word(0)?, word(2)?, word(4)?);
    let mut total: i128 = 0;
    // Trailing zeros are left out; a digit past the weight would be a fraction.
    for place in 0..=weight.min(5) {
        let digit = if place < digits { word(8 + 2 * usize::try_from(place).ok()?)? } else { 0 };
        total = total * 10_000 + i128::from(digit);
    }
    let signed = match sign {
        0 => total,
        0x4000 => -total,
        _ => return None,
    };
    if digits > weight.max(-1) + 1 || weight > 5 { None } else { i64::try_from(signed).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numerics_are_read_and_others_refused() {
        let wire = |words: &[i16]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_be_bytes()).collect()
        };
        for (words, value) in [
            (vec![0, 0, 0, 0], Some(0)),
            (vec![1, 0, 0, 0, 42], Some(42)),
            (vec![1, 0, 0x4000, 0, 42], Some(-42)),
            (vec![2, 1, 0, 0, 1, 2], Some(10_002)),
            (vec![1, 1, 0, 0, 3], Some(30_000)),
            (vec![5, 4, 0, 0, 922, 3372, 368, 5477, 5807], Some(i64::MAX)),
            (vec![5, 4, 0, 0, 922, 3372, 368, 5477, 5808], None),
            (vec![2, 0, 0, 2, 1, 5000], None),
            (vec![0, 0, 0xC000_u16.cast_signed(), 0], None),
            (vec![1, 0, 0, 0], None),
        ] {
            assert_eq!(whole_number(&wire(&words)), value, "{words:?}");
        }
    }
}

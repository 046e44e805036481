//! What must hold of every tree of parameters, however it came: the limits of `httpkit::limits`,
//! and no text that a store could not keep. Shared by the targets that read parameters.

use httpkit::limits::{FIELDS_MAX, KEY_BYTES_MAX, NESTING_MAX};
use httpkit::value::{Params, Value};

/// Holds a tree to the limits.
pub fn hold(params: &Params) {
    let mut values = 0;
    group(params, 1, &mut values);
    assert!(values <= FIELDS_MAX, "{values} values");
}

fn group(params: &Params, depth: usize, values: &mut usize) {
    for (name, value) in params {
        assert!(name.len() <= KEY_BYTES_MAX, "a name of {} bytes", name.len());
        assert!(!name.contains('\0'), "a NUL in a name");
        each(value, depth, values);
    }
}

fn each(value: &Value, depth: usize, values: &mut usize) {
    assert!(depth <= NESTING_MAX + 1, "nested {depth} deep");
    match value {
        Value::Text(text) => {
            *values += 1;
            assert!(!text.contains('\0'), "a NUL in a text");
        }
        Value::List(list) | Value::Repeated(list) => {
            for value in list {
                each(value, depth + 1, values);
            }
        }
        Value::Map(params) => group(params, depth + 1, values),
        Value::Float(number) => {
            *values += 1;
            assert!(number.is_finite(), "a number that JSON cannot write");
        }
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Unsigned(_) | Value::File(_) => {
            *values += 1;
        }
    }
}

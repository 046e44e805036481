//! JSON and form bodies: nothing panics, limits hold, a flat form survives being written again, and
//! whatever was parsed can be read into a form of all kinds of fields or is refused.

use std::collections::BTreeMap;

use httpkit::value::{Params, Value};
use httpkit::{form, json, lenient, reader};
use serde::Deserialize;

#[derive(Deserialize)]
#[expect(dead_code, reason = "read into, never read from")]
struct Form {
    status: Option<String>,
    #[serde(default, deserialize_with = "lenient::boolean")]
    sensitive: Option<bool>,
    #[serde(default, deserialize_with = "lenient::integer")]
    limit: Option<i64>,
    #[serde(default, deserialize_with = "lenient::texts")]
    media_ids: Vec<String>,
    flag: Option<bool>,
    small: Option<u8>,
    ratio: Option<f64>,
    poll: Option<Poll>,
    rows: Option<Vec<BTreeMap<String, String>>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "read into, never read from")]
struct Poll {
    options: Vec<String>,
    expires_in: u32,
    multiple: Option<bool>,
}

/// Tries one input.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let parsed = if first % 2 == 0 { json::parse(rest) } else { form::parse(rest) };
    let Ok(params) = parsed else { return };
    crate::bounds::hold(&params);
    if let Some(again) = flat(&params) {
        assert_eq!(form::parse(again.as_bytes()), Ok(params.clone()), "written again: {again}");
    }
    let _read: Result<Form, _> = reader::read(params);
}

/// The parameters as a form, when they are texts of plain names.
fn flat(params: &Params) -> Option<String> {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let mut pairs = Vec::new();
    for (name, value) in params {
        let Value::Text(text) = value else { return None };
        if name.is_empty() || name.contains(['[', ']']) {
            return None;
        }
        pairs.push(format!("{}={}", escaped(name), escaped(text)));
    }
    Some(pairs.join("&"))
}

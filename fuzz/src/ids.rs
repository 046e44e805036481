//! Ids and handles from outside: nothing panics, and each has one spelling.

use model::{StatusId, text::Handle};

/// Tries one input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(id) = text.parse::<StatusId>() {
        assert_eq!(id.to_string(), text, "an id has two spellings");
    }
    if let Some(handle) = Handle::parse(text) {
        assert_eq!(
            Handle::parse(&handle.to_string()),
            Some(handle),
            "a handle changes when read back"
        );
    }
}

//! Ids and handles from outside: nothing panics, and each has one spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{StatusId, text::Handle};

fuzz_target!(|text: &str| {
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
});

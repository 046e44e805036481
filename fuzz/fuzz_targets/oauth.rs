//! libFuzzer's door to `fuzz::oauth`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::oauth::run(data));

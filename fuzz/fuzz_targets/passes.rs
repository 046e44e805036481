//! libFuzzer's door to `fuzz::passes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::passes::run(data));

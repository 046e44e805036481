//! libFuzzer's door to `fuzz::greeting`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::greeting::run(data));

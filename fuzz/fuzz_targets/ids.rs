//! libFuzzer's door to `fuzz::ids`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::ids::run(data));

//! libFuzzer's door to `fuzz::sealed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::sealed::run(data));

//! libFuzzer's door to `fuzz::paging`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::paging::run(data));

//! What a producer may send as properties: any bytes.

#![no_main]
// It serves other tests too.
#![allow(dead_code)]

use libfuzzer_sys::fuzz_target;

/// The same as the tests of `garenne-core` use.
#[path = "../../crates/garenne-core/tests/promises/wire/bytes.rs"]
mod bytes;

fuzz_target!(|data: &[u8]| {
    bytes::check(data);
    bytes::check(&bytes::with_headers(&[data.to_vec()]));
});

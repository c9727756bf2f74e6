//! What a broker may send: any bytes, in any pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// The same as the tests of `garenne-core` use.
#[path = "../../crates/garenne-core/tests/promises/reader/seen.rs"]
mod seen;

use seen::{assert_same, cut, read, read_at_once};

/// The shortest frame that a broker may begin with.
const START: [u8; 12] = [1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 10, 0xCE];

fn check(bytes: &[u8]) {
    let whole = read_at_once(bytes);
    assert_same(&read(bytes.chunks(1)), &whole);
    // The bytes say how they are cut, so that the fuzzer can look for it.
    let lengths: Vec<usize> = bytes
        .iter()
        .rev()
        .take(8)
        .map(|&byte| byte.into())
        .collect();
    if !lengths.is_empty() {
        assert_same(&read(cut(bytes, &lengths)), &whole);
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&[&START, bytes].concat());
});

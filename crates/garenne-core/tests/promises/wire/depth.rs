//! Values that lie in one another, deeper than any stack.

use std::thread;

use garenne_core::json::{MAX_DEPTH, read_properties, write_properties};
use garenne_core::{Properties, PropertyList};

use super::bytes::{check, encoded, entry, long, with_headers};

/// A value of so many arrays, tables, or both by turns, in one another: its type and its content.
fn nested(levels: usize, kinds: &[u8]) -> (u8, Vec<u8>) {
    (0..levels).fold((b'V', Vec::new()), |(kind, content), level| {
        let outer = kinds[level % kinds.len()];
        let inner = match outer {
            b'F' => entry(b"a", kind, &content),
            _ => [&[kind], &content[..]].concat(),
        };
        (outer, long(&inner))
    })
}

/// Runs it where recursion would soon be noticed.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(128 * 1024);
    thread.spawn(test).unwrap().join().unwrap();
}

#[test]
fn what_is_nested_as_deep_as_allowed_is_read_and_the_rest_is_kept() {
    on_a_small_stack(|| {
        for kinds in [b"A".as_slice(), b"F", b"AF"] {
            for levels in [
                1,
                2,
                3,
                50,
                MAX_DEPTH - 1,
                MAX_DEPTH,
                MAX_DEPTH + 1,
                200,
                1000,
                5000,
            ] {
                let (kind, content) = nested(levels, kinds);
                let bytes = with_headers(&[
                    entry(b"before", b't', b"\x01"),
                    entry(b"deep", kind, &content),
                    entry(b"later", b't', b"\x01"),
                ]);
                let properties = Properties::decode(&bytes);
                let is_read = properties.headers.contains_key("deep");
                assert_eq!(is_read, levels <= MAX_DEPTH, "{levels}");
                assert_eq!(properties.headers["later"], true.into());
                assert!(properties.can_be_sent());
                assert_eq!(encoded(&properties).len(), bytes.len());
                assert!(PropertyList::new(&bytes).header("later").is_some());
                check(&bytes);
            }
        }
    });
}

#[test]
fn what_is_read_can_be_written_as_json() {
    for kinds in [b"A".as_slice(), b"F", b"AF"] {
        for levels in [MAX_DEPTH, MAX_DEPTH + 1] {
            let (kind, content) = nested(levels, kinds);
            let properties = Properties::decode(&with_headers(&[entry(b"deep", kind, &content)]));
            let json = write_properties(&properties).unwrap();
            assert_eq!(read_properties(&json), Ok(properties));
        }
    }
}

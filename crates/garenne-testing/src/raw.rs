//! A client made of bytes, for messages that no client library would write.
//!
//! Nothing here encodes properties with a library: what a test writes is what the broker gets.

mod client;
mod frames;
mod handshake;
mod properties;
mod value;

pub use client::{RawClient, RawMessage, Verdict};
pub use properties::PropertyBytes;
pub use value::FieldBytes;

/// Appends a short string: a byte of length, and at most 255 bytes.
fn put_short(bytes: &[u8], to: &mut Vec<u8>) {
    let size = u8::try_from(bytes.len());
    to.push(size.unwrap_or_else(|_| {
        panic!(
            "a short string has at most 255 bytes, this one {}",
            bytes.len()
        )
    }));
    to.extend_from_slice(bytes);
}

/// Appends four bytes of length and the bytes.
fn put_long(bytes: &[u8], to: &mut Vec<u8>) {
    put_size(bytes.len(), to);
    to.extend_from_slice(bytes);
}

fn put_size(size: usize, to: &mut Vec<u8>) {
    let size = u32::try_from(size).expect("a test writes no field of 4 GiB");
    to.extend_from_slice(&size.to_be_bytes());
}

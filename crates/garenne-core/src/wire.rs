//! The properties of a message as AMQP 0-9-1 sends them: read without trust, and written.
//!
//! A producer's bytes are never believed. No code here panics, recurses over a value, or allocates by a
//! length that a peer wrote: reading any bytes gives an answer.
//!
//! | to | use |
//! |---|---|
//! | look at a property or a header of a received message | [`PropertyList`] |
//! | read all properties | [`Properties::decode`](crate::Properties::decode) |
//! | send properties | [`Properties::encode`](crate::Properties::encode) |
//! | show foreign bytes to a person | [`readable`] |
//!
//! Types are read as RabbitMQ reads them, where that differs from the letter of the specification: `s` is
//! signed, `l` and `L` both are 64-bit and signed, and the two lowest bits of the flag word have no meaning.
//! (By the letter, the lowest bit announces a second flag word, for which AMQP 0-9-1 has no use.) Of two
//! headers with the same name, the first counts.

mod decode;
mod encode;
mod list;
mod raw;
mod readable;

pub use list::{Headers, PropertyList};
pub use raw::{RawValue, Unreadable};
pub use readable::{is_hidden, readable};

pub(crate) use encode::{entry_bytes, short};
use list::{DELIVERY_MODE, PRIORITY, TIMESTAMP, split_property};
pub(crate) use list::{Entry, HEADERS};

/// The most bytes of an AMQP short string (AMQP 0-9-1, section 4.2.5.3).
pub const SHORT_STRING_MAX: usize = 255;

/// The bytes that a four-byte length announces, and the bytes behind them.
fn split_long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*len) as usize)
}

/// The bytes that a one-byte length announces, and the bytes behind them.
fn split_short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    rest.split_at_checked(len.into())
}

/// A value of `levels` nested arrays.
#[cfg(test)]
pub(crate) fn nested_arrays(levels: usize) -> Vec<u8> {
    let levels = u32::try_from(levels).unwrap();
    let lengths = (0..levels).rev();
    lengths
        .flat_map(|inner| {
            let [a, b, c, d] = (inner * 5).to_be_bytes();
            [b'A', a, b, c, d]
        })
        .collect()
}

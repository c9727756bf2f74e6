//! The properties of a message as AMQP 0-9-1 sends them: read without trust, and written.
//!
//! What a producer sends is never believed. Nothing here panics, recurses over a value, or
//! allocates by a length that somebody wrote: whatever the bytes are, reading them gives an answer.
//!
//! | to | use |
//! |---|---|
//! | look at a property or a header of a message in hand | [`PropertyList`] |
//! | have all of them | [`Properties::decode`](crate::Properties::decode) |
//! | send them | [`Properties::encode`](crate::Properties::encode) |
//! | show somebody's bytes to a person | [`readable`] |
//!
//! Types are read as RabbitMQ reads them, where that differs from the letter of the specification:
//! `s` is signed, `l` and `L` both are 64-bit and signed, and the two lowest bits of the flag word
//! mean nothing. (By the letter, the lowest one announces a second flag word, of which AMQP 0-9-1
//! has no use.) Of two headers with one name, the first one counts.

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

/// The bytes that a length of four bytes announces, and what is behind them.
fn split_long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*len) as usize)
}

/// The bytes that a length of one byte announces, and what is behind them.
fn split_short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    rest.split_at_checked(len.into())
}

/// A value of so many arrays in one another.
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

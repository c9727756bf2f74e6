//! What a reader says, to be kept and compared.

use garenne_core::reader::{Event, Message, ReadError, Reader, Returned};

/// An event with nothing borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Frame(Vec<u8>),
    Delivered(u16, Message),
    Got(u16, Message),
    Returned(u16, Returned),
    Confirmed(u16, u64, bool, bool),
    ConsumerEnded(u16),
    ChannelClosed(u16, u16, String),
    ConnectionClosed(u16, String),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Frame(frame) => Self::Frame(frame.to_vec()),
            Event::Delivered { channel, message } => Self::Delivered(channel, message),
            Event::Got { channel, message } => Self::Got(channel, message),
            Event::Returned { channel, returned } => Self::Returned(channel, returned),
            Event::Confirmed {
                channel,
                tag,
                multiple,
                taken,
            } => Self::Confirmed(channel, tag, multiple, taken),
            Event::ConsumerEnded { channel } => Self::ConsumerEnded(channel),
            Event::ChannelClosed {
                channel,
                code,
                text,
            } => Self::ChannelClosed(channel, code, text),
            Event::ConnectionClosed { code, text } => Self::ConnectionClosed(code, text),
        }
    }
}

/// Events, and what they ended with.
pub(crate) type Outcome = (Vec<Seen>, Option<ReadError>);

/// What a new reader says to these bytes, given one piece after the other.
pub(crate) fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut reader, mut seen) = (Reader::new(), Vec::new());
    for piece in pieces {
        if let Err(error) = reader.read(piece, &mut |event| seen.push(event.into())) {
            return (seen, Some(error));
        }
    }
    (seen, None)
}

pub(crate) fn read_at_once(bytes: &[u8]) -> Outcome {
    read([bytes])
}

/// The bytes cut into pieces, each as long as the next of these lengths says; the lengths go round.
pub(crate) fn cut<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut lengths = lengths.iter().cycle();
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let length = *lengths.next().unwrap();
        let (piece, rest) = bytes.split_at(length.clamp(1, bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// The same, but for how much of a stranger's greeting had come when it was recognised.
#[track_caller]
pub(crate) fn assert_same(one: &Outcome, other: &Outcome) {
    assert_eq!(one.0, other.0);
    match (&one.1, &other.1) {
        (Some(ReadError::NotAmqp { begins: a }), Some(ReadError::NotAmqp { begins: b })) => {
            assert!(a.starts_with(b) || b.starts_with(a), "{a:?} or {b:?}");
            assert!(!a.is_empty() && !b.is_empty());
        }
        (one, other) => assert_eq!(one, other),
    }
}

//! Streams as a broker sends them, and what is to be read in them.

use std::collections::VecDeque;

use garenne_core::reader::{FRAME_END, Message, ReadError};

use super::seen::{Seen, read_at_once};

pub(crate) const METHOD: u8 = 1;
pub(crate) const HEADER: u8 = 2;
pub(crate) const BODY: u8 = 3;
pub(crate) const HEARTBEAT: u8 = 8;

pub(crate) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap();
    let head = [&[kind][..], &channel.to_be_bytes(), &size.to_be_bytes()].concat();
    [&head[..], payload, &[FRAME_END]].concat()
}

pub(crate) fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    let payload = [&class.to_be_bytes(), &method.to_be_bytes(), arguments].concat();
    frame(METHOD, channel, &payload)
}

fn short(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    [&[length], bytes].concat()
}

/// `connection.start`, which every stream begins with.
pub(crate) fn start() -> Vec<u8> {
    let long = |text: &[u8]| [&u32::try_from(text.len()).unwrap().to_be_bytes(), text].concat();
    let table = [short(b"product"), b"S".to_vec(), long(b"RabbitMQ")].concat();
    let arguments = [
        vec![0, 9],
        long(&table),
        long(b"PLAIN AMQPLAIN"),
        long(b"en_US"),
    ]
    .concat();
    method(0, 10, 10, &arguments)
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) channel: u16,
    pub(crate) carrier: Carrier,
    pub(crate) exchange: Vec<u8>,
    pub(crate) routing_key: Vec<u8>,
    pub(crate) properties: Vec<u8>,
    /// The body, a frame each.
    pub(crate) parts: Vec<Vec<u8>>,
}

/// The method that a message comes with.
#[derive(Clone, Debug)]
pub(crate) enum Carrier {
    Deliver {
        consumer: Vec<u8>,
        tag: u64,
        redelivered: bool,
    },
    GetOk {
        tag: u64,
        redelivered: bool,
        left: u32,
    },
    Return {
        code: u16,
        text: String,
    },
}

/// A delivery on channel 1 with this body in one frame.
pub(crate) fn delivery(tag: u64, body: &[u8]) -> Content {
    Content {
        channel: 1,
        carrier: Carrier::Deliver {
            consumer: b"amq.ctag-1".to_vec(),
            tag,
            redelivered: false,
        },
        exchange: Vec::new(),
        routing_key: b"orders".to_vec(),
        properties: vec![0x80, 0, 1, b'x'],
        parts: vec![body.to_vec()],
    }
}

impl Content {
    pub(crate) fn method(&self) -> Vec<u8> {
        let addresses = [short(&self.exchange), short(&self.routing_key)].concat();
        match &self.carrier {
            Carrier::Deliver {
                consumer,
                tag,
                redelivered,
            } => {
                let said = [
                    short(consumer),
                    tag.to_be_bytes().to_vec(),
                    vec![u8::from(*redelivered)],
                ];
                method(self.channel, 60, 60, &[said.concat(), addresses].concat())
            }
            Carrier::GetOk {
                tag,
                redelivered,
                left,
            } => {
                let said = [&tag.to_be_bytes()[..], &[u8::from(*redelivered)]].concat();
                let left = left.to_be_bytes().to_vec();
                method(self.channel, 60, 71, &[said, addresses, left].concat())
            }
            Carrier::Return { code, text } => {
                let said = [code.to_be_bytes().to_vec(), short(text.as_bytes())].concat();
                method(self.channel, 60, 50, &[said, addresses].concat())
            }
        }
    }

    pub(crate) fn header(&self) -> Vec<u8> {
        let size = self.parts.iter().map(Vec::len).sum::<usize>() as u64;
        header(self.channel, size, &self.properties)
    }

    pub(crate) fn bodies(&self) -> impl Iterator<Item = Vec<u8>> {
        // Behind an empty body a broker sends nothing.
        let is_empty = self.parts.iter().all(Vec::is_empty);
        let parts = self.parts.iter().filter(move |_| !is_empty);
        parts.map(|part| frame(BODY, self.channel, part))
    }

    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        [self.method(), self.header()]
            .into_iter()
            .chain(self.bodies())
            .collect()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.frames().concat()
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.parts.concat()
    }

    /// Whether this is what came of it.
    #[track_caller]
    pub(crate) fn check(&self, seen: &Seen) {
        let (exchange, key, properties, body) = match (seen, &self.carrier) {
            (
                Seen::Delivered(channel, message),
                Carrier::Deliver {
                    tag, redelivered, ..
                },
            )
            | (
                Seen::Got(channel, message),
                Carrier::GetOk {
                    tag, redelivered, ..
                },
            ) => {
                assert_eq!(*channel, self.channel);
                assert_eq!((message.tag, message.redelivered), (*tag, *redelivered));
                assert_eq!(message.body.capacity(), message.body.len());
                let Message { body, .. } = message;
                assert_eq!(*body, self.body());
                (
                    message.exchange(),
                    message.routing_key(),
                    message.properties(),
                    Some(body),
                )
            }
            (Seen::Returned(channel, returned), Carrier::Return { code, text }) => {
                assert_eq!(*channel, self.channel);
                assert_eq!((returned.code, &returned.text), (*code, text));
                (
                    returned.exchange(),
                    returned.routing_key(),
                    returned.properties(),
                    None,
                )
            }
            other => panic!("{other:?} came of {self:?}"),
        };
        assert_eq!(exchange, self.exchange);
        assert_eq!(key, self.routing_key);
        assert_eq!(properties, self.properties);
        assert!(body.is_none_or(|body| *body == self.body()));
    }
}

/// A content header with a size of its own choice.
pub(crate) fn header(channel: u16, size: u64, properties: &[u8]) -> Vec<u8> {
    let payload = [&[0, 60, 0, 0][..], &size.to_be_bytes(), properties].concat();
    frame(HEADER, channel, &payload)
}

/// Something that a broker does on a channel.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Content(Content),
    /// A message of which so many frames have come when the broker closes the channel.
    CutOff(Content, usize, u16, String),
    Confirm(u64, bool, bool),
    Cancel(Vec<u8>),
    CancelOk(Vec<u8>),
    Close(u16, String),
    CloseOk,
    Heartbeat,
    /// Any other method: class, method, arguments.
    Other(u16, u16, Vec<u8>),
}

/// What is to be read.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Content(Content),
    Seen(Seen),
}

/// A frame, and what is to be read when its last byte has come.
type Sent = (Vec<u8>, Vec<Expected>);

fn closed(channel: u16, code: u16, text: &str) -> Sent {
    let arguments = [&code.to_be_bytes()[..], &short(text.as_bytes()), &[0; 4]].concat();
    let frame = method(channel, 20, 40, &arguments);
    let seen = Seen::ChannelClosed(channel, code, text.to_owned());
    noticed(frame, seen)
}

/// A frame of the client's, of which others hear too.
fn noticed(frame: Vec<u8>, seen: Seen) -> Sent {
    let events = vec![
        Expected::Seen(seen),
        Expected::Seen(Seen::Frame(frame.clone())),
    ];
    (frame, events)
}

fn clients(frame: Vec<u8>) -> Sent {
    let seen = Seen::Frame(frame.clone());
    (frame, vec![Expected::Seen(seen)])
}

impl Step {
    fn send(self, channel: u16) -> Vec<Sent> {
        let one = match self {
            Self::Content(content) => {
                let frames = content.frames().into_iter();
                let mut sent: Vec<Sent> = frames.map(|frame| (frame, Vec::new())).collect();
                sent.last_mut().unwrap().1.push(Expected::Content(content));
                return sent;
            }
            Self::CutOff(content, count, code, text) => {
                let frames = content.frames();
                let count = count.min(frames.len() - 1);
                let begun = frames.into_iter().take(count);
                let close = closed(channel, code, &text);
                return begun
                    .map(|frame| (frame, Vec::new()))
                    .chain([close])
                    .collect();
            }
            Self::Confirm(tag, multiple, taken) => {
                let arguments = [&tag.to_be_bytes()[..], &[u8::from(multiple)]].concat();
                let number = if taken { 80 } else { 120 };
                let seen = Seen::Confirmed(channel, tag, multiple, taken);
                (
                    method(channel, 60, number, &arguments),
                    vec![Expected::Seen(seen)],
                )
            }
            Self::Cancel(tag) => {
                let arguments = [short(&tag), vec![0]].concat();
                noticed(
                    method(channel, 60, 30, &arguments),
                    Seen::ConsumerEnded(channel),
                )
            }
            Self::CancelOk(tag) => noticed(
                method(channel, 60, 31, &short(&tag)),
                Seen::ConsumerEnded(channel),
            ),
            Self::Close(code, text) => closed(channel, code, &text),
            Self::CloseOk => clients(method(channel, 20, 41, &[])),
            Self::Heartbeat => clients(frame(HEARTBEAT, 0, &[])),
            Self::Other(class, number, arguments) => {
                clients(method(channel, class, number, &arguments))
            }
        };
        vec![one]
    }
}

/// The bytes of a connection, and what is to be read in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Vec<Expected>,
    /// The bytes that are neither of messages nor of confirms.
    pub(crate) clients: Vec<u8>,
}

impl Stream {
    pub(crate) fn started() -> Self {
        let mut stream = Self::default();
        stream.push(clients(start()));
        stream
    }

    /// What each channel does, channels from 1 on; `turns` says whose next frame comes.
    pub(crate) fn of(
        channels: Vec<Vec<Step>>,
        turns: &[usize],
        end: Option<(u16, String)>,
    ) -> Self {
        let mut stream = Self::started();
        let mut left: Vec<VecDeque<Sent>> = Vec::new();
        for (channel, steps) in (1..).zip(channels) {
            left.push(
                steps
                    .into_iter()
                    .flat_map(|step| step.send(channel))
                    .collect(),
            );
        }
        let mut turns = turns.iter().cycle();
        while !left.is_empty() {
            let turn = turns.next().unwrap() % left.len();
            match left[turn].pop_front() {
                Some(sent) => stream.push(sent),
                None => drop(left.remove(turn)),
            }
        }
        if let Some((code, text)) = end {
            let arguments = [&code.to_be_bytes()[..], &short(text.as_bytes()), &[0; 4]].concat();
            stream.push(noticed(
                method(0, 10, 50, &arguments),
                Seen::ConnectionClosed(code, text),
            ));
        }
        stream
    }

    pub(crate) fn step(&mut self, channel: u16, step: Step) {
        for sent in step.send(channel) {
            self.push(sent);
        }
    }

    fn push(&mut self, (frame, events): Sent) {
        for event in &events {
            if let Expected::Seen(Seen::Frame(frame)) = event {
                self.clients.extend(frame);
            }
        }
        self.bytes.extend(frame);
        self.expected.extend(events);
    }

    /// Reads it at once and compares with what is expected.
    #[track_caller]
    pub(crate) fn check(&self) -> Vec<Seen> {
        let (seen, error): (_, Option<ReadError>) = read_at_once(&self.bytes);
        assert_eq!(error, None);
        assert_eq!(seen.len(), self.expected.len());
        for (seen, expected) in seen.iter().zip(&self.expected) {
            match expected {
                Expected::Content(content) => content.check(seen),
                Expected::Seen(expected) => assert_eq!(seen, expected),
            }
        }
        let frames = seen.iter().filter_map(|seen| match seen {
            Seen::Frame(frame) => Some(&frame[..]),
            _ => None,
        });
        assert_eq!(frames.collect::<Vec<_>>().concat(), self.clients);
        seen
    }
}

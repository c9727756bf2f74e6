//! A client that is nothing but bytes and a reader.

use std::collections::VecDeque;
use std::time::Duration;

use garenne::core::reader::{Event, FRAME_END, Message, Reader, Returned};
use garenne_broker::{BasicProperties, Broker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything takes, shorter than anyone waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event with nothing borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Channel, class, method.
    Frame(u16, u16, u16),
    Delivered(u16, Message),
    Got(u16, Message),
    Returned(u16, Returned),
    Confirmed(u16, u64, bool, bool),
    ConsumerEnded(u16),
    ChannelClosed(u16, u16),
    ConnectionClosed(u16),
}

fn seen(event: Event<'_>) -> Seen {
    match event {
        Event::Frame(frame) => {
            let number = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
            assert_eq!(frame[0], 1, "a method, for there are no heartbeats");
            Seen::Frame(number(1), number(7), number(9))
        }
        Event::Delivered { channel, message } => Seen::Delivered(channel, message),
        Event::Got { channel, message } => Seen::Got(channel, message),
        Event::Returned { channel, returned } => Seen::Returned(channel, returned),
        Event::Confirmed {
            channel,
            tag,
            multiple,
            taken,
        } => Seen::Confirmed(channel, tag, multiple, taken),
        Event::ConsumerEnded { channel } => Seen::ConsumerEnded(channel),
        Event::ChannelClosed { channel, code, .. } => Seen::ChannelClosed(channel, code),
        Event::ConnectionClosed { code, .. } => Seen::ConnectionClosed(code),
    }
}

pub(crate) fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

pub(crate) fn long(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [&length.to_be_bytes(), content].concat()
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let head = [&[kind][..], &channel.to_be_bytes()].concat();
    [head, long(payload), vec![FRAME_END]].concat()
}

/// A connection with channels, whose every byte is read alone.
pub(crate) struct Client {
    stream: TcpStream,
    reader: Reader,
    events: VecDeque<Seen>,
    /// All that has come.
    bytes: Vec<u8>,
    all: Vec<Seen>,
    pub(crate) frame_max: usize,
}

impl Client {
    /// Greets the broker, and agrees to its largest frame.
    pub(crate) async fn connect(broker: &Broker) -> Self {
        let stream = TcpStream::connect(broker.addr()).await.unwrap();
        let mut client = Self {
            stream,
            reader: Reader::new(),
            events: VecDeque::new(),
            bytes: Vec::new(),
            all: Vec::new(),
            frame_max: 0,
        };
        client.stream.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
        client.expect(0, 10, 10).await;
        // The broker tells whose consumer is cancelled.
        let notify = [short("consumer_cancel_notify"), b"t\x01".to_vec()].concat();
        let can = [short("capabilities"), b"F".to_vec(), long(&notify)].concat();
        let login = [
            long(&can),
            short("PLAIN"),
            long(b"\0guest\0guest"),
            short("en_US"),
        ];
        client.method(0, 10, 11, &login.concat()).await;
        client.expect(0, 10, 30).await;
        // The largest channel and the largest frame; no heartbeats.
        let tune = client.bytes[client.bytes.len() - 9..][..6].to_vec();
        client.frame_max = u32::from_be_bytes(tune[2..].try_into().unwrap()) as usize;
        client
            .method(0, 10, 31, &[&tune[..], &[0, 0]].concat())
            .await;
        client
            .method(0, 10, 40, &[short("/"), vec![0, 0]].concat())
            .await;
        client.expect(0, 10, 41).await;
        client
    }

    /// Opens a channel.
    pub(crate) async fn open(&mut self, channel: u16) {
        self.method(channel, 20, 10, &[0]).await;
        self.expect(channel, 20, 11).await;
    }

    /// Switches on confirms, and declares a queue.
    pub(crate) async fn declare(&mut self, channel: u16, queue: &str) {
        self.method(channel, 85, 10, &[0]).await;
        self.expect(channel, 85, 11).await;
        let arguments = [vec![0, 0], short(queue), vec![0b10], long(&[])].concat();
        self.method(channel, 50, 10, &arguments).await;
        self.expect(channel, 50, 11).await;
    }

    pub(crate) async fn method(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) {
        let payload = [&class.to_be_bytes(), &method.to_be_bytes(), arguments].concat();
        self.stream
            .write_all(&frame(1, channel, &payload))
            .await
            .unwrap();
    }

    /// Publishes to a queue; the broker sends it back if there is none.
    pub(crate) async fn publish(
        &mut self,
        channel: u16,
        queue: &str,
        properties: &[u8],
        body: &[u8],
    ) {
        let arguments = [&[0, 0, 0][..], &short(queue), &[1]].concat();
        self.method(channel, 60, 40, &arguments).await;
        let size = (body.len() as u64).to_be_bytes();
        let header = [&[0, 60, 0, 0], &size[..], properties].concat();
        let mut frames = frame(2, channel, &header);
        for part in body.chunks(self.frame_max - 8) {
            frames.extend(frame(3, channel, part));
        }
        self.stream.write_all(&frames).await.unwrap();
    }

    pub(crate) async fn consume(&mut self, channel: u16, queue: &str) {
        let arguments = [vec![0, 0], short(queue), short("tag"), vec![0], long(&[])].concat();
        self.method(channel, 60, 20, &arguments).await;
        self.expect(channel, 60, 21).await;
    }

    /// Waits for what comes next.
    pub(crate) async fn next(&mut self) -> Seen {
        while self.events.is_empty() {
            let mut buffer = vec![0; 65_536];
            let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await;
            let read = read.expect("the broker answers").unwrap();
            assert_ne!(read, 0, "the broker has hung up");
            for byte in buffer[..read].chunks(1) {
                let events = &mut self.events;
                self.reader
                    .read(byte, &mut |event| events.push_back(seen(event)))
                    .unwrap();
            }
            self.bytes.extend(&buffer[..read]);
        }
        let next = self.events.pop_front().unwrap();
        self.all.push(next.clone());
        next
    }

    pub(crate) async fn expect(&mut self, channel: u16, class: u16, method: u16) {
        assert_eq!(self.next().await, Seen::Frame(channel, class, method));
    }

    /// Read at once, all that has come says the same.
    pub(crate) fn check(self) {
        let mut all = Vec::new();
        Reader::new()
            .read(&self.bytes, &mut |event| all.push(seen(event)))
            .unwrap();
        assert_eq!(all, [self.all, self.events.into()].concat());
    }
}

/// The bytes of properties, from lapin's encoder.
pub(crate) fn encoded(properties: &BasicProperties) -> Vec<u8> {
    use amq_protocol::frame::WriteContext;
    let write = amq_protocol::protocol::basic::gen_properties(properties);
    write(WriteContext::from(Vec::new()))
        .unwrap()
        .into_inner()
        .0
}

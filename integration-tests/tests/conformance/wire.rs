//! A client made of frames: it shows what lapin hides and sends what lapin would not.

use std::net::Ipv4Addr;
use std::time::Duration;

use amq_protocol::frame::WriteContext;
use amq_protocol::protocol::{
    AMQPClass, BasicProperties, access, basic, channel, connection, gen_class, parse_class,
};
use amq_protocol::types::{AMQPValue, FieldTable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::lab::{Lab, SOON};
use super::{raw, say, show};

pub(crate) const METHOD: u8 = 1;
pub(crate) const HEADER: u8 = 2;
pub(crate) const BODY: u8 = 3;
pub(crate) const HEARTBEAT: u8 = 8;
pub(crate) const FRAME_END: u8 = 206;

/// What fits into a frame of 128 KiB, which brokers offer.
const LARGEST_PART: usize = 131_072 - 8;

/// A connection, after whatever part of the handshake was asked for.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
}

/// What the broker says in the handshake.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) start: connection::Start,
    pub(crate) tune: connection::Tune,
}

/// One frame from the broker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Method(u16, AMQPClass),
    /// Body size, properties as far as the codec can read them, and the bytes of the properties.
    Header(u16, u64, Option<Box<BasicProperties>>, Vec<u8>),
    Body(u16, Vec<u8>),
    Heartbeat,
    /// The end of the stream, or a reset.
    End,
}

impl Heard {
    pub(crate) fn method(&self) -> Option<&AMQPClass> {
        match self {
            Self::Method(_, method) => Some(method),
            _ => None,
        }
    }

    pub(crate) fn is_consume_ok(&self) -> bool {
        let method = self.method();
        matches!(
            method,
            Some(AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(_)))
        )
    }

    /// Whether it is the broker's word on a publish.
    pub(crate) fn is_confirm(&self) -> bool {
        let method = self.method();
        matches!(method, Some(AMQPClass::Basic(basic::AMQPMethod::Ack(_))))
    }

    /// Whether the channel or the connection is over.
    pub(crate) fn is_last(&self) -> bool {
        use channel::AMQPMethod::Close as ChannelClose;
        use connection::AMQPMethod::Close;
        matches!(
            self,
            Self::End
                | Self::Method(_, AMQPClass::Channel(ChannelClose(_)))
                | Self::Method(_, AMQPClass::Connection(Close(_)))
        )
    }
}

impl Wire {
    /// A socket on which nothing was said.
    pub(crate) async fn dial(lab: &Lab) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, lab.port()))
            .await
            .expect("what the case sets up");
        stream.set_nodelay(true).expect("what the case sets up");
        Self { stream }
    }

    /// A connection that is open, with the limits that the broker offers and no heartbeat.
    pub(crate) async fn connect(lab: &Lab) -> Self {
        Self::connect_with(lab, |_| {}).await
    }

    /// The same with other limits.
    pub(crate) async fn connect_with(
        lab: &Lab,
        change: impl FnOnce(&mut connection::TuneOk),
    ) -> Self {
        let mut wire = Self::dial(lab).await;
        let offer = wire.log_in(say::start_ok("PLAIN", "\0guest\0guest")).await;
        let connection::Tune {
            channel_max,
            frame_max,
            ..
        } = offer.tune;
        let mut tune = connection::TuneOk {
            channel_max,
            frame_max,
            heartbeat: 0,
        };
        change(&mut tune);
        wire.send(0, say::tune_ok(tune)).await;
        wire.send(0, say::open_vhost(lab.vhost())).await;
        let answer = wire.hear().await;
        let ok = connection::AMQPMethod::OpenOk(connection::OpenOk {});
        assert_eq!(answer, Heard::Method(0, AMQPClass::Connection(ok)));
        wire
    }

    /// The handshake up to the broker's offer.
    pub(crate) async fn log_in(&mut self, start_ok: AMQPClass) -> Offer {
        let start = self.start().await;
        self.send(0, start_ok).await;
        let heard = self.hear().await;
        let Some(AMQPClass::Connection(connection::AMQPMethod::Tune(tune))) = heard.method() else {
            panic!("no tune but {}", show::heard(&heard));
        };
        Offer {
            start,
            tune: tune.clone(),
        }
    }

    /// The protocol header and the broker's answer.
    pub(crate) async fn start(&mut self) -> connection::Start {
        self.send_bytes(b"AMQP\0\0\x09\x01").await;
        let heard = self.hear().await;
        let Some(AMQPClass::Connection(connection::AMQPMethod::Start(start))) = heard.method()
        else {
            panic!("no start but {}", show::heard(&heard));
        };
        start.clone()
    }

    /// What the broker calls its version.
    pub(crate) async fn version(lab: &Lab) -> String {
        let start = Self::dial(lab).await.start().await;
        match start.server_properties.inner().get("version") {
            Some(AMQPValue::LongString(version)) => version.to_string(),
            other => panic!("no version but {other:?}"),
        }
    }

    /// Opens a channel.
    pub(crate) async fn open(&mut self, number: u16) {
        self.send(number, say::open_channel()).await;
        let heard = self.hear().await;
        assert!(
            matches!(heard, Heard::Method(n, AMQPClass::Channel(_)) if n == number),
            "no open-ok but {}",
            show::heard(&heard)
        );
    }

    /// Sends a method and hears one answer.
    pub(crate) async fn call(&mut self, number: u16, method: AMQPClass) -> Heard {
        self.send(number, method).await;
        self.hear().await
    }

    pub(crate) async fn send(&mut self, number: u16, method: AMQPClass) {
        let (payload, _) = gen_class(&method)(WriteContext::from(Vec::new()))
            .expect("what the case sets up")
            .into_inner();
        self.send_frame(METHOD, number, &payload).await;
    }

    /// Sends a message with properties and a body.
    pub(crate) async fn publish(
        &mut self,
        number: u16,
        publish: basic::Publish,
        properties: &BasicProperties,
        body: &[u8],
    ) {
        let (encoded, _) = basic::gen_properties(properties)(WriteContext::from(Vec::new()))
            .expect("what the case sets up")
            .into_inner();
        self.publish_encoded(number, publish, &encoded, body).await;
    }

    /// Sends a message whose properties are bytes already.
    pub(crate) async fn publish_encoded(
        &mut self,
        number: u16,
        publish: basic::Publish,
        properties: &[u8],
        body: &[u8],
    ) {
        self.send(
            number,
            AMQPClass::Basic(basic::AMQPMethod::Publish(publish)),
        )
        .await;
        self.send_header(number, body.len() as u64, properties)
            .await;
        for part in body.chunks(LARGEST_PART) {
            self.send_frame(BODY, number, part).await;
        }
    }

    pub(crate) async fn send_header(&mut self, number: u16, size: u64, properties: &[u8]) {
        let mut header = vec![0, 60, 0, 0];
        header.extend_from_slice(&size.to_be_bytes());
        header.extend_from_slice(properties);
        self.send_frame(HEADER, number, &header).await;
    }

    pub(crate) async fn send_frame(&mut self, kind: u8, number: u16, payload: &[u8]) {
        let mut frame = vec![kind];
        frame.extend_from_slice(&number.to_be_bytes());
        frame.extend_from_slice(
            &u32::try_from(payload.len())
                .expect("what the case sets up")
                .to_be_bytes(),
        );
        frame.extend_from_slice(payload);
        frame.push(FRAME_END);
        self.send_bytes(&frame).await;
    }

    /// Sends anything. That nobody reads it any more is seen when the answer is heard.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next frame.
    pub(crate) async fn hear(&mut self) -> Heard {
        self.hear_within(SOON)
            .await
            .unwrap_or_else(|| panic!("nothing was heard in {SOON:?}"))
    }

    /// The next frame, or none when nothing comes for so long.
    pub(crate) async fn hear_within(&mut self, patience: Duration) -> Option<Heard> {
        tokio::time::timeout(patience, self.read()).await.ok()
    }

    /// All bytes up to the end of the stream.
    pub(crate) async fn hear_bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let end = tokio::time::timeout(SOON, self.stream.read_to_end(&mut bytes)).await;
        let _ = end.expect("the broker ends the stream");
        bytes
    }

    /// So many frames.
    pub(crate) async fn hear_all(&mut self, count: usize) -> Vec<Heard> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.hear().await);
        }
        all
    }

    /// Everything that a channel has to say to what it was sent: up to the answer to a last, harmless
    /// question, or up to its end, which is confirmed.
    pub(crate) async fn settle(&mut self, number: u16) -> Vec<Heard> {
        self.send(number, say::access()).await;
        let ok = access::AMQPMethod::RequestOk(access::RequestOk {});
        let settled = Heard::Method(number, AMQPClass::Access(ok));
        let mut all = Vec::new();
        loop {
            let heard = self.hear().await;
            if heard == settled {
                return all;
            }
            let last = heard.is_last();
            all.push(heard);
            if last {
                self.confirm_end(all.last().unwrap_or(&Heard::End)).await;
                return all;
            }
        }
    }

    /// Answers the end of a channel or a connection as it is due.
    pub(crate) async fn confirm_end(&mut self, heard: &Heard) {
        match heard {
            Heard::Method(0, _) => self.send(0, say::close_connection_ok()).await,
            Heard::Method(number, _) => self.send(*number, say::close_channel_ok()).await,
            _ => {}
        }
    }

    /// The next message on any channel, if a method with content is next: method, header, body.
    pub(crate) async fn hear_message(&mut self) -> (AMQPClass, BasicProperties, Vec<u8>) {
        let (method, properties, body) = self.hear_content().await;
        let read = raw::parse(&properties);
        let read = read.unwrap_or_else(|| panic!("unreadable: {}", raw::properties(&properties)));
        (method, read, body)
    }

    /// The same with the properties as bytes.
    pub(crate) async fn hear_content(&mut self) -> (AMQPClass, Vec<u8>, Vec<u8>) {
        let heard = self.hear().await;
        let method = heard.method().cloned();
        let method = method.unwrap_or_else(|| panic!("no method but {}", show::heard(&heard)));
        let Heard::Header(_, size, _, properties) = self.hear().await else {
            panic!("{method:?} has no content");
        };
        let mut body = Vec::new();
        while (body.len() as u64) < size {
            match self.hear().await {
                Heard::Body(_, part) => body.extend(part),
                other => panic!("no body but {}", show::heard(&other)),
            }
        }
        (method, properties, body)
    }

    async fn read(&mut self) -> Heard {
        let mut head = [0; 7];
        if self.stream.read_exact(&mut head).await.is_err() {
            return Heard::End;
        }
        let [kind, n1, n2, s1, s2, s3, s4] = head;
        let number = u16::from_be_bytes([n1, n2]);
        let size = u64::from(u32::from_be_bytes([s1, s2, s3, s4])) + 1;
        let mut payload = Vec::new();
        let mut rest = (&mut self.stream).take(size);
        let read = rest.read_to_end(&mut payload).await;
        if read.is_err() || (payload.len() as u64) < size {
            return Heard::End;
        }
        assert_eq!(payload.pop(), Some(FRAME_END), "the broker ends its frames");
        match kind {
            METHOD => {
                let method = parse_class(&payload[..]).map(|(_, method)| method);
                Heard::Method(number, method.unwrap_or_else(|error| panic!("{error:?}")))
            }
            HEADER => {
                let mut size = [0; 8];
                size.copy_from_slice(&payload[4..12]);
                let bytes = payload[12..].to_vec();
                let properties = raw::parse(&bytes).map(Box::new);
                Heard::Header(number, u64::from_be_bytes(size), properties, bytes)
            }
            BODY => Heard::Body(number, payload),
            HEARTBEAT => Heard::Heartbeat,
            other => panic!("a frame of the unknown kind {other}"),
        }
    }
}

/// A field table of some arguments.
pub(crate) fn table(arguments: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    table
}

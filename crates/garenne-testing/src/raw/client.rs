//! The client: publishes bytes, and hears what the broker has to say to them.

use garenne::BrokerUrl;
use lapin::uri::AMQPUri;

use super::frames::{BODY, Fields, Frames, HEADER, METHOD, OVERHEAD};
use super::handshake::{CHANNEL, answer, log_in, method, refusal, with_channel};
use super::put_short;
use super::value::FieldBytes;

/// An AMQP client that publishes properties as the bytes that a test wrote, and shows those of what
/// it gets as bytes: for messages that no client library writes and perhaps none reads.
///
/// It has one connection and one channel with confirms. Where the broker closes one of them, the
/// next call opens it anew.
///
/// ```
/// use garenne_testing::{PropertyBytes, RawClient, Verdict, broker::Broker};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = Broker::start().await?;
/// let mut client = RawClient::connect(&broker.url()).await;
/// client.declare("orders").await;
///
/// let properties = PropertyBytes::new().short("app_id", "caf\u{e9}");
/// let verdict = client.publish("", "orders", &properties.to_bytes(), b"{}").await;
/// assert_eq!(verdict, Verdict::Confirmed);
///
/// let message = client.get("orders").await.ok_or("nothing is there")?;
/// assert_eq!(message.properties, properties.to_bytes());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RawClient {
    uri: AMQPUri,
    state: State,
    frame_max: u32,
}

#[derive(Debug)]
enum State {
    Lost,
    /// The channel is closed, the connection is not.
    Connected(Frames),
    Open(Frames),
}

/// The broker's word on a message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// `basic.ack`: the broker has it. One that no queue wanted is confirmed as well, unless it was
    /// [mandatory](RawClient::publish_mandatory).
    Confirmed,
    /// `basic.nack`: a queue refused it.
    Nacked,
    /// `basic.return`: no queue wanted it. Then it was confirmed.
    Returned {
        /// The reply code, such as 312.
        code: u16,
        /// The reply text, such as `NO_ROUTE`.
        text: String,
        /// The message as it came back.
        message: RawMessage,
    },
    /// `channel.close`: it was refused.
    ChannelClosed {
        /// The reply code, such as 406.
        code: u16,
        /// The reply text.
        text: String,
    },
    /// `connection.close`: it was refused, and all channels of the connection are closed.
    ConnectionClosed {
        /// The reply code, such as 501.
        code: u16,
        /// The reply text.
        text: String,
    },
    /// The connection was over without a word.
    Cut,
}

/// A message as the bytes in which it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawMessage {
    /// The exchange it was published to.
    pub exchange: String,
    /// The routing key it was published with.
    pub routing_key: String,
    /// Whether it was delivered before. What is returned never was.
    pub redelivered: bool,
    /// The properties: two bytes of flags, and the values.
    pub properties: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
    /// How large the frame of its content header was in bytes, the frame's own eight included.
    pub header_frame: usize,
}

impl RawClient {
    /// Connects to an `amqp://` URL without TLS, without heartbeats, and with the largest frame that
    /// the broker offers.
    ///
    /// # Panics
    ///
    /// When the URL is none, and when the broker cannot be reached or refuses.
    pub async fn connect(url: &str) -> Self {
        Self::connect_with_frame_max(url, u32::MAX).await
    }

    /// The same with frames of at most `frame_max` bytes, or of as many as the broker offers if that is
    /// less.
    ///
    /// # Panics
    ///
    /// When the URL is none, and when the broker cannot be reached or refuses.
    pub async fn connect_with_frame_max(url: &str, frame_max: u32) -> Self {
        // What is wrong is told without the password in the URL.
        if let Err(fault) = BrokerUrl::parse(url) {
            panic!("{fault}");
        }
        let uri = url.parse::<AMQPUri>();
        let mut uri = uri.unwrap_or_else(|_| panic!("it is a URL, and cannot be read as one"));
        if uri.vhost.is_empty() {
            uri.vhost.push('/');
        }
        let mut client = Self {
            uri,
            state: State::Lost,
            frame_max,
        };
        client.open().await;
        client
    }

    /// The largest frame that both sides agreed on, in bytes. The properties of a message can have 20
    /// bytes less.
    #[must_use]
    pub fn frame_max(&self) -> u32 {
        self.frame_max
    }

    /// Declares a durable classic queue.
    ///
    /// # Panics
    ///
    /// When the broker refuses.
    pub async fn declare(&mut self, queue: &str) {
        self.declare_with(queue, []).await;
    }

    /// Declares a durable queue with arguments.
    ///
    /// # Panics
    ///
    /// When the broker refuses.
    pub async fn declare_with(
        &mut self,
        queue: &str,
        arguments: impl IntoIterator<Item = (&str, FieldBytes)>,
    ) {
        let mut fields = vec![0, 0];
        put_short(queue.as_bytes(), &mut fields);
        fields.push(0b10);
        fields.extend_from_slice(&FieldBytes::table(arguments).as_bytes()[1..]);
        let frames = self.open().await;
        frames.put(METHOD, CHANNEL, &method((50, 10), &fields));
        frames.flush().await;
        answer(frames, (50, 11)).await;
    }

    /// Publishes a message and waits for the broker's word on it.
    ///
    /// # Panics
    ///
    /// When the broker says nothing for a minute.
    pub async fn publish(
        &mut self,
        exchange: &str,
        routing_key: &str,
        properties: &[u8],
        body: &[u8],
    ) -> Verdict {
        self.send(exchange, routing_key, properties, body, false)
            .await
    }

    /// The same for a message that comes back when no queue wants it.
    ///
    /// # Panics
    ///
    /// When the broker says nothing for a minute.
    pub async fn publish_mandatory(
        &mut self,
        exchange: &str,
        routing_key: &str,
        properties: &[u8],
        body: &[u8],
    ) -> Verdict {
        self.send(exchange, routing_key, properties, body, true)
            .await
    }

    /// Takes a message out of a queue and acks it; none when there is none.
    ///
    /// # Panics
    ///
    /// When there is no such queue, and when the broker says nothing for a minute.
    pub async fn get(&mut self, queue: &str) -> Option<RawMessage> {
        let mut fields = vec![0, 0];
        put_short(queue.as_bytes(), &mut fields);
        fields.push(1);
        let frames = self.open().await;
        frames.put(METHOD, CHANNEL, &method((60, 70), &fields));
        frames.flush().await;
        let frame = frames.read().await;
        let frame = frame.unwrap_or_else(|| panic!("the broker ended the connection at a get"));
        let mut fields = frame.fields();
        match frame.method() {
            Some((60, 72)) => None,
            Some((60, 71)) => {
                fields.u64();
                let redelivered = fields.u8() != 0;
                let message = content(frames, fields.short(), fields.short()).await;
                Some(RawMessage {
                    redelivered,
                    ..message.unwrap_or_else(|| panic!("the broker broke off a message"))
                })
            }
            _ => panic!("the broker refused the get: {}", refusal(&frame)),
        }
    }

    async fn send(
        &mut self,
        exchange: &str,
        routing_key: &str,
        properties: &[u8],
        body: &[u8],
        mandatory: bool,
    ) -> Verdict {
        let mut fields = vec![0, 0];
        put_short(exchange.as_bytes(), &mut fields);
        put_short(routing_key.as_bytes(), &mut fields);
        fields.push(u8::from(mandatory));
        let mut header = vec![0, 60, 0, 0];
        header.extend_from_slice(&(body.len() as u64).to_be_bytes());
        header.extend_from_slice(properties);
        let part = (self.frame_max as usize).saturating_sub(OVERHEAD).max(1);
        let frames = self.open().await;
        frames.put(METHOD, CHANNEL, &method((60, 40), &fields));
        frames.put(HEADER, CHANNEL, &header);
        for part in body.chunks(part) {
            frames.put(BODY, CHANNEL, part);
        }
        frames.flush().await;
        self.verdict().await
    }

    async fn verdict(&mut self) -> Verdict {
        let mut returned = None;
        loop {
            let frames = self.open().await;
            let Some(frame) = frames.read().await else {
                self.state = State::Lost;
                return Verdict::Cut;
            };
            let mut fields = frame.fields();
            match frame.method() {
                Some((60, 80)) => return returned.unwrap_or(Verdict::Confirmed),
                Some((60, 120)) => return Verdict::Nacked,
                Some((60, 50)) => {
                    let (code, text) = (fields.u16(), fields.short());
                    let Some(message) = content(frames, fields.short(), fields.short()).await
                    else {
                        self.state = State::Lost;
                        return Verdict::Cut;
                    };
                    returned = Some(Verdict::Returned {
                        code,
                        text,
                        message,
                    });
                }
                Some((20, 40)) => {
                    frames.put(METHOD, CHANNEL, &method((20, 41), &[]));
                    frames.flush().await;
                    self.state = match std::mem::replace(&mut self.state, State::Lost) {
                        State::Open(frames) => State::Connected(frames),
                        other => other,
                    };
                    let (code, text) = (fields.u16(), fields.short());
                    return Verdict::ChannelClosed { code, text };
                }
                Some((10, 50)) => {
                    frames.put(METHOD, 0, &method((10, 51), &[]));
                    frames.flush().await;
                    self.state = State::Lost;
                    let (code, text) = (fields.u16(), fields.short());
                    return Verdict::ConnectionClosed { code, text };
                }
                // A broker may say other things in between, a heartbeat for instance.
                _ => {}
            }
        }
    }

    /// The connection, with a channel that confirms.
    async fn open(&mut self) -> &mut Frames {
        let opened = match std::mem::replace(&mut self.state, State::Lost) {
            State::Open(frames) => frames,
            State::Connected(frames) => with_channel(frames).await,
            State::Lost => {
                let frames = log_in(&self.uri, &mut self.frame_max).await;
                with_channel(frames).await
            }
        };
        self.state = State::Open(opened);
        match &mut self.state {
            State::Open(frames) => frames,
            State::Lost | State::Connected(_) => unreachable!("it was opened just now"),
        }
    }
}

/// The content of a method: a header, and as many bodies as it announces.
async fn content(frames: &mut Frames, exchange: String, routing_key: String) -> Option<RawMessage> {
    let header = frames.read().await.filter(|frame| frame.kind == HEADER)?;
    let mut fields = Fields(&header.payload);
    let _class_and_weight = fields.u32();
    let size = fields.u64();
    let properties = fields.0.to_vec();
    let mut body = Vec::new();
    while (body.len() as u64) < size {
        let part = frames.read().await.filter(|frame| frame.kind == BODY)?;
        body.extend_from_slice(&part.payload);
    }
    Some(RawMessage {
        exchange,
        routing_key,
        redelivered: false,
        properties,
        body,
        header_frame: header.payload.len() + OVERHEAD,
    })
}

//! An AMQP 0-9-1 broker inside your test's process: real frames over loopback, in milliseconds,
//! with time and faults under your control.
//!
//! It speaks to lapin, or to any other client, as RabbitMQ would: exchanges, bindings, queues of
//! both types, prefetch, confirms, returns, dead-lettering, time to live, limits, the same errors
//! with the same texts. It is what a first run and a test need. **It is not a production broker;
//! RabbitMQ is.** It keeps everything in memory, on one thread, listens on loopback addresses only,
//! and forgets it all when it is dropped.
//!
//! ```
//! use futures_util::StreamExt;
//! use garenne_broker::Broker;
//! use lapin::{options::*, types::FieldTable, BasicProperties, Connection, ConnectionProperties};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = Broker::start().await?;
//!
//! let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await?;
//! let channel = connection.create_channel().await?;
//! let (options, arguments) = (QueueDeclareOptions::default(), FieldTable::default());
//! channel.queue_declare("orders".into(), options, arguments.clone()).await?;
//! let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
//! channel.basic_publish("".into(), "orders".into(), options, b"42", properties).await?;
//!
//! let options = BasicConsumeOptions::default();
//! let mut consumer =
//!     channel.basic_consume("orders".into(), "me".into(), options, arguments).await?;
//! let delivery = consumer.next().await.ok_or("the consumer ended")??;
//! assert_eq!(delivery.data, b"42");
//! delivery.ack(BasicAckOptions::default()).await?;
//!
//! broker.wait_until(|view| view.unacked("orders") == 0).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Time
//!
//! Message TTLs, queue expiries and consumer timeouts run on a clock that runs by itself and can
//! be pushed: [`Broker::advance`] lets hours pass at once, each thing at its own time and in order,
//! so that a message falls through a ladder of retry queues as it would in real life.
//! [`Broker::advance_to_next`] goes just as far as the next thing that is due, and
//! [`Broker::next_due`] says how far that is.
//!
//! # Faults
//!
//! [`Broker::faults`] drops connections, refuses new ones, freezes, closes with a code, cancels
//! consumers, raises alarms, holds or nacks confirms, returns messages, delays, cuts a connection
//! after so many bytes or at the n-th method of a kind, and crashes and restarts the broker with
//! what a durable one would have kept. Each has happened when its future is done:
//!
//! ```
//! # use garenne_broker::{Broker, MethodKind};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), garenne_broker::Error> {
//! # let broker = Broker::start().await?;
//! // The next message is stored, and its confirm is lost with the connection.
//! broker.faults().cut_at_method(MethodKind::ACK, 1).await?;
//! // And then nobody can connect for a while.
//! broker.faults().refuse().await?;
//! broker.faults().accept().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Eyes
//!
//! [`Broker::queue`], [`Broker::messages`], [`Broker::bindings`], [`Broker::connections`] show what
//! is there. [`Broker::wait_until`] waits for a condition without sleeping: it looks when something
//! changed, and its error describes the state that was there instead.
//!
//! # What it can do
//!
//! - PLAIN and AMQPLAIN, tuning, heartbeats both ways, channels, `connection.update-secret`.
//! - Exchanges: direct, fanout, topic, headers, the default one, alternate exchanges, bindings
//!   between exchanges, internal, auto-delete, passive; `CC` and `BCC`.
//! - Queues: classic and quorum, exclusive, auto-delete, server-named, passive, if-unused, if-empty;
//!   `x-message-ttl`, `x-expires`, `x-max-length`, `x-max-length-bytes`, `x-overflow`,
//!   `x-dead-letter-*` (at-least-once too), `x-max-priority`, `x-single-active-consumer`,
//!   `x-delivery-limit`.
//! - Consumers: prefetch for each and for the channel, priorities, exclusive, cancel notification;
//!   `basic.get`, `ack`, `nack`, `reject`, `recover`; direct reply-to.
//! - Publishers: confirms, mandatory returns, transactions, per-message `expiration` and `priority`.
//!
//! # Where it differs from RabbitMQ
//!
//! It follows RabbitMQ 4.0, also where 3.10 did otherwise. Some hundred cases are run on both, and
//! what is not the same is listed here.
//!
//! - There are no plugins, no policies, no permissions (the one user may do everything), no TLS, no
//!   AMQP 1.0, no streams (`x-queue-type: stream` is an invalid argument) and one node only. Any
//!   other protocol is answered with the header of 0-9-1, as 3.10 does; 4.0 proposes AMQP 1.0.
//! - It calls itself `RabbitMQ` unless [`BrokerBuilder::introduce_as`] says otherwise; `platform` and
//!   `information` say what it is.
//! - What consumers share, the room of a prefetch for the whole channel, they get in turns; RabbitMQ
//!   draws lots between queues.
//! - Everything is confirmed at once, in the order of publishing. RabbitMQ writes to disk first, so
//!   its confirms come later and may come out of order.
//! - The names, routing keys and other texts in methods must be UTF-8, and the arguments of methods
//!   may nest 64 levels; others are a frame error (501). The properties of messages may be any bytes
//!   and nest as deep as a frame allows, as on RabbitMQ.
//! - Properties are given on byte for byte, as 3.10 does; 4.0 writes them anew, with sorted headers.
//!   Only where the broker adds a header (`x-death`, `x-delivery-count`) or removes one (`BCC`) they
//!   come out sorted by name here too, duplicates once.
//! - An unknown method is answered with 503, where RabbitMQ resets the connection. Errors in the
//!   handshake are answered at once, with the text that RabbitMQ would log; RabbitMQ waits and says
//!   nothing. What a client may send before it has logged in is bounded as there: frames of 4,096
//!   bytes, 10 s for the whole handshake.
//! - The bytes of a body that can never be whole (longer than was announced) or that is over the
//!   limit are thrown away as they come; RabbitMQ keeps them. A client cannot tell.
//! - A delivery may wait for its ack for ever, unless [`BrokerBuilder::consumer_timeout`] says
//!   otherwise; RabbitMQ closes its channel after 30 minutes.
//! - A quorum queue has no notion of priorities (RabbitMQ 4 knows two). A reject and a nack count
//!   alike against the delivery limit, as before RabbitMQ 4.3. The single active consumer of any
//!   queue stays until it goes, also when one of a higher priority comes.
//! - The alarm of [`Faults::block`] is the only one: the broker itself never runs out of anything
//!   before the process does. Use queue limits where that matters.

mod broker;
mod builder;
mod clock;
mod engine;
mod error;
mod exception;
mod eyes;
mod faults;
mod password;
mod server;
mod view;
mod wire;

/// The properties of a message, as the codec knows them.
pub use amq_protocol::protocol::BasicProperties;
/// The types of headers and arguments.
pub use amq_protocol::types;
pub use broker::Broker;
pub use builder::BrokerBuilder;
pub use engine::ChannelPick;
pub use error::Error;
pub use faults::{Faults, How, MethodKind};
pub use server::Direction;
pub use view::{
    BindingView, ChannelView, ConnectionView, ExchangeView, MessageView, QueueType, QueueView, View,
};

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

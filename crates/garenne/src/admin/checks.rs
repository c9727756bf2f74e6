//! Checks for an operator beside the topology: rights, and the broker's clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use garenne_core::Value;
use garenne_core::wire::{PropertyList, RawValue};
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use tokio::time::timeout;

use super::BrokerAdmin;
use crate::link::{Cause, Kind, LinkError, Port, Publish, call, message_count};
use crate::wire::short;

/// The flag word of a message without properties.
const NO_PROPERTIES: [u8; 2] = [0, 0];

/// How long a message takes from a queue to the next at most.
const HOP: Duration = Duration::from_secs(5);

impl BrokerAdmin {
    /// Whether this user may read from an empty queue. `None` when the queue is not empty: then the only test
    /// would take a message out of it.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; [`AdminError::is_refusal`] when the user may not read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: a message that was taken out returns to the queue.
    pub async fn may_read(&self, queue: &str) -> Result<Option<()>, AdminError> {
        let link = self.link();
        let looking = async {
            if message_count(link, queue).await? > 0 {
                return Ok(None);
            }
            let mut port = link.open_port(format!("queue `{queue}`")).await?;
            port.get(queue, false).await?;
            // A message that came in meanwhile returns to the queue when the channel is closed.
            port.close().await?;
            Ok(Some(()))
        };
        link.while_up(looking)
            .await
            .map_err(|error| AdminError::of(&error))
    }

    /// How far the broker's clock is ahead of this host's, in whole seconds. A broker shows its clock only in
    /// the time that it writes into a dead letter. The measurement needs two short-lived queues, exclusive to
    /// this connection, and the right to declare them.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the broker refuses, or the message does not come out again within 5 s.
    ///
    /// # Cancel safety
    ///
    /// The queues end with the connection.
    pub async fn clock_ahead_secs(&self) -> Result<i64, AdminError> {
        let link = self.link();
        let measuring = async {
            let mut port = link.open_port("a queue of our own").await?;
            let died_at = time_of_death(&mut port).await?;
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs();
            let ahead = i128::from(died_at) - i128::from(now);
            Ok(i64::try_from(ahead).unwrap_or(i64::MAX))
        };
        link.while_up(measuring)
            .await
            .map_err(|error| AdminError::of(&error))
    }
}

/// Lets a message expire, and reads the broker's time of that event.
async fn time_of_death(port: &mut Port) -> Result<u64, LinkError> {
    let end = own_queue(port.channel(), FieldTable::default()).await?;
    let mut arguments = FieldTable::default();
    let target = AMQPValue::LongString(end.as_str().into());
    arguments.insert(
        short("x-dead-letter-exchange"),
        AMQPValue::LongString("".into()),
    );
    arguments.insert(short("x-dead-letter-routing-key"), target);
    arguments.insert(short("x-message-ttl"), AMQPValue::LongLongInt(0));
    let start = own_queue(port.channel(), arguments).await?;
    port.writer().publish(Publish {
        exchange: b"",
        routing_key: start.as_bytes(),
        mandatory: false,
        properties: &NO_PROPERTIES,
        body: &Bytes::new(),
    });
    port.writer().flush();
    let dead = async {
        loop {
            if let Some(message) = port.get(&end, true).await? {
                return Ok(message);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let dead = timeout(HOP, dead)
        .await
        .map_err(|_| LinkError::transient("no dead letter came within 5 s"))??;
    let deaths = PropertyList::new(dead.properties()).header("x-death");
    let time = match deaths.map(RawValue::decode) {
        Some(Ok(Value::Array(deaths))) => match deaths.first() {
            Some(Value::Table(death)) => death.get("time").cloned(),
            _ => None,
        },
        _ => None,
    };
    match time {
        Some(Value::Timestamp(seconds)) => Ok(seconds),
        _ => Err(LinkError::transient("the dead letter names no time")),
    }
}

/// An exclusive queue of this connection, with a name from the broker.
async fn own_queue(channel: &Channel, mut arguments: FieldTable) -> Result<String, LinkError> {
    // The default queue type of a virtual host may be another, which cannot be exclusive.
    arguments.insert(
        short("x-queue-type"),
        AMQPValue::LongString("classic".into()),
    );
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let declaring = channel.queue_declare(short(""), exclusive, arguments);
    let queue = call("declaring a queue of our own", declaring).await?;
    Ok(queue.name().as_str().to_owned())
}

/// Why a check or an action on a broker failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminError {
    refusal: bool,
    missing: bool,
    code: Option<u16>,
    text: String,
    cause: Cause,
}

impl AdminError {
    pub(super) fn of(error: &LinkError) -> Self {
        Self {
            refusal: error.kind == Kind::Configuration,
            missing: error.is_missing(),
            code: error.reply_code(),
            text: error.to_string(),
            cause: error.cause(),
        }
    }

    pub(super) fn internal(text: &str) -> Self {
        Self {
            refusal: false,
            missing: false,
            code: None,
            text: text.to_owned(),
            cause: Cause::default(),
        }
    }

    /// Whether the broker answered with a refusal, so that somebody must change something.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        self.refusal
    }

    /// Whether an entity that was asked for does not exist. A queue whose node is down is not missing.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        self.missing
    }

    /// AMQP's reply code, if the broker refused: 403 for a right that this user does not have.
    #[must_use]
    pub const fn code(&self) -> Option<u16> {
        self.code
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The source is the error below the words of this error, if there is any.
impl std::error::Error for AdminError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

//! What an operator wants to know beside the topology: rights, and the broker's clock.

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

/// How long a message takes from one queue to the next at most.
const HOP: Duration = Duration::from_secs(5);

impl BrokerAdmin {
    /// Whether this user may read from a queue that is empty. `None` when it is not: then the only way to
    /// find out would take a message out of it.
    ///
    /// # Errors
    ///
    /// [`AdminError`]; [`AdminError::is_refusal`] when the user may not.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped: what may have been taken out comes back.
    pub async fn may_read(&self, queue: &str) -> Result<Option<()>, AdminError> {
        let link = self.link();
        let looking = async {
            if message_count(link, queue).await? > 0 {
                return Ok(None);
            }
            let mut port = link.open_port(format!("queue `{queue}`")).await?;
            port.get(queue, false).await?;
            // A message that came in meanwhile goes back when the channel is closed.
            port.close().await?;
            Ok(Some(()))
        };
        link.while_up(looking)
            .await
            .map_err(|error| AdminError::of(&error))
    }

    /// How far the broker's clock is ahead of this host's, in whole seconds: the only clock that a broker
    /// shows is the time that it writes into a dead letter. That takes two short-lived queues of this
    /// connection alone, and the right to declare them.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the broker refuses, or the message does not come out again within 5 s.
    ///
    /// # Cancel safety
    ///
    /// The queues are gone with the connection.
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

/// Lets a message expire, and reads when the broker says that it did.
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

/// A queue of this connection alone, with a name that the broker makes up.
async fn own_queue(channel: &Channel, mut arguments: FieldTable) -> Result<String, LinkError> {
    // A virtual host may have another default; those cannot be exclusive.
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

/// Why something could not be found out or done on a broker.
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

    /// Whether the broker answered and refuses, so that somebody must change something.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        self.refusal
    }

    /// Whether something that was asked for is not there. A queue whose node is down is not missing.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        self.missing
    }

    /// AMQP's reply code, if the broker said no: 403 for a right that this user does not have.
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

/// The source is what lies below the words of this error, if anything does.
impl std::error::Error for AdminError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

//! Arguments of queues: what they mean, and whether they are valid.

use std::time::Duration;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::Name;
use super::values::{as_integer, integer, string, type_name, value_text};
use crate::exception::{Exception, precondition_failed};

/// The kinds of queue; a stream is not one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueKind {
    Classic,
    Quorum,
}

/// What happens when a queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overflow {
    #[default]
    DropHead,
    RejectPublish,
    RejectPublishDlx,
}

/// A queue's arguments, understood.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) kind: QueueKind,
    pub(crate) ttl: Option<Duration>,
    pub(crate) expires: Option<Duration>,
    pub(crate) max_length: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) overflow: Overflow,
    pub(crate) dead_letter_exchange: Option<Name>,
    pub(crate) dead_letter_key: Option<Name>,
    pub(crate) at_least_once: bool,
    pub(crate) max_priority: u8,
    pub(crate) single_active: bool,
    /// How often a quorum queue takes a message back; `None` is for ever.
    pub(crate) delivery_limit: Option<u32>,
}

/// What RabbitMQ 4 gives a quorum queue that names no limit.
const DEFAULT_DELIVERY_LIMIT: u32 = 20;
/// A hundred years, the longest time RabbitMQ takes for a TTL.
const LONGEST: i128 = 315_360_000_000;

const CLASSIC: &[&str] = &[
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
    "x-queue-leader-locator",
];
const QUORUM: &[&str] = &[
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-overflow",
    "x-single-active-consumer",
    "x-queue-type",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-message-ttl",
    "x-queue-leader-locator",
];
const STREAM: &[&str] = &[
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-stream-filter-size-bytes",
    "x-initial-cluster-size",
];

impl QueueKind {
    /// The kind that the arguments ask for.
    pub(crate) fn of(arguments: &FieldTable) -> Self {
        match string(arguments, "x-queue-type").as_deref() {
            Some("quorum") => Self::Quorum,
            _ => Self::Classic,
        }
    }

    pub(crate) fn module(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
        }
    }

    /// The arguments that mean something to such a queue.
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Classic => CLASSIC,
            Self::Quorum => QUORUM,
        }
    }
}

impl Settings {
    /// Checks the arguments of a new queue (`resource`, as RabbitMQ names it) and reads them.
    pub(crate) fn parse(resource: &str, arguments: &FieldTable) -> Result<Self, Exception> {
        check(resource, arguments, &["x-queue-type"])?;
        let kind = QueueKind::of(arguments);
        check(resource, arguments, kind.arguments())?;
        let foreign = |key: &str| {
            !kind.arguments().contains(&key)
                && [CLASSIC, QUORUM, STREAM]
                    .iter()
                    .any(|known| known.contains(&key))
        };
        if let Some((key, _)) = arguments.into_iter().find(|(key, _)| foreign(key.as_str())) {
            return Err(precondition_failed(format!(
                "invalid arg '{key}' for {resource} of queue type {}",
                kind.module()
            )));
        }
        let number = |key| integer(arguments, key);
        let unsigned = |key| number(key).and_then(|value| u64::try_from(value).ok());
        let time = |key| number(key).and_then(|value| expiry(value).ok());
        let overflow = match string(arguments, "x-overflow").as_deref() {
            Some("reject-publish") => Overflow::RejectPublish,
            Some("reject-publish-dlx") => Overflow::RejectPublishDlx,
            _ => Overflow::DropHead,
        };
        let at_least_once = kind == QueueKind::Quorum
            && string(arguments, "x-dead-letter-strategy").as_deref() == Some("at-least-once")
            && overflow == Overflow::RejectPublish;
        Ok(Self {
            kind,
            ttl: time("x-message-ttl"),
            expires: time("x-expires"),
            max_length: unsigned("x-max-length"),
            max_bytes: unsigned("x-max-length-bytes"),
            overflow,
            dead_letter_exchange: string(arguments, "x-dead-letter-exchange").map(Name::from),
            dead_letter_key: string(arguments, "x-dead-letter-routing-key").map(Name::from),
            at_least_once,
            max_priority: number("x-max-priority")
                .and_then(|value| u8::try_from(value).ok())
                .unwrap_or(0),
            single_active: arguments.inner().get("x-single-active-consumer")
                == Some(&AMQPValue::Boolean(true)),
            delivery_limit: match (kind, number("x-delivery-limit")) {
                (QueueKind::Classic, _) => None,
                (QueueKind::Quorum, Some(limit)) => u32::try_from(limit).ok(),
                // Whatever is no number is a limit that no count reaches.
                (QueueKind::Quorum, None) => match arguments.contains_key("x-delivery-limit") {
                    true => Some(u32::MAX),
                    false => Some(DEFAULT_DELIVERY_LIMIT),
                },
            },
        })
    }
}

/// Checks the arguments of a consumer.
pub(crate) fn check_consumer(resource: &str, arguments: &FieldTable) -> Result<(), Exception> {
    check(resource, arguments, &["x-priority"])
}

/// A time in milliseconds as RabbitMQ bounds it.
pub(crate) fn expiry(value: i128) -> Result<Duration, String> {
    match u64::try_from(value) {
        Err(_) if value < 0 => Err(format!("{{value_negative,{value}}}")),
        Ok(millis) if value <= LONGEST => Ok(Duration::from_millis(millis)),
        _ => Err(format!("{{value_too_large,{value}}}")),
    }
}

fn check(resource: &str, arguments: &FieldTable, keys: &[&str]) -> Result<(), Exception> {
    for key in keys {
        let Some(value) = arguments.inner().get(*key) else {
            continue;
        };
        check_value(key, value, arguments).map_err(|why| {
            precondition_failed(format!("invalid arg '{key}' for {resource}: {why}"))
        })?;
    }
    Ok(())
}

fn check_value(key: &str, value: &AMQPValue, arguments: &FieldTable) -> Result<(), String> {
    match key {
        "x-message-ttl" => expiry(check_integer(value)?).map(drop),
        "x-expires" => match check_integer(value)? {
            0 => Err("{value_zero,0}".to_owned()),
            number => expiry(number).map(drop),
        },
        "x-max-length"
        | "x-max-length-bytes"
        | "x-max-in-memory-length"
        | "x-max-in-memory-bytes" => check_natural(value).map(drop),
        "x-quorum-initial-group-size" => match check_natural(value)? {
            0 => Err("{value_zero,0}".to_owned()),
            _ => Ok(()),
        },
        "x-max-priority" => match check_natural(value)? {
            number @ 256.. => Err(format!("{{max_value_exceeded,{number}}}")),
            _ => Ok(()),
        },
        "x-priority" => check_integer(value).map(drop),
        "x-single-active-consumer" => match value {
            AMQPValue::Boolean(_) => Ok(()),
            other => Err(unacceptable(other)),
        },
        "x-dead-letter-exchange" => check_string(value, &[], "").map(drop),
        "x-dead-letter-routing-key" => {
            check_string(value, &[], "")?;
            match arguments.contains_key("x-dead-letter-exchange") {
                true => Ok(()),
                false => Err("routing_key_but_no_dlx_defined".to_owned()),
            }
        }
        "x-dead-letter-strategy" => check_string(
            value,
            &["at-most-once", "at-least-once"],
            "invalid_dlx_strategy",
        ),
        "x-overflow" => check_string(
            value,
            &["drop-head", "reject-publish", "reject-publish-dlx"],
            "invalid_overflow",
        ),
        "x-queue-mode" => {
            let why = format!("\"unsupported queue mode '{}'\"", value_text(value));
            check_string(value, &["default", "lazy"], &why)
        }
        "x-queue-type" => {
            let why = format!("\"unsupported queue type '{}'\"", value_text(value));
            check_string(value, &["classic", "quorum"], &why)
        }
        "x-queue-leader-locator" => check_string(
            value,
            &["client-local", "balanced"],
            "invalid_queue_locator_arg",
        ),
        _ => Ok(()),
    }
}

fn check_integer(value: &AMQPValue) -> Result<i128, String> {
    as_integer(value).ok_or_else(|| format!("\"expected integer, got {}\"", type_name(value)))
}

fn check_natural(value: &AMQPValue) -> Result<i128, String> {
    match check_integer(value)? {
        number if number < 0 => Err(format!("{{value_negative,{number}}}")),
        number => Ok(number),
    }
}

/// A string, and one of `allowed` unless that is empty.
fn check_string(value: &AMQPValue, allowed: &[&str], why: &str) -> Result<(), String> {
    let AMQPValue::LongString(text) = value else {
        return Err(unacceptable(value));
    };
    match allowed.is_empty() || allowed.iter().any(|one| one.as_bytes() == text.as_bytes()) {
        true => Ok(()),
        false => Err(why.to_owned()),
    }
}

fn unacceptable(value: &AMQPValue) -> String {
    format!("{{unacceptable_type,{}}}", type_name(value))
}

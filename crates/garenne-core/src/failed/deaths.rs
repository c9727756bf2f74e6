//! What the broker's own headers say about a message that it parked itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{FailedMessage, id_of, text};
use crate::attempt::read_attempt;
use crate::copy::{Origin, original};
use crate::delay::arrived;
use crate::header::{ORIG_QUEUE, RETRY_NUMS};
use crate::outcome::FailReason;
use crate::properties::Properties;
use crate::unread::TextProperty;
use crate::value::{Headers, Value};

const ERROR: &str = "came back to its queue unsettled more often than the delivery limit allows; \
                     its handler probably ends the process";

/// The record of a message that carries none: it is parked, so the broker did it.
pub(super) fn from_deaths(origin: Origin<'_>, parked: &Properties) -> FailedMessage {
    let death = Death::of(&parked.headers);
    let orig_queue = parked.headers.get(ORIG_QUEUE).and_then(Value::as_str);
    // Whose parking queue it is, is certain. The headers may be a producer's, or tell of an expiry in
    // another queue: who believed them would send the message there.
    let told = Some(origin.queue).filter(|queue| !queue.is_empty());
    let queue = told.or(death.queue.as_deref()).or(orig_queue);
    let origin = Origin {
        queue: queue.unwrap_or_default(),
        exchange: death.exchange.as_deref().unwrap_or(origin.exchange),
        routing_key: death.routing_key.as_deref().unwrap_or(origin.routing_key),
    };
    let original = original(parked.clone(), origin);
    let mut properties = original.properties;
    if let Some(expiration) = death.expiration {
        properties.put_text(TextProperty::Expiration, expiration.into());
    }
    let first_failed_at = original.first_failed_at.or(death.at).unwrap_or(UNIX_EPOCH);
    FailedMessage {
        message_id: id_of(&properties),
        queue: origin.queue.to_owned(),
        exchange: original.exchange,
        routing_key: original.routing_key,
        body: Arc::default(),
        properties,
        attempts: read_attempt(parked.headers.get(RETRY_NUMS)).number(),
        first_failed_at,
        last_failed_at: death.at.unwrap_or(first_failed_at),
        reason: FailReason::DeliveryLimit,
        error: ERROR.to_owned(),
        error_chain: Vec::new(),
        host: String::new(),
        service: String::new(),
        version: String::new(),
    }
}

/// How the message died, as far as it is known.
#[derive(Default)]
struct Death {
    queue: Option<String>,
    exchange: Option<String>,
    routing_key: Option<String>,
    expiration: Option<String>,
    at: Option<SystemTime>,
}

impl Death {
    /// A message that had been in lanes has died there too, by expiry, and `x-first-death-queue`
    /// names the first lane. So the entry of `x-death` that counts is the one of the delivery limit.
    fn of(headers: &Headers) -> Self {
        let deaths = match headers.get("x-death") {
            Some(Value::Array(deaths)) => deaths.as_slice(),
            _ => &[],
        };
        let mut tables = deaths.iter().filter_map(|death| match death {
            Value::Table(table) => Some(table),
            _ => None,
        });
        match tables.find(|table| text(table, "reason") == "delivery_limit") {
            Some(table) => Self::from_table(table),
            None => Self {
                queue: last_queue(headers),
                ..Self::default()
            },
        }
    }

    fn from_table(table: &Headers) -> Self {
        let text = |name| table.get(name).and_then(Value::as_str).map(str::to_owned);
        let routing_key = match table.get("routing-keys") {
            Some(Value::Array(keys)) => keys.first().and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        let at = match table.get("time") {
            Some(&Value::Timestamp(secs)) => UNIX_EPOCH.checked_add(Duration::from_secs(secs)),
            _ => None,
        };
        let (mut exchange, mut routing_key) = (text("exchange"), routing_key);
        // Whoever sends it again shall not have to know that it had been delayed.
        if let (Some(from), Some(key)) = (&exchange, &routing_key)
            && let Some((to, queue)) = arrived(from, key)
        {
            (exchange, routing_key) = (Some(to.to_owned()), Some(queue.to_owned()));
        }
        Self {
            queue: text("queue"),
            exchange,
            routing_key,
            expiration: text("original-expiration"),
            at,
        }
    }
}

/// Where the message died according to the headers beside `x-death`; 3.13 and later have the last
/// death's, all have the first one's.
fn last_queue(headers: &Headers) -> Option<String> {
    let names = ["x-last-death-queue", "x-first-death-queue"];
    let value = names
        .into_iter()
        .find_map(|name| headers.get(name)?.as_str());
    value.map(str::to_owned)
}

//! The record of a message that the broker parked, read from the broker's headers.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::{FailedMessage, id_of};
use crate::attempt::read_attempt;
use crate::copy::{Origin, original_of};
use crate::death::{DELIVERY_LIMIT, EXPIRED, Told, ToldDeaths, is_own_way};
use crate::header::{ORIG_QUEUE, RETRY_NUMS};
use crate::outcome::FailReason;
use crate::properties::Properties;
use crate::unread::TextProperty;
use crate::value::{Headers, Value};

/// The record of a message that garenne did not park: the broker or another program did.
pub(super) fn from_deaths(
    deaths: &ToldDeaths,
    lay_in: Origin<'_>,
    parked: &Properties,
) -> FailedMessage {
    let told = Some(lay_in.queue).filter(|queue| !queue.is_empty());
    let death = Death::of(deaths, told);
    let beside = || queue_beside(&parked.headers);
    let said = || parked.headers.get(ORIG_QUEUE).and_then(Value::as_str);
    let of_death = death.told.map(|death| &*death.queue);
    let queue = told.or(of_death).or_else(beside).or_else(said);
    let queue = queue.unwrap_or_default();
    let origin = death.came_to(queue).unwrap_or(if deaths.are_told {
        Origin { queue, ..lay_in }
    } else {
        // Another program has put it there. Its exchange and routing key do not tell where the message was
        // meant to go, and they change when a tool reads it and puts a copy in its place.
        Origin::new(queue, "", queue)
    });
    let original = original_of(parked.clone(), origin, death.was_a_copy(origin));
    let mut properties = original.properties;
    if let Some(expiration) = death.told.and_then(|death| death.expiration.clone()) {
        properties.put_text(TextProperty::Expiration, expiration.into());
    }
    let at = death.told.and_then(|death| death.at);
    let first_failed_at = original.first_failed_at.or(at).unwrap_or(UNIX_EPOCH);
    let (reason, error) = death.reason_and_error(deaths.are_told);
    FailedMessage {
        message_id: id_of(&properties),
        queue: origin.queue.to_owned(),
        exchange: original.exchange,
        routing_key: original.routing_key,
        body: Arc::default(),
        properties,
        attempts: read_attempt(parked.headers.get(RETRY_NUMS)).number(),
        first_failed_at,
        last_failed_at: at.unwrap_or(first_failed_at),
        reason,
        error,
        error_chain: Vec::new(),
        host: String::new(),
        service: String::new(),
        version: String::new(),
    }
}

/// The death that brought a message into its parking queue, and the deaths before it.
pub(super) struct Death<'a> {
    pub(super) told: Option<&'a Told>,
    earlier: &'a [Told],
}

impl<'a> Death<'a> {
    /// The latest death counts. When the owner of the parking queue is unknown, the death by the delivery
    /// limit counts: a message that had been in lanes has also died there, by expiry.
    pub(super) fn of(deaths: &'a ToldDeaths, queue: Option<&str>) -> Self {
        let is_limit = |death: &Told| death.reason == DELIVERY_LIMIT;
        let at = match queue {
            Some(_) => 0,
            None => deaths.list.iter().position(is_limit).unwrap_or(0),
        };
        Self {
            told: deaths.list.get(at),
            earlier: deaths.list.get(at + 1..).unwrap_or_default(),
        }
    }

    /// How the message had come to the queue that it died in, if that queue is `queue`.
    pub(super) fn came_to<'b>(&'b self, queue: &'b str) -> Option<Origin<'b>> {
        let death = self.told.filter(|death| death.queue == queue)?;
        let routing_key = death.routing_keys.first()?;
        Some(Origin::new(queue, death.exchange.as_deref()?, routing_key))
    }

    /// Whether it was a copy of garenne's when it died, so that its headers count.
    pub(super) fn was_a_copy(&self, came: Origin<'_>) -> bool {
        self.came_to(came.queue).is_some()
            && is_own_way(!self.earlier.is_empty(), self.earlier, came)
    }

    /// The reason and the error in words, for people. A queue's name that the broker did not write may be any
    /// text.
    fn reason_and_error(&self, are_told: bool) -> (FailReason, String) {
        let Some(death) = self.told else {
            let error = if are_told { UNREADABLE } else { NOBODY };
            return (FailReason::Unknown, error.to_owned());
        };
        let (reason, error) = match death.reason.as_str() {
            DELIVERY_LIMIT => (FailReason::DeliveryLimit, LIMIT),
            EXPIRED => (FailReason::Expired, TIME_OVER),
            "maxlen" => (FailReason::MaxLength, FULL),
            "rejected" => (FailReason::Rejected, REJECTED),
            other => {
                let error = format!("the broker has moved it here: {other}");
                return (FailReason::Unknown, error);
            }
        };
        (reason, error.to_owned())
    }
}

const LIMIT: &str = "came back to its queue unsettled more often than the delivery limit allows; \
                     its handler probably ends the process";
const TIME_OVER: &str = "its time was over before it was handled: the broker says `expired`, by its own \
                         `expiration` or by a TTL of the queue";
const FULL: &str = "its queue was full, and the broker made room: it says `maxlen`";
const REJECTED: &str = "a consumer refused it for good: the broker says `rejected`";
const UNREADABLE: &str = "the broker has moved it here, and what it says about that cannot be read";
const NOBODY: &str =
    "neither garenne nor the broker says why it lies here; somebody has put it here";

/// The queue of the death according to the headers beside `x-death`. RabbitMQ 3.13 and later write the last
/// death's queue; all versions write the first one's.
fn queue_beside(headers: &Headers) -> Option<&str> {
    let names = ["x-last-death-queue", "x-first-death-queue"];
    names
        .into_iter()
        .find_map(|name| headers.get(name)?.as_str())
}

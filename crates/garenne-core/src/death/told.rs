//! The broker's list of deaths, read back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::EXPIRED;
use crate::copy::Origin;
use crate::header::is_of_death;
use crate::naming;
use crate::properties::Properties;
use crate::stamp::within_years_of_four_digits;
use crate::value::{Headers, Value};
use crate::wire::{PropertyList, RawValue};

/// The header in which the broker lists deaths.
const LIST: &str = "x-death";

/// The deaths that a message's headers report.
///
/// RabbitMQ 4 writes the list alone. RabbitMQ 3 extends a list that the producer has made up, so there every
/// word of it may be a producer's.
pub(crate) struct ToldDeaths {
    /// The broker has written about deaths, even if its list cannot be read.
    pub(crate) are_told: bool,
    /// The entries of the list, the latest death first.
    pub(crate) list: Vec<Told>,
}

/// An entry of the list; missing parts are empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) queue: String,
    pub(crate) reason: String,
    pub(crate) exchange: Option<String>,
    pub(crate) routing_keys: Vec<String>,
    /// Its property `expiration`, which the broker removes.
    pub(crate) expiration: Option<String>,
    pub(crate) at: Option<SystemTime>,
}

impl ToldDeaths {
    pub(crate) fn of(properties: &Properties) -> Self {
        let unread = properties.unread.iter().filter_map(|part| {
            let name = part.header_name()?;
            std::str::from_utf8(name).ok()
        });
        let mut names = properties.headers.keys().map(String::as_str).chain(unread);
        Self {
            are_told: names.any(is_of_death),
            list: properties.headers.get(LIST).map(list).unwrap_or_default(),
        }
    }

    pub(crate) fn of_list(properties: PropertyList<'_>) -> Self {
        let mut names = properties.headers().map(|(name, _)| name);
        let decoded = |raw: RawValue<'_>| raw.decode().ok();
        Self {
            are_told: names.any(|name| std::str::from_utf8(name).is_ok_and(is_of_death)),
            list: properties
                .header(LIST)
                .and_then(decoded)
                .map(|value| list(&value))
                .unwrap_or_default(),
        }
    }

    /// Whether a message that came to `to` in this way carries garenne's own headers.
    ///
    /// A retry copy comes out of a lane of that queue, which it went into through the default exchange. A
    /// replay comes straight through that exchange; so does a parked message that a person has put back. To
    /// write to the default exchange is a right of its own. A producer with that right can also put a message
    /// into a lane, and can claim anything here. No other producer can.
    pub(crate) fn is_own_way(&self, to: Origin<'_>) -> bool {
        is_own_way(self.are_told, &self.list, to)
    }
}

/// See [`ToldDeaths::is_own_way`]; for a message with these deaths.
pub(crate) fn is_own_way(are_told: bool, list: &[Told], to: Origin<'_>) -> bool {
    let is_straight = to.exchange.is_empty() && to.routing_key == to.queue;
    match list.first() {
        Some(latest) if to.shared_lane.is_some_and(|lane| latest.is_expiry_in(lane)) => true,
        Some(latest) => is_straight && latest.is_lane_of(to.queue),
        None => is_straight && !are_told,
    }
}

impl Told {
    /// Whether it waited in this queue until it expired, and had come there through the default exchange and
    /// to no other queue.
    fn is_expiry_in(&self, queue: &str) -> bool {
        self.reason == EXPIRED
            && self.queue == queue
            && self.exchange.as_deref() == Some("")
            && self.routing_keys == [queue]
    }

    fn is_lane_of(&self, queue: &str) -> bool {
        naming::is_lane_of(queue, &self.queue) && self.is_expiry_in(&self.queue)
    }

    fn of(entry: &Headers) -> Self {
        let text = |name| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let routing_keys = match entry.get("routing-keys") {
            Some(Value::Array(keys)) => keys.iter().map(readable).collect(),
            _ => Vec::new(),
        };
        let at = match entry.get("time") {
            Some(&Value::Timestamp(secs)) => Some(time(secs)),
            _ => None,
        };
        Self {
            queue: text("queue").unwrap_or_default(),
            reason: text("reason").unwrap_or_default(),
            exchange: text("exchange"),
            routing_keys,
            expiration: text("original-expiration"),
            at,
        }
    }
}

fn list(value: &Value) -> Vec<Told> {
    let Value::Array(entries) = value else {
        return Vec::new();
    };
    let told = entries.iter().map(|entry| match entry {
        Value::Table(entry) => Told::of(entry),
        _ => Told::default(),
    });
    told.collect()
}

fn readable(key: &Value) -> String {
    match key {
        Value::Text(text) => text.clone(),
        Value::LongString(bytes) => crate::wire::readable(bytes).into_owned(),
        _ => String::new(),
    }
}

/// A time that cannot be represented becomes the nearest that can.
fn time(secs: u64) -> SystemTime {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(secs));
    time.map_or_else(crate::stamp::last, within_years_of_four_digits)
}

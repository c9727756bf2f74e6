//! The properties of a message's copy, and how the original is read from a copy.

use std::time::SystemTime;

use crate::attempt::Attempt;
use crate::death::ToldDeaths;
use crate::delay::arrived;
use crate::header::{self, is_foreign};
use crate::properties::Properties;
use crate::stamp::{read_stamp, stamp};
use crate::unread::{self, TextProperty};
use crate::value::{Headers, Value};
use crate::wire::PropertyList;

/// The delivery mode of a message that survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// The properties that would act on a copy, and the headers in which the copy keeps them.
const ACTING: [(TextProperty, &str); 2] = [
    (TextProperty::Expiration, header::ORIG_EXPIRATION),
    (TextProperty::UserId, header::ORIG_USER_ID),
];

/// The headers that send a message to further queues, and the headers in which a copy keeps them.
const SENDER_SELECTED: [(&str, &str); 2] = [("CC", header::ORIG_CC), ("BCC", header::ORIG_BCC)];

/// A property or header, if any, that would act on the message and was not put aside.
pub(crate) fn acting(properties: &Properties) -> Option<&'static str> {
    let is_set = |property| properties.text_to_send(property).is_some();
    let text = ACTING.into_iter().find(|(property, _)| is_set(*property));
    let list = SENDER_SELECTED.into_iter();
    let mut list = list.filter(|(name, _)| properties.has_header(name));
    text.map(|(property, _)| property.name())
        .or_else(|| list.next().map(|(name, _)| name))
}

/// The source of a delivery, as the broker names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The queue that the delivery was consumed from.
    pub queue: &'a str,
    /// The exchange of the delivery, as the broker names it. For a message that comes out of a lane, it is
    /// the default exchange; the copy's headers name the original exchange.
    pub exchange: &'a str,
    /// The routing key of the delivery, in the same way.
    pub routing_key: &'a str,
    /// The retry queue of a [`Queue::golang_rabbitmq`](crate::Queue::golang_rabbitmq), whose copies come back
    /// through another exchange; see
    /// [`GolangRabbitmq::retry_queue_name`](crate::GolangRabbitmq::retry_queue_name).
    pub shared_lane: Option<&'a str>,
}

impl<'a> Origin<'a> {
    /// A delivery from a queue that shares no lane with other programs.
    #[must_use]
    pub const fn new(queue: &'a str, exchange: &'a str, routing_key: &'a str) -> Self {
        Self {
            queue,
            exchange,
            routing_key,
            shared_lane: None,
        }
    }
}

/// A message as its producer published it.
#[derive(Clone, Debug, PartialEq)]
pub struct Original {
    /// The properties, without those that copies and the broker have added.
    pub properties: Properties,
    /// The exchange that the producer published to.
    pub exchange: String,
    /// The routing key that the producer published with.
    pub routing_key: String,
    /// When the first attempt failed; `None` when none has yet.
    pub first_failed_at: Option<SystemTime>,
}

/// The properties of the copy that takes a message's place in a lane.
///
/// All properties and headers are kept, so that the next attempt sees what the first attempt saw, with these
/// exceptions:
///
/// - the copy is persistent, and its [`RETRY_NUMS`](header::RETRY_NUMS) is the next attempt's;
/// - it has a message id, `message_id` when the original has none, and keeps it from then on;
/// - properties that would act on the copy are put aside: see [`ORIG_EXPIRATION`](header::ORIG_EXPIRATION),
///   [`ORIG_USER_ID`](header::ORIG_USER_ID), [`ORIG_CC`](header::ORIG_CC) and
///   [`ORIG_BCC`](header::ORIG_BCC);
/// - [`ORIG_EXCHANGE`](header::ORIG_EXCHANGE), [`ORIG_ROUTING_KEY`](header::ORIG_ROUTING_KEY) and
///   [`FAIL_FIRST_AT`](header::FAIL_FIRST_AT) are set at the first failure and kept, and
///   [`ORIG_QUEUE`](header::ORIG_QUEUE) names the queue of the latest failure;
/// - headers that the broker owns, such as `x-death`, are left out.
///
/// The same holds for unreadable parts of the properties, as far as their names are known; they are copied
/// unchanged. A part that breaks the rules of AMQP cannot be sent, so it is put aside in
/// [`ORIG_UNREAD`](header::ORIG_UNREAD). Handlers of the copy get it back, but other programs do not see it
/// in its old place, so such a copy is not faithful. See [`Properties::can_be_sent`] and
/// [`Properties::fatal_header`].
#[must_use]
pub fn retry_copy(
    delivered: Properties,
    origin: Origin<'_>,
    next: Attempt,
    message_id: &str,
    failed_at: SystemTime,
) -> Properties {
    let original = original(delivered, origin);
    let first_failed_at = original.first_failed_at.unwrap_or(failed_at);
    let mut copy = put_aside(original.properties);
    if copy.readable_message_id().is_none() {
        copy.message_id = Some(message_id.to_owned());
    }
    copy.headers.extend([
        (header::RETRY_NUMS.to_owned(), next.header()),
        (header::ORIG_QUEUE.to_owned(), origin.queue.into()),
        (header::ORIG_EXCHANGE.to_owned(), original.exchange.into()),
        (
            header::ORIG_ROUTING_KEY.to_owned(),
            original.routing_key.into(),
        ),
        (header::FAIL_FIRST_AT.to_owned(), stamp(first_failed_at)),
    ]);
    copy
}

/// Whether a delivery is a copy that garenne has made, so that its headers about the original are believed.
///
/// Any producer can write the headers of a copy. So they are believed only on a message that came in one of
/// garenne's own ways. A retry copy comes out of a lane of the queue, which it went into through the default
/// exchange. A replay or a parked message comes straight through the default exchange to the queue. The
/// broker tells both: the first by an entry in `x-death`, the second by its absence. RabbitMQ 3 lets a
/// producer write into `x-death`, but not into the exchange and the routing key of the delivery.
///
/// A producer that may write to the default exchange can put a message into a lane, so it can claim anything
/// about its own message.
#[must_use]
pub fn is_copy(properties: PropertyList<'_>, origin: Origin<'_>) -> bool {
    let deaths = ToldDeaths::of_list(properties);
    let says = |name| properties.header(name).is_some();
    deaths.is_own_way(origin) && (deaths.are_told || STRAIGHT.into_iter().any(says))
}

/// The headers of copies that come to their queue without a death.
const STRAIGHT: [&str; 2] = [header::REPLAY_ID, header::FAIL_REASON];

/// Reads the producer's message from the delivered message, which is a copy after the first attempt.
///
/// It undoes the changes of [`retry_copy`], except that the copy's message id and persistence stay. If a
/// message only looks like a copy (see [`is_copy`]), the headers of a copy are removed from it and not
/// believed.
#[must_use]
pub fn original(delivered: Properties, origin: Origin<'_>) -> Original {
    let deaths = ToldDeaths::of(&delivered);
    let says = |name| delivered.headers.contains_key(name);
    let is_copy = deaths.is_own_way(origin) && (deaths.are_told || STRAIGHT.into_iter().any(says));
    original_of(delivered, origin, is_copy)
}

/// The same, when the caller knows whether it is a copy.
pub(crate) fn original_of(
    mut delivered: Properties,
    origin: Origin<'_>,
    is_copy: bool,
) -> Original {
    let aside = Aside { is_copy };
    let headers = &mut delivered.headers;
    let published = arrived(origin.exchange, origin.routing_key);
    let (exchange, routing_key) = published.unwrap_or((origin.exchange, origin.routing_key));
    Original {
        exchange: aside
            .take_text(headers, header::ORIG_EXCHANGE)
            .unwrap_or_else(|| exchange.to_owned()),
        routing_key: aside
            .take_text(headers, header::ORIG_ROUTING_KEY)
            .unwrap_or_else(|| routing_key.to_owned()),
        first_failed_at: aside
            .take(headers, header::FAIL_FIRST_AT)
            .as_ref()
            .and_then(read_stamp),
        properties: aside.take_back(delivered),
    }
}

/// The properties under which a message is stored again: persistent, without the headers of the broker or of
/// an earlier copy. Properties that would act on the copy are put aside.
pub(crate) fn put_aside(original: Properties) -> Properties {
    let mut copy = Properties {
        delivery_mode: Some(PERSISTENT),
        ..original
    };
    copy.retain_headers(|name| !is_foreign(name));
    if let Some(unread) = unread::put_aside(&mut copy.headers, &mut copy.unread) {
        copy.headers.insert(header::ORIG_UNREAD.to_owned(), unread);
    }
    for (property, kept_as) in ACTING {
        let text = copy.take_text(property);
        copy.headers
            .extend(text.map(|text| (kept_as.to_owned(), text)));
    }
    for (name, kept_as) in SENDER_SELECTED {
        copy.rename_header(name, kept_as);
    }
    copy
}

/// The properties that a retry copy, a parked or a replayed message has put aside. On any other message
/// garenne's headers do not count: its producer has made them up, or has copied them from another message.
#[derive(Clone, Copy)]
struct Aside {
    is_copy: bool,
}

impl Aside {
    fn take(self, headers: &mut Headers, name: &str) -> Option<Value> {
        headers.remove(name).filter(|_| self.is_copy)
    }

    fn take_text(self, headers: &mut Headers, name: &str) -> Option<String> {
        match self.take(headers, name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Undoes [`put_aside`].
    fn take_back(self, mut copy: Properties) -> Properties {
        let acting =
            ACTING.map(|(property, kept_as)| (property, self.take(&mut copy.headers, kept_as)));
        let unread = self.take(&mut copy.headers, header::ORIG_UNREAD);
        if self.is_copy {
            for (name, kept_as) in SENDER_SELECTED {
                copy.rename_header(kept_as, name);
            }
        }
        copy.retain_headers(|name| !is_foreign(name));
        for (property, text) in acting {
            if let Some(text) = text {
                copy.put_text(property, text);
            }
        }
        if let Some(unread) = unread {
            unread::take_back(&mut copy.headers, &mut copy.unread, &unread);
        }
        copy
    }
}

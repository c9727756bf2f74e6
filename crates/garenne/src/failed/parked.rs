//! A message that was taken out of a parking queue.

use std::sync::Arc;

use bytes::Bytes;
use garenne_core::reader::Message;
use garenne_core::wire::readable;
use garenne_core::{FailedMessage, Properties, Value};

use super::copies::unmarked;
use crate::publish::Outgoing;

/// The header in which a quorum queue says how often the message has come back.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// RabbitMQ 4 drops a message at its 21st return by default. From four returns before that limit, saving the
/// message matters more than its headers.
const RETURNS_LAST: i128 = 16;

/// A message from a parking queue that is not settled yet.
pub(super) struct Parked {
    pub(super) key: u64,
    pub(super) record: FailedMessage,
    /// No copy can replace the message: an attempt has failed.
    pub(super) is_without_copy: bool,
    /// The broker says that it has handed the message out before.
    is_redelivered: bool,
    /// The mark of a look that has put it there as a copy.
    pub(super) mark: Option<String>,
    /// What it was delivered with, to put it back as it was.
    properties: Properties,
}

impl Parked {
    /// `key` is unique among the messages of all channels.
    pub(super) fn new(key: u64, queue: &str, mut message: Message) -> Self {
        let mut properties = Properties::decode(message.properties());
        let mark = unmarked(&mut properties);
        let body = std::mem::take(&mut message.body);
        let record = FailedMessage::from_parked(
            Some(queue),
            &readable(message.exchange()),
            &readable(message.routing_key()),
            &properties,
            body,
        );
        Self {
            key,
            record,
            is_without_copy: false,
            is_redelivered: message.redelivered,
            mark,
            properties,
        }
    }

    /// How often the message has come back to its queue; 0 in a classic queue, which does not count. A
    /// message that was never handed out has not come back, whatever its producer has written.
    pub(super) fn returns(&self) -> i128 {
        if !self.is_redelivered {
            return 0;
        }
        let count = self.properties.headers.get(DELIVERY_COUNT);
        count.and_then(Value::as_integer).unwrap_or(0)
    }

    /// The properties of the message that takes its place in its parking queue; `None` when that would lack
    /// something.
    pub(super) fn again(&self, header_room: usize) -> Option<Properties> {
        self.record.parked_again(&self.properties, header_room)
    }

    /// The same without headers that leave no room in a frame, which it names: for a message that its queue
    /// would drop soon.
    pub(super) fn last_resort(&self, header_room: usize) -> Option<Properties> {
        (self.returns() >= RETURNS_LAST).then(|| self.record.parking_properties(header_room))
    }

    pub(super) fn outgoing(&self, parking: &str, properties: Properties) -> Outgoing {
        let body = Bytes::from_owner(Arc::clone(&self.record.body));
        Outgoing::of_parts("", parking, properties, body)
    }
}

//! A message that was taken out of a parking queue.

use std::sync::Arc;

use bytes::Bytes;
use garenne_core::reader::Message;
use garenne_core::wire::readable;
use garenne_core::{FailedMessage, Properties, Value};

use super::copies::Copies;
use crate::publish::Outgoing;

/// The header in which a quorum queue counts how often the message has come back.
pub(super) const DELIVERY_COUNT: &str = "x-delivery-count";

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
    pub(super) is_redelivered: bool,
    /// The properties that it was delivered with, to put it back unchanged.
    properties: Properties,
}

impl Parked {
    /// `key` is unique among the messages of all channels.
    pub(super) fn new(key: u64, queue: &str, mut message: Message) -> Self {
        let properties = Properties::decode(message.properties());
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

    /// The hash that identifies the message in its parking queue.
    pub(super) fn print(&self, parking: &str, copies: &Copies) -> u64 {
        copies.print(parking, &self.properties, &self.record.body)
    }

    /// The copy that replaces the message in its parking queue; `None` when the copy would be incomplete.
    pub(super) fn copy(&self, parking: &str, header_room: usize) -> Option<Outgoing> {
        let properties = self.record.parked_again(&self.properties, header_room)?;
        Some(self.outgoing(parking, properties))
    }

    /// A copy without the headers that do not fit into a frame; it lists the names of these headers. It is
    /// for a message that its queue would drop soon.
    pub(super) fn last_resort(&self, parking: &str, header_room: usize) -> Option<Outgoing> {
        (self.returns() >= RETURNS_LAST)
            .then(|| self.outgoing(parking, self.record.parking_properties(header_room)))
    }

    fn outgoing(&self, parking: &str, properties: Properties) -> Outgoing {
        let body = Bytes::from_owner(Arc::clone(&self.record.body));
        Outgoing::of_parts("", parking, properties, body)
    }
}

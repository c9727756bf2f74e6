//! The properties of a failed message when it is sent again.

use super::FailedMessage;
use crate::attempt::{Attempt, RETRY_NUMS};
use crate::copy::{acting, put_aside};
use crate::death::ToldDeaths;
use crate::header;
use crate::properties::Properties;
use crate::unread::TextProperty;
use crate::value::Value;

impl FailedMessage {
    /// The properties under which the message goes back to the queue that it failed in: its own, made
    /// persistent, with the attempts counted from the first again.
    ///
    /// [`REPLAY_COUNT`](header::REPLAY_COUNT) counts its replays. [`REPLAY_ID`](header::REPLAY_ID), made of
    /// the message id and that number, names this replay. A replay that was cut off and is sent again keeps
    /// the id of the first try, so it is recognised. A message without an id gets `fresh_id`, which no other
    /// message may have; its repeated replay cannot be recognised.
    ///
    /// Properties that would act on the message are put aside, as in a retry copy: it would expire, be
    /// refused because of another user's id, or go to other queues too. Handlers and the record of a further
    /// failure see them in their old place.
    #[must_use]
    pub fn replay_properties(&self, fresh_id: &str) -> Properties {
        let mut copy = put_aside(self.properties.clone());
        let own = Some(self.message_id.as_str()).filter(|id| !id.is_empty());
        let id = own.unwrap_or(fresh_id).to_owned();
        let replays = self.replays().saturating_add(1);
        let replay_id = format!("{id}#{replays}");
        copy.headers.extend(
            [
                (RETRY_NUMS, Attempt::FIRST.header()),
                (header::ORIG_QUEUE, Value::from(&self.queue)),
                (header::ORIG_EXCHANGE, Value::from(&self.exchange)),
                (header::ORIG_ROUTING_KEY, Value::from(&self.routing_key)),
                (header::REPLAY_ID, replay_id.into()),
                (header::REPLAY_COUNT, replays.into()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        if copy.unread_text(TextProperty::MessageId).is_none() {
            copy.message_id = Some(id);
        }
        copy
    }

    /// [`FailedMessage::replay_properties`] for a message whose own headers leave no room in a frame for
    /// those of a replay. Its own headers are all kept, so nothing shows that it is a replay.
    #[must_use]
    pub fn bare_replay_properties(&self) -> Properties {
        put_aside(self.properties.clone())
    }

    /// How many times the message had been replayed before it failed here.
    #[must_use]
    pub fn replays(&self) -> i32 {
        let count = self.properties.headers.get(header::REPLAY_COUNT);
        let count = count.and_then(Value::as_integer).unwrap_or(0);
        i32::try_from(count.max(0)).unwrap_or(i32::MAX)
    }

    /// The properties under which a message that was read from a parking queue is put back into it, so that
    /// the broker counts its returns from zero.
    ///
    /// The message stays as it is, wherever that is possible. It gets a record in these cases:
    ///
    /// - the broker has parked it, because a broker takes no `x-death` from a client;
    /// - it has properties that would act on the copy: it would expire, be refused because of another user's
    ///   id, or go to other queues too;
    /// - it is in [doubt](FailedMessage::doubt), because the doubt goes with the record.
    ///
    /// `max_header_bytes` is that of [`FailedMessage::parking_properties`]. `None`: the record does not fit,
    /// so the copy would lack a part.
    #[must_use]
    pub fn parked_again(&self, parked: &Properties, max_header_bytes: usize) -> Option<Properties> {
        let is_plain = !ToldDeaths::of(parked).are_told && acting(parked).is_none();
        if is_plain && self.doubt().is_none() && parked.can_be_sent() {
            let mut again = parked.clone();
            again.retain_headers(|name| !header::is_the_brokers(name));
            again.delivery_mode = Some(2);
            return Some(again);
        }
        let again = self.parking_properties(usize::MAX);
        (again.encoded_len() <= max_header_bytes).then_some(again)
    }
}

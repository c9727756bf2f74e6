//! What a failed message looks like when it is sent again.

use super::FailedMessage;
use crate::attempt::{Attempt, RETRY_NUMS};
use crate::copy::{acting_put_aside, put_aside};
use crate::header;
use crate::properties::Properties;
use crate::unread::TextProperty;
use crate::value::Value;

impl FailedMessage {
    /// The properties under which the message goes back to the queue that it failed in: its own,
    /// made persistent, with its attempts counted from the first again.
    ///
    /// [`REPLAY_COUNT`](header::REPLAY_COUNT) counts its replays, and
    /// [`REPLAY_ID`](header::REPLAY_ID), the message id and that number, names this one. So a replay
    /// that is repeated because it was cut off is recognised by an id that it shares with the first
    /// try. A message without an id gets `fresh_id`, which must be one that no other message has;
    /// repeated, it cannot be recognised.
    ///
    /// What would act on the message is put aside, as in a retry copy: it would expire, be refused
    /// as somebody else's, or go to other queues too. Handlers see it where it was, and a record of
    /// a further failure has it again.
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

    /// How many times the message had been replayed before it failed here.
    #[must_use]
    pub fn replays(&self) -> i32 {
        let count = self.properties.headers.get(header::REPLAY_COUNT);
        let count = count.and_then(Value::as_integer).unwrap_or(0);
        i32::try_from(count.max(0)).unwrap_or(i32::MAX)
    }

    /// The properties under which a message that was read out of a parking queue is put into it
    /// again, so that the broker counts its returns from zero.
    ///
    /// A record of garenne's stays as it is, but for what would act on the copy: it would expire, be refused
    /// as somebody else's, or go to other queues too. What garenne did not park gets a record, made of
    /// `x-death`, because a broker takes no deaths from a client; [doubt](FailedMessage::doubt) goes with
    /// it.
    ///
    /// `max_header_bytes` is that of [`FailedMessage::parking_properties`]. `None`: the copy would lack
    /// something, because it does not fit.
    #[must_use]
    pub fn parked_again(&self, parked: &Properties, max_header_bytes: usize) -> Option<Properties> {
        let has_record = parked.headers.contains_key(header::FAIL_REASON);
        let again = if has_record && self.doubt().is_none() {
            acting_put_aside(parked.clone(), |name| !header::is_the_brokers(name))
        } else {
            self.parking_properties(usize::MAX)
        };
        (again.encoded_len() <= max_header_bytes && again.can_be_sent()).then_some(again)
    }
}

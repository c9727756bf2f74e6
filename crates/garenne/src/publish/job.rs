//! One message on its way to the broker.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use garenne_core::reader::FRAME_HEAD;
use garenne_core::{Properties, TextProperty};
use tokio::sync::oneshot;

use super::gate::Gate;
use super::replies::Expecting;
use super::room::Place;
use super::{Patience, PublishError};
use crate::link::Publish;
use crate::wire::SHORT_STRING_MAX;

/// One message to be published with confirm, and who waits for the answer.
pub(crate) struct Job {
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) properties: Arc<Properties>,
    pub(crate) body: Bytes,
    pub(crate) mandatory: bool,
    pub(super) patience: Patience,
    /// When the send began.
    pub(super) since: Instant,
    /// How often it has been handed to a channel, not counting the times when the channel broke
    /// over another message, or with its link.
    pub(super) tries: u32,
    /// Whether it was ever handed to a channel: it may be stored.
    pub(super) sent: bool,
    /// How long it has been on a channel without a confirm while the broker was not blocking.
    pub(super) aloft: Duration,
    /// Its place in its publisher's window; a copy of garenne's own needs none.
    pub(super) place: Option<Place>,
    /// The reply that it asks for, until it is sent.
    pub(super) expecting: Option<Expecting>,
    /// Gone once it was answered; a message whose answer was "no confirm in time" stays in flight
    /// without one, because its confirm may still come.
    pub(super) reply: Option<oneshot::Sender<Result<(), PublishError>>>,
}

/// A hash of message id, exchange and routing key. A `basic.return` names no number, so it is matched by
/// this. Two messages with one key are never in flight together. So a collision costs a moment, and
/// never gives a wrong answer.
pub(super) type Key = u64;

/// A key is a hash already.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Makes keys.
#[derive(Clone, Default)]
pub(super) struct KeyMaker(RandomState);

impl KeyMaker {
    pub(super) fn of(&self, message_id: &[u8], exchange: &[u8], routing_key: &[u8]) -> Key {
        self.0.hash_one((message_id, exchange, routing_key))
    }

    pub(super) fn of_job(&self, job: &Job) -> Key {
        let properties = &job.properties;
        let id = properties.message_id.as_deref().map(str::as_bytes);
        let id = id.or_else(|| properties.unread_text(TextProperty::MessageId));
        self.of(
            id.unwrap_or_default(),
            job.exchange.as_bytes(),
            job.routing_key.as_bytes(),
        )
    }
}

/// How often a message is handed to a channel that breaks without saying over which one.
const MAX_TRIES: u32 = 3;

/// What a content header frame has besides what [`Properties::encoded_len`] counts: its head and its end.
pub(super) const HEADER_FRAME_OVERHEAD: usize = FRAME_HEAD + 1;

impl Job {
    /// A message for which nobody waits yet. It is published only if somebody does: see
    /// [`awaited`](Self::awaited).
    pub(crate) fn new(
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
        properties: impl Into<Arc<Properties>>,
        body: Bytes,
        patience: Patience,
    ) -> Self {
        Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            properties: properties.into(),
            body,
            mandatory: true,
            patience,
            since: Instant::now(),
            tries: 0,
            sent: false,
            aloft: Duration::ZERO,
            place: None,
            expecting: None,
            reply: None,
        }
    }

    /// The same with somebody who waits.
    pub(crate) fn awaited(self) -> (Self, oneshot::Receiver<Result<(), PublishError>>) {
        let (reply, answer) = oneshot::channel();
        let reply = Some(reply);
        (Self { reply, ..self }, answer)
    }

    /// Tells whoever waits how it ended. Its place is free by then, so that the next message can be sent.
    pub(super) fn answer(&mut self, result: Result<(), PublishError>) {
        self.count(&result);
        self.place = None;
        self.tell(result);
    }

    /// Tells whoever waits that there is no confirm yet. It may still come, so the message keeps its place.
    pub(super) fn answer_aloft(&mut self, result: Result<(), PublishError>) {
        self.count(&result);
        self.tell(result);
    }

    /// Once, and only if somebody waits.
    fn count(&self, result: &Result<(), PublishError>) {
        if let (Some(place), Some(_)) = (&self.place, &self.reply) {
            place.tally().answered(result);
        }
    }

    fn tell(&mut self, result: Result<(), PublishError>) {
        // If nobody waits any more, nobody is told.
        let _ = self.reply.take().map(|reply| reply.send(result));
    }

    /// Whether it may wait in line, while there is a link, for the channel to take it.
    pub(super) fn may_wait_in_line(&self, now: Instant, confirm_timeout: Duration) -> bool {
        self.patience.lasts(now) || now.saturating_duration_since(self.since) < confirm_timeout
    }

    /// Answers that the broker did not take it in time.
    pub(super) fn refuse(&mut self, gate: &Gate, confirm_timeout: Duration) {
        self.answer(Err(self.refusal(gate, confirm_timeout)));
    }

    /// Why the broker did not take it in time, as far as that is known.
    pub(super) fn refusal(&self, gate: &Gate, confirm_timeout: Duration) -> PublishError {
        match self.patience {
            Patience::Buffered { max_age, .. } if gate.is_closed() => PublishError::TooOld {
                after: max_age,
                reason: gate.reason(),
                sent: self.sent,
            },
            _ => gate.refusal(self.sent, confirm_timeout),
        }
    }

    /// It is handed to a channel.
    pub(super) fn starts(&mut self) {
        self.tries += 1;
        if let Some(expecting) = self.expecting.take() {
            expecting.begin();
        }
        let again = std::mem::replace(&mut self.sent, true);
        if again && let Some(place) = &self.place {
            place
                .tally()
                .possible_duplicates
                .fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether this is the last time that it is handed to a channel. That try is made alone: if the
    /// channel breaks once more, it was over this message and no other.
    pub(super) fn is_last_try(&self) -> bool {
        self.tries >= MAX_TRIES
    }

    pub(super) fn is_next_try_the_last(&self) -> bool {
        self.tries + 1 >= MAX_TRIES
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// Refuses a message that would make the broker close the connection or the channel.
    pub(super) fn fits(
        &self,
        frame_max: usize,
        max_message_size: usize,
    ) -> Result<(), PublishError> {
        if self.body.len() > max_message_size {
            let what = format!(
                "its body has {} bytes, the limit is {max_message_size}",
                self.body.len()
            );
            return Err(PublishError::TooLarge { what });
        }
        let header = self.properties.encoded_len() + HEADER_FRAME_OVERHEAD;
        if header > frame_max {
            let what = format!(
                "its properties and headers have {header} bytes, one frame takes {frame_max}"
            );
            return Err(PublishError::TooLarge { what });
        }
        if let Some(name) = self.properties.fatal_header() {
            let what = format!(
                "its header `{name}` has a float in it that is no number or infinite, which RabbitMQ cannot read"
            );
            return Err(PublishError::Unsendable { what });
        }
        match self
            .short_strings()
            .find(|(_, text)| text.len() > SHORT_STRING_MAX)
        {
            None => Ok(()),
            Some((what, text)) => {
                let what = format!("its {what} has {} bytes, AMQP allows 255", text.len());
                Err(PublishError::TooLarge { what })
            }
        }
    }

    /// The message as it is published. `properties` is memory that is used again for each.
    pub(super) fn as_publish<'a>(&'a self, properties: &'a mut Vec<u8>) -> Publish<'a> {
        properties.clear();
        self.properties.encode(properties);
        Publish {
            exchange: self.exchange.as_bytes(),
            routing_key: self.routing_key.as_bytes(),
            mandatory: self.mandatory,
            properties,
            body: &self.body,
        }
    }

    /// The texts that AMQP limits to 255 bytes. Cutting one would change the message, and a cut message
    /// id is not recognised when the broker returns it.
    fn short_strings(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let properties = &self.properties;
        let set = [
            ("content type", &properties.content_type),
            ("content encoding", &properties.content_encoding),
            ("correlation id", &properties.correlation_id),
            ("reply-to", &properties.reply_to),
            ("expiration", &properties.expiration),
            ("message id", &properties.message_id),
            ("type", &properties.kind),
            ("user id", &properties.user_id),
            ("app id", &properties.app_id),
            ("cluster id", &properties.cluster_id),
        ];
        let set = set
            .into_iter()
            .filter_map(|(what, text)| Some((what, text.as_deref()?)));
        let headers = properties.headers.keys();
        [
            ("exchange", self.exchange.as_str()),
            ("routing key", self.routing_key.as_str()),
        ]
        .into_iter()
        .chain(set)
        .chain(headers.map(|name| ("header's name", name.as_str())))
    }

    /// Whether this message made the broker close the channel with this text, and what that means
    /// for it. `None`: it was only in flight at the time.
    pub(super) fn blame(&self, code: u16, text: &str) -> Option<PublishError> {
        let names_our_exchange = text.contains(&format!("exchange '{}'", self.exchange))
            // A right may also end at some routing keys.
            && (!text.contains("topic '")
                || text.contains(&format!("topic '{}'", self.routing_key)));
        let names = |what: &str, value: &Option<String>| {
            let value = value.as_ref()?;
            text.contains(&format!("{what} '{value}'")).then_some(())
        };
        let refused = || {
            Some(PublishError::Refused {
                reason: text.to_owned(),
            })
        };
        match code {
            404 if names_our_exchange => Some(PublishError::Unroutable {
                exchange: self.exchange.clone(),
                routing_key: self.routing_key.clone(),
                reason: text.to_owned(),
            }),
            403 if names_our_exchange => refused(),
            406 if text.contains("message size") => text
                .contains(&format!("message size {} ", self.body.len()))
                .then(|| PublishError::TooLarge {
                    what: text.to_owned(),
                }),
            406 if text.contains("user_id") => {
                names("set to", &self.properties.user_id).and_then(|()| refused())
            }
            406 if text.contains("expiration") => {
                names("expiration", &self.properties.expiration).and_then(|()| refused())
            }
            _ => None,
        }
    }
}

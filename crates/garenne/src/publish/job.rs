//! A message that is sent to the broker.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use garenne_core::publishing::{Answer, MessageKey, Names, Publishable};
use garenne_core::reader::FRAME_HEAD;
use garenne_core::{Properties, TextProperty};
use tokio::sync::oneshot;

use super::replies::Expecting;
use super::room::Place;
use super::{Patience, PublishError};
use crate::link::Publish;
use crate::wire::SHORT_STRING_MAX;

/// A message to be published with confirm, and the sender that waits for its answer.
pub(crate) struct Job {
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) properties: Arc<Properties>,
    pub(crate) body: Bytes,
    pub(crate) mandatory: bool,
    pub(super) patience: Patience,
    /// When the send began.
    pub(super) since: Instant,
    /// The message's place in its publisher's window; a copy of garenne's own needs none.
    pub(super) place: Option<Place>,
    /// The reply that the message asks for, until it is sent.
    pub(super) expecting: Option<Expecting>,
    /// `None` after the answer. A message that was answered with "no confirm in time" stays in flight without
    /// it, because its confirm may still come.
    pub(super) reply: Option<oneshot::Sender<Result<(), PublishError>>>,
}

/// Makes the keys that identify messages.
#[derive(Clone, Default)]
pub(super) struct KeyMaker(RandomState);

impl KeyMaker {
    pub(super) fn of(&self, message_id: &[u8], exchange: &[u8], routing_key: &[u8]) -> MessageKey {
        self.0.hash_one((message_id, exchange, routing_key))
    }

    pub(super) fn of_job(&self, job: &Job) -> MessageKey {
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

/// The bytes of a content header frame beside [`Properties::encoded_len`]: its head and its end.
pub(super) const HEADER_FRAME_OVERHEAD: usize = FRAME_HEAD + 1;

impl Job {
    /// A message without a waiting sender. It is published only with a waiting sender: see
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
            place: None,
            expecting: None,
            reply: None,
        }
    }

    /// Adds a waiting sender.
    pub(crate) fn awaited(self) -> (Self, oneshot::Receiver<Result<(), PublishError>>) {
        let (reply, answer) = oneshot::channel();
        let reply = Some(reply);
        (Self { reply, ..self }, answer)
    }

    /// Gives the sender its answer. The place is free by then, so that the next message can be sent.
    pub(super) fn answer(&mut self, result: Result<(), PublishError>) {
        self.count(&result);
        self.place = None;
        self.tell(result);
    }

    /// Tells the sender that there is no confirm yet. It may still come, so the message keeps its place.
    pub(super) fn answer_in_flight(&mut self, result: Result<(), PublishError>) {
        self.count(&result);
        self.tell(result);
    }

    /// Counts a message once, and only if a sender waits.
    fn count(&self, result: &Result<(), PublishError>) {
        if let (Some(place), Some(_)) = (&self.place, &self.reply) {
            place.tally().answered(result);
        }
    }

    fn tell(&mut self, result: Result<(), PublishError>) {
        // The sender may no longer wait.
        let _ = self.reply.take().map(|reply| reply.send(result));
    }

    /// The result of this message for an answer of the machine.
    pub(super) fn result(
        &self,
        answer: Answer,
        confirm_timeout: Duration,
    ) -> Result<(), PublishError> {
        Err(match answer {
            Answer::Confirmed => return Ok(()),
            Answer::Nacked => PublishError::Nacked,
            Answer::Unroutable(reason) => PublishError::Unroutable {
                exchange: self.exchange.clone(),
                routing_key: self.routing_key.clone(),
                reason,
            },
            Answer::Refused(reason) => PublishError::Refused { reason },
            Answer::TooLarge(what) => PublishError::TooLarge { what },
            Answer::EndsLinks(reason) => PublishError::Unsendable {
                what: format!(
                    "it was all that was on its way each time that the broker ended a link, twice: \
                     {reason}"
                ),
            },
            Answer::NotTaken { gate, sent } => match self.patience {
                Patience::Buffered { max_age, .. } if gate.is_closed() => PublishError::TooOld {
                    after: max_age,
                    reason: gate.reason(),
                    sent,
                },
                _ => PublishError::not_taken(&gate, sent, confirm_timeout),
            },
        })
    }

    /// The message is handed to a channel, for the first time or again.
    pub(super) fn starts(&mut self, is_again: bool) {
        if let Some(expecting) = self.expecting.take() {
            expecting.begin();
        }
        if is_again && let Some(place) = &self.place {
            place
                .tally()
                .possible_duplicates
                .fetch_add(1, Ordering::Relaxed);
        }
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

    /// The message as it is published. `properties` is memory that each message uses again.
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

    /// The texts that AMQP limits to 255 bytes. Cutting a text would change the message, and a cut message id
    /// is not recognised when the broker returns the message.
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
}

impl Publishable for Box<Job> {
    fn is_wanted(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    fn names(&self) -> Names<'_> {
        Names {
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            body_len: self.body.len(),
            user_id: self.properties.user_id.as_deref(),
            expiration: self.properties.expiration.as_deref(),
        }
    }
}

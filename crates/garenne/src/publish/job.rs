//! One message on its way to the broker.

use bytes::Bytes;
use garenne_core::Properties;
use tokio::sync::oneshot;

use super::PublishError;
use crate::wire::SHORT_STRING_MAX;

/// One message to be published with confirm, and who waits for the answer.
pub(crate) struct Job {
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) properties: Properties,
    pub(crate) body: Bytes,
    pub(crate) mandatory: bool,
    pub(crate) when_blocked: WhenBlocked,
    /// How often it has been handed to a channel, not counting the times when the channel broke
    /// over another message.
    pub(super) tries: u32,
    /// Gone once it was answered; a message whose answer was "no confirm in time" stays in flight
    /// without one, because its confirm may still come.
    pub(super) reply: Option<oneshot::Sender<Result<(), PublishError>>>,
}

/// What to do while the broker blocks publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenBlocked {
    /// Wait: the message has nowhere else to go.
    Wait,
    /// Answer `Blocked` after the confirm timeout.
    GiveUp,
}

/// What the broker's `basic.return` is matched by. lapin attaches returns to the wrong confirms.
pub(super) type Key = (String, String, String);

/// How often a message is handed to a channel that breaks without saying over which one.
const MAX_TRIES: u32 = 3;

/// The bytes of a content header frame besides the properties: frame header and end, class,
/// weight, body size (AMQP 0-9-1, sections 4.2.3 and 4.2.6.1).
pub(super) const HEADER_FRAME_OVERHEAD: usize = 8 + 2 + 2 + 8;

impl Job {
    pub(crate) fn new(
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
        properties: Properties,
        body: Bytes,
        when_blocked: WhenBlocked,
    ) -> (Self, oneshot::Receiver<Result<(), PublishError>>) {
        let (reply, answer) = oneshot::channel();
        let job = Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            properties,
            body,
            mandatory: true,
            when_blocked,
            tries: 0,
            reply: Some(reply),
        };
        (job, answer)
    }

    pub(super) fn key(&self) -> Key {
        let id = self.properties.message_id.clone().unwrap_or_default();
        (id, self.exchange.clone(), self.routing_key.clone())
    }

    pub(super) fn answer(&mut self, result: Result<(), PublishError>) {
        if let Some(reply) = self.reply.take() {
            // Who stopped waiting does not want to know.
            let _ = reply.send(result);
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

    /// Refuses here what the broker would refuse by closing the connection or the channel.
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

    /// What AMQP limits to 255 bytes. Cutting it would change the message, and a cut message id is
    /// not recognised when the broker returns it.
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

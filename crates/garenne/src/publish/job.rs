//! One message on its way to the broker.

use bytes::Bytes;
use garenne_core::Properties;
use tokio::sync::oneshot;

use super::PublishError;

/// One message to be published with confirm, and who waits for the answer.
pub(crate) struct Job {
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) properties: Properties,
    pub(crate) body: Bytes,
    pub(crate) mandatory: bool,
    pub(crate) when_blocked: WhenBlocked,
    /// How often it has been handed to a channel.
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

/// The bytes of a content header frame besides the properties: frame header and end, class,
/// weight, body size (AMQP 0-9-1, sections 4.2.3 and 4.2.6.1).
const HEADER_FRAME_OVERHEAD: usize = 8 + 2 + 2 + 8;

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
        for (what, text) in [
            ("exchange", &self.exchange),
            ("routing key", &self.routing_key),
        ] {
            if text.len() > crate::wire::SHORT_STRING_MAX {
                let what = format!("its {what} has {} bytes, AMQP allows 255", text.len());
                return Err(PublishError::TooLarge { what });
            }
        }
        Ok(())
    }

    /// Whether this message made the broker close the channel with this text, and what that means
    /// for it. `None`: it was only in flight at the time.
    pub(super) fn blame(&self, code: u16, text: &str) -> Option<PublishError> {
        let names_our_exchange = text.contains(&format!("exchange '{}'", self.exchange));
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
                self.properties.user_id.as_ref().and_then(|_| refused())
            }
            406 if text.contains("expiration") => {
                self.properties.expiration.as_ref().and_then(|_| refused())
            }
            _ => None,
        }
    }
}

//! A failed message that a person has mended by hand, recognised in its store.

use bytes::Bytes;
use garenne_core::FailedMessage;

/// The message as it was read, and its new body.
pub(super) struct Mended {
    message: FailedMessage,
    body: Bytes,
    is_found: bool,
}

impl Mended {
    pub(super) fn new(message: FailedMessage, body: Bytes) -> Self {
        Self {
            message,
            body,
            is_found: false,
        }
    }

    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether the stored message is the mended message. At most a single stored message matches.
    pub(super) fn finds(&mut self, stored: &FailedMessage) -> bool {
        // The headers are not compared: the broker counts in them, and a copy may carry more.
        let stored = FailedMessage {
            properties: self.message.properties.clone(),
            ..stored.clone()
        };
        let is_it = !self.is_found && stored == self.message;
        self.is_found |= is_it;
        is_it
    }
}

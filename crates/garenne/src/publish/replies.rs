//! The requests that wait for a reply.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use garenne_core::reader::Message;
use garenne_core::wire::PropertyList;
use tokio::sync::oneshot;

use super::room::Tally;

/// The address of the channel that a request is published on (RabbitMQ's direct reply-to).
pub(super) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The requests that were sent and wait for a reply, by correlation id.
#[derive(Clone)]
pub(super) struct Replies {
    waiting: Arc<Mutex<HashMap<String, oneshot::Sender<Reply>>>>,
    tally: Arc<Tally>,
}

/// A reply as it was received.
pub(super) struct Reply {
    pub(super) body: Bytes,
    pub(super) content_type: Option<String>,
}

/// A request that is not sent yet.
pub(super) struct Expecting {
    replies: Replies,
    correlation_id: String,
    sender: oneshot::Sender<Reply>,
}

/// A reply to come. Its receiver fails when no reply can come any more; dropping this value stops the wait.
pub(super) struct Expected {
    replies: Replies,
    correlation_id: String,
    pub(super) reply: oneshot::Receiver<Reply>,
}

impl Replies {
    pub(super) fn new(tally: Arc<Tally>) -> Self {
        Self {
            waiting: Arc::default(),
            tally,
        }
    }

    /// Expects a reply with this correlation id, which must be unique.
    pub(super) fn expect(&self, correlation_id: String) -> (Expecting, Expected) {
        let (sender, reply) = oneshot::channel();
        let expecting = Expecting {
            replies: self.clone(),
            correlation_id: correlation_id.clone(),
            sender,
        };
        let expected = Expected {
            replies: self.clone(),
            correlation_id,
            reply,
        };
        (expecting, expected)
    }

    /// Hands a reply to its request.
    pub(super) fn hand_out(&self, message: Message) {
        let list = PropertyList::new(message.properties());
        let text = |bytes: Option<_>| bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
        let waiting = text(list.correlation_id()).and_then(|id| self.lock().remove(id));
        let reply = Reply {
            content_type: text(list.content_type()).map(str::to_owned),
            body: message.body.into(),
        };
        let taken = waiting.is_some_and(|waiting| waiting.send(reply).is_ok());
        if !taken {
            self.tally.late_replies.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The channel is gone, and the reply address of every request on it too. Only requests that are sent
    /// again can still get a reply.
    pub(super) fn keep_only(&self, correlation_ids: &HashSet<&str>) {
        self.lock()
            .retain(|id, _| correlation_ids.contains(id.as_str()));
    }

    /// Whether any request waits for a reply.
    pub(super) fn are_awaited(&self) -> bool {
        !self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Reply>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expecting {
    /// The request is sent: from now on its reply may come.
    pub(super) fn begin(self) {
        self.replies.lock().insert(self.correlation_id, self.sender);
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.replies.lock().remove(&self.correlation_id);
    }
}

//! Where replies may go: the part of the builder.

use super::SystemBuilder;

impl SystemBuilder {
    /// Also lets [`Delivery::reply`](crate::Delivery::reply) send replies to the queue with this name, or, if it
    /// ends in `*`, to all whose names begin so; `*` alone is every queue. Each call adds to the others.
    ///
    /// The sender of a request names the queue. It needs no right to write to that queue, because the service writes
    /// the reply. So by default replies go only to names that a broker has given: those for direct
    /// replies (`amq.rabbitmq.reply-to…`), which [`Publisher::request`](crate::Publisher::request) uses, and
    /// queues that it has named (`amq.gen-…`). Allow too much, and whoever may ask can write, with the service's
    /// rights, into what you allow.
    pub fn allow_replies_to(mut self, queue: impl Into<String>) -> Self {
        self.replies.allow(queue.into());
        self
    }
}

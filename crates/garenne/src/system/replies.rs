//! Where replies may go: the part of the builder.

use super::SystemBuilder;

impl SystemBuilder {
    /// Also lets [`Delivery::reply`](crate::Delivery::reply) send replies to the queue with this name, or, if it
    /// ends in `*`, to all whose names begin so; `*` alone is every queue. Each call adds to the others.
    ///
    /// It is the sender of a request who names the queue, and he need not have a right to write to it, as the
    /// service has. So by default replies go only to addresses that a broker has given: those for direct
    /// replies (`amq.rabbitmq.reply-to…`), which [`Publisher::request`](crate::Publisher::request) uses, and
    /// queues that it has named (`amq.gen-…`). Allow too much, and whoever may ask can write, with the service's
    /// rights, into what you allow.
    pub fn allow_replies_to(mut self, queue: impl Into<String>) -> Self {
        self.replies.allow(queue.into());
        self
    }
}

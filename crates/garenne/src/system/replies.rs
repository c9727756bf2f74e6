//! Where replies may go: the part of the builder.

use super::SystemBuilder;

impl SystemBuilder {
    /// Also lets [`Delivery::reply`](crate::Delivery::reply) send replies to the queue with this name. A
    /// name that ends in `*` stands for all queues whose names begin so; `*` alone is every queue. Each
    /// call adds to the others.
    ///
    /// The sender of a request names the queue, and needs no right to write to it, because the service
    /// writes the reply. So by default replies go only to names that a broker has given: names for direct
    /// replies (`amq.rabbitmq.reply-to…`), which [`Publisher::request`](crate::Publisher::request) uses,
    /// and queues that the broker has named (`amq.gen-…`). If you allow too much, every sender of requests
    /// can write, with the service's rights, into the queues that you allow.
    pub fn allow_replies_to(mut self, queue: impl Into<String>) -> Self {
        self.replies.allow(queue.into());
        self
    }
}

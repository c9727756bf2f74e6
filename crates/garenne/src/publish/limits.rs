//! The limits of a confirm channel: message size and waiting time.

use std::time::Duration;

/// Limits of a confirm channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) confirm_timeout: Duration,
    pub(crate) max_message_size: usize,
}

/// RabbitMQ 3's limit for a message. RabbitMQ 4 takes 16 MiB by default; its refusal says so.
const MAX_MESSAGE_SIZE: usize = 128 * 1024 * 1024;

impl Limits {
    pub(crate) fn new(confirm_timeout: Duration) -> Self {
        Self {
            confirm_timeout,
            max_message_size: MAX_MESSAGE_SIZE,
        }
    }
}

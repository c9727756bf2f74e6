//! Why a message cannot be delayed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::{MAX, MIN};
use crate::duration::readable;
use crate::golang_rabbitmq::DELAY_MAX;

/// Why a message cannot be delayed as requested. It was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelayError {
    /// The delay is under [`MIN`](super::MIN).
    TooShort {
        /// The requested delay.
        wanted: Duration,
    },
    /// The delay is over [`MAX`](super::MAX).
    TooLong {
        /// The requested delay.
        wanted: Duration,
    },
    /// The delay is over [`DELAY_MAX`](crate::golang_rabbitmq::DELAY_MAX), and the message must wait in a
    /// single queue, as the wire contract of `golang-rabbitmq` requires.
    TooLongForOneQueue {
        /// The requested delay.
        wanted: Duration,
    },
    /// The message is for an exchange; a delay ends in a queue.
    Exchange {
        /// The exchange.
        exchange: String,
    },
    /// The message is for a queue without a name.
    NoQueue,
    /// The queue's name does not fit into a routing key behind the digits of the delay.
    QueueTooLong {
        /// The queue's name.
        queue: String,
        /// How many bytes it has.
        len: usize,
        /// How many it may have.
        max: usize,
    },
    /// A word of the queue's name is a wildcard: the pattern for it would match other queues' names.
    Wildcard {
        /// The queue's name.
        queue: String,
    },
    /// The message has a header that sends it to further queues, which a delay would ignore.
    SenderSelected {
        /// The header: `CC` or `BCC`.
        header: &'static str,
    },
}

impl fmt::Display for DelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { wanted } => write!(
                f,
                "a delay of {} is too short; accepted: {} and more, or send it without a delay",
                readable(*wanted),
                readable(MIN)
            ),
            Self::TooLong { wanted } => write!(
                f,
                "a delay of {} s is too long; accepted: at most {} s, which is 8.5 years",
                wanted.as_secs(),
                MAX.as_secs()
            ),
            Self::TooLongForOneQueue { wanted } => write!(
                f,
                "a delay of {} s is too long for one queue; accepted: at most {} s, which is 49 days, or up to 8.5 years with `Publisher::send_after`",
                wanted.as_secs(),
                DELAY_MAX.as_secs()
            ),
            Self::Exchange { exchange } => write!(
                f,
                "a delayed message goes to a queue, and this one is for exchange `{exchange}`; send it to the queue, or to one whose consumer publishes it"
            ),
            Self::NoQueue => {
                f.write_str("a delayed message goes to a queue, and this one names none")
            }
            Self::QueueTooLong { queue, len, max } => write!(
                f,
                "queue `{queue}` has a name of {len} bytes; accepted for delayed messages: at most {max}"
            ),
            Self::Wildcard { queue } => write!(
                f,
                "queue `{queue}` has a name with a word `*` or `#`, which would get delayed messages that are meant for others; accepted: a name without"
            ),
            Self::SenderSelected { header } => write!(
                f,
                "header `{header}` sends a message to further queues, which a delay does not; send one message to each queue"
            ),
        }
    }
}

impl Error for DelayError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_asked_for_and_what_is_accepted() {
        let short = DelayError::TooShort {
            wanted: Duration::from_millis(250),
        };
        assert_eq!(
            short.to_string(),
            "a delay of 250ms is too short; accepted: 1s and more, or send it without a delay"
        );
        let long = DelayError::TooLong {
            wanted: Duration::from_secs(300_000_000),
        };
        assert_eq!(
            long.to_string(),
            "a delay of 300000000 s is too long; accepted: at most 268435455 s, which is 8.5 years"
        );
    }
}

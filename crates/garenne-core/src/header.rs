//! The names of the headers that garenne writes.
//!
//! No name begins with `x-`: a broker ignores, rewrites or removes headers that look like its own.

pub use crate::attempt::RETRY_NUMS;

/// Why the message is parked: the text of a [`FailReason`](crate::FailReason).
pub const FAIL_REASON: &str = "fail-reason";
/// The text of the last error.
pub const FAIL_ERROR: &str = "fail-error";
/// The texts of the last error's sources, outermost first; an array of texts.
pub const FAIL_CHAIN: &str = "fail-chain";
/// How many attempts were made; a 64-bit integer.
pub const FAIL_ATTEMPTS: &str = "fail-attempts";
/// When the first attempt failed: RFC 3339, UTC, milliseconds. Retry copies carry it too.
pub const FAIL_FIRST_AT: &str = "fail-first-at";
/// When the last attempt failed: RFC 3339, UTC, milliseconds.
pub const FAIL_LAST_AT: &str = "fail-last-at";
/// The host on which the last attempt failed.
pub const FAIL_HOST: &str = "fail-host";
/// The service in which the last attempt failed.
pub const FAIL_SERVICE: &str = "fail-service";
/// The version of that service; absent where it is not known.
pub const FAIL_VERSION: &str = "fail-version";
/// The names of headers that were dropped because the message's header had to fit in a frame; an
/// array of texts.
pub const FAIL_DROPPED_HEADERS: &str = "fail-dropped-headers";

/// Why the record is in doubt; absent where it is not. See
/// [`FailedMessage::doubt`](crate::FailedMessage::doubt).
pub const FAIL_DOUBT: &str = "fail-doubt";

/// The queue that the message failed in.
pub const ORIG_QUEUE: &str = "orig-queue";
/// The exchange that the producer published to.
pub const ORIG_EXCHANGE: &str = "orig-exchange";
/// The routing key that the producer published with.
pub const ORIG_ROUTING_KEY: &str = "orig-routing-key";
/// The property `expiration` of the original. In its own place, it would cut the delay short in a lane, and
/// delete the message in a parking queue.
pub const ORIG_EXPIRATION: &str = "orig-expiration";
/// The property `user_id` of the original. RabbitMQ closes a channel that publishes another user's id (406).
pub const ORIG_USER_ID: &str = "orig-user-id";
/// The header `CC` of the original. The broker would send the copy to every queue that it names.
pub const ORIG_CC: &str = "orig-CC";
/// The header `BCC` of the original, as with [`ORIG_CC`].
pub const ORIG_BCC: &str = "orig-BCC";
/// The unreadable parts of the original's properties that cannot be sent in their place: an array of tables
/// with a single entry, `header`, `headers` or `rest`, with the bytes of an
/// [`UnreadPart`](crate::UnreadPart).
pub const ORIG_UNREAD: &str = "orig-unread";
/// The property `expiration` of a delayed message. It would have cut the delay short; it no longer acts.
pub const DELAYED_EXPIRATION: &str = "delayed-expiration";

/// The trace that a message belongs to, in the form of W3C Trace Context. The producer sets it, not garenne.
pub const TRACEPARENT: &str = "traceparent";
/// The data that tracing systems add to [`TRACEPARENT`]. The producer sets it, not garenne.
pub const TRACESTATE: &str = "tracestate";

/// Names a replay of a failed message. It stays the same when a replay that was cut off is repeated, and
/// changes when the message fails and is replayed once more. Retry copies keep it.
pub const REPLAY_ID: &str = "replay-id";
/// How many times the message has been replayed; a 32-bit integer. Retry copies keep it.
pub const REPLAY_COUNT: &str = "replay-count";

/// Whether a copy adds this header, so that the original did not have it.
pub(crate) fn is_ours(name: &str) -> bool {
    const OURS: [&str; 20] = [
        RETRY_NUMS,
        FAIL_REASON,
        FAIL_ERROR,
        FAIL_CHAIN,
        FAIL_ATTEMPTS,
        FAIL_FIRST_AT,
        FAIL_LAST_AT,
        FAIL_HOST,
        FAIL_SERVICE,
        FAIL_VERSION,
        FAIL_DROPPED_HEADERS,
        FAIL_DOUBT,
        ORIG_QUEUE,
        ORIG_EXCHANGE,
        ORIG_ROUTING_KEY,
        ORIG_EXPIRATION,
        ORIG_USER_ID,
        ORIG_CC,
        ORIG_BCC,
        ORIG_UNREAD,
    ];
    OURS.contains(&name)
}

/// Whether a copy must not keep this header from another program: it is garenne's or the broker's.
pub(crate) fn is_foreign(name: &str) -> bool {
    is_ours(name) || is_the_brokers(name)
}

/// Whether the broker owns the header: it counts deaths and deliveries in these headers, and RabbitMQ 4
/// ignores or rewrites what a client sends in them.
pub(crate) fn is_the_brokers(name: &str) -> bool {
    matches!(name, "x-delivery-count" | "x-acquired-count") || is_of_death(name)
}

/// Whether the broker writes about deaths in this header.
pub(crate) fn is_of_death(name: &str) -> bool {
    name == "x-death" || name.starts_with("x-first-death-") || name.starts_with("x-last-death-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_header_that_begins_with_x_is_the_users() {
        assert!(!is_the_brokers("x-tenant") && !is_ours("x-tenant"));
        for name in [
            "x-death",
            "x-first-death-queue",
            "x-last-death-reason",
            "x-delivery-count",
        ] {
            assert!(is_the_brokers(name), "{name}");
        }
    }
}

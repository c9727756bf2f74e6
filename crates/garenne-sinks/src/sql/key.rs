//! What makes two reports of a failure the same.

use garenne::core::FailedMessage;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A fingerprint of the message and of the attempts that it has failed.
///
/// A redelivery of a message that was stored already has the same one, and so has the record of it
/// that was parked because the database's answer got lost. So it takes only what both keep: not the
/// times of a failure that is new each time, not its error, not the delivery mode.
///
/// A message that has been sent again differs: by the header `replay-id`, or by the time of its first
/// failure, which its copies carry from attempt to attempt. One without an id is like no other;
/// stored twice rather than lost.
pub(super) fn record_key(record: &FailedMessage, properties: &str, headers: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    if record.message_id.is_empty() {
        hash.update(Uuid::now_v7());
        return hash.finalize().to_vec();
    }
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    let texts = [
        &record.message_id,
        &record.queue,
        &record.exchange,
        &record.routing_key,
    ];
    for text in texts {
        add(text.as_bytes());
    }
    for json in [properties, headers] {
        add(json.as_bytes());
    }
    add(&record.body);
    add(&record.attempts.to_be_bytes());
    if record.attempts > 1 {
        add(super::row::time(record.first_failed_at).as_bytes());
    }
    hash.finalize().to_vec()
}

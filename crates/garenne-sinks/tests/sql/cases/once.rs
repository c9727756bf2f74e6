//! Which reports of a failure are the same.

use garenne::core::{FailReason, FailedMessage};
use garenne::failed::Inserted;

use super::records::at_millis;
use super::{all, insert, record, store, with_body};

const KNOWN: Inserted = Inserted { new: 0, known: 1 };
const NEW: Inserted = Inserted { new: 1, known: 0 };

pub(crate) async fn a_failure_is_stored_once_and_another_one_again(url: &str) {
    let store = store(url);
    let first = FailedMessage {
        properties: garenne::core::Properties {
            expiration: Some("60000".to_owned()),
            user_id: Some("guest".to_owned()),
            delivery_mode: None,
            ..record("m-1").properties
        },
        ..record("m-1")
    };
    assert_eq!(insert(&store, std::slice::from_ref(&first)).await, NEW);

    // The ack got lost, and the handler failed over the same message again, in its own way.
    let redelivered = FailedMessage {
        last_failed_at: at_millis(1_790_000_999_000),
        reason: FailReason::Panic,
        error: "index out of bounds".to_owned(),
        host: "till-4".to_owned(),
        ..first.clone()
    };
    assert_eq!(insert(&store, &[redelivered]).await, KNOWN);

    // The answer got lost, so it was parked as well.
    let parked = first.parking_properties(usize::MAX);
    let body = std::sync::Arc::clone(&first.body);
    let from_parked =
        FailedMessage::from_parked(Some("orders"), "", "orders.failed", &parked, body);
    assert_eq!(insert(&store, &[from_parked]).await, KNOWN);

    // Twice in one statement.
    let twice = [record("m-2"), record("m-2")];
    assert_eq!(insert(&store, &twice).await, Inserted { new: 1, known: 1 });

    // Sent again, by a tool that says so, and by hand.
    let mut replayed = first.clone();
    replayed.properties = first.replay_properties("");
    assert_eq!(insert(&store, &[replayed]).await, NEW);
    let by_hand = FailedMessage {
        first_failed_at: at_millis(1_790_000_500_000),
        ..first.clone()
    };
    assert_eq!(insert(&store, &[by_hand]).await, NEW);

    // A producer that gives one id to many messages.
    assert_eq!(insert(&store, &[with_body(&first, *b"other")]).await, NEW);
    let other_key = FailedMessage {
        routing_key: "order.cancelled".to_owned(),
        ..first.clone()
    };
    assert_eq!(insert(&store, &[other_key]).await, NEW);

    // A message that gave no id is like no other.
    let mut nameless = record("");
    nameless.properties.message_id = None;
    for _ in 0..2 {
        assert_eq!(insert(&store, std::slice::from_ref(&nameless)).await, NEW);
    }
    assert_eq!(all(&store).await.len(), 8);
    assert_eq!(
        all(&store).await[0],
        first,
        "what was there is left as it was"
    );
}

//! What the broker does to odd messages by itself.

use garenne_testing::{FieldBytes, RawClient, eventually};

use super::harms_neither_link_nor_neighbour::all;
use crate::api::support::{Place, SOON};

/// If the broker lost a part by itself, the other tests would ask garenne for what it cannot do.
#[tokio::test(flavor = "multi_thread")]
async fn the_broker_keeps_of_an_odd_message_what_must_be_kept_of_it() {
    let place = Place::new().await;
    tokio::join!(keeps_all(&place, "quorum"), keeps_all(&place, "classic"));
}

async fn keeps_all(place: &Place, kind: &str) {
    let mut raw = RawClient::connect(&place.vhost.url()).await;
    let arguments = [("x-queue-type", FieldBytes::text(kind))];
    raw.declare_with(kind, arguments).await;
    for (name, odd) in all() {
        // RabbitMQ 3.10 never hands a message out that expired with an `x-death` of its producer's.
        if !odd.can_be_sent() || !odd.must_keep_something() {
            continue;
        }
        for odd in [odd.clone(), odd.expired()] {
            println!("{name} in a {kind} queue");
            odd.send(&mut raw, kind).await;
            let taken = eventually(SOON, "it is there", async || {
                let message = raw.get(kind).await;
                message.ok_or_else(|| "nothing".to_owned())
            });
            odd.assert_replayed(&taken.await);
        }
    }
}

//! A handler hears what the broker says of a message, and what garenne has written on its copies.

use garenne::prelude::*;
use garenne_testing::RawClient;

use super::stage::{KEY, SHOP, Stage, forgeries};
use crate::api::support::{Running, Seen, id};

/// What a handler hears: the message, its attempt, the exchange and the routing key.
type Heard = (String, u32, String, String);

/// A handler that fails every message twice, so that it is parked.
async fn listening(stage: &Stage, heard: &Seen<Heard>) -> Running {
    let heard = heard.clone();
    let queue = Queue::quorum("orders")
        .declare(Declare::Off)
        .retry(Retry::every(100.millis()).times(1));
    let lanes = Queue::quorum("orders").retry(Retry::every(100.millis()).times(1));
    let admin = garenne::admin::BrokerAdmin::connect(Some(&stage.place.vhost.url()))
        .await
        .unwrap();
    admin.declare(&lanes).await.unwrap();
    admin.close().await;
    let builder = stage
        .place
        .system()
        .consume_fn(queue, move |order: Delivery<Text>| {
            heard.note((
                order.body().0.clone(),
                order.attempt().number(),
                order.exchange().to_owned(),
                order.routing_key().to_owned(),
            ));
            async { Err::<(), _>(Failure::transient("no")) }
        });
    Running::consuming(builder).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_hears_of_no_address_that_a_producer_made_up() {
    let mut stage = Stage::with("quorum").await;
    let heard = Seen::default();
    let running = listening(&stage, &heard).await;
    for (name, properties) in forgeries() {
        stage.publish(&properties, name).await;
    }
    let all = forgeries().len() as u64;
    stage.place.holds("orders.failed", all).await;
    let runs = heard.all();
    for (name, attempt, exchange, key) in &runs {
        assert_eq!(
            (&**exchange, &**key),
            (SHOP, KEY),
            "{name}, attempt {attempt}"
        );
    }
    assert!(runs.len() as u64 >= all, "{runs:?}");
    // The records know the address as well, and when it failed first.
    let store = running.failed(["orders"]);
    let query = garenne::failed::FailedQuery::all();
    use garenne::failed::FailedStore;
    let mut cursor = store.open(&query).await.unwrap();
    let mut number = 0;
    while let Some(stored) = cursor.next().await.unwrap() {
        let record = stored.record;
        assert_eq!((&*record.exchange, &*record.routing_key), (SHOP, KEY));
        assert_eq!((record.queue.as_str(), record.doubt()), ("orders", None));
        let year_ago = std::time::SystemTime::now() - 9_000.hours();
        assert!(record.first_failed_at > year_ago, "{record:?}");
        number += 1;
        cursor.keep(stored.key).await.unwrap();
    }
    cursor.close().await.unwrap();
    assert_eq!(number, all);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_and_a_replayed_message_still_name_the_address_that_they_were_sent_to() {
    let mut stage = Stage::with("quorum").await;
    let heard = Seen::default();
    let running = listening(&stage, &heard).await;
    let channel = &stage.place.client;
    channel.publish(SHOP, KEY, b"plain", id("plain")).await;
    stage.place.holds("orders.failed", 1).await;
    let replayed = stage
        .garenne(&["failed", "replay", "--queue", "orders"])
        .await;
    replayed.ok();
    let runs = heard.reach(4).await;
    let expected =
        [1, 2, 1, 2].map(|attempt| ("plain".to_owned(), attempt, SHOP.to_owned(), KEY.to_owned()));
    assert_eq!(runs, expected);
    stage.place.holds("orders.failed", 1).await;
    running.stop().await;
    // That the producer cannot reach a lane is what it rests on.
    let sent = stage
        .producer
        .publish("", "orders.retry.100ms", &[0, 0], b"no")
        .await;
    assert_ne!(sent, garenne_testing::Verdict::Confirmed);
    let mut guest = RawClient::connect(&stage.place.vhost.url()).await;
    assert!(guest.get("orders").await.is_none());
}

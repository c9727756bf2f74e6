//! What is made beside an adopted queue, and what is said of it.

use garenne::prelude::*;
use lapin::types::AMQPValue;

use crate::api::logs;
use crate::api::support::{Place, Running, Seen, nothing, text};

fn own_arguments() -> [(&'static str, AMQPValue); 3] {
    [
        ("x-queue-type", AMQPValue::LongString("classic".into())),
        ("x-max-length", AMQPValue::LongInt(1000)),
        ("x-message-ttl", AMQPValue::LongInt(3_600_000)),
    ]
}

fn failing(attempts: &Seen<u32>) -> impl Fn(Delivery<Text>) -> Fails + Clone + Send + Sync + use<> {
    let attempts = attempts.clone();
    move |order: Delivery<Text>| {
        attempts.note(order.attempt().number());
        Box::pin(async { Err(Failure::transient("no")) })
    }
}

type Fails = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

async fn fails_and_is_parked(declare: Declare) {
    let place = Place::new().await;
    // Names of its own: logs are shared by all tests of this process.
    let name = format!("own-{}", place.vhost.name());
    place.client.declare(&name, &own_arguments()).await;
    let attempts = Seen::default();
    let queue = Queue::quorum(&name)
        .declare(declare)
        .retry(Retry::every(100.millis()).times(1));
    let builder = place.system().consume_fn(queue, failing(&attempts));
    let running = Running::consuming(builder).await;
    place.send(&name, ["x"]).await;
    let parked = place.take_one(&format!("{name}.failed")).await;
    assert_eq!(text(&parked, "fail-reason"), "exhausted");
    assert_eq!(attempts.all(), [1, 2]);
    running.acked(2).await;
    if declare == Declare::Verify {
        let told = logs::lines_with(&["WARN", "queue_adopted", &name]);
        let told = told.first().expect("the adoption is told");
        for word in [
            "`x-queue-type`",
            "`x-max-length`",
            "`x-message-ttl`",
            "one node",
            "expire",
        ] {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_makes_the_lanes_and_the_parking_queue_and_says_all_that_differs() {
    fails_and_is_parked(Declare::Verify).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_looked_at_is_made_when_the_first_message_fails() {
    fails_and_is_parked(Declare::Off).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_make_what_an_adopted_queue_needs_is_told_what_and_how() {
    let place = Place::new().await;
    place.client.declare("orders", &own_arguments()).await;
    let queue = Queue::quorum("orders").declare(Declare::Verify);
    let url = place.reader_url().await;
    let reason = Running::started(SystemBuilder::new(url).consume_fn(queue, nothing))
        .stopped()
        .await;
    assert_eq!(reason.code(), 78, "{reason}");
    let said = reason.to_string();
    for word in ["`orders.failed`", "garenne topology --queue orders --adopt"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_brings_nothing_back_is_refused_with_the_remedy() {
    let place = Place::new().await;
    place.client.declare("orders", &own_arguments()).await;
    let lane = [("x-message-ttl", AMQPValue::LongInt(20_000))];
    place.client.declare("orders.retry.20s", &lane).await;
    for declare in [Declare::Verify, Declare::Create] {
        if declare == Declare::Create {
            place.client.delete("orders").await;
        }
        let queue = Queue::quorum("orders").declare(declare);
        let running = Running::started(place.system().consume_fn(queue, nothing));
        let reason = running.stopped().await;
        assert_eq!(reason.code(), 78, "{reason}");
        let said = reason.to_string();
        for word in [
            "`orders.retry.20s`",
            "`x-dead-letter-routing-key`",
            ".retry(Retry::every(",
        ] {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clash_of_types_is_told_as_one_and_without_empty_quotes() {
    let place = Place::new().await;
    place.client.declare("orders", &own_arguments()).await;
    let running = Running::started(place.system().consume_fn(Queue::quorum("orders"), nothing));
    let said = running.stopped().await.to_string();
    let first = said.split("differs in ").nth(1).expect("it says in what");
    assert!(
        first.starts_with("`x-queue-type` (here `quorum`, on the broker `classic`)"),
        "{said}"
    );
    assert!(
        said.contains("`x-max-length`") && said.contains("`1000`"),
        "{said}"
    );
    assert!(!said.contains("``"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clash_over_the_lane_of_the_go_package_names_the_remedy_and_the_remedy_works() {
    let place = Place::new().await;
    let other_delay = [
        ("x-message-ttl", AMQPValue::LongInt(5000)),
        ("x-dead-letter-exchange", AMQPValue::LongString("".into())),
        (
            "x-dead-letter-routing-key",
            AMQPValue::LongString("orders".into()),
        ),
    ];
    place.client.declare("orders_retry_3", &other_delay).await;
    let queue = Queue::golang_rabbitmq("orders");
    let running = Running::started(place.system().consume_fn(queue.clone(), nothing));
    let reason = running.stopped().await;
    assert_eq!(reason.code(), 78, "{reason}");
    let said = reason.to_string();
    for word in [
        "`orders_retry_3`",
        "`x-message-ttl`",
        ".retry(Retry::every(30.secs()))",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let queue = queue.retry(Retry::every(30.secs()));
    Running::consuming(place.system().consume_fn(queue, nothing)).await;
}

//! Delays of any length, on an embedded broker whose time is pushed.

use std::time::{Duration, Instant, SystemTime};

use garenne::PublishError;
use garenne::core::DelayError;
use garenne::core::delay::{LEVELS, MAX};
use garenne::prelude::*;
use garenne_broker::Broker;
use integration_tests::Client;
use lapin::types::AMQPValue;

use super::logs;
use super::support::{Running, Seen, nothing};

/// A broker whose time is pushed, a client, and a system that is there to publish.
pub(super) struct Lab {
    pub(super) broker: Broker,
    pub(super) client: Client,
    pub(super) running: Running,
}

impl Lab {
    pub(super) async fn new() -> Self {
        let builder = |system: SystemBuilder| system.consume_fn(Queue::classic("idle"), nothing);
        Self::with(builder).await
    }

    pub(super) async fn with(builder: impl FnOnce(SystemBuilder) -> SystemBuilder) -> Self {
        logs::capture();
        let broker = Broker::start().await.unwrap();
        let client = Client::connect(&broker.url()).await;
        let running = Running::consuming(builder(SystemBuilder::new(broker.url()))).await;
        Self {
            broker,
            client,
            running,
        }
    }

    /// The bodies of what waits in a queue.
    pub(super) async fn bodies(&self, queue: &str) -> Vec<String> {
        let messages = self.broker.messages(queue).await.unwrap();
        let bodies = messages.iter().map(|message| &message.body);
        bodies
            .map(|body| String::from_utf8_lossy(body).into_owned())
            .collect()
    }

    /// Sends a message with a delay and lets time pass until it is in its queue. Says how long that
    /// took at least and at most: the sending and the looking take time too.
    async fn arrival(&self, queue: &str, delay: Duration) -> (Duration, Duration) {
        let before = self.broker.now().await.unwrap();
        let watch = Instant::now();
        let message = Outgoing::to_queue(queue, "m");
        self.running
            .publisher()
            .send_after(message, delay)
            .await
            .unwrap();
        while self.broker.queue(queue).await.unwrap().ready == 0 {
            let next = self.broker.advance_to_next().await.unwrap();
            assert!(
                next.is_some(),
                "nothing is due any more, and it has not come"
            );
        }
        let took = self.broker.now().await.unwrap() - before;
        self.client.take_all(queue).await;
        (took.saturating_sub(watch.elapsed()), took)
    }

    pub(super) async fn names_of_levels(&self) -> Vec<String> {
        let queues = self.broker.queues().await.unwrap().into_iter();
        let levels = queues.map(|queue| queue.name);
        let mut levels: Vec<_> = levels.filter(|name| name.starts_with("garenne.")).collect();
        levels.sort();
        levels
    }
}

fn out_of_the_ordinary() -> impl Iterator<Item = u64> {
    let each = (0..LEVELS).map(|level| 1_u64 << level);
    let all_below = (1..=LEVELS).map(|level| (1_u64 << level) - 1);
    let zebras = [
        0b0101_0101_0101_0101_0101_0101_0101,
        0b1010_1010_1010_1010_1010_1010_1010,
    ];
    each.chain(all_below).chain(zebras)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delay_from_a_second_to_years_is_kept_to_the_second() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    for secs in out_of_the_ordinary() {
        let delay = secs.secs();
        let (at_least, at_most) = lab.arrival("orders", delay).await;
        assert!(at_most >= delay, "{delay:?}: early, after {at_most:?}");
        assert!(at_least <= delay, "{delay:?}: late, after {at_least:?}");
    }
    let expected: Vec<_> = (0..LEVELS)
        .map(|n| format!("garenne.delay.{n:02}"))
        .collect();
    assert_eq!(lab.names_of_levels().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_has_just_connected_can_delay_a_message_at_once() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    for _ in 0..20 {
        let publisher = Publisher::connect(lab.broker.url()).await.unwrap();
        let message = Outgoing::to_queue("orders", "m");
        publisher.send_after(message, 1.secs()).await.unwrap();
        publisher.close().await;
    }
    lab.broker.advance(1.secs()).await.unwrap();
    assert_eq!(lab.bodies("orders").await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_of_classic_queues_keep_delays_too_and_stand_beside_the_others() {
    let classic = Delays::classic();
    let lab = Lab::with(|system| {
        system
            .delays(classic)
            .consume_fn(Queue::classic("idle"), nothing)
    })
    .await;
    lab.client.declare("orders", &[]).await;
    for delay in [7.secs(), 90.minutes(), MAX] {
        let (at_least, at_most) = lab.arrival("orders", delay).await;
        assert!(
            at_least <= delay && delay <= at_most,
            "{delay:?}: {at_least:?} to {at_most:?}"
        );
    }
    let levels = lab.names_of_levels().await;
    assert!(
        levels
            .iter()
            .all(|name| name.starts_with("garenne.delay.classic.")),
        "{levels:?}"
    );

    let quorum = lab.running.publisher().delays(Delays::quorum());
    quorum
        .send_after(Outgoing::to_queue("orders", "q"), 3.secs())
        .await
        .unwrap();
    let beside = lab.names_of_levels().await;
    assert_eq!(beside.len(), 2 * levels.len());
    lab.broker.advance(3.secs()).await.unwrap();
    assert_eq!(lab.bodies("orders").await, ["q"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn destinations_whose_names_end_alike_do_not_mix() {
    let lab = Lab::new().await;
    let queues = ["orders", "eu.orders", "west.eu.orders", "1.orders"];
    for queue in queues {
        lab.client.declare(queue, &[]).await;
    }
    let publisher = lab.running.publisher();
    for queue in queues {
        publisher
            .send_after(Outgoing::to_queue(queue, queue), 5.secs())
            .await
            .unwrap();
    }
    lab.broker.advance(6.secs()).await.unwrap();
    for queue in queues {
        assert_eq!(lab.bodies(queue).await, [queue]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_of_its_own_does_not_cut_a_delay_short() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    let message = Outgoing::to_queue("orders", "m").expires_after(100.millis());
    lab.running
        .publisher()
        .send_after(message, 1.hours())
        .await
        .unwrap();
    lab.broker.advance(55.minutes()).await.unwrap();
    assert!(lab.bodies("orders").await.is_empty());
    lab.broker.advance(5.minutes()).await.unwrap();
    // It has its time, and does not go when that of its own is over.
    lab.broker.advance(1.hours()).await.unwrap();
    let arrived = lab.client.take_all("orders").await.remove(0);
    let headers = arrived.properties.headers().as_ref().unwrap().inner();
    assert_eq!(
        headers["delayed-expiration"],
        AMQPValue::LongString("100".into())
    );
    assert!(arrived.properties.expiration().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_has_come_is_now_and_one_ahead_is_waited_for() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    let publisher = lab.running.publisher();
    let yesterday = SystemTime::now() - 24.hours();
    publisher
        .send_at(Outgoing::to_queue("orders", "past"), yesterday)
        .await
        .unwrap();
    assert_eq!(lab.bodies("orders").await, ["past"]);

    let tomorrow = SystemTime::now() + 24.hours();
    publisher
        .send_at(Outgoing::to_queue("orders", "future"), tomorrow)
        .await
        .unwrap();
    lab.broker.advance(23.hours()).await.unwrap();
    assert_eq!(lab.bodies("orders").await, ["past"]);
    lab.broker.advance(1.hours()).await.unwrap();
    assert_eq!(lab.bodies("orders").await, ["past", "future"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delayed_is_refused_before_anything_is_sent() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    let publisher = lab.running.publisher();
    let orders = || Outgoing::to_queue("orders", "m");
    let refused = [
        (orders(), 999.millis()),
        (orders(), Duration::ZERO),
        (orders(), MAX + 1.secs()),
        (Outgoing::to_queue("", "m"), 1.secs()),
        (Outgoing::to_queue("orders.#", "m"), 1.secs()),
        (Outgoing::to_queue("q".repeat(200), "m"), 1.secs()),
        (Outgoing::to_exchange("amq.topic", "orders", "m"), 1.secs()),
        (orders().header("CC", vec!["idle".into()]), 1.secs()),
    ];
    for (message, delay) in refused {
        let refusal = publisher.send_after(message, delay).await.unwrap_err();
        assert!(matches!(refusal, PublishError::Delay(_)), "{refusal:?}");
        assert!(!refusal.is_transient() && !refusal.may_be_stored());
    }
    let too_short = publisher
        .send_after(orders(), 250.millis())
        .await
        .unwrap_err();
    assert_eq!(
        too_short,
        PublishError::Delay(DelayError::TooShort {
            wanted: 250.millis()
        })
    );
    assert!(lab.names_of_levels().await.is_empty());

    let unknown = publisher
        .send_after(Outgoing::to_queue("nowhere", "m"), 1.secs())
        .await;
    let Err(PublishError::Unroutable { routing_key, .. }) = unknown else {
        panic!("{unknown:?}");
    };
    assert_eq!(routing_key, "nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_would_not_fit_when_the_delay_is_over_are_refused_at_once() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    let publisher = lab.running.publisher();
    let large = || Outgoing::to_queue("orders", "m").header("h", "x".repeat(128_000));
    // What is added at one level still fits.
    publisher.send_after(large(), 1.secs()).await.unwrap();
    let refusal = publisher.send_after(large(), MAX).await.unwrap_err();
    assert!(
        matches!(refusal, PublishError::TooLarge { .. }),
        "{refusal:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_sees_a_delayed_message_as_one_that_was_sent_to_its_queue() {
    let seen = Seen::default();
    let noted = seen.clone();
    let lab = Lab::with(|system| {
        system.consume_fn(Queue::quorum("orders"), move |order: Delivery<Text>| {
            noted.note((
                order.exchange().to_owned(),
                order.routing_key().to_owned(),
                order.header("tenant"),
            ));
            async { Ok::<_, Failure>(()) }
        })
    })
    .await;
    let message = Outgoing::to_queue("orders", "m").header("tenant", "eu");
    lab.running
        .publisher()
        .send_after(message, 30.minutes())
        .await
        .unwrap();
    lab.broker.advance(30.minutes()).await.unwrap();
    let expected = (String::new(), "orders".to_owned(), Some("eu".into()));
    assert_eq!(seen.reach(1).await, [expected]);
}

//! Messages that a handler sends with its ack.

use std::collections::BTreeSet;
use std::time::Duration;

use garenne::core::Value;
use garenne::prelude::*;
use garenne::status::Status;
use garenne_broker::{Broker, How};
use integration_tests::{Client, NodeOptions, Vhost, order, stays};
use lapin::options::BasicPublishOptions;
use lapin::types::AMQPValue;

use super::logs;
use super::support::{Running, Seen, id, text};

/// A broker with faults at hand, a client, and a queue for what handlers send.
struct Lab {
    broker: Broker,
    client: Client,
}

impl Lab {
    async fn new() -> Self {
        logs::capture();
        let broker = Broker::start().await.unwrap();
        let client = Client::connect(&broker.url()).await;
        client.declare("invoices", &[]).await;
        Self { broker, client }
    }

    /// A system whose handlers of orders send an invoice to this queue.
    fn invoicing(&self, to: &'static str, ran: &Seen<u32>) -> SystemBuilder {
        let ran = ran.clone();
        let orders = Queue::quorum("orders").retry(Retry::none());
        SystemBuilder::new(self.broker.url()).consume_fn(orders, move |order: Delivery<Text>| {
            ran.note(order.attempt().number());
            order.publish(Outgoing::to_queue(to, order.body().clone()).derived());
            async { Ok::<_, Failure>(()) }
        })
    }

    /// Sends an order without waiting for a confirm: those may be held back.
    async fn order(&self) {
        let channel = self.client.new_channel().await;
        let (options, properties) = (BasicPublishOptions::default(), id("order-7"));
        let publish = channel.basic_publish("".into(), "orders".into(), options, b"7", properties);
        publish.await.unwrap();
    }

    /// The ids of the messages in a queue.
    async fn ids(&self, queue: &str) -> Vec<String> {
        let messages = self.broker.messages(queue).await.unwrap();
        let ids = messages
            .iter()
            .map(|message| message.properties.message_id().clone());
        ids.map(|id| id.unwrap_or_default().to_string()).collect()
    }

    async fn holds(&self, queue: &str, count: usize) {
        let there = self
            .broker
            .wait_until(|view| view.ready(queue) == count)
            .await;
        there.unwrap_or_else(|error| panic!("{queue} does not hold {count}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_not_acked_before_what_its_handler_sends_is_confirmed() {
    let (lab, ran) = (Lab::new().await, Seen::default());
    let running = Running::consuming(lab.invoicing("invoices", &ran)).await;
    lab.broker.faults().hold_confirms().await.unwrap();
    lab.order().await;
    lab.holds("invoices", 1).await;
    stays(
        Duration::from_millis(300),
        "the order is not acked",
        async || {
            let unacked = lab.broker.queue("orders").await.unwrap().unacked;
            if unacked == 1 {
                Ok(())
            } else {
                Err(format!("{unacked} unacked"))
            }
        },
    )
    .await;
    lab.broker.faults().release_confirms().await.unwrap();
    running.acked(1).await;
    lab.holds("invoices", 1).await;
    assert_eq!(ran.all(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_did_not_succeed_sends_nothing() {
    let lab = Lab::new().await;
    let orders = Queue::quorum("orders")
        .retry(Retry::none())
        .deadline(Duration::from_millis(100));
    let system = SystemBuilder::new(lab.broker.url());
    let system = system.consume_fn(orders, async |order: Delivery<Text>| {
        order.publish(Outgoing::to_queue("invoices", "too early"));
        match &**order.body() {
            "fails" => Err(Failure::transient("no")),
            "panics" => panic!("on purpose"),
            "hangs" => std::future::pending().await,
            _ => Err(Failure::discard("not wanted")),
        }
    });
    let running = Running::consuming(system).await;
    for body in ["fails", "panics", "hangs", "is discarded"] {
        lab.client
            .publish("", "orders", body.as_bytes(), id(body))
            .await;
    }
    running.acked(4).await;
    assert_eq!(lab.ids("orders.failed").await.len(), 3);
    assert!(lab.ids("invoices").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_held_and_sent_again() {
    let (lab, ran) = (Lab::new().await, Seen::default());
    let running = Running::consuming(lab.invoicing("invoices", &ran)).await;
    lab.broker.faults().nack_publishes(2).await.unwrap();
    lab.order().await;
    running.acked(1).await;
    lab.holds("invoices", 1).await;
    assert_eq!(ran.all(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_fails_the_attempt_and_says_why() {
    let (lab, ran) = (Lab::new().await, Seen::default());
    let running = Running::consuming(lab.invoicing("nowhere", &ran)).await;
    lab.order().await;
    running.acked(1).await;
    let parked = lab.client.take_all("orders.failed").await.remove(0);
    assert_eq!(text(&parked, "fail-reason"), "exhausted");
    assert!(
        text(&parked, "fail-error").contains("`nowhere`"),
        "{}",
        text(&parked, "fail-error")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_sent_fails_for_good() {
    let lab = Lab::new().await;
    let orders = Queue::quorum("orders").retry(Retry::every(1.hours()));
    let system = SystemBuilder::new(lab.broker.url());
    let system = system.consume_fn(orders, async |order: Delivery<Text>| {
        order.publish(Outgoing::to_queue("nowhere", "may come yet"));
        order.publish(Outgoing::to_queue("invoices", "").content_type("x".repeat(300)));
        Ok::<_, Failure>(())
    });
    let running = Running::consuming(system).await;
    lab.order().await;
    running.acked(1).await;
    let parked = lab.client.take_all("orders.failed").await.remove(0);
    assert_eq!(text(&parked, "fail-reason"), "permanent");
    assert!(
        text(&parked, "fail-error").contains("content type"),
        "{}",
        text(&parked, "fail-error")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_lost_before_the_confirm_costs_no_second_run() {
    let (lab, ran) = (Lab::new().await, Seen::default());
    let running = Running::consuming(lab.invoicing("invoices", &ran)).await;
    lab.broker.faults().hold_confirms().await.unwrap();
    lab.order().await;
    lab.holds("invoices", 1).await;
    lab.broker
        .faults()
        .drop_connections(How::Reset)
        .await
        .unwrap();
    lab.broker.faults().release_confirms().await.unwrap();
    running
        .until("the order is acked", |status| status.queues[0].acked == 1)
        .await;
    let ids: BTreeSet<_> = lab.ids("invoices").await.into_iter().collect();
    assert_eq!(ids.len(), 1, "copies of one message");
    assert_eq!(ran.all(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_derived_id_is_the_same_when_another_process_runs_the_handler_again() {
    let (lab, ran) = (Lab::new().await, Seen::default());
    let killed = Running::consuming(lab.invoicing("invoices", &ran)).await;
    lab.broker.faults().hold_confirms().await.unwrap();
    lab.order().await;
    lab.holds("invoices", 1).await;
    killed.stop_now();
    killed.stopped().await;
    lab.broker.faults().release_confirms().await.unwrap();

    let running = Running::consuming(lab.invoicing("invoices", &ran)).await;
    running
        .until("the order is acked", |status| status.queues[0].acked == 1)
        .await;
    let ids = lab.ids("invoices").await;
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ran.all(), [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_with_an_ack_can_be_delayed() {
    let lab = Lab::new().await;
    let system = SystemBuilder::new(lab.broker.url());
    let system = system.consume_fn(Queue::quorum("orders"), async |order: Delivery<Text>| {
        order.publish(Outgoing::to_queue("invoices", "a reminder").after(72.hours()));
        Ok::<_, Failure>(())
    });
    let running = Running::consuming(system).await;
    lab.order().await;
    running.acked(1).await;
    lab.broker.advance(71.hours()).await.unwrap();
    lab.holds("invoices", 0).await;
    lab.broker.advance(1.hours()).await.unwrap();
    lab.holds("invoices", 1).await;
}

/// RabbitMQ ends the connection over such a message.
#[tokio::test(flavor = "multi_thread")]
async fn a_float_that_is_no_number_fails_its_message_for_good_and_costs_no_link() {
    let vhost = Vhost::new().await;
    let client = Client::connect(&vhost.url()).await;
    client.declare("invoices", &[]).await;
    let orders = Queue::quorum("orders").retry(Retry::every(1.hours()));
    let system = SystemBuilder::new(vhost.url());
    let system = system.consume_fn(orders, async |order: Delivery<Text>| {
        let ratio = order.parse::<f64>()?;
        let nested = Value::from(vec![Value::F64(ratio)]);
        order.publish(Outgoing::to_queue("invoices", "").header("ratios", nested));
        Ok::<_, Failure>(())
    });
    let running = Running::consuming(system).await;
    let before = running.status().publish;
    for ratio in ["0.5", "NaN", "-inf", "1.5"] {
        client
            .publish("", "orders", ratio.as_bytes(), id(ratio))
            .await;
    }
    running.acked(4).await;
    for parked in client.take_all("orders.failed").await {
        assert_eq!(text(&parked, "fail-reason"), "permanent");
        let error = text(&parked, "fail-error");
        assert!(error.contains("header `ratios`"), "{error}");
    }
    assert_eq!(client.take_all("invoices").await.len(), 2);
    assert_eq!(running.status().publish, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_has_its_invoice_although_rabbitmq_is_killed() {
    const ORDERS: u64 = 2_000;
    logs::capture();
    let mut node = NodeOptions::default().start().await;
    let client = Client::connect(&node.url("/")).await;
    client
        .declare(
            "invoices",
            &[("x-queue-type", AMQPValue::LongString("quorum".into()))],
        )
        .await;
    let system = SystemBuilder::new(node.url("/")).outage_window(OutageWindow::Never);
    let system = system.consume_fn(Queue::quorum("orders"), async |order: Delivery<Text>| {
        order.publish(Outgoing::to_queue("invoices", order.body().clone()));
        Ok::<_, Failure>(())
    });
    let running = Running::consuming(system).await;
    client
        .publish_orders("orders", (0..ORDERS).map(|n| (n, "")))
        .await;
    running
        .until("some are acked", |status| status.queues[0].acked > 200)
        .await;
    node.kill().await;
    node.restart().await;
    running
        .until("nothing is left", |status| {
            Status::is_ready(status) && status.queues[0].in_flight == 0
        })
        .await;
    node.drained("/", "orders").await;
    let client = Client::connect(&node.url("/")).await;
    let invoices = client.take_all("invoices").await;
    let invoices: BTreeSet<_> = invoices
        .into_iter()
        .map(|invoice| invoice.delivery.data)
        .collect();
    let orders: BTreeSet<_> = (0..ORDERS).map(|n| order(n, "")).collect();
    assert!(invoices == orders, "{} of {ORDERS}", invoices.len());
}

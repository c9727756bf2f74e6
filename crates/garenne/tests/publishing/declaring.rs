//! A program declares what it sends to.

use garenne::prelude::*;
use garenne_broker::Broker;
use lapin::{Connection, ConnectionProperties};

async fn delete(broker: &Broker, queues: &[&str]) {
    let options = ConnectionProperties::default();
    let url = broker.url();
    let connecting = Connection::connect_uri(url.parse().unwrap(), options);
    let connection = connecting.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for queue in queues {
        let deleted = channel.queue_delete((*queue).into(), Default::default());
        deleted.await.unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn a_publisher_declares_what_it_sends_to_over_every_link() {
    let broker = Broker::start().await.unwrap();
    let publisher = Publisher::builder(broker.url())
        .declare(Queue::quorum("orders"))
        .declare(
            Topology::new()
                .exchange("events", ExchangeKind::Topic)
                .plain_queue("audit", QueueKind::Classic)
                .bind("audit", "events", "order.#"),
        )
        .connect()
        .await
        .unwrap();
    let to_both = || {
        [
            Outgoing::to_queue("orders", "x"),
            Outgoing::to_exchange("events", "order.new", "x"),
        ]
    };
    let sent = publisher.send_all(to_both()).finish().await;
    assert_eq!(sent.confirmed, 2, "{sent:?}");
    assert_eq!(broker.messages("orders").await.unwrap().len(), 1);
    // With it, all that its consumer needs: either of the two may come first.
    assert!(broker.messages("orders.failed").await.is_ok());

    // Somebody deletes it all, and the link is lost.
    delete(&broker, &["orders", "orders.failed", "audit"]).await;
    broker.faults().crash().await.unwrap();
    broker.faults().restart().await.unwrap();
    let patient = publisher.when_down(WhenDown::WaitUpTo(60.secs()));
    let sent = patient.send_all(to_both()).finish().await;
    assert_eq!(sent.confirmed, 2, "{sent:?}");
    assert_eq!(broker.messages("audit").await.unwrap().len(), 1);
    patient.close().await;
}

#[tokio::test]
async fn a_publisher_declares_on_demand_and_is_told_why_it_cannot() {
    let broker = Broker::start().await.unwrap();
    let publisher = Publisher::connect(broker.url()).await.unwrap();
    publisher.declare(Queue::quorum("orders")).await.unwrap();
    publisher.declare(Queue::quorum("orders")).await.unwrap();
    publisher
        .send(Outgoing::to_queue("orders", "x"))
        .await
        .unwrap();
    let other = publisher.declare(Queue::classic("orders")).await;
    let Err(PublishError::Refused { reason }) = other else {
        panic!("{other:?}");
    };
    assert!(reason.contains("`x-queue-type`"), "{reason}");
    let nameless = publisher.declare(Queue::quorum("")).await;
    assert!(
        matches!(nameless, Err(PublishError::Refused { .. })),
        "{nameless:?}"
    );
    // It goes on.
    publisher
        .send(Outgoing::to_queue("orders", "x"))
        .await
        .unwrap();
    publisher.close().await;
}

#[tokio::test]
async fn what_is_there_otherwise_ends_the_first_connect() {
    let broker = Broker::start().await.unwrap();
    let publisher = Publisher::connect(broker.url()).await.unwrap();
    publisher.declare(Queue::quorum("orders")).await.unwrap();
    let refused = Publisher::builder(broker.url())
        .declare(Queue::classic("orders"))
        .connect_within(600.secs())
        .connect()
        .await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), garenne::ConnectErrorKind::Refused);
    assert!(error.to_string().contains("`x-queue-type`"), "{error}");
    publisher.close().await;
}

#[test]
fn a_system_declares_what_its_handlers_send_to() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime.block_on(Broker::start()).unwrap();
    let system = SystemBuilder::new(broker.url())
        .consume_fn(
            Queue::quorum("orders"),
            |order: Delivery<Text>| async move {
                order.publish(Outgoing::to_queue("invoices", order.body().clone()));
                Ok::<(), Failure>(())
            },
        )
        .declare(Queue::quorum("invoices"))
        .build()
        .unwrap()
        .start()
        .unwrap();
    runtime.block_on(async {
        let publisher = system.publisher().when_down(WhenDown::WaitUpTo(60.secs()));
        publisher
            .send(Outgoing::to_queue("orders", "x"))
            .await
            .unwrap();
        broker
            .wait_until_within(60.secs(), |view| view.ready("invoices") == 1)
            .await
            .unwrap();
        system.stop();
        system.stopped().await;
    });
}

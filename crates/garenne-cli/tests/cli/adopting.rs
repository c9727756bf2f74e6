//! What is declared beside a queue that is there already, and how that is told.

use std::time::Duration;

use garenne_broker::Broker;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};

use crate::support::Stage;

/// A broker with `orders` as a team made it.
async fn stage_with_own_queue() -> Stage {
    let broker = Broker::start().await.unwrap();
    let options = ConnectionProperties::default();
    let url = broker.url();
    let connecting = Connection::connect_uri(url.parse().unwrap(), options);
    let connection = connecting.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut own = FieldTable::default();
    own.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("classic".into()),
    );
    own.insert("x-max-length".into(), AMQPValue::LongInt(1000));
    let durable = QueueDeclareOptions::durable();
    let declaring = channel.queue_declare("orders".into(), durable, own);
    declaring.await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
    Stage { broker }
}

#[tokio::test(flavor = "multi_thread")]
async fn topology_makes_what_it_can_and_says_what_it_cannot() {
    let stage = stage_with_own_queue().await;
    let ran = stage.run(&["topology", "-q", "orders", "--declare"]).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    for line in [
        "queue orders.failed: made",
        "queue orders.retry.20s: made",
        "queue orders: LEFT: differs in `x-queue-type`",
        "`x-max-length`",
        "1 of 3 cannot be used as they are",
    ] {
        assert!(ran.err.contains(line), "{line}: {}", ran.err);
    }
    assert!(stage.broker.messages("orders.failed").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn topology_adopts_a_queue_when_told() {
    let stage = stage_with_own_queue().await;
    let adopt = ["topology", "-q", "orders", "--declare", "--adopt"];
    for made in ["made", "there as wanted"] {
        let ran = stage.run(&adopt).await.well();
        for line in [
            &format!("queue orders.failed: {made}"),
            "queue orders: adopted; differs in `x-queue-type`",
            "declared on amqp://",
        ] {
            assert!(ran.err.contains(line), "{line}: {}", ran.err);
        }
    }
    let missing = ["topology", "-q", "gone", "--declare", "--adopt"];
    let ran = stage.run(&missing).await;
    assert_eq!(ran.code, 78, "{}", ran.err);
    assert!(
        ran.err.contains("queue gone: LEFT: not there"),
        "{}",
        ran.err
    );
    let useless = stage.run(&["topology", "-q", "orders", "--adopt"]).await;
    assert_eq!(useless.code, 2, "{}", useless.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_an_own_queue_lacks_and_that_nobody_sends_heartbeats() {
    let stage = stage_with_own_queue().await;
    let ran = stage.run(&["doctor", "-q", "orders"]).await;
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(
        ran.out.contains("as it is, a classic queue is on one node"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("heartbeat: every 10 s"), "{}", ran.out);
    let adopt = ["topology", "-q", "orders", "--declare", "--adopt"];
    stage.run(&adopt).await.well();
    let ran = stage
        .run(&["doctor", "-q", "orders", "--adopt"])
        .await
        .well();
    assert!(ran.out.contains("used as it is"), "{}", ran.out);

    let silent = Broker::builder().heartbeat(Duration::ZERO).start();
    let stage = Stage {
        broker: silent.await.unwrap(),
    };
    let url = format!("{}?heartbeat=0", stage.url());
    let ran = stage.run(&["doctor", "--url", &url]).await;
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(
        ran.out.contains("heartbeat: none on either side"),
        "{}",
        ran.out
    );
}

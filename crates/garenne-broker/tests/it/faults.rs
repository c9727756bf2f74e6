use std::time::{Duration, Instant};

use futures_util::StreamExt;
use garenne_broker::{ChannelPick, Direction, How, View};
use lapin::options::{BasicAckOptions, BasicPublishOptions};
use lapin::{BasicProperties, Confirmation, Event};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::{
    body, broker, channel, confirming, connect, connect_to, consume, declare, next, publish,
    reason, send, text, waiting, within,
};

#[tokio::test]
async fn dropped_connections_are_noticed_and_can_come_back() {
    let broker = broker().await;
    for how in [How::Reset, How::Close] {
        let (connection, channel) = confirming(&broker).await;
        declare(&channel, "q", &[]).await;
        let mut consumer = consume(&channel, "q", 1).await;
        assert_eq!(broker.faults().drop_connections(how).await.unwrap(), 1);
        assert!(broker.connections().await.unwrap().is_empty());
        assert!(within(consumer.next()).await.unwrap().is_err());
        assert!(!connection.status().connected());
    }
    connect(&broker).await;
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_close_is_an_end() {
    let broker = broker().await;
    for (how, expected) in [
        (How::Close, Ok(0)),
        (How::Reset, Err(std::io::ErrorKind::ConnectionReset)),
    ] {
        let mut stream = TcpStream::connect(broker.addr()).await.unwrap();
        broker
            .wait_until(|view| view.connections.len() == 1)
            .await
            .unwrap();
        broker.faults().drop_connections(how).await.unwrap();
        let read = within(stream.read(&mut [0; 8])).await;
        assert_eq!(read.map_err(|error| error.kind()), expected);
    }
}

#[tokio::test]
async fn refused_connections_are_accepted_again_on_the_same_port() {
    let broker = broker().await;
    broker.faults().refuse().await.unwrap();
    let refused = TcpStream::connect(broker.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    broker.faults().accept().await.unwrap();
    connect(&broker).await;
}

#[tokio::test]
async fn a_silent_broker_takes_a_connection_and_says_nothing() {
    let broker = broker().await;
    broker.faults().accept_silently().await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(100), connect_to(&broker.url())).await;
    assert!(waiting.is_err());
    broker.faults().accept().await.unwrap();
    connect(&broker).await;
}

#[tokio::test]
async fn a_frozen_broker_goes_on_where_it_stopped() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    broker.faults().freeze().await.unwrap();
    let sending = send(&channel, "q", "m");
    tokio::pin!(sending);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut sending).await;
    assert!(early.is_err());
    assert!(waiting(&broker, "q").await.is_empty());
    broker.faults().thaw().await.unwrap();
    assert_eq!(sending.await, Confirmation::Ack(None));
}

#[tokio::test]
async fn connections_are_closed_with_a_code_and_a_text() {
    let broker = broker().await;
    for code in [320, 541] {
        let (connection, channel) = channel(&broker).await;
        declare(&channel, "q", &[]).await;
        let mut consumer = consume(&channel, "q", 1).await;
        assert_eq!(
            broker
                .faults()
                .close_connections(code, "because")
                .await
                .unwrap(),
            1
        );
        let error = within(consumer.next()).await.unwrap().unwrap_err();
        assert_eq!(reason(&error), (code, "because".to_owned()));
        broker
            .wait_until(|view| view.connections.is_empty())
            .await
            .unwrap();
        drop(connection);
    }
}

#[tokio::test]
async fn one_channel_is_closed_and_its_neighbours_stay() {
    let broker = broker().await;
    let connection = connect(&broker).await;
    let (one, two) = (
        connection.create_channel().await.unwrap(),
        connection.create_channel().await.unwrap(),
    );
    declare(&one, "a", &[]).await;
    declare(&one, "b", &[]).await;
    let mut first = consume(&one, "a", 1).await;
    let _second = consume(&two, "b", 1).await;
    let pick = ChannelPick::Consuming("a".to_owned());
    assert_eq!(
        broker
            .faults()
            .close_channel(pick, 406, "too slow")
            .await
            .unwrap(),
        1
    );
    let error = within(first.next()).await.unwrap().unwrap_err();
    assert_eq!(reason(&error), (406, "too slow".to_owned()));
    declare(&two, "c", &[]).await;
    let view = broker.view().await.unwrap();
    assert_eq!((view.consumers("a"), view.consumers("b")), (0, 1));
    let pick = ChannelPick::OfConnection("test".to_owned());
    assert_eq!(
        broker
            .faults()
            .close_channel(pick, 404, "gone")
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn consumers_are_cancelled_and_their_channel_lives() {
    let broker = broker().await;
    let (_connection, channel) = channel(&broker).await;
    declare(&channel, "q", &[]).await;
    let mut consumer = consume(&channel, "q", 1).await;
    assert_eq!(broker.faults().cancel_consumers("q").await.unwrap(), 1);
    assert!(within(consumer.next()).await.is_none());
    consume(&channel, "q", 1).await;
}

#[tokio::test]
async fn an_alarm_blocks_publishers_and_spares_consumers() {
    let broker = broker().await;
    let (publishing, publisher) = confirming(&broker).await;
    let (_consuming, consumer) = channel(&broker).await;
    let mut events = Box::pin(publishing.events_listener());
    declare(&publisher, "q", &[]).await;
    send(&publisher, "q", "before").await;
    broker.faults().block("low on memory").await.unwrap();
    let blocked = within(async {
        loop {
            if let Some(Event::ConnectionBlocked(reason)) = events.next().await {
                break reason;
            }
        }
    });
    assert_eq!(blocked.await, "low on memory");
    assert!(broker.connections().await.unwrap()[0].blocked);
    let mut deliveries = consume(&consumer, "q", 1).await;
    next(&mut deliveries)
        .await
        .ack(BasicAckOptions::default())
        .await
        .unwrap();
    broker
        .wait_until(|view| view.unacked("q") == 0)
        .await
        .unwrap();
    broker.faults().unblock().await.unwrap();
    within(send(&publisher, "q", "after")).await;
}

#[tokio::test]
async fn a_delay_holds_everything_back() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    let delay = Duration::from_millis(50);
    broker.faults().delay(delay).await.unwrap();
    let start = Instant::now();
    send(&channel, "q", "m").await;
    assert!(
        start.elapsed() >= 2 * delay,
        "there and back: {:?}",
        start.elapsed()
    );
    broker.faults().clear().await.unwrap();
}

#[tokio::test]
async fn a_connection_is_cut_after_so_many_bytes() {
    let broker = broker().await;
    for direction in [Direction::Inbound, Direction::Outbound] {
        let (connection, channel) = confirming(&broker).await;
        declare(&channel, "q", &[]).await;
        broker
            .faults()
            .cut_after_bytes(10, direction)
            .await
            .unwrap();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let body = b"longer than ten bytes";
        let confirm = channel
            .basic_publish("".into(), "q".into(), options, body, properties)
            .await
            .unwrap();
        within(confirm).await.unwrap_err();
        assert!(!connection.status().connected());
    }
    // What came in whole was stored: the second message, whose confirm was cut.
    broker
        .wait_until(|view| view.ready("q") == 1)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_crash_keeps_what_a_durable_broker_would_keep() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "durable", &[]).await;
    declare(&channel, "quorum", &[("x-queue-type", text("quorum"))]).await;
    let transient = lapin::options::QueueDeclareOptions::default();
    channel
        .queue_declare("transient".into(), transient, Default::default())
        .await
        .unwrap();
    let bind = lapin::options::QueueBindOptions::default;
    for queue in ["durable", "transient"] {
        channel
            .queue_bind(
                queue.into(),
                "amq.fanout".into(),
                "".into(),
                bind(),
                Default::default(),
            )
            .await
            .unwrap();
    }
    send(&channel, "durable", "unacked").await;
    let mut consumer = consume(&channel, "durable", 1).await;
    next(&mut consumer).await;
    send(&channel, "durable", "persistent").await;
    publish(&channel, "", "durable", "lost", BasicProperties::default()).await;
    publish(&channel, "", "quorum", "kept", BasicProperties::default()).await;

    broker.faults().crash().await.unwrap();
    assert!(TcpStream::connect(broker.addr()).await.is_err());
    assert!(within(consumer.next()).await.unwrap().is_err());
    broker.faults().restart().await.unwrap();

    assert_eq!(waiting(&broker, "durable").await, ["unacked", "persistent"]);
    let messages = broker.messages("durable").await.unwrap();
    assert_eq!(
        [messages[0].redelivered, messages[1].redelivered],
        [true, false]
    );
    assert_eq!(waiting(&broker, "quorum").await, ["kept"]);
    assert!(broker.queue("transient").await.is_err());
    assert_eq!(broker.bindings().await.unwrap().len(), 1);
    let (_connection, channel) = confirming(&broker).await;
    send(&channel, "durable", "again").await;
    broker.faults().crash_and_restart().await.unwrap();
    assert_eq!(
        waiting(&broker, "durable").await,
        ["unacked", "persistent", "again"]
    );
}

#[tokio::test]
async fn a_message_that_is_spoiled_costs_its_connection_and_is_counted_each_time() {
    let broker = broker().await;
    let (_connection, channel) = channel(&broker).await;
    declare(&channel, "q", &[("x-queue-type", text("quorum"))]).await;
    let faults = broker.faults();
    faults.spoil_deliveries("killer").await.unwrap();
    send(&channel, "q", "killer").await;
    send(&channel, "q", "good").await;
    for returns in 1..=3 {
        let consumer_connection = connect(&broker).await;
        let channel = consumer_connection.create_channel().await.unwrap();
        let mut consumer = consume(&channel, "q", 2).await;
        assert!(within(consumer.next()).await.unwrap().is_err());
        let returned = |view: &View| view.connections.len() == 1 && view.ready("q") == 2;
        broker.wait_until(returned).await.unwrap();
        let messages = broker.messages("q").await.unwrap();
        assert_eq!(messages[0].delivery_count, returns, "{messages:?}");
    }
    faults.clear().await.unwrap();
    let mut consumer = consume(&channel, "q", 2).await;
    assert_eq!(body(&next(&mut consumer).await), "killer");
    assert_eq!(body(&next(&mut consumer).await), "good");
}

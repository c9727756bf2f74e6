use std::time::Duration;

use garenne_broker::MethodKind;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Confirmation};

use crate::support::{broker, confirming, declare, send, waiting, within};

#[tokio::test]
async fn held_confirms_come_when_they_are_released() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    broker.faults().hold_confirms().await.unwrap();
    let options = BasicPublishOptions::default();
    let confirm = channel
        .basic_publish(
            "".into(),
            "q".into(),
            options,
            b"m",
            BasicProperties::default(),
        )
        .await
        .unwrap();
    broker
        .wait_until(|view| view.ready("q") == 1)
        .await
        .unwrap();
    tokio::pin!(confirm);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), &mut confirm)
            .await
            .is_err()
    );
    broker.faults().release_confirms().await.unwrap();
    assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
}

#[tokio::test]
async fn publishes_are_nacked_or_returned_as_often_as_wanted() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    broker.faults().nack_publishes(2).await.unwrap();
    assert!(send(&channel, "q", "a").await.is_nack());
    assert!(send(&channel, "q", "b").await.is_nack());
    assert_eq!(send(&channel, "q", "c").await, Confirmation::Ack(None));
    broker.faults().return_publishes(1).await.unwrap();
    assert!(matches!(
        send(&channel, "q", "d").await,
        Confirmation::Ack(Some(_))
    ));
    assert_eq!(send(&channel, "q", "e").await, Confirmation::Ack(None));
    assert_eq!(waiting(&broker, "q").await, ["c", "e"]);
}

#[tokio::test]
async fn a_queue_is_refused_on_the_channels_that_are_open_and_on_no_other() {
    let broker = broker().await;
    let (connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    declare(&channel, "other", &[]).await;
    broker.faults().refuse_on_open_channels("q").await.unwrap();
    assert!(send(&channel, "q", "a").await.is_nack());
    assert_eq!(send(&channel, "other", "b").await, Confirmation::Ack(None));
    assert!(send(&channel, "q", "c").await.is_nack());
    let later = connection.create_channel().await.unwrap();
    let options = ConfirmSelectOptions::default();
    later.confirm_select(options).await.unwrap();
    assert_eq!(send(&later, "q", "d").await, Confirmation::Ack(None));
    assert_eq!(waiting(&broker, "q").await, ["d"]);
    broker.faults().clear().await.unwrap();
    assert_eq!(send(&channel, "q", "e").await, Confirmation::Ack(None));
}

#[tokio::test]
async fn for_a_silent_queue_nothing_is_confirmed_whatever_is_confirmed_for_others() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    declare(&channel, "other", &[]).await;
    broker.faults().confirm_nothing_for("q").await.unwrap();
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default();
    let publish = channel.basic_publish("".into(), "q".into(), options, b"a", properties);
    let mut unconfirmed = publish.await.unwrap();
    for _ in 0..20 {
        assert_eq!(send(&channel, "other", "b").await, Confirmation::Ack(None));
    }
    broker.faults().clear().await.unwrap();
    assert_eq!(send(&channel, "q", "c").await, Confirmation::Ack(None));
    let sends = (0..20).map(|_| send(&channel, "other", "b"));
    futures_util::future::join_all(sends).await;
    let confirmed = tokio::time::timeout(Duration::from_millis(50), &mut unconfirmed);
    assert!(confirmed.await.is_err());
    assert_eq!(waiting(&broker, "q").await, ["a", "c"]);
}

#[tokio::test]
async fn a_cut_at_the_confirm_leaves_a_message_that_is_stored_and_not_confirmed() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    broker
        .faults()
        .cut_at_method(MethodKind::ACK, 2)
        .await
        .unwrap();
    send(&channel, "q", "first").await;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let confirm = channel
        .basic_publish("".into(), "q".into(), options, b"second", properties)
        .await
        .unwrap();
    within(confirm).await.unwrap_err();
    broker
        .wait_until(|view| view.connections.is_empty())
        .await
        .unwrap();
    assert_eq!(waiting(&broker, "q").await, ["first", "second"]);
}

#[tokio::test]
async fn a_cut_at_the_publish_stores_nothing() {
    let broker = broker().await;
    let (_connection, channel) = confirming(&broker).await;
    declare(&channel, "q", &[]).await;
    broker
        .faults()
        .cut_at_method(MethodKind::PUBLISH, 1)
        .await
        .unwrap();
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let confirm = channel
        .basic_publish("".into(), "q".into(), options, b"m", properties)
        .await
        .unwrap();
    within(confirm).await.unwrap_err();
    assert!(waiting(&broker, "q").await.is_empty());
}

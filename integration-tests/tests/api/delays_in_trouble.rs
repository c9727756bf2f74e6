//! Delays while queues, levels, rights and the broker come and go, on an embedded broker whose time is
//! pushed.

use garenne::PublishError;
use garenne::prelude::*;
use garenne::status::Status;
use garenne_broker::How;
use integration_tests::eventually;

use super::delays_in_time::Lab;
use super::support::SOON;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_delayed_survives_restarts_of_the_broker() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    let publisher = lab.running.publisher();
    publisher
        .send_after(Outgoing::to_queue("orders", "m"), 3.hours())
        .await
        .unwrap();
    for _ in 0..2 {
        lab.broker.advance(1.hours()).await.unwrap();
        lab.broker.faults().crash_and_restart().await.unwrap();
        assert!(lab.bodies("orders").await.is_empty());
    }
    lab.broker.advance(1.hours()).await.unwrap();
    assert_eq!(lab.bodies("orders").await, ["m"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_that_somebody_deleted_are_declared_again() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    let publisher = lab.running.publisher();
    let send = async || {
        publisher
            .send_after(Outgoing::to_queue("orders", "m"), 9.secs())
            .await
    };
    send().await.unwrap();
    lab.broker.advance(9.secs()).await.unwrap();

    let channel = lab.client.channel();
    channel
        .queue_delete("garenne.delay.03".into(), Default::default())
        .await
        .unwrap();
    send().await.unwrap();
    channel
        .exchange_delete("garenne.delay.03".into(), Default::default())
        .await
        .unwrap();
    send().await.unwrap();
    lab.broker.advance(9.secs()).await.unwrap();
    assert_eq!(lab.bodies("orders").await, ["m"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_queue_is_gone_when_its_delay_is_over_waits_for_it() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    let publisher = lab.running.publisher();
    publisher
        .send_after(Outgoing::to_queue("orders", "m"), 60.secs())
        .await
        .unwrap();
    let channel = lab.client.channel();
    channel
        .queue_delete("orders".into(), Default::default())
        .await
        .unwrap();
    lab.broker.advance(1.hours()).await.unwrap();

    lab.client.declare("orders", &[]).await;
    let again = publisher.delays(Delays::quorum());
    again
        .send_after(Outgoing::to_queue("orders", "n"), 1.secs())
        .await
        .unwrap();
    lab.broker.advance(4.minutes()).await.unwrap();
    let mut bodies = lab.bodies("orders").await;
    bodies.sort();
    assert_eq!(bodies, ["m", "n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_declare_uses_what_is_there_and_says_what_is_not() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    let publisher = lab.running.publisher();
    let verifying = publisher
        .clone()
        .delays(Delays::quorum().declare(Declare::Verify));
    let message = || Outgoing::to_queue("orders", "m");
    let refusal = verifying.send_after(message(), 2.secs()).await.unwrap_err();
    assert!(
        refusal.to_string().contains("garenne.delay.due"),
        "{refusal}"
    );
    assert!(lab.names_of_levels().await.is_empty());
    let trusting = publisher
        .clone()
        .delays(Delays::quorum().declare(Declare::Off));
    let lost = trusting.send_after(message(), 2.secs()).await.unwrap_err();
    assert!(matches!(lost, PublishError::Unroutable { .. }), "{lost:?}");

    publisher.send_after(message(), 2.secs()).await.unwrap();
    verifying.send_after(message(), 2.secs()).await.unwrap();
    trusting.send_after(message(), 2.secs()).await.unwrap();
    lab.broker.advance(2.secs()).await.unwrap();
    assert_eq!(lab.bodies("orders").await, ["m"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_new_has_its_levels_declared_again() {
    let lab = Lab::new().await;
    lab.client.declare("orders", &[]).await;
    let publisher = lab.running.publisher();
    publisher
        .send_after(Outgoing::to_queue("orders", "m"), 2.secs())
        .await
        .unwrap();
    lab.broker
        .faults()
        .drop_connections(How::Reset)
        .await
        .unwrap();
    lab.running.until("it is up again", Status::is_ready).await;
    eventually(SOON, "a send is taken", async || {
        let message = Outgoing::to_queue("orders", "n");
        publisher
            .send_after(message, 2.secs())
            .await
            .map_err(|e| e.to_string())
    })
    .await;
    lab.broker.advance(2.secs()).await.unwrap();
    assert_eq!(lab.bodies("orders").await, ["m", "n"]);
}

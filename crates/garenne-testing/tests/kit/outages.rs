//! Faults of the broker, and assertions across them.

use garenne::prelude::*;
use garenne_testing::broker::How;

use crate::orders::{orders, send, start};
use garenne_testing::TestSystem;

#[tokio::test]
async fn a_message_sent_while_the_broker_is_away_is_handled_when_it_is_back() {
    let system = start().await;
    system.broker().faults().crash_and_restart().await.unwrap();
    let sent = send(&system, "m1", "ok").await;
    system.settled().await;
    system.assert_handled(&sent);
    system.finish().await;
}

#[tokio::test]
async fn a_message_whose_link_was_lost_is_handled_in_the_end() {
    let (let_go, busy) = tokio::sync::watch::channel(false);
    let handler = move |_: Delivery<Text>| {
        let mut busy = busy.clone();
        async move { busy.wait_for(|done| *done).await.map(drop) }
    };
    let system = TestSystem::start(|builder| builder.consume_fn(orders(), handler)).await;
    let sent = send(&system, "m1", "slow").await;
    let in_hand = system
        .broker()
        .wait_until(|view| view.unacked("orders") == 1);
    in_hand.await.unwrap();
    let dropped = system.broker().faults().drop_connections(How::Reset).await;
    assert_eq!(dropped.unwrap(), 2);
    let_go.send_replace(true);
    system.settled().await;
    system.assert_handled(&sent).attempt(1);
    system.finish().await;
}

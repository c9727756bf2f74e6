use futures_util::future::join_all;
use garenne_broker::How;

use crate::support::{broker, channel, confirming, connect, consume, declare, send, within};

#[tokio::test]
async fn many_connections_and_channels_leave_nothing_behind() {
    let broker = broker().await;
    let (_keeper, keeper) = confirming(&broker).await;
    declare(&keeper, "q", &[]).await;
    for round in 0..8 {
        let connections = join_all((0..6).map(|_| connect(&broker))).await;
        for connection in &connections {
            for _ in 0..3 {
                let channel = connection.create_channel().await.unwrap();
                consume(&channel, "q", 1).await;
            }
        }
        send(&keeper, "q", "m").await;
        if round % 2 == 0 {
            let close = |connection: lapin::Connection| async move {
                // Its channels were dropped and close themselves meanwhile, which lapin may resent.
                let _ = connection.close(200, "bye".into()).await;
            };
            within(join_all(connections.into_iter().map(close))).await;
        } else {
            drop(connections);
        }
        let view = broker
            .wait_until(|view| view.connections.len() == 1)
            .await
            .unwrap();
        assert_eq!((view.consumers("q"), view.unacked("q")), (0, 0));
    }
    assert_eq!(broker.queue("q").await.unwrap().ready, 8);
}

#[tokio::test]
async fn clients_that_vanish_leave_nothing_behind() {
    let broker = broker().await;
    for _ in 0..20 {
        let (_connection, channel) = channel(&broker).await;
        let exclusive = lapin::options::QueueDeclareOptions {
            exclusive: true,
            ..Default::default()
        };
        channel
            .queue_declare("".into(), exclusive, Default::default())
            .await
            .unwrap();
        consume(&channel, "", 1).await;
        broker.faults().drop_connections(How::Reset).await.unwrap();
    }
    let view = broker.view().await.unwrap();
    assert!(
        view.connections.is_empty() && view.queues.is_empty(),
        "{view:?}"
    );
}

//! How often the broker is told.

use std::sync::Arc;

use garenne::prelude::*;
use garenne_broker::{Broker, MethodKind};
use tokio::sync::Semaphore;

use crate::support::{is_settled, until};

const PREFETCH: u16 = 1000;
/// The connection is lost with the ack of this number, and all that it did not tell the broker of comes
/// again.
const TOO_MANY_ACKS: u64 = 250;

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_end_one_after_the_other_are_acked_together() {
    let broker = Broker::start().await.unwrap();
    // They end in the order in which they came, because a semaphore wakes its waiters in that order. The last
    // message's handler opens it, on the thread of all handlers: however slow a machine is, they end together.
    let (open, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let go = Arc::clone(&go);
        move |message: Delivery<Text>| {
            let (open, go) = (Arc::clone(&open), Arc::clone(&go));
            async move {
                if message.parse() == Ok(PREFETCH - 1) {
                    let _ = go.acquire().await;
                    open.close();
                }
                let _ = open.acquire().await;
                Ok::<(), Failure>(())
            }
        }
    };
    let queue = Queue::quorum("q").prefetch(PREFETCH);
    let builder = SystemBuilder::new(broker.url()).consume_fn(queue, handler);
    let running = builder.build().unwrap().start().unwrap();
    until(&broker, is_settled).await;
    let publisher = Publisher::builder(broker.url()).connect().await.unwrap();
    let messages = (0..PREFETCH).map(|number| Outgoing::to_queue("q", number.to_string()));
    let sent = publisher.send_all(messages).finish().await;
    assert_eq!(sent.confirmed, u64::from(PREFETCH));
    until(&broker, |view| view.unacked("q") == usize::from(PREFETCH)).await;

    let faults = broker.faults();
    let lost_with = faults.cut_at_method(MethodKind::ACK, TOO_MANY_ACKS);
    lost_with.await.unwrap();
    go.close();
    until(&broker, is_settled).await;
    let settled = running.wait_until(|status| status.in_flight() == 0).await;
    let queue = &settled.unwrap().queues[0];
    assert_eq!(
        (queue.delivered, queue.acked),
        (PREFETCH.into(), PREFETCH.into())
    );
    running.stop();
    running.stopped().await;
}

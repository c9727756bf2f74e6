//! A prefetch so large that the link's I/O thread waits for the broker by itself.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use garenne::prelude::*;
use garenne_broker::{Broker, How};
use tokio::sync::watch;

use crate::support::{LANE, is_settled, until};

/// So many are in hand at most.
const PREFETCH: u16 = 1000;
/// So many messages come at once.
const MANY: usize = 5000;
/// Every so manieth fails.
const FAILS: usize = 10;

/// A service with that much in hand, and which messages it has handled.
struct Service {
    running: SystemHandle,
    handled: Arc<Mutex<BTreeSet<usize>>>,
    /// Whether its handlers may go on.
    may_go_on: watch::Sender<bool>,
}

impl Service {
    fn start(broker: &Broker) -> Self {
        let handled = Arc::<Mutex<BTreeSet<usize>>>::default();
        let may_go_on = watch::Sender::new(true);
        let handler = {
            let (handled, may_go_on) = (Arc::clone(&handled), may_go_on.subscribe());
            move |message: Delivery<Text>| {
                let number: usize = message.parse().unwrap();
                let (handled, mut may_go_on) = (Arc::clone(&handled), may_go_on.clone());
                async move {
                    may_go_on.wait_for(|may| *may).await.unwrap();
                    handled.lock().unwrap().insert(number);
                    if number.is_multiple_of(FAILS) {
                        return Err(Failure::transient("one in ten"));
                    }
                    Ok(())
                }
            }
        };
        let queue = Queue::quorum("q")
            .prefetch(PREFETCH)
            .retry(Retry::every(1.hours()).times(1));
        let builder = SystemBuilder::new(broker.url()).consume_fn(queue, handler);
        Self {
            running: builder.build().unwrap().start().unwrap(),
            handled,
            may_go_on,
        }
    }

    fn handled(&self) -> usize {
        self.handled.lock().unwrap().len()
    }
}

async fn publish(broker: &Broker, numbers: std::ops::Range<usize>) {
    let publisher = Publisher::builder(broker.url()).connect().await.unwrap();
    let count = u64::try_from(numbers.len()).unwrap();
    let messages = numbers
        .map(|number| Outgoing::to_queue("q", number.to_string()).message_id(number.to_string()));
    let sent = publisher.send_all(messages).finish().await;
    assert_eq!(sent.confirmed, count, "{:?}", sent.first_failure);
}

#[tokio::test(flavor = "multi_thread")]
async fn much_at_once_is_settled_to_the_last_and_so_is_what_comes_alone() {
    let broker = Broker::start().await.unwrap();
    let service = Service::start(&broker);
    until(&broker, is_settled).await;
    publish(&broker, 0..MANY).await;
    until(&broker, is_settled).await;
    assert_eq!(service.handled(), MANY);
    until(&broker, |view| view.ready(LANE) == MANY / FAILS).await;
    // The I/O thread waits by itself, or the reactor for it, when one comes.
    for number in MANY..MANY + 30 {
        publish(&broker, number..number + 1).await;
        until(&broker, is_settled).await;
    }
    assert_eq!(service.handled(), MANY + 30);
    until(&broker, |view| view.ready(LANE) == MANY / FAILS + 3).await;
    service.running.stop();
    service.running.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn much_at_once_over_connections_that_are_cut_is_settled_to_the_last() {
    let broker = Broker::start().await.unwrap();
    let service = Service::start(&broker);
    until(&broker, is_settled).await;
    for round in 0..4 {
        let numbers = round * MANY..(round + 1) * MANY;
        service.may_go_on.send_replace(false);
        publish(&broker, numbers.clone()).await;
        until(&broker, |view| view.unacked("q") >= usize::from(PREFETCH)).await;
        service.may_go_on.send_replace(true);
        until(&broker, |_| service.handled() > numbers.start + MANY / 4).await;
        broker.faults().drop_connections(How::Reset).await.unwrap();
        until(&broker, is_settled).await;
        assert_eq!(service.handled(), numbers.end);
    }
    until(&broker, |view| view.ready(LANE) >= 4 * MANY / FAILS).await;
    service.running.stop();
    service.running.stopped().await;
}

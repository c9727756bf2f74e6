//! Where a test runs: on RabbitMQ, where 20 s are 20 s, or on the embedded broker, where they are a
//! call.

use std::time::Duration;

use garenne::GolangRabbitmq;
use garenne::prelude::*;
use garenne_broker::Broker;
use integration_tests::{Vhost, eventually};

use super::script::{QUEUE, Script};
use crate::api::logs;
use crate::api::support::Seen;

/// Long enough for four runs with 20 s between them, on a machine however slow.
pub(super) const LATE: Duration = Duration::from_secs(240);

/// A broker with nothing in it.
pub(super) enum Ground {
    Rabbit(Vhost),
    Embedded(Broker),
}

impl Ground {
    pub(super) async fn rabbit() -> Self {
        logs::capture();
        Self::Rabbit(Vhost::new().await)
    }

    pub(super) async fn embedded() -> Self {
        logs::capture();
        let broker = Broker::start().await;
        Self::Embedded(broker.expect("a port of the loopback is free"))
    }

    /// A virtual host of RabbitMQ in which queues are of this type that do not say theirs.
    pub(super) async fn rabbit_with_default_type(kind: &str) -> Self {
        logs::capture();
        Self::Rabbit(Vhost::with_default_queue_type(kind).await)
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Rabbit(vhost) => vhost.url(),
            Self::Embedded(broker) => broker.url(),
        }
    }

    /// The embedded broker, for tests that do something to it.
    pub(super) fn broker(&self) -> &Broker {
        match self {
            Self::Embedded(broker) => broker,
            Self::Rabbit(_) => panic!("this test needs the embedded broker"),
        }
    }

    pub(super) fn system(&self) -> SystemBuilder {
        SystemBuilder::new(self.url()).service_name("golang-rabbitmq-tests")
    }

    /// The other side, on the queue that the tests share.
    pub(super) async fn script(&self) -> Script {
        Script::connect(&self.url(), "shop", "placed").await
    }

    /// Waits until a queue has so many messages, through all delays on the way. On the embedded
    /// broker time flies whenever nobody has anything to do.
    pub(super) async fn comes_to_hold(&self, script: &Script, queue: &str, wanted: u32) {
        eventually(
            LATE,
            &format!("{queue} comes to hold {wanted}"),
            async || match script.ready(queue).await {
                ready if ready == wanted => Ok(()),
                ready => self
                    .fly()
                    .await
                    .map_or(Err(format!("it holds {ready}")), Err),
            },
        )
        .await;
    }

    async fn fly(&self) -> Option<String> {
        let Self::Embedded(broker) = self else {
            return None;
        };
        let view = broker.view().await.ok()?;
        if view.ready(QUEUE) + view.unacked(QUEUE) == 0 {
            broker.advance(1.secs()).await.ok()?;
        }
        Some(format!("{:?}", view.queues))
    }

    /// Waits until a queue has so many messages that are in nobody's hands.
    pub(super) async fn holds(&self, script: &Script, queue: &str, wanted: u32) {
        eventually(
            LATE,
            &format!("{queue} holds {wanted}"),
            async || match script.ready(queue).await {
                ready if ready == wanted => Ok(()),
                ready => Err(format!("it holds {ready}")),
            },
        )
        .await;
    }
}

/// The contract that [`Ground::script`] speaks.
pub(super) fn contract() -> GolangRabbitmq {
    GolangRabbitmq::new("orders").exchange("shop", ExchangeKind::Direct, "placed")
}

/// What was handled: the body, and which attempt it was.
pub(super) type Runs = Seen<(String, u32)>;

/// A handler that writes down what it gets, and fails with every message that says `doomed`.
pub(super) fn obeys(
    runs: &Runs,
) -> impl Fn(Delivery<Text>) -> std::future::Ready<Result<(), Failure>>
+ Clone
+ Send
+ Sync
+ Unpin
+ 'static {
    let runs = runs.clone();
    move |order: Delivery<Text>| {
        runs.note((order.0.clone(), order.attempt().number()));
        let doomed = order.0.contains("doomed");
        std::future::ready(if doomed {
            Err(Failure::transient("the shop is closed"))
        } else {
            Ok(())
        })
    }
}

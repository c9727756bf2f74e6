//! How to start a system under test that is not like all the others.

use std::panic::Location;
use std::time::Duration;

use garenne::SystemBuilder;
use garenne::core::{Entity, Queue};
use garenne_broker::{Broker, BrokerBuilder};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, LongString};
use lapin::{Connection, ConnectionProperties, ExchangeKind};

use crate::fail::fail_at;
use crate::journal::{self, Journal};
use crate::system::TestSystem;

/// How long something is waited for: long enough for a busy machine, short enough for a test.
const PATIENCE: Duration = Duration::from_secs(10);

/// Options of a [`TestSystem`]; made by [`TestSystem::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct TestSystemBuilder {
    broker: BrokerBuilder,
    patience: Duration,
    others: Vec<Queue>,
}

impl Default for TestSystemBuilder {
    fn default() -> Self {
        Self {
            broker: Broker::builder(),
            patience: PATIENCE,
            others: Vec::new(),
        }
    }
}

impl TestSystemBuilder {
    /// The options of the embedded broker. Default: any free port, `guest`, virtual host `/`.
    pub fn broker(self, broker: BrokerBuilder) -> Self {
        Self { broker, ..self }
    }

    /// How long the system may take to settle, in real time, before the test fails. Default: 10 s.
    ///
    /// Too short, and a test fails on a busy machine; too long, and one that fails is slow to say
    /// so. A test that passes never waits for it.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// A queue of somebody else, into which the system publishes: declared and bound, with its
    /// exchanges, before the system starts. Nobody consumes it, so that
    /// [`TestSystem::assert_published`] can look into it. Each call adds one.
    ///
    /// Name, kind and bindings of the queue count; the rest is for consumers.
    pub fn queue(mut self, queue: Queue) -> Self {
        self.others.push(queue);
        self
    }

    /// Starts the system that `configure` makes, on a broker of its own, and waits until it consumes.
    ///
    /// `configure` gets a [`SystemBuilder`] that knows the broker. Make it the function that your
    /// service's `main` uses too.
    ///
    /// # Panics
    ///
    /// When the configuration is faulty, or the system does not consume within the
    /// [patience](Self::patience): the test fails with everything that is wrong.
    #[track_caller]
    pub fn start(
        self,
        configure: impl FnOnce(SystemBuilder) -> SystemBuilder,
    ) -> impl Future<Output = TestSystem> {
        let place = Location::caller();
        async move {
            journal::install();
            let broker = match self.broker.start().await {
                Ok(broker) => broker,
                Err(error) => fail_at(place, format!("cannot start the broker: {error}")),
            };
            if let Err(error) = declare(&broker, &self.others).await {
                fail_at(place, format!("cannot declare the queues: {error}"));
            }
            let system = match configure(SystemBuilder::new(broker.url())).build() {
                Ok(system) => system,
                Err(faults) => fail_at(place, format!("the configuration is faulty: {faults}")),
            };
            let handle = match system.start() {
                Ok(handle) => handle,
                Err(reason) => fail_at(place, format!("cannot start the system: {reason}")),
            };
            let mut system = TestSystem::new(broker, handle, self.patience);
            if let Err(why) = system.consuming().await {
                system.abandon();
                fail_at(place, format!("the system does not consume: {why}"));
            }
            system.listen(Journal::at(system.broker().addr()));
            system
        }
    }
}

/// Declares queues that the system does not consume.
async fn declare(broker: &Broker, queues: &[Queue]) -> lapin::Result<()> {
    if queues.is_empty() {
        return Ok(());
    }
    let url = broker.url();
    #[expect(
        clippy::disallowed_methods,
        reason = "the broker is in this process, and this connection is gone in a moment"
    )]
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    let connection = connecting.await?;
    let channel = connection.create_channel().await?;
    for queue in queues {
        let mut arguments = FieldTable::default();
        let kind = LongString::from(queue.kind().as_str());
        arguments.insert("x-queue-type".into(), kind.into());
        let options = QueueDeclareOptions::durable();
        channel
            .queue_declare(queue.name().into(), options, arguments)
            .await?;
        for entity in queue.topology() {
            match entity {
                // Lanes and parking queues are for those who consume; only delays bind exchanges.
                Entity::Queue(_) | Entity::ExchangeBinding(_) => {}
                Entity::Exchange(exchange) => {
                    let kind = ExchangeKind::Custom(exchange.kind.as_str().to_owned());
                    let options = ExchangeDeclareOptions {
                        durable: true,
                        ..ExchangeDeclareOptions::default()
                    };
                    let (name, arguments) = (exchange.name.into(), FieldTable::default());
                    channel
                        .exchange_declare(name, kind, options, arguments)
                        .await?;
                }
                Entity::Binding(binding) => {
                    let (queue, exchange) = (binding.queue.into(), binding.exchange.into());
                    let (key, options) = (binding.routing_key.into(), QueueBindOptions::default());
                    channel
                        .queue_bind(queue, exchange, key, options, FieldTable::default())
                        .await?;
                }
            }
        }
    }
    connection.close(200, "OK".into()).await
}

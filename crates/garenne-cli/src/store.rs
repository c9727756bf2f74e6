//! The store that a command works on, and what must be let go of at its end.

use garenne::Publisher;
use garenne::admin::BrokerAdmin;
use garenne::core::Queue;
use garenne::failed::{FailedCursor, FailedQuery, FailedStore};

use crate::args::Target;
use crate::exit::Trouble;

/// A store of failed messages, and the links that it works over.
pub(crate) struct Opened {
    pub(crate) store: Box<dyn FailedStore>,
    broker: BrokerAdmin,
    pub(crate) publisher: Publisher,
    queues: Vec<String>,
}

impl Opened {
    /// Connects to what the arguments name.
    pub(crate) async fn of(target: &Target) -> Result<Self, Trouble> {
        if target.queue.is_empty() {
            return Err(Trouble::usage(
                "which queue? A broker cannot be asked for its parking queues; add --queue NAME, \
                 the queue that the service consumes",
            ));
        }
        let broker = BrokerAdmin::connect(target.url.as_deref()).await?;
        let publisher = broker.publisher().await?;
        let store = broker.failed(&publisher, target.queue.iter().cloned());
        Ok(Self {
            store: Box::new(store),
            broker,
            publisher,
            queues: target.queue.clone(),
        })
    }

    /// Begins to read.
    pub(crate) async fn open(&self, query: &FailedQuery) -> Result<Box<dyn FailedCursor>, Trouble> {
        Ok(self.store.open(query).await?)
    }

    /// How many messages there are in all, where that can be known without reading them.
    pub(crate) async fn total(&self) -> Option<u64> {
        let mut total = 0;
        for queue in &self.queues {
            let parking = Queue::quorum(queue).parking_name();
            total += u64::from(self.broker.depth(&parking).await.ok()?);
        }
        Some(total)
    }

    /// Closes the links, as AMQP wants it.
    pub(crate) async fn close(self) {
        self.publisher.close().await;
        self.broker.close().await;
    }
}

//! The store that a command works on, and what must be let go of at its end.

use garenne::Publisher;
use garenne::admin::BrokerAdmin;
use garenne::core::Queue;
use garenne::failed::{FailedCursor, FailedQuery, FailedStore};
use garenne_sinks::SqlStore;

use crate::args::Target;
use crate::exit::Trouble;

/// The variable that names the database of `--database` without a URL.
const DATABASE: &str = "GARENNE_DATABASE";

/// A store of failed messages, and the links that it works over.
pub(crate) struct Opened {
    pub(crate) store: Box<dyn FailedStore>,
    queues: Vec<String>,
    /// The parking queues that are read; a database has none.
    parking: Vec<String>,
    url: Option<String>,
    /// A database needs none, until something is sent.
    links: Option<Links>,
}

struct Links {
    broker: BrokerAdmin,
    publisher: Publisher,
}

impl Links {
    async fn to(url: Option<&str>) -> Result<Self, Trouble> {
        let broker = BrokerAdmin::connect(url).await?;
        let publisher = broker.publisher().await?;
        Ok(Self { broker, publisher })
    }
}

impl Opened {
    /// The database that the arguments name, or the parking queues of a broker.
    pub(crate) async fn of(target: &Target) -> Result<Self, Trouble> {
        match &target.database {
            Some(database) if database.is_empty() => {
                let configured = std::env::var(DATABASE).unwrap_or_default();
                if configured.trim().is_empty() {
                    return Err(Trouble::usage(format_args!(
                        "which database? Set {DATABASE}, or add its URL to --database"
                    )));
                }
                Self::database(target, &configured)
            }
            Some(database) => Self::database(target, database),
            None => Self::parked(target.url.as_deref(), &target.queue).await,
        }
    }

    /// The parking queues of these queues.
    pub(crate) async fn parked(url: Option<&str>, queues: &[String]) -> Result<Self, Trouble> {
        if queues.is_empty() {
            return Err(Trouble::usage(
                "which queue? A broker cannot be asked for its parking queues; add --queue NAME, \
                 the queue that the service consumes, or name a --database",
            ));
        }
        let links = Links::to(url).await?;
        let store = links
            .broker
            .failed(&links.publisher, queues.iter().cloned());
        Ok(Self {
            store: Box::new(store),
            queues: queues.to_vec(),
            parking: queues
                .iter()
                .map(|queue| Queue::quorum(queue).parking_name())
                .collect(),
            url: url.map(str::to_owned),
            links: Some(links),
        })
    }

    fn database(target: &Target, database: &str) -> Result<Self, Trouble> {
        if target.queue.len() > 1 {
            return Err(Trouble::usage(
                "a database is searched for one --queue or for all; leave --queue out, and use \
                 --where queue~… if need be",
            ));
        }
        let store = SqlStore::new(database).map_err(Trouble::usage)?;
        Ok(Self {
            store: Box::new(store),
            queues: target.queue.clone(),
            parking: Vec::new(),
            url: target.url.clone(),
            links: None,
        })
    }

    /// Begins to read.
    pub(crate) async fn open(&self, query: &FailedQuery) -> Result<Box<dyn FailedCursor>, Trouble> {
        Ok(self.store.open(&self.narrowed(query)).await?)
    }

    /// The query, for no queue but the one that was named.
    pub(crate) fn narrowed(&self, query: &FailedQuery) -> FailedQuery {
        match &*self.queues {
            [only] => query.clone().queue(only),
            _ => query.clone(),
        }
    }

    /// What sends the messages again.
    pub(crate) async fn publisher(&mut self) -> Result<Publisher, Trouble> {
        let links = match self.links.take() {
            Some(links) => links,
            None => Links::to(self.url.as_deref()).await?,
        };
        Ok(self.links.insert(links).publisher.clone())
    }

    /// How many messages there are in all, where that can be known without reading them.
    pub(crate) async fn total(&self) -> Option<u64> {
        if self.parking.is_empty() {
            // The links of a database are for sending: what is parked beside it is not meant.
            return None;
        }
        let broker = &self.links.as_ref()?.broker;
        let mut total = 0;
        for parking in &self.parking {
            total += u64::from(broker.depth(parking).await.ok()?);
        }
        Some(total)
    }

    /// Closes the links, as AMQP wants it.
    pub(crate) async fn close(self) {
        if let Some(Links { broker, publisher }) = self.links {
            publisher.close().await;
            broker.close().await;
        }
    }
}

//! Links for looking into queues.

use std::sync::Arc;
use std::time::Duration;

use garenne_core::Epoch;
use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;

use super::{BrokerUrl, Brokers, Link, LinkError, LinkWatch, Purpose, Tls};

/// How long closing may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Where the link for a look into queues comes from.
#[derive(Clone)]
pub(crate) enum Access {
    /// An operator's program has one for everything.
    Shared(LinkWatch),
    /// A service makes one for each look. So nothing that is looked at can cost it the links that it
    /// consumes and publishes with.
    Own(Arc<Destination>),
}

/// Where a link goes, and what it is called there.
pub(crate) struct Destination {
    pub(crate) brokers: Vec<BrokerUrl>,
    pub(crate) tls: Tls,
    pub(crate) name: String,
    pub(crate) runtime: Handle,
}

/// A link for as long as somebody looks.
pub(crate) struct Visit {
    pub(crate) link: Arc<Link>,
    is_own: bool,
}

impl Access {
    /// A link that is up.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the attempt.
    pub(crate) async fn visit(&self) -> Result<Visit, LinkError> {
        match self {
            Self::Shared(links) => {
                let link = links.borrow().clone().filter(|link| link.is_up());
                let link = link.ok_or_else(|| {
                    LinkError::transient("there is no link to the broker at the moment; try again")
                })?;
                Ok(Visit {
                    link,
                    is_own: false,
                })
            }
            Self::Own(destination) => Ok(Visit {
                link: destination.dial().await?,
                is_own: true,
            }),
        }
    }
}

impl Destination {
    async fn dial(&self) -> Result<Arc<Link>, LinkError> {
        let brokers = Brokers {
            urls: &self.brokers,
            tls: &self.tls,
        };
        let dialling = brokers.dial(&self.name, &self.runtime, Purpose::Consume, Epoch(1));
        let link = dialling.await?;
        // Nobody reads the news. But the watcher ends a link on which no heartbeat comes.
        let (news, _) = unbounded_channel();
        self.runtime.spawn(link.watch(news));
        Ok(link)
    }
}

impl Visit {
    /// Closes the link if it was made for this visit.
    pub(crate) async fn leave(self) {
        if self.is_own {
            self.link.close(CLOSE_PATIENCE).await;
        }
    }
}

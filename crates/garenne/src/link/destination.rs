//! The destination of a link.

use std::sync::Arc;

use garenne_core::Epoch;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

use super::dial::Brokers;
use super::{BrokerUrl, Link, LinkError, LinkNews, Purpose, Tls};

/// The brokers of a link, its name there, and its runtime.
pub(crate) struct Destination {
    pub(crate) brokers: Vec<BrokerUrl>,
    pub(crate) tls: Tls,
    pub(crate) name: String,
    pub(crate) runtime: Handle,
}

impl Destination {
    /// Makes the link. From its first moment, a watcher sends its events to `news`, and ends a link without
    /// heartbeats, even if no task reads the news.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes all that was set up.
    pub(crate) async fn dial(
        &self,
        purpose: Purpose,
        epoch: Epoch,
        news: UnboundedSender<LinkNews>,
    ) -> Result<Arc<Link>, LinkError> {
        let brokers = Brokers {
            urls: &self.brokers,
            tls: &self.tls,
        };
        let dialling = brokers.dial(&self.name, &self.runtime, purpose, epoch);
        let link = dialling.await?;
        self.runtime.spawn(link.watch(news));
        Ok(link)
    }
}

//! Where a link goes.

use std::sync::Arc;

use garenne_core::Epoch;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

use super::dial::Brokers;
use super::{BrokerUrl, Link, LinkError, LinkNews, Purpose, Tls};

/// Where a link goes, what it is called there, and the runtime that it lives on.
pub(crate) struct Destination {
    pub(crate) brokers: Vec<BrokerUrl>,
    pub(crate) tls: Tls,
    pub(crate) name: String,
    pub(crate) runtime: Handle,
}

impl Destination {
    /// Makes the link. Its watcher tells `news` what happens to it from the first moment, and ends a link
    /// on which no heartbeat comes, whether anybody reads the news or not.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what had been set up.
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

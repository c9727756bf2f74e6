//! A link that is kept.

use std::sync::Arc;

use garenne_core::Epoch;
use tokio::sync::watch;
use tracing::info;

use super::Prepare;
use super::attempt::Missing;
use crate::link::{Destination, Link, Purpose};
use crate::quiet::Quiet;

/// A link to keep, and to announce.
pub(crate) struct KeptLink {
    pub(super) purpose: Purpose,
    destination: Arc<Destination>,
    prepare: Option<Prepare>,
    announce: watch::Sender<Option<Arc<Link>>>,
    /// The epoch of the newest link that was dialled.
    pub(super) epoch: Epoch,
    /// Consumption was stable over the current link.
    pub(super) was_stable: bool,
    log_up: Quiet,
    pub(super) log_lost: Quiet,
}

impl KeptLink {
    /// A link that is missing so far. `prepare` runs over each new link before the link is announced.
    pub(crate) fn new(
        purpose: Purpose,
        destination: Destination,
        prepare: Option<Prepare>,
        announce: watch::Sender<Option<Arc<Link>>>,
    ) -> Self {
        Self {
            purpose,
            destination: Arc::new(destination),
            prepare,
            announce,
            epoch: Epoch(0),
            was_stable: false,
            log_up: Quiet::default(),
            log_lost: Quiet::default(),
        }
    }

    /// The current link.
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.announce.borrow().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<Arc<Link>>> {
        self.announce.subscribe()
    }

    /// The next epoch of the link, if there is no link.
    pub(super) fn missing(&mut self) -> Option<Missing> {
        if self.announce.borrow().is_some() {
            return None;
        }
        self.epoch = self.epoch.next();
        Some(Missing {
            purpose: self.purpose,
            epoch: self.epoch,
            destination: Arc::clone(&self.destination),
            prepare: self.prepare.clone(),
        })
    }

    /// A new link is up.
    pub(super) fn announce(&mut self, link: Arc<Link>) {
        let purpose = link.purpose.as_str();
        self.log_up.log(|repeated| {
            info!(
                event = "link_up",
                purpose,
                epoch = link.epoch.0,
                broker = %link.broker,
                repeated,
                "the {purpose} link is up"
            );
        });
        link.warn_without_heartbeat();
        self.was_stable = false;
        self.announce.send_replace(Some(link));
    }

    /// Withdraws the link, so that no task gets it any more. Returns it, if there was one.
    pub(super) fn withdraw(&self) -> Option<Arc<Link>> {
        self.announce.send_replace(None)
    }
}

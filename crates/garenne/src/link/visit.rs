//! Links for reading queues.

use std::sync::Arc;

use garenne_core::Epoch;
use tokio::sync::mpsc::unbounded_channel;

use super::{Destination, Link, LinkError, LinkWatch, Purpose};

/// The source of a link for reading queues.
#[derive(Clone)]
pub(crate) enum Access {
    /// An operator's program has a single link for all its work.
    Shared(LinkWatch),
    /// A service makes a new link for each visit, so that no message that it reads can cost the links that it
    /// consumes and publishes with.
    Own(Arc<Destination>),
}

/// A link for the time of a visit.
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
            Self::Own(destination) => {
                // No task reads the news.
                let (news, _) = unbounded_channel();
                let dialling = destination.dial(Purpose::Consume, Epoch(1), news);
                Ok(Visit {
                    link: dialling.await?,
                    is_own: true,
                })
            }
        }
    }
}

impl Visit {
    /// Closes the link if it was made for this visit.
    pub(crate) async fn leave(self) {
        if self.is_own {
            self.link.close().await;
        }
    }
}

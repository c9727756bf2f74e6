//! An attempt to make every missing link again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use garenne_core::Epoch;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::Prepare;
use crate::link::{Destination, Link, LinkError, LinkNews, Purpose};

/// A link that is missing.
pub(super) struct Missing {
    pub(super) purpose: Purpose,
    pub(super) epoch: Epoch,
    pub(super) destination: Arc<Destination>,
    pub(super) prepare: Option<Prepare>,
}

/// The result of an attempt: the links that came up, and the reason if any did not.
#[derive(Default)]
pub(super) struct Brought {
    pub(super) links: Vec<Arc<Link>>,
    pub(super) error: Option<LinkError>,
    /// The broker answers, but an entity that is needed is missing there.
    pub(super) is_unready: bool,
}

/// An attempt on the runtime of the links. Dropping it closes all that it had set up.
pub(super) struct Attempt(JoinHandle<Brought>);

impl Attempt {
    pub(super) fn start(missing: Vec<Missing>, news: UnboundedSender<LinkNews>) -> Option<Self> {
        let runtime = missing.first()?.destination.runtime.clone();
        Some(Self(runtime.spawn(bring(missing, news))))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Brought> {
        Pin::new(&mut self.0).poll(cx).map(|brought| {
            brought.unwrap_or_else(|_| Brought {
                error: Some(LinkError::transient("the attempt to connect panicked")),
                ..Brought::default()
            })
        })
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The first link that does not come up ends the attempt, because the others would hardly come up.
async fn bring(missing: Vec<Missing>, news: UnboundedSender<LinkNews>) -> Brought {
    let mut brought = Brought::default();
    for one in missing {
        let dialling = one.destination.dial(one.purpose, one.epoch, news.clone());
        let link = match dialling.await {
            Ok(link) => link,
            Err(error) => {
                brought.error = Some(error);
                break;
            }
        };
        if let Some(prepare) = &one.prepare
            && let Err(error) = prepare(Arc::clone(&link)).await
        {
            brought.is_unready = link.is_up();
            brought.error = Some(error);
            break;
        }
        brought.links.push(link);
    }
    brought
}

//! The link of a stand-alone publisher, with its runtime.

use std::sync::Arc;
use std::time::Duration;

use garenne_core::{AtOnce, OutageWindow, Redial, Topology};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::link::{
    CLOSE_TIMEOUT, Destination, Happened, Keeper, KeptLink, LinkError, LinkWatch, Prepare, Purpose,
    declare_topology,
};

/// A link that is kept until the publisher is closed. Dropping it closes the link.
pub(super) struct Home {
    /// `None` once the runtime is ending.
    runtime: Option<Runtime>,
    closing: watch::Sender<bool>,
    /// It is closed when the keeper ends.
    links: LinkWatch,
}

impl Home {
    /// Starts to keep a link on this runtime, and waits for the first link: for `window` at most, and not at
    /// all where waiting cannot help. `topology` is declared over every new link before any task gets the
    /// link.
    pub(super) async fn found(
        runtime: Runtime,
        destination: Destination,
        topology: Topology,
        window: Duration,
    ) -> Result<Self, LinkError> {
        let (closing, closing_seen) = watch::channel(false);
        let (announce, links) = watch::channel(None);
        let handle = runtime.handle().clone();
        // From here on, an early return ends the runtime correctly.
        let home = Self {
            runtime: Some(runtime),
            closing,
            links,
        };
        let topology = Arc::new(topology);
        let declare: Prepare = Arc::new(move |link| {
            let topology = Arc::clone(&topology);
            Box::pin(async move { declare_topology(&link, &topology).await })
        });
        let link = KeptLink::new(Purpose::Publish, destination, Some(declare), announce);
        // A link that is lost soon has done its work so far: the next may be made at once.
        let keeper = Keeper::new(vec![link], |now| {
            Redial::starting(OutageWindow::For(window), AtOnce::Always, now)
        });
        let (first, link_or_error) = oneshot::channel();
        handle.spawn(keep(keeper, first, closing_seen));
        match link_or_error.await {
            Ok(Ok(())) => Ok(home),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(LinkError::transient("the attempt to connect panicked")),
        }
    }

    pub(super) fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }

    pub(super) fn links(&self) -> LinkWatch {
        self.links.clone()
    }

    /// Closes the link, and returns when it is closed.
    pub(super) async fn close(&self) {
        self.closing.send_replace(true);
        closed(self.links.clone()).await;
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.closing.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            let links = self.links.clone();
            // The runtime ends itself: a drop here would panic in any task that drops a publisher.
            runtime.handle().clone().spawn(async move {
                closed(links).await;
                runtime.shutdown_background();
            });
        }
    }
}

/// Waits until the keeper has ended, as long as the close may take.
async fn closed(mut links: LinkWatch) {
    let ended = async { while links.changed().await.is_ok() {} };
    let _ = timeout(CLOSE_TIMEOUT + CLOSE_TIMEOUT, ended).await;
}

/// Keeps the link until the publisher is closed. Only the first link has a window.
async fn keep(
    mut keeper: Keeper,
    first: oneshot::Sender<Result<(), LinkError>>,
    mut closing: watch::Receiver<bool>,
) {
    let mut first = Some(first);
    keeper.dial();
    loop {
        let happened = tokio::select! {
            happened = keeper.next() => happened,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        match happened {
            Happened::Changed if keeper.are_up() => {
                keeper.consuming();
                if let Some(first) = first.take() {
                    keeper.never_give_up();
                    let _ = first.send(Ok(()));
                }
            }
            Happened::Changed | Happened::Stable(_) => {}
            Happened::Misconfigured(error) | Happened::GaveUp(_, error) => {
                if let Some(first) = first.take() {
                    let _ = first.send(Err(error));
                }
                break;
            }
        }
    }
    for link in keeper.take_links() {
        link.close().await;
    }
}

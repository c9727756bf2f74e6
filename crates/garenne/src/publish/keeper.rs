//! The link of a publisher that stands alone: made, watched, made again, closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use garenne_core::{Backoff, Epoch, Moment, RestartLimit, STABLE_AFTER, Topology};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::link::{
    BrokerUrl, Brokers, Kind, Link, LinkError, LinkEvent, LinkNews, LinkWatch, Purpose, Tls,
    declare_topology,
};
use crate::quiet::Quiet;

/// How long closing the link may take; a broker that hangs must not delay a program's end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Where the link goes, and how the broker's operator sees it.
pub(super) struct Destination {
    pub(super) brokers: Vec<BrokerUrl>,
    pub(super) tls: Tls,
    pub(super) name: String,
    /// Declared over every new link before anybody gets it.
    pub(super) topology: Topology,
}

/// Keeps one publish link: whatever takes it away, it is made again, until the publisher is closed.
struct Keeper {
    destination: Destination,
    runtime: Handle,
    announce: watch::Sender<Option<Arc<Link>>>,
    closing: watch::Receiver<bool>,
    epoch: Epoch,
    brake: Brake,
    log: Log,
}

/// When a link that is lost is made again.
struct Brake {
    began: Instant,
    at_once: RestartLimit,
    backoff: Backoff,
}

/// What is logged of a link that may come and go.
#[derive(Default)]
struct Log {
    up: Quiet,
    lost: Quiet,
    attempt: Quiet,
}

/// A link, and what happens to it.
struct Kept {
    link: Arc<Link>,
    news: UnboundedReceiver<LinkNews>,
}

/// The keeper from outside, with the runtime that its link lives on. Dropping it closes the link.
pub(super) struct Home {
    /// None once it is on its way to its end.
    runtime: Option<Runtime>,
    closing: watch::Sender<bool>,
    /// Closed by the keeper's end.
    links: LinkWatch,
}

impl Home {
    /// Starts to keep a link on this runtime, and waits for the first one: for `window` at most, and
    /// not at all where waiting cannot help.
    pub(super) async fn found(
        runtime: Runtime,
        destination: Destination,
        window: Duration,
    ) -> Result<Self, LinkError> {
        let (closing, closing_seen) = watch::channel(false);
        let (announce, links) = watch::channel(None);
        let handle = runtime.handle().clone();
        // From here on, leaving early ends the runtime as it must be ended.
        let home = Self {
            runtime: Some(runtime),
            closing,
            links,
        };
        let mut keeper = Keeper {
            destination,
            runtime: handle.clone(),
            announce,
            closing: closing_seen,
            epoch: Epoch(0),
            brake: Brake::new(),
            log: Log::default(),
        };
        let (first, link_or_error) = tokio::sync::oneshot::channel();
        handle.spawn(async move {
            match keeper.first(window).await {
                Ok(kept) => {
                    // Whoever learns that there is a link may send at once.
                    keeper.announce.send_replace(Some(Arc::clone(&kept.link)));
                    let _ = first.send(Ok(()));
                    keeper.keep(kept).await;
                }
                Err(error) => {
                    let _ = first.send(Err(error));
                }
            }
        });
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
            // The runtime ends itself: dropped here, it would panic wherever a task drops a publisher.
            runtime.handle().clone().spawn(async move {
                closed(links).await;
                runtime.shutdown_background();
            });
        }
    }
}

/// Waits until the keeper has ended, for as long as closing may take.
async fn closed(mut links: LinkWatch) {
    let ended = async { while links.changed().await.is_ok() {} };
    let _ = timeout(CLOSE_PATIENCE + CLOSE_PATIENCE, ended).await;
}

impl Keeper {
    /// The first link. A fault of the configuration ends the attempts at once, whatever the window.
    async fn first(&mut self, window: Duration) -> Result<Kept, LinkError> {
        let (began, mut backoff) = (Instant::now(), Backoff::default());
        loop {
            let error = match self.dial().await {
                Ok(kept) => return Ok(kept),
                Err(error) => error,
            };
            let pause = backoff.next_within(fastrand::f64(), began.elapsed());
            if error.kind == Kind::Configuration || began.elapsed() + pause >= window {
                return Err(error);
            }
            debug!(%error, "no link to the broker; trying again");
            self.pause(pause).await?;
        }
    }

    /// Announces the link, and makes it anew whenever it is lost; ends when the publisher is closed.
    async fn keep(mut self, first: Kept) {
        let mut kept = first;
        loop {
            let (epoch, broker) = (kept.link.epoch.0, kept.link.broker.clone());
            self.log.up.log(|repeated| {
                info!(event = "link_up", purpose = "publish", epoch, %broker, repeated, "the publish link is up");
            });
            kept.link.warn_without_heartbeat();
            let since = Instant::now();
            self.announce.send_replace(Some(Arc::clone(&kept.link)));
            let lost = tokio::select! {
                lost = kept.lost() => lost,
                _ = self.closing.wait_for(|closing| *closing) => None,
            };
            self.announce.send_replace(None);
            let Some(error) = lost else {
                kept.link.close(CLOSE_PATIENCE).await;
                return;
            };
            let pause = self.brake.lost(since.elapsed());
            let retry_in_ms = u64::try_from(pause.as_millis()).ok().filter(|ms| *ms > 0);
            self.log.lost.log(|repeated| {
                warn!(event = "link_lost", purpose = "publish", epoch, %error, retry_in_ms, repeated, "the publish link is lost; reconnecting");
            });
            if self.pause(pause).await.is_err() {
                return;
            }
            match self.again().await {
                Some(next) => kept = next,
                None => return,
            }
        }
    }

    /// A new link, however long it takes; `None` when the publisher is closed meanwhile.
    async fn again(&mut self) -> Option<Kept> {
        let (since, mut backoff) = (Instant::now(), Backoff::default());
        loop {
            if *self.closing.borrow() {
                return None;
            }
            let error = match self.dial().await {
                Ok(kept) => return Some(kept),
                Err(error) => error,
            };
            let pause = backoff.next_within(fastrand::f64(), since.elapsed());
            let retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            self.log.attempt.log(|repeated| {
                warn!(
                    event = "link_attempt_failed",
                    %error,
                    retry_in_ms,
                    repeated,
                    "no link to the broker; trying again"
                );
            });
            self.pause(pause).await.ok()?;
        }
    }

    /// One attempt, given up when the publisher is closed.
    async fn dial(&mut self) -> Result<Kept, LinkError> {
        self.epoch = self.epoch.next();
        let Destination {
            brokers,
            tls,
            name,
            topology,
        } = &self.destination;
        let brokers = Brokers { urls: brokers, tls };
        let dialling = brokers.dial(name, &self.runtime, Purpose::Publish, self.epoch);
        let link = tokio::select! {
            link = dialling => link?,
            _ = self.closing.wait_for(|closing| *closing) => return Err(is_closed()),
        };
        let (sender, news) = unbounded_channel();
        self.runtime.spawn(link.watch(sender));
        tokio::select! {
            declared = declare_topology(&link, topology) => declared?,
            _ = self.closing.wait_for(|closing| *closing) => return Err(is_closed()),
        }
        Ok(Kept { link, news })
    }

    /// Waits, unless the publisher is closed meanwhile.
    async fn pause(&mut self, pause: Duration) -> Result<(), LinkError> {
        tokio::select! {
            () = sleep(pause) => Ok(()),
            _ = self.closing.wait_for(|closing| *closing) => Err(is_closed()),
        }
    }
}

impl Brake {
    /// Losses may be answered at once five times a minute: a link that comes and goes is made less and
    /// less often, until one lasts.
    fn new() -> Self {
        Self {
            began: Instant::now(),
            at_once: RestartLimit::new(5, Duration::from_secs(60)),
            backoff: Backoff::default(),
        }
    }

    /// The pause after the loss of a link that lasted so long.
    fn lost(&mut self, lasted: Duration) -> Duration {
        if lasted >= STABLE_AFTER {
            self.backoff.reset();
            return Duration::ZERO;
        }
        let now = Moment::from_origin(self.began.elapsed());
        if self.at_once.allow(now) {
            return Duration::ZERO;
        }
        self.backoff.next(fastrand::f64())
    }
}

impl Kept {
    /// Waits until the link is lost, and tells why; `None` if it was closed by us.
    async fn lost(&mut self) -> Option<LinkError> {
        while let Some(news) = self.news.recv().await {
            match news.event {
                LinkEvent::Lost(error) => return Some(error),
                LinkEvent::Blocked(reason) => {
                    warn!(event = "link_blocked", purpose = "publish", %reason, "the broker blocks publishers; sends wait until its alarm clears");
                }
                LinkEvent::Unblocked => {
                    info!(
                        event = "link_unblocked",
                        purpose = "publish",
                        "the broker takes messages again"
                    );
                }
            }
        }
        Some(LinkError::transient("its watcher has ended"))
    }
}

fn is_closed() -> LinkError {
    LinkError::transient("the publisher was closed")
}

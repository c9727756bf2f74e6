//! What a test can see.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::unconstrained;

use crate::broker::Broker;
use crate::error::Error;
use crate::server::Server;
use crate::view::{BindingView, ConnectionView, ExchangeView, MessageView, QueueView, View};

/// How long [`Broker::wait_until`] waits: long enough for a busy machine, short enough for a test.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looking at the broker. All of these fail with [`Error::Stopped`] after a shutdown.
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
impl Broker {
    /// Queues and connections, taken at one moment.
    pub async fn view(&self) -> Result<View, Error> {
        self.handle().see(|engine| engine.view()).await
    }

    /// All queues, by virtual host and name.
    pub async fn queues(&self) -> Result<Vec<QueueView>, Error> {
        Ok(self.view().await?.queues)
    }

    /// One queue; [`Error::NoQueue`] when there is none of this name.
    pub async fn queue(&self, name: &str) -> Result<QueueView, Error> {
        let view = self.view().await?;
        view.queue(name).cloned().ok_or_else(|| Error::NoQueue {
            queue: name.to_owned(),
        })
    }

    /// The messages of a queue: first what can be delivered, in order, then what waits for an ack.
    /// [`Error::NoQueue`] when there is none of this name.
    pub async fn messages(&self, queue: &str) -> Result<Vec<MessageView>, Error> {
        let name = queue.to_owned();
        let messages = self
            .handle()
            .see(move |engine| engine.messages(&name))
            .await?;
        messages.ok_or_else(|| Error::NoQueue {
            queue: queue.to_owned(),
        })
    }

    /// All exchanges, those that are always there included.
    pub async fn exchanges(&self) -> Result<Vec<ExchangeView>, Error> {
        self.handle().see(|engine| engine.exchanges()).await
    }

    /// All bindings but those of the default exchange, which every queue has.
    pub async fn bindings(&self) -> Result<Vec<BindingView>, Error> {
        self.handle().see(|engine| engine.bindings()).await
    }

    /// All connections, the oldest first.
    pub async fn connections(&self) -> Result<Vec<ConnectionView>, Error> {
        Ok(self.view().await?.connections)
    }

    /// Waits until the broker is as wanted, and returns what it was then. Looks again whenever
    /// something changes, and never otherwise; gives up after 10 s of real time.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] with a description of the last state.
    pub async fn wait_until(&self, wanted: impl FnMut(&View) -> bool) -> Result<View, Error> {
        self.wait_until_within(PATIENCE, wanted).await
    }

    /// [`wait_until`](Self::wait_until) with another patience.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] with a description of the last state.
    pub async fn wait_until_within(
        &self,
        patience: Duration,
        mut wanted: impl FnMut(&View) -> bool,
    ) -> Result<View, Error> {
        let mut changes = self.handle().changes.clone();
        let mut late = self.alarm(patience).await?;
        let look = async {
            loop {
                // Marked before the look, so that no change between look and wait is missed.
                changes.mark_unchanged();
                let view = self.view().await?;
                if wanted(&view) {
                    return Ok(view);
                }
                tokio::select! {
                    changed = changes.changed() => changed.map_err(|_| Error::Stopped)?,
                    _ = &mut late => {
                        return Err(Error::TimedOut { waited: patience, state: describe(&view) });
                    }
                }
            }
        };
        unconstrained(look).await
    }

    /// A timer on the broker's thread: the caller's runtime may have none, or one that is paused.
    async fn alarm(&self, after: Duration) -> Result<oneshot::Receiver<()>, Error> {
        let (ring, alarm) = oneshot::channel();
        let set = move |_: &Rc<Server>| {
            tokio::task::spawn_local(async move {
                let mut ring: oneshot::Sender<()> = ring;
                // Nobody waits any more when the condition came true.
                tokio::select! {
                    () = tokio::time::sleep(after) => drop(ring.send(())),
                    () = ring.closed() => {}
                }
            });
        };
        self.handle().call(set).await?;
        Ok(alarm)
    }
}

/// The state in a few words, for an error.
fn describe(view: &View) -> String {
    let queues = view.queues.iter().map(|queue| {
        format!(
            "{} (ready {}, unacked {}, consumers {})",
            queue.name, queue.ready, queue.unacked, queue.consumers
        )
    });
    let queues: Vec<String> = queues.collect();
    let connections = view.connections.iter().map(|connection| {
        let name = connection.name.as_deref().unwrap_or(&connection.peer);
        let blocked = if connection.blocked { ", blocked" } else { "" };
        format!("{name} ({} channels{blocked})", connection.channels.len())
    });
    let connections: Vec<String> = connections.collect();
    format!(
        "queues: [{}]; connections: [{}]",
        queues.join(", "),
        connections.join(", ")
    )
}

//! A running system, seen from outside.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use garenne_core::StopReason;
use tokio::sync::watch;

use crate::failed::ParkingStore;
use crate::link::{Access, Destination};
use crate::publish::Publisher;
use crate::status::{Board, Status};
use crate::supervisor::{ConnectionSupervisor, Stop, StopNow};

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running system: to look at, to publish with, to stop. Cloning is cheap; dropping it stops nothing.
#[derive(Clone)]
pub struct SystemHandle {
    pub(super) supervisor: Addr<ConnectionSupervisor>,
    pub(super) board: Arc<Board>,
    pub(super) publisher: Publisher,
    /// The destination of links that look at failed messages.
    pub(super) failed: Arc<Destination>,
    pub(super) stopped: watch::Receiver<Option<StopReason>>,
}

impl SystemHandle {
    /// Asks the system to stop: it takes nothing new, finishes the messages in hand up to the drain
    /// deadline, and ends. [`SystemHandle::stopped`] completes at the end.
    pub fn stop(&self) {
        self.supervisor.do_send(Stop(StopReason::Requested));
    }

    /// Ends the system without waiting for handlers; the broker redelivers their messages.
    pub fn stop_now(&self) {
        self.supervisor.do_send(StopNow);
    }

    /// A snapshot of links, outage and queues. It may be a second old.
    #[must_use]
    pub fn status(&self) -> Status {
        self.board.status()
    }

    /// Waits until the status meets the condition: for tests, and for jobs that end when their work is
    /// done. It looks at the status twenty times a second.
    ///
    /// # Errors
    ///
    /// The reason of the stop, when the system stops earlier.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn wait_until(
        &self,
        mut wanted: impl FnMut(&Status) -> bool,
    ) -> Result<Status, StopReason> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let status = self.status();
            if wanted(&status) {
                return Ok(status);
            }
            if let Some(reason) = self.stopped.borrow().clone() {
                return Err(reason);
            }
        }
    }

    /// Sends messages over the system's publish link.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// The failed messages of these queues, in their parking queues: to list them on an admin page and to
    /// send them again with [`Replay`](crate::failed::Replay).
    ///
    /// Each look makes a link of its own and closes it, so an admin page never disturbs the links that the
    /// system consumes and publishes with. Copies are sent over the publish link.
    ///
    /// ```no_run
    /// # use garenne::failed::{FailedQuery, FailedStore, Replay};
    /// # use garenne::SystemHandle;
    /// # async fn example(system: SystemHandle) -> Result<(), garenne::failed::StoreError> {
    /// let parked = system.failed(["orders"]);
    /// let mut first = parked.open(&FailedQuery::all().limit(50)).await?;
    /// while let Some(failure) = first.next().await? {
    ///     println!("{}: {}", failure.record.message_id, failure.record.error);
    /// }
    /// first.close().await?;
    /// Replay::of(FailedQuery::all().id("7")).run(&parked, &system.publisher()).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn failed(&self, queues: impl IntoIterator<Item = impl Into<String>>) -> ParkingStore {
        let queues = queues.into_iter().map(Into::into).collect();
        let access = Access::Own(Arc::clone(&self.failed));
        ParkingStore::new(access, self.publisher.clone(), queues)
    }

    /// Waits until the system has stopped, and says why.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn stopped(&self) -> StopReason {
        let mut stopped = self.stopped.clone();
        match stopped.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(StopReason::Requested),
            Err(_) => StopReason::Internal(
                "the system's thread panicked; the log has the panic".to_owned(),
            ),
        }
    }
}

impl std::fmt::Debug for SystemHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemHandle")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

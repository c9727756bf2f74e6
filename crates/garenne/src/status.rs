//! The state of the system, for people and programs that look from outside.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use crate::alert::AlertStatus;
use crate::alert::Desk;
pub use crate::link::LinkState;
use crate::logging::lost as log_lines_lost;
pub use crate::publish::PublisherStatus;

/// The phase of the whole system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It has not consumed yet.
    #[default]
    Starting,
    /// It consumes.
    Consuming,
    /// Consumption was lost; it tries to come back within the outage window.
    Outage,
    /// It stops: finishes what is in hand, takes nothing new.
    Stopping,
    /// It has stopped.
    Stopped,
}

/// The current outage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutageStatus {
    /// The time since the first loss, or since the start.
    pub lasting: Duration,
    /// Attempts that failed in it.
    pub attempts: u32,
    /// The last error.
    pub last_error: Option<String>,
}

/// A snapshot of the system, from [`SystemHandle::status`](crate::SystemHandle::status).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Status {
    /// The phase of the whole system.
    pub phase: Phase,
    /// The link that consumes.
    pub consume: LinkState,
    /// The link that publishes.
    pub publish: LinkState,
    /// The current outage, if there is an outage.
    pub outage: Option<OutageStatus>,
    /// The queues, in the order of their registration.
    pub queues: Vec<QueueStatus>,
    /// The alerts, in the order of their registration.
    pub alerts: Vec<AlertStatus>,
    /// Lines of the log that standard error did not take in time, since the start of this process: its
    /// reader stalls or is gone. Zero if the program has set up its own logging.
    pub log_lines_lost: u64,
}

impl Status {
    /// Whether the system does its work: the answer to a readiness probe.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Consuming
    }

    /// The counters of this queue; `None`: no such queue is registered.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&QueueStatus> {
        self.queues.iter().find(|queue| queue.queue == name)
    }

    /// Messages in the hands of all workers.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.queues.iter().map(|queue| queue.in_flight).sum()
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The counters of a queue's messages since the start of this process.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct QueueStatus {
            /// The name of the queue.
            pub queue: String,
            /// Messages in the hands of its workers: waiting, being handled, or being settled, until their
            /// ack is written or their link is lost and their handler has ended. At zero, the other
            /// counters account for every delivery.
            pub in_flight: u64,
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters behind [`QueueStatus`], shared by the workers of a queue.
        #[derive(Debug, Default)]
        pub(crate) struct QueueCounters {
            ended: AtomicU64,
            $($name: AtomicU64,)*
        }

        impl QueueCounters {
            pub(crate) fn snapshot(&self, queue: &str) -> QueueStatus {
                // This order of reading guarantees that every ended delivery is also counted as delivered.
                let ended = self.ended.load(Ordering::Acquire);
                let delivered = self.delivered.load(Ordering::Acquire);
                QueueStatus {
                    queue: queue.to_owned(),
                    in_flight: delivered.saturating_sub(ended),
                    $($name: self.$name.load(Ordering::Acquire),)*
                }
            }
        }
    };
}

counters! {
    /// Deliveries taken from the broker, redeliveries included.
    delivered,
    /// Handler runs that succeeded.
    handled,
    /// Handler runs that did not succeed: a failure, a panic, the deadline, or an undecodable body.
    failed_attempts,
    /// Copies confirmed by a retry lane.
    retried,
    /// Messages that failed permanently and were stored by the fail sink.
    failed,
    /// Messages that their handler wanted discarded.
    discarded,
    /// Messages requeued: nacked before a handler had begun with them, so that the broker redelivers them.
    requeued,
    /// Redeliveries settled by the result of an earlier run, without running again.
    recalled,
    /// Messages whose ack was written.
    acked,
}

impl QueueCounters {
    pub(crate) fn on_delivered(&self) {
        self.delivered.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts the ends last, so that a reader that sees a message ended also sees its result counted.
    pub(crate) fn on_ended(&self, count: u64) {
        self.ended.fetch_add(count, Ordering::AcqRel);
    }

    pub(crate) fn on_ran(&self, succeeded: bool) {
        let counter = if succeeded {
            &self.handled
        } else {
            &self.failed_attempts
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_discarded(&self) {
        self.discarded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_requeued(&self) {
        self.requeued.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_recalled(&self) {
        self.recalled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_acked(&self, count: u64) {
        self.acked.fetch_add(count, Ordering::Relaxed);
    }
}

/// The board that the supervisor writes and all others read.
#[derive(Debug, Default)]
pub(crate) struct Board {
    shared: Mutex<Status>,
    queues: Vec<(String, Arc<QueueCounters>)>,
    desk: Desk,
}

impl Board {
    pub(crate) fn new(queues: Vec<(String, Arc<QueueCounters>)>, desk: Desk) -> Self {
        Self {
            shared: Mutex::default(),
            queues,
            desk,
        }
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn status(&self) -> Status {
        let mut status = self
            .shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        status.queues = self
            .queues
            .iter()
            .map(|(name, counters)| counters.snapshot(name))
            .collect();
        status.alerts = self.desk.status();
        status.log_lines_lost = log_lines_lost();
        status
    }
}

//! How messages reach the owner task of a confirm channel.

use garenne_core::publishing::Gate;
use tokio::sync::{mpsc, oneshot, watch};

use super::clock::Clock;
use super::{Job, PublishError};

/// The sending end of a confirm channel. Its queue is bounded by the senders: by the window of a publisher,
/// or by the prefetch of consumers.
#[derive(Clone)]
pub(crate) struct ConfirmChannel {
    jobs: mpsc::UnboundedSender<Box<Job>>,
    gate: watch::Receiver<Gate>,
}

/// The receiving end of a confirm channel whose owner task is not started yet.
pub(crate) struct Jobs {
    pub(super) waiting: mpsc::UnboundedReceiver<Box<Job>>,
    pub(super) gate: watch::Sender<Gate>,
    pub(super) clock: Clock,
}

/// A confirm channel whose messages wait until its owner task is started.
pub(crate) fn channel() -> (ConfirmChannel, Jobs) {
    let (jobs, waiting) = mpsc::unbounded_channel();
    let (gate, gate_seen) = watch::channel(Gate::Open);
    let channel = ConfirmChannel {
        jobs,
        gate: gate_seen,
    };
    let clock = Clock::start();
    let jobs = Jobs {
        waiting,
        gate,
        clock,
    };
    (channel, jobs)
}

pub(super) fn stopped(sent: bool) -> PublishError {
    PublishError::Disconnected {
        reason: "the publisher has stopped".to_owned(),
        sent,
    }
}

impl ConfirmChannel {
    /// Publishes a message and waits for its confirm.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the message was handed to the link withdraws the message; after that it may
    /// be stored.
    pub(crate) async fn publish(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<(), PublishError>>,
    ) -> Result<(), PublishError> {
        self.hand_over(job);
        answer.await.map_err(|_| stopped(true))?
    }

    /// Hands a message to the owner task, which answers it.
    pub(super) fn hand_over(&self, job: Job) {
        if let Err(mpsc::error::SendError(mut job)) = self.jobs.send(Box::new(job)) {
            job.answer(Err(stopped(false)));
        }
    }

    /// Shows whether the broker takes messages.
    pub(super) fn gate(&self) -> watch::Receiver<Gate> {
        self.gate.clone()
    }
}

//! The task that owns a confirm channel, across all incarnations of its link.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use lapin::options::ConfirmSelectOptions;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, warn};

use super::session::Session;
use super::{Job, PublishError};
use crate::link::{Link, LinkError, LinkWatch, call};

/// How many messages may be on their way to the owner task; senders beyond that wait themselves.
const QUEUE: usize = 256;
/// The pause before a channel is opened again that could not be opened.
const PAUSE: Duration = Duration::from_millis(500);
/// RabbitMQ's code for a frame on a channel that it has closed. It closes the channel over one
/// message while the client still writes others to it, and that costs the whole connection.
const CHANNEL_ERROR: u16 = 504;
/// How long messages wait for a new link after a loss that one of them caused.
const GRACE: Duration = Duration::from_secs(5);

/// The sending end of a confirm channel.
#[derive(Clone)]
pub(crate) struct ConfirmChannel {
    jobs: mpsc::Sender<Job>,
}

impl ConfirmChannel {
    /// Publishes one message and waits for its confirm.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the message was handed to the link withdraws it; after that it
    /// may be stored.
    pub(crate) async fn publish(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<(), PublishError>>,
    ) -> Result<(), PublishError> {
        let gone = |sent| PublishError::Disconnected {
            reason: "the publisher has stopped".to_owned(),
            sent,
        };
        self.jobs.send(job).await.map_err(|_| gone(false))?;
        answer.await.map_err(|_| gone(true))?
    }

    /// Whether a further message could be taken at once.
    pub(crate) async fn ready(&self) {
        // A closed channel is found by the send that follows.
        let _ = self.jobs.reserve().await;
    }
}

/// Limits of one confirm channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) confirm_timeout: Duration,
    pub(crate) max_message_size: usize,
}

/// RabbitMQ 3's limit for one message. RabbitMQ 4 takes 16 MiB unless told otherwise, and says so.
const MAX_MESSAGE_SIZE: usize = 128 * 1024 * 1024;

impl Limits {
    pub(crate) fn new(confirm_timeout: Duration) -> Self {
        Self {
            confirm_timeout,
            max_message_size: MAX_MESSAGE_SIZE,
        }
    }
}

/// The receiving end of a confirm channel, until its owner task is started.
pub(crate) struct Jobs(mpsc::Receiver<Job>);

/// A confirm channel whose messages wait until its owner task is started.
pub(crate) fn channel() -> (ConfirmChannel, Jobs) {
    let (jobs, waiting) = mpsc::channel(QUEUE);
    (ConfirmChannel { jobs }, Jobs(waiting))
}

/// Starts the owner task on the links' runtime.
pub(crate) fn start(runtime: &Handle, Jobs(waiting): Jobs, links: LinkWatch, limits: Limits) {
    let mut owner = Owner {
        links,
        waiting,
        again: VecDeque::new(),
        grace: None,
        limits,
    };
    runtime.spawn(async move {
        // A bug here must not silence every publisher for the rest of the process: whoever was in
        // flight learns that the outcome is not known, and the task goes on.
        while AssertUnwindSafe(owner.run()).catch_unwind().await.is_err() {
            error!(
                event = "publisher_panicked",
                "the publisher's task panicked and was started again"
            );
        }
    });
}

struct Owner {
    links: LinkWatch,
    waiting: mpsc::Receiver<Job>,
    /// What was in flight when the channel broke over another message.
    again: VecDeque<Job>,
    /// Until then a link that is down is waited for: it was lost over one of our own messages, and
    /// its neighbours are not to blame.
    grace: Option<Instant>,
    limits: Limits,
}

impl Owner {
    /// Runs until nobody can send any more.
    async fn run(&mut self) {
        while let Some(link) = self.next_link().await {
            match link.while_up(open(&link)).await {
                Ok(channel) => {
                    let mut session =
                        Session::new(&link, channel, self.limits, std::mem::take(&mut self.again));
                    let end = session.run(&mut self.waiting).await;
                    let left = session.into_unanswered();
                    match end {
                        Ok(()) => return,
                        Err(error) => self.sort_out(&link, &error, left),
                    }
                }
                Err(error) => {
                    debug!(%error, "cannot open the confirm channel");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Waits for a link that is up. Meanwhile every message is answered, not kept: whether to wait
    /// is for its sender to say.
    async fn next_link(&mut self) -> Option<Arc<Link>> {
        loop {
            let up = self
                .links
                .borrow_and_update()
                .clone()
                .filter(|link| link.is_up());
            if up.is_some() {
                self.grace = None;
                return up;
            }
            if self.grace.is_some_and(|until| Instant::now() < until) {
                tokio::select! {
                    changed = self.links.changed() => changed.ok()?,
                    () = tokio::time::sleep(PAUSE) => {}
                }
                continue;
            }
            let disconnected = |sent| PublishError::Disconnected {
                reason: "the publish link is down".to_owned(),
                sent,
            };
            for mut job in self.again.drain(..) {
                job.answer(Err(disconnected(true)));
            }
            tokio::select! {
                changed = self.links.changed() => changed.ok()?,
                job = self.waiting.recv() => job?.answer(Err(disconnected(false))),
                // A link can be found dead before its loss is announced.
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// The channel broke with messages in flight. The one that broke it is told so; the others are
    /// published again while the link lasts: what was not confirmed may not be stored.
    fn sort_out(&mut self, link: &Link, error: &lapin::Error, left: Vec<Job>) {
        let (code, text) = match error.kind() {
            lapin::ErrorKind::ProtocolError(amqp) => {
                (amqp.get_id(), amqp.get_message().as_str().to_owned())
            }
            _ => (0, LinkError::of(error).to_string()),
        };
        if link.is_up() {
            warn!(event = "confirm_channel_lost", in_flight = left.len(), error = %text, "the confirm channel broke");
        }
        let own_fault = code == CHANNEL_ERROR;
        self.grace = own_fault.then(|| Instant::now() + GRACE);
        let blamed: Vec<_> = left.iter().map(|job| job.blame(code, &text)).collect();
        let culprit_found = blamed.iter().any(Option::is_some);
        for (mut job, blame) in left.into_iter().zip(blamed) {
            if let Some(blame) = blame {
                job.answer(Err(blame));
            } else if !link.is_up() && !own_fault {
                job.answer(Err(PublishError::Disconnected {
                    reason: text.clone(),
                    sent: true,
                }));
            } else if job.is_last_try() && !culprit_found {
                // It was alone on the channel.
                job.answer(Err(PublishError::Refused {
                    reason: text.clone(),
                }));
            } else {
                if culprit_found {
                    job.tries = job.tries.saturating_sub(1);
                }
                self.again.push_back(job);
            }
        }
    }
}

async fn open(link: &Link) -> Result<lapin::Channel, LinkError> {
    let channel = link.open_channel().await?;
    call(
        "switching on confirms",
        channel.confirm_select(ConfirmSelectOptions::default()),
    )
    .await?;
    Ok(channel)
}

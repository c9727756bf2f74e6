//! The task that owns a confirm channel, across all incarnations of its link.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, warn};

use super::gate::Gate;
use super::job::KeyMaker;
pub(crate) use super::limits::Limits;
use super::opening::{Opened, close, open};
use super::renewal::Renewal;
use super::replies::Replies;
use super::session::{End, Lasting, Session};
use super::suspects::Suspects;
use super::{Job, PublishError};
use crate::link::{Link, LinkError, LinkWatch};
use crate::quiet::Quiet;

/// The pause before a channel is opened again that could not be opened, or that ended for no message of
/// ours.
const PAUSE: Duration = Duration::from_millis(500);
/// RabbitMQ's code for a frame on a channel that it has closed. It closes the whole connection over that.
/// `link/io` writes no such frame; should there be one, a message of ours had closed the channel.
const CHANNEL_ERROR: u16 = 504;
/// How long messages wait for a new link after a loss that one of them caused.
const GRACE: Duration = Duration::from_secs(5);
/// How often the patience of messages is looked at while there is no channel.
const TICK: Duration = Duration::from_millis(250);

/// The sending end of a confirm channel. What it takes in is bounded by those who send: by the window
/// of a publisher, by the prefetch of consumers.
#[derive(Clone)]
pub(crate) struct ConfirmChannel {
    jobs: mpsc::UnboundedSender<Box<Job>>,
    gate: watch::Receiver<Gate>,
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
        self.hand_over(job);
        answer.await.map_err(|_| stopped(true))?
    }

    /// Hands a message to the owner task, which answers it.
    pub(super) fn hand_over(&self, job: Job) {
        if let Err(mpsc::error::SendError(mut job)) = self.jobs.send(Box::new(job)) {
            job.answer(Err(stopped(false)));
        }
    }

    /// Sees whether the broker takes messages.
    pub(super) fn gate(&self) -> watch::Receiver<Gate> {
        self.gate.clone()
    }
}

pub(super) fn stopped(sent: bool) -> PublishError {
    PublishError::Disconnected {
        reason: "the publisher has stopped".to_owned(),
        sent,
    }
}

/// The receiving end of a confirm channel, until its owner task is started.
pub(crate) struct Jobs {
    waiting: mpsc::UnboundedReceiver<Box<Job>>,
    gate: watch::Sender<Gate>,
}

/// A confirm channel whose messages wait until its owner task is started.
pub(crate) fn channel() -> (ConfirmChannel, Jobs) {
    let (jobs, waiting) = mpsc::unbounded_channel();
    let (gate, gate_seen) = watch::channel(Gate::Open);
    let channel = ConfirmChannel {
        jobs,
        gate: gate_seen,
    };
    (channel, Jobs { waiting, gate })
}

/// Starts the owner task on the links' runtime.
pub(crate) fn start(runtime: &Handle, jobs: Jobs, links: LinkWatch, limits: Limits) {
    runtime.spawn(own(jobs, links, limits, None));
}

/// Starts the owner task of requests. It opens its channel when there is a first one: few programs
/// make any.
pub(super) fn start_requests(
    runtime: &Handle,
    jobs: Jobs,
    links: LinkWatch,
    limits: Limits,
    replies: Replies,
) {
    runtime.spawn(own(jobs, links, limits, Some(replies)));
}

/// The owner task. It ends when nobody can send any more.
pub(super) async fn own(jobs: Jobs, links: LinkWatch, limits: Limits, replies: Option<Replies>) {
    let mut owner = Owner {
        links,
        waiting: jobs.waiting,
        held: VecDeque::new(),
        grace: None,
        pauses: false,
        broke: false,
        last_loss: None,
        limits,
        gate: jobs.gate,
        renewal: Renewal::new(replies.clone()),
        suspects: Suspects::default(),
        key_maker: KeyMaker::default(),
        replies,
        log_lost: Quiet::default(),
    };
    if owner.replies.is_some() {
        let first = owner.waiting.recv().await;
        owner.held.extend(first);
    }
    // A bug here must not silence every publisher for the rest of the process: whoever was in
    // flight learns that the outcome is not known, and the task goes on.
    while AssertUnwindSafe(owner.run()).catch_unwind().await.is_err() {
        error!(
            event = "publisher_panicked",
            "the publisher's task panicked and was started again"
        );
    }
    owner.farewell();
}

struct Owner {
    links: LinkWatch,
    waiting: mpsc::UnboundedReceiver<Box<Job>>,
    /// What waits for a channel: in flight when the last one broke, or come since.
    held: VecDeque<Box<Job>>,
    /// Until then a link that is down is waited for: it was lost over one of our own messages, and
    /// its neighbours are not to blame. RabbitMQ may end the connection some time after the channel.
    grace: Option<Instant>,
    /// The last channel ended over no message of ours: there is a pause before the next one.
    pauses: bool,
    /// The last channel broke with its link intact.
    broke: bool,
    /// Why the last link was lost.
    last_loss: Option<String>,
    limits: Limits,
    gate: watch::Sender<Gate>,
    renewal: Renewal,
    suspects: Suspects,
    key_maker: KeyMaker,
    /// Where replies go, if its messages are requests.
    replies: Option<Replies>,
    log_lost: Quiet,
}

impl Owner {
    /// Runs until nobody can send any more, or nobody makes links any more.
    async fn run(&mut self) {
        while let Some(link) = self.next_link().await {
            let opening = link.while_up(open(&link, self.replies.clone()));
            let Some(opened) = self.meanwhile(opening).await else {
                return;
            };
            match opened {
                Ok(opened) => {
                    self.grace = None;
                    if self.publish_on(&link, opened).await.is_break() {
                        return;
                    }
                    // A channel that ended with nothing in flight would end again at once.
                    if std::mem::take(&mut self.pauses)
                        && self.meanwhile(tokio::time::sleep(PAUSE)).await.is_none()
                    {
                        return;
                    }
                }
                Err(error) => {
                    debug!(%error, "cannot open the confirm channel");
                    if self.meanwhile(tokio::time::sleep(PAUSE)).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// Publishes on one channel until it is lost or left; breaks when nobody can send any more.
    async fn publish_on(&mut self, link: &Arc<Link>, mut opened: Opened) -> ControlFlow<()> {
        let held = std::mem::take(&mut self.held);
        let broke = std::mem::take(&mut self.broke);
        let lasting = Lasting {
            limits: self.limits,
            renewal: &mut self.renewal,
            suspects: &mut self.suspects,
            key_maker: self.key_maker.clone(),
        };
        let mut session = Session::new(link, &mut opened.port, held, lasting, broke);
        let end = session.run(&mut self.waiting, &self.gate).await;
        if let Err(error) = &end
            && error.accuses()
            && !link.is_up()
        {
            session.accuse(error);
        }
        let left = session.into_unanswered();
        self.renewal.left(matches!(end, Ok(End::Refused { .. })));
        match end {
            Ok(End::Finished) => return ControlFlow::Break(()),
            Ok(End::Refused { in_flight }) => {
                warn!(
                    event = "confirm_channel_renewed",
                    in_flight,
                    "the broker keeps refusing messages on a confirm channel; opening another one"
                );
                self.held.extend(left);
                tokio::spawn(close(opened));
            }
            Err(error) => {
                self.pauses = left.is_empty() && link.is_up();
                self.sort_out(link, &error, left);
            }
        }
        self.forget_replies();
        ControlFlow::Continue(())
    }

    /// Waits for a link that is up. Meanwhile messages are held for as long as each may wait.
    async fn next_link(&mut self) -> Option<Arc<Link>> {
        loop {
            let up = self
                .links
                .borrow_and_update()
                .clone()
                .filter(|link| link.is_up());
            if up.is_some() {
                return up;
            }
            let mut links = self.links.clone();
            // A link can be found dead before its loss is announced.
            let change = async { tokio::time::timeout(PAUSE, links.changed()).await };
            if let Ok(Err(_)) = self.meanwhile(change).await? {
                return None;
            }
        }
    }

    /// Awaits something, and meanwhile takes messages in and answers those that have waited long
    /// enough. `None` when there is nobody left to answer.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut somebody_sends = true;
        loop {
            self.look_at_held();
            if !somebody_sends && self.held.is_empty() {
                return None;
            }
            tokio::select! {
                result = &mut work => return Some(result),
                job = self.waiting.recv(), if somebody_sends => match job {
                    Some(job) => self.held.push_back(job),
                    None => somebody_sends = false,
                },
                _ = ticks.tick(), if !self.held.is_empty() => {}
            }
        }
    }

    fn in_grace(&self) -> bool {
        self.grace.is_some_and(|until| Instant::now() < until)
    }

    /// Whether the broker takes messages, for this task and for those who send.
    fn look_at_gate(&mut self) -> Gate {
        let link = self.links.borrow().clone().filter(|link| link.is_up());
        let gate = match (&link, &self.last_loss) {
            (Some(link), _) => match link.blocked().borrow().clone() {
                Some(reason) => Gate::Blocked(reason),
                None => Gate::Open,
            },
            (None, None) => Gate::Down("the publish link is down".to_owned()),
            (None, Some(why)) => Gate::Down(format!("the publish link is down ({why})")),
        };
        if !self.in_grace() && *self.gate.borrow() != gate {
            self.gate.send_replace(gate.clone());
        }
        gate
    }

    /// Answers every held message that may not wait any longer.
    fn look_at_held(&mut self) {
        let gate = self.look_at_gate();
        let now = Instant::now();
        let patience = self.limits.confirm_timeout;
        let in_grace = self.in_grace();
        for job in &mut self.held {
            let may_wait = match gate {
                // A channel is being opened.
                Gate::Open | Gate::Blocked(_) => job.may_wait_in_line(now, patience),
                Gate::Down(_) => in_grace || job.patience.lasts(now),
            };
            if !may_wait {
                job.refuse(&gate, patience);
            }
        }
        self.held.retain(|job| job.is_wanted());
    }

    /// The channel broke with messages in flight. The one that broke it is told so; the others are
    /// published again while the link lasts, and over the next one if they may wait for it: what was
    /// not confirmed may not be stored.
    fn sort_out(&mut self, link: &Link, error: &LinkError, left: VecDeque<Box<Job>>) {
        let (code, text) = (error.code, error.to_string());
        let is_up = link.is_up();
        if is_up {
            self.log_lost.log(|repeated| {
                warn!(event = "confirm_channel_lost", in_flight = left.len(), error = %text, repeated, "the confirm channel broke");
            });
        }
        let blamed: Vec<_> = left.iter().map(|job| job.blame(code, &text)).collect();
        let culprit_found = blamed.iter().any(Option::is_some);
        // A link that is lost right after its channel was broken by one of our messages.
        let own_fault = code == CHANNEL_ERROR || culprit_found;
        let link_lost = !is_up && !own_fault;
        let now = Instant::now();
        self.broke = !link_lost;
        self.grace = (!link_lost).then(|| now + GRACE);
        self.last_loss = (!is_up).then(|| text.clone());
        // Known before anybody is answered because of it.
        self.look_at_gate();
        for (mut job, blame) in left.into_iter().zip(blamed) {
            if let Some(blame) = blame {
                job.answer(Err(blame));
            } else if link_lost && !job.patience.lasts(now) {
                job.refuse(&Gate::Down(text.clone()), self.limits.confirm_timeout);
            } else if job.is_last_try() && !culprit_found && !link_lost {
                // It was alone on the channel.
                job.answer(Err(PublishError::Refused {
                    reason: text.clone(),
                }));
            } else {
                if culprit_found || link_lost {
                    job.tries = job.tries.saturating_sub(1);
                }
                self.held.push_back(job);
            }
        }
    }

    /// Replies to what was sent over a channel that is gone cannot come.
    fn forget_replies(&self) {
        if let Some(replies) = &self.replies {
            let held = self.held.iter();
            let ids = held.filter_map(|job| job.properties.correlation_id.as_deref());
            replies.keep_only(&ids.collect());
        }
    }

    /// Nothing will be published any more: whoever still waits is told so.
    fn farewell(&mut self) {
        self.waiting.close();
        let mut left = std::mem::take(&mut self.held);
        while let Ok(job) = self.waiting.try_recv() {
            left.push_back(job);
        }
        for mut job in left {
            let sent = job.sent;
            job.answer(Err(stopped(sent)));
        }
    }
}

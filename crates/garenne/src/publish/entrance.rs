//! How a message enters its publisher: it gets a place in the window, then goes to the owner task.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use garenne_core::publishing::Gate;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant as Deadline, sleep_until};

use super::jobs::stopped;
use super::replies::Expecting;
use super::room::{Place, Room, Tally};
use super::when_down::after;
use super::{CONFIRM_TIMEOUT, ConfirmChannel, Job, Outgoing, PublishError, WhenDown};

/// The entrance for messages. Clones share it.
#[derive(Clone)]
pub(super) struct Entrance(Arc<Inner>);

struct Inner {
    channel: ConfirmChannel,
    room: Room,
    /// Set when the system is built.
    confirm_timeout: OnceLock<Duration>,
    /// One receiver for each message that waits for its answer.
    under_way: watch::Sender<()>,
    closed: AtomicBool,
}

/// A message that was handed over and has no answer yet. Dropping the ticket withdraws the message if it was
/// not handed to the link yet.
pub(super) struct Ticket {
    answer: oneshot::Receiver<Result<(), PublishError>>,
    _under_way: watch::Receiver<()>,
}

/// Whether a message got a place at once.
pub(super) enum Entry {
    /// The message was handed over, or can never get a place.
    Entered(Result<Ticket, PublishError>),
    /// The message waits for a place.
    Waits(Box<Waiting>),
}

/// A message that waits for its place.
pub(super) struct Waiting {
    entrance: Entrance,
    message: Entering,
}

/// A message that is entering.
struct Entering {
    job: Job,
    ticket: Ticket,
    size: usize,
    when_down: WhenDown,
}

impl Entrance {
    pub(super) fn new(channel: ConfirmChannel, room: Room) -> Self {
        Self(Arc::new(Inner {
            channel,
            room,
            confirm_timeout: OnceLock::new(),
            under_way: watch::Sender::new(()),
            closed: AtomicBool::new(false),
        }))
    }

    pub(super) fn set_confirm_timeout(&self, confirm_timeout: Duration) {
        // A system is built once.
        let _ = self.0.confirm_timeout.set(confirm_timeout);
    }

    pub(super) fn tally(&self) -> &Arc<Tally> {
        self.0.room.tally()
    }

    /// Takes no new messages from now on.
    pub(super) fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
    }

    /// Returns when no message waits for an answer.
    pub(super) async fn idle(&self) {
        self.0.under_way.closed().await;
    }

    /// Hands a message over if it gets a place at once.
    pub(super) fn try_enter(&self, message: Outgoing, when_down: WhenDown) -> Entry {
        match self.entering(message, when_down) {
            Ok(message) => self.try_enter_with(message),
            Err(error) => Entry::Entered(Err(error)),
        }
    }

    fn try_enter_with(&self, message: Entering) -> Entry {
        let place = match self.buffered(&message) {
            Some(Ok(place)) => Some(place),
            Some(Err(error)) => return Entry::Entered(Err(error)),
            None => self.0.room.try_enter(message.size),
        };
        match place {
            Some(place) => Entry::Entered(Ok(self.hand_over(message, place))),
            None => Entry::Waits(Box::new(Waiting {
                entrance: self.clone(),
                message,
            })),
        }
    }

    /// Hands a request over once it has a place. It waits for a broker that is down only if the message
    /// itself says so.
    pub(super) async fn enter(
        &self,
        message: Outgoing,
        expecting: Expecting,
    ) -> Result<Ticket, PublishError> {
        let mut message = self.entering(message, WhenDown::FailFast)?;
        message.job.expecting = Some(expecting);
        match self.try_enter_with(message) {
            Entry::Entered(ticket) => ticket,
            Entry::Waits(waiting) => waiting.enter().await,
        }
    }

    fn entering(&self, message: Outgoing, when_down: WhenDown) -> Result<Entering, PublishError> {
        let under_way = self.0.under_way.subscribe();
        if self.0.closed.load(Ordering::SeqCst) {
            let reason = "the publisher was closed".to_owned();
            return Err(PublishError::Disconnected {
                reason,
                sent: false,
            });
        }
        let size = message.size();
        let when_down = message.when_down.unwrap_or(when_down);
        let Outgoing {
            exchange,
            routing_key,
            properties,
            body,
            mandatory,
            ..
        } = message;
        let patience = when_down.patience(Instant::now());
        let (mut job, answer) =
            Job::new(exchange, routing_key, properties, body?, patience).awaited();
        job.mandatory = mandatory;
        Ok(Entering {
            job,
            ticket: Ticket {
                answer,
                _under_way: under_way,
            },
            size,
            when_down,
        })
    }

    fn hand_over(&self, message: Entering, place: Place) -> Ticket {
        let mut job = message.job;
        job.place = Some(place);
        self.0.channel.hand_over(job);
        message.ticket
    }

    /// A place in the buffer, if this message has a buffer and the broker is down.
    fn buffered(&self, message: &Entering) -> Option<Result<Place, PublishError>> {
        let WhenDown::Buffer {
            max_messages,
            max_bytes,
            ..
        } = message.when_down
        else {
            return None;
        };
        let gate = self.0.channel.gate();
        let gate = gate.borrow();
        gate.is_closed().then(|| {
            let place = self.0.room.buffer(message.size, max_messages, max_bytes);
            place.map_err(|_| PublishError::BufferFull {
                max_messages,
                max_bytes,
                reason: gate.reason(),
            })
        })
    }

    /// The effect of a closed gate on a message that waits for its place: an error, a place in its buffer, or
    /// none.
    async fn closes(&self, message: &Entering) -> Result<Place, PublishError> {
        let mut gate = self.0.channel.gate();
        let refusal = match gate.wait_for(Gate::is_closed).await {
            Ok(gate) => PublishError::not_taken(&gate, false, Duration::ZERO),
            Err(_) => return Err(stopped(false)),
        };
        if matches!(message.when_down, WhenDown::WaitUpTo(_)) {
            // This message waits for its place, whatever the gate does.
            std::future::pending::<()>().await;
        }
        self.buffered(message).unwrap_or(Err(refusal))
    }
}

impl Waiting {
    /// Waits for a place and hands the message over.
    pub(super) async fn enter(self) -> Result<Ticket, PublishError> {
        let Self { entrance, message } = self;
        let confirm_timeout = *entrance.0.confirm_timeout.get().unwrap_or(&CONFIRM_TIMEOUT);
        let since = message.job.since;
        let patient = message.job.patience.until().unwrap_or(since);
        let until = patient.max(after(since, confirm_timeout));
        let place = tokio::select! {
            biased;
            place = entrance.0.room.enter(message.size) => place,
            place = entrance.closes(&message) => place?,
            () = sleep_until(Deadline::from_std(until)) => {
                let gate = entrance.0.channel.gate();
                return Err(PublishError::not_taken(&gate.borrow(), false, until - since));
            }
        };
        Ok(entrance.hand_over(message, place))
    }
}

impl Future for Ticket {
    type Output = Result<(), PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(cx));
        Poll::Ready(answer.unwrap_or_else(|_| Err(stopped(true))))
    }
}

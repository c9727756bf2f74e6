//! What a confirm channel has in hand: messages in line, messages in flight, and what came back.

use std::time::{Duration, Instant};

use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation};

use super::gate::Gate;
use super::job::{Key, KeyMaker};
use super::{Job, Patience};
use crate::wire::{basic_properties, short};

/// A message in line.
pub(super) struct Held {
    pub(super) job: Box<Job>,
    pub(super) key: Key,
    /// When it came, in time that passed while the broker did not block us.
    pub(super) since_open: Duration,
}

pub(super) struct Flight {
    pub(super) job: Box<Job>,
    /// In the order of starting.
    pub(super) number: u64,
    pub(super) key: Key,
    pub(super) started: Instant,
    /// When it was started, in time that passed while the broker did not block us.
    pub(super) started_open: Duration,
    pub(super) landed: bool,
}

/// Names a flight: its number, by which flights are sorted in the order of starting, and its place
/// among those in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlightId {
    pub(super) number: u64,
    pub(super) place: usize,
}

/// What a confirm said, and whosever return came with it.
pub(super) struct Landing {
    pub(super) verdict: Verdict,
    pub(super) returned: Option<Box<(Key, String)>>,
}

impl Landing {
    pub(super) fn of(confirmation: Confirmation, keys: &KeyMaker) -> Self {
        let (verdict, returned) = match confirmation {
            Confirmation::Ack(returned) => (Verdict::Ack, returned),
            Confirmation::Nack(returned) => (Verdict::Nack, returned),
            Confirmation::NotRequested => (Verdict::Ack, None),
        };
        Self {
            verdict,
            returned: returned.map(|message| Box::new(return_of(&message, keys))),
        }
    }
}

/// How a message is handed to the channel: see [`fly`].
pub(super) type Fly<F> = fn(&Channel, &Job, &KeyMaker) -> F;

/// Hands a message to the channel, and waits for its confirm.
pub(super) fn fly(
    channel: &Channel,
    job: &Job,
    keys: &KeyMaker,
) -> impl Future<Output = lapin::Result<Landing>> + use<> {
    let (channel, keys, body) = (channel.clone(), keys.clone(), job.body.clone());
    let (exchange, routing_key) = (short(&job.exchange), short(&job.routing_key));
    let properties = basic_properties(&job.properties);
    let options = BasicPublishOptions {
        mandatory: job.mandatory,
        immediate: false,
    };
    async move {
        let published = channel.basic_publish(exchange, routing_key, options, &body, properties);
        let confirmation = published.await?.await?;
        Ok(Landing::of(confirmation, &keys))
    }
}

#[derive(Clone, Copy)]
pub(super) enum Verdict {
    Ack,
    Nack,
}

impl Flight {
    /// Answers that it was not confirmed in time; it stays in flight.
    pub(super) fn refuse(&mut self, gate: &Gate, patience: Duration) {
        let refusal = self.job.refusal(gate, patience);
        self.job.answer_aloft(Err(refusal));
    }

    pub(super) fn is_late(&self, open_time: Duration, patience: Duration) -> bool {
        self.job.aloft + open_time.saturating_sub(self.started_open) >= patience
    }

    /// Whether it may stay unanswered while the broker blocks.
    pub(super) fn may_stay(&self, now: Instant, patience: Duration) -> bool {
        self.job.patience == Patience::Copy
            || self.job.patience.lasts(now)
            || now.saturating_duration_since(self.started) < patience
    }
}

impl Held {
    pub(super) fn new(job: Box<Job>, keys: &KeyMaker, since_open: Duration) -> Self {
        Self {
            key: keys.of_job(&job),
            job,
            since_open,
        }
    }

    /// Whether it may stay in line.
    pub(super) fn may_wait(
        &self,
        now: Instant,
        open_time: Duration,
        gate: &Gate,
        patience: Duration,
    ) -> bool {
        match self.job.patience {
            Patience::Copy => open_time.saturating_sub(self.since_open) < patience,
            Patience::FailFast if gate.is_closed() => false,
            _ if gate.is_closed() => self.job.patience.lasts(now),
            _ => {
                self.job.patience.lasts(now) || open_time.saturating_sub(self.since_open) < patience
            }
        }
    }
}

/// Which message was returned, and why.
fn return_of(message: &BasicReturnMessage, keys: &KeyMaker) -> (Key, String) {
    let id = message.properties.message_id();
    let id = id.as_ref().map_or("", lapin::types::ShortString::as_str);
    let key = keys.of(id, message.exchange.as_str(), message.routing_key.as_str());
    (key, message.reply_text.as_str().to_owned())
}

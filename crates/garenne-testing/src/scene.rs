//! Everything that is there at one moment: what assertions look at, and what a failed one shows.

use std::time::Duration;

use garenne::StopReason;
use garenne::core::golang_rabbitmq::RETRY_DELAY;
use garenne::core::parse_duration;
use garenne::status::Status;
use garenne_broker::{Broker, Error, QueueView};

use crate::journal::{Journal, Life, What};
use crate::message::Message;

/// What a queue is to the system under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The system consumes it.
    Consumed,
    /// A message waits in it for its next attempt.
    Lane { of: String, delay: Duration },
    /// Failed messages wait in it for a person.
    Parking { of: String },
    /// It belongs to somebody else.
    Other,
}

impl Role {
    pub(crate) fn of(queue: &str, status: &Status) -> Self {
        let consumed = || status.queues.iter().map(|queue| queue.queue.as_str());
        if consumed().any(|name| name == queue) {
            return Self::Consumed;
        }
        let belongs = |of: &str| {
            let suffix = queue.strip_prefix(of)?;
            if suffix == ".failed" {
                return Some(Self::Parking { of: of.to_owned() });
            }
            let delay = match suffix {
                "_retry_3" => RETRY_DELAY,
                _ => parse_duration(suffix.strip_prefix(".retry.")?).ok()?,
            };
            Some(Self::Lane {
                of: of.to_owned(),
                delay,
            })
        };
        consumed().find_map(belongs).unwrap_or(Self::Other)
    }
}

/// A queue with its messages.
#[derive(Clone, Debug)]
pub(crate) struct QueueScene {
    pub(crate) view: QueueView,
    pub(crate) role: Role,
    pub(crate) messages: Vec<Message>,
}

/// A system and its broker at one moment.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) queues: Vec<QueueScene>,
    pub(crate) status: Status,
    pub(crate) stopped: Option<StopReason>,
    pub(crate) journal: Option<Journal>,
}

/// A message in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) queue: &'a QueueScene,
    pub(crate) message: &'a Message,
}

impl Scene {
    pub(crate) async fn take(
        broker: &Broker,
        status: Status,
        stopped: Option<StopReason>,
        journal: Option<Journal>,
    ) -> Result<Self, Error> {
        let now = broker.now().await?;
        let mut queues = Vec::new();
        for view in broker.queues().await? {
            let messages = match broker.messages(&view.name).await {
                Ok(messages) => messages,
                // It may be gone since.
                Err(Error::NoQueue { .. }) => Vec::new(),
                Err(error) => return Err(error),
            };
            let messages = messages.into_iter();
            queues.push(QueueScene {
                role: Role::of(&view.name, &status),
                messages: messages
                    .map(|message| Message::new(&view.name, message, now))
                    .collect(),
                view,
            });
        }
        Ok(Self {
            queues,
            status,
            stopped,
            journal,
        })
    }

    pub(crate) fn queue(&self, name: &str) -> Option<&QueueScene> {
        self.queues.iter().find(|queue| queue.view.name == name)
    }

    /// Every place where a message is.
    pub(crate) fn places<'a>(&'a self, message_id: &'a str) -> impl Iterator<Item = Place<'a>> {
        self.queues.iter().flat_map(move |queue| {
            let messages = queue.messages.iter();
            messages
                .filter(move |message| message.message_id() == message_id)
                .map(move |message| Place { queue, message })
        })
    }

    /// What the system has said about a message.
    pub(crate) fn lives(&self, message_id: &str) -> Vec<Life> {
        let journal = self.journal;
        journal.map_or_else(Vec::new, |journal| journal.lives_of(message_id))
    }

    /// Whether everything that the system has to do with is settled.
    pub(crate) fn is_settled(&self) -> bool {
        let mut queues = self.queues.iter();
        queues.all(|queue| is_settled(&queue.view, &queue.role))
    }

    /// Where a message is and what became of it, in sentences.
    pub(crate) fn whereabouts(&self, message_id: &str) -> Vec<String> {
        let mut told: Vec<String> = self.places(message_id).map(|place| place.tell()).collect();
        for life in self.lives(message_id) {
            let somewhere = self
                .places(message_id)
                .any(|place| place.belongs_to(&life.queue));
            if !somewhere && let Some(end) = life.last() {
                let queue = &life.queue;
                let attempt = end.attempt;
                told.push(match &end.what {
                    What::Began | What::Handled => {
                        format!("it was handled, from `{queue}` at attempt {attempt}")
                    }
                    What::Discarded { error } => {
                        format!(
                            "its handler discarded it, from `{queue}` at attempt {attempt}: {error}"
                        )
                    }
                    What::Failed {
                        reason,
                        error,
                        in_sink: true,
                    } => format!("the fail sink took it, with reason `{reason}`: {error}"),
                    What::Failed { .. } | What::Retried { .. } => {
                        format!("it was taken away from where `{queue}` had put it")
                    }
                });
            }
        }
        if told.is_empty() {
            told.push(match self.journal {
                Some(_) => "it lies nowhere and was never delivered".to_owned(),
                None => "it lies nowhere".to_owned(),
            });
        }
        told
    }
}

impl Place<'_> {
    /// Whether the message is in this queue, or in one that belongs to it.
    pub(crate) fn belongs_to(&self, queue: &str) -> bool {
        match &self.queue.role {
            Role::Consumed | Role::Other => self.queue.view.name == queue,
            Role::Lane { of, .. } | Role::Parking { of } => of == queue,
        }
    }

    /// Where it is, in a sentence.
    pub(crate) fn tell(&self) -> String {
        let name = &self.queue.view.name;
        let attempt = self.message.attempt();
        match &self.queue.role {
            Role::Consumed if self.message.is_in_hand() => {
                format!("it was delivered from `{name}` (attempt {attempt}) and is not settled yet")
            }
            Role::Consumed => format!("it waits in `{name}` for attempt {attempt}"),
            Role::Lane { .. } => {
                let left = self.message.expires_in().map_or_else(String::new, in_words);
                format!("it waits in the lane `{name}`: attempt {attempt} comes {left}")
            }
            Role::Parking { of } => {
                let record = self.message.record(of);
                let (reason, attempts) = (record.reason, record.attempts);
                format!(
                    "it is parked in `{name}` with reason `{reason}`, after attempt {attempts}: {}",
                    record.error
                )
            }
            Role::Other => format!("it lies in `{name}`, which the system does not consume"),
        }
    }
}

/// Whether nothing of a queue waits for the system, or is in its hands. Lanes and parking queues
/// are where messages may lie; only a dead letter that finds no target is not settled there.
pub(crate) fn is_settled(queue: &QueueView, role: &Role) -> bool {
    queue.stranded == 0 && (*role != Role::Consumed || (queue.ready == 0 && queue.unacked == 0))
}

/// A time to come, to the second; below one, to the millisecond.
pub(crate) fn in_words(left: Duration) -> String {
    let rounded = if left < Duration::from_secs(1) {
        Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    } else {
        Duration::from_secs((left + Duration::from_millis(500)).as_secs())
    };
    format!("in {}", humantime::format_duration(rounded))
}

//! The actor that puts copies of failed messages into delayed lanes.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Context, Handler, Message, ResponseFuture};
use bytes::Bytes;
use garenne_core::{Declare, Epoch, Properties, Queue};
use tracing::warn;

use super::{ConfirmChannel, Job, Patience, PublishError};
use crate::link::{LinkWatch, declare_lane, declare_queue};

/// Publishes retry copies, each persistent, mandatory and confirmed, and sees to it that the lane
/// is there. It never retries by itself: who holds the original decides how long to hold it.
pub(crate) struct RetryPublisher {
    channel: ConfirmChannel,
    consume: LinkWatch,
    lanes: HashMap<(*const Queue, Duration), Rc<Lane>>,
}

/// A copy of a failed message for the lane of this delay.
#[derive(Clone)]
pub(crate) struct RetryCopy {
    pub(crate) queue: Arc<Queue>,
    pub(crate) delay: Duration,
    pub(crate) properties: Arc<Properties>,
    pub(crate) body: Bytes,
    /// The broker said that there is no such lane: it is put back before the copy is published.
    pub(crate) lane_is_missing: bool,
}

impl Message for RetryCopy {
    type Result = Result<(), PublishError>;
}

impl RetryPublisher {
    pub(crate) fn new(channel: ConfirmChannel, consume: LinkWatch) -> Self {
        Self {
            channel,
            consume,
            lanes: HashMap::new(),
        }
    }

    fn lane(&mut self, copy: &RetryCopy) -> Rc<Lane> {
        // Its lane keeps the queue, so that no other one can come to lie where it does.
        let key = (Arc::as_ptr(&copy.queue), copy.delay);
        let lane = self.lanes.entry(key);
        Rc::clone(lane.or_insert_with(|| Rc::new(Lane::of(copy))))
    }
}

impl Actor for RetryPublisher {
    type Context = Context<Self>;
}

impl Handler<RetryCopy> for RetryPublisher {
    type Result = Publishing;

    fn handle(&mut self, copy: RetryCopy, _: &mut Self::Context) -> Publishing {
        let lane = self.lane(&copy);
        let (channel, consume) = (self.channel.clone(), self.consume.clone());
        if lane.is_there(&consume) && !copy.lane_is_missing {
            return Publishing::Now(channel, lane.job(copy));
        }
        Publishing::Later(Box::pin(async move {
            if copy.lane_is_missing {
                lane.restore(&consume).await?;
            }
            lane.ensure(&consume).await?;
            let (job, answer) = lane.job(copy).awaited();
            channel.publish(job, answer).await
        }))
    }
}

/// A copy on its way.
#[expect(
    clippy::large_enum_variant,
    reason = "nothing keeps it: it goes from one function to the next"
)]
pub(crate) enum Publishing {
    /// The confirm channel's owner answers who sent it: nothing is in between, for this is what every
    /// failed message comes to.
    Now(ConfirmChannel, Job),
    /// Something has to be declared before.
    Later(ResponseFuture<Result<(), PublishError>>),
}

impl MessageResponse<RetryPublisher, RetryCopy> for Publishing {
    fn handle(
        self,
        context: &mut Context<RetryPublisher>,
        reply: Option<OneshotSender<Result<(), PublishError>>>,
    ) {
        match self {
            Self::Now(channel, job) => channel.hand_over(Job { reply, ..job }),
            Self::Later(answer) => {
                MessageResponse::<RetryPublisher, RetryCopy>::handle(answer, context, reply);
            }
        }
    }
}

struct Lane {
    queue: Arc<Queue>,
    delay: Duration,
    name: String,
    /// One of the policy's, which are declared with their queue.
    is_of_policy: bool,
    /// When it was last declared, if it is another one.
    declared: Cell<Option<Epoch>>,
}

impl Lane {
    /// The lane for the wanted delay. A service that may not declare queues has only the lanes of
    /// its policy: then the next longer one of those serves, or the longest.
    fn of(copy: &RetryCopy) -> Self {
        let queue = Arc::clone(&copy.queue);
        let mut delay = copy.delay;
        let lanes = queue.get_retry().lanes();
        if queue.get_declare() != Declare::Create {
            let fitting = lanes.iter().find(|lane| **lane >= delay).or(lanes.last());
            delay = fitting.copied().unwrap_or(delay);
        }
        Self {
            name: queue.lane_name(delay),
            is_of_policy: lanes.contains(&delay),
            declared: Cell::new(None),
            queue,
            delay,
        }
    }

    fn may_declare(&self) -> bool {
        self.queue.get_declare() == Declare::Create
    }

    /// Whether nothing has to be declared before a copy is published.
    fn is_there(&self, consume: &LinkWatch) -> bool {
        let epoch = || consume.borrow().as_ref().map(|link| link.epoch);
        !self.may_declare()
            || self.is_of_policy
            || (self.declared.get().is_some() && self.declared.get() == epoch())
    }

    /// Declares a lane that is not part of the topology, the first time in every epoch.
    async fn ensure(&self, consume: &LinkWatch) -> Result<(), PublishError> {
        if self.is_there(consume) {
            return Ok(());
        }
        let link = consume.borrow().clone();
        let Some(link) = link else {
            return Err(self.undeclared("the consume link is down"));
        };
        let declared = declare_lane(&link, &self.queue, self.delay).await;
        declared.map_err(|e| self.undeclared(e))?;
        self.declared.set(Some(link.epoch));
        Ok(())
    }

    /// Somebody deleted it: puts it back, with all that belongs to its queue.
    async fn restore(&self, consume: &LinkWatch) -> Result<(), PublishError> {
        warn!(event = "lane_missing", lane = %self.name, "the retry lane is gone; declaring it again");
        self.declared.set(None);
        let link = consume.borrow().clone();
        let Some(link) = link else {
            return Err(self.undeclared("the consume link is down"));
        };
        let declared = declare_queue(&link, &self.queue).await;
        declared.map_err(|e| self.undeclared(e))
    }

    fn job(&self, copy: RetryCopy) -> Job {
        let RetryCopy {
            properties, body, ..
        } = copy;
        Job::new("", &self.name, properties, body, Patience::Copy)
    }

    fn undeclared(&self, why: impl std::fmt::Display) -> PublishError {
        let reason = format!("retry lane `{}` cannot be declared: {why}", self.name);
        PublishError::Disconnected {
            reason,
            sent: false,
        }
    }
}

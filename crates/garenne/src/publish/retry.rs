//! The actor that puts copies of failed messages into delayed lanes.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

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
    lanes: Rc<RefCell<KnownLanes>>,
}

/// Lanes beyond those of the policies, as far as they were declared in this epoch.
#[derive(Default)]
struct KnownLanes {
    epoch: Option<Epoch>,
    names: HashSet<String>,
}

/// A copy of a failed message for the lane of this delay.
pub(crate) struct RetryCopy {
    pub(crate) queue: Arc<Queue>,
    pub(crate) delay: Duration,
    pub(crate) properties: Properties,
    pub(crate) body: Bytes,
}

impl Message for RetryCopy {
    type Result = Result<(), PublishError>;
}

impl RetryPublisher {
    pub(crate) fn new(channel: ConfirmChannel, consume: LinkWatch) -> Self {
        Self {
            channel,
            consume,
            lanes: Rc::default(),
        }
    }
}

impl Actor for RetryPublisher {
    type Context = Context<Self>;
}

impl Handler<RetryCopy> for RetryPublisher {
    type Result = ResponseFuture<Result<(), PublishError>>;

    fn handle(&mut self, copy: RetryCopy, _: &mut Self::Context) -> Self::Result {
        let (channel, consume, lanes) = (
            self.channel.clone(),
            self.consume.clone(),
            Rc::clone(&self.lanes),
        );
        Box::pin(async move {
            let lane = Lane::of(&copy);
            lane.ensure(&consume, &lanes).await?;
            match lane.publish(&channel, &copy).await {
                // Somebody deleted the lane: put it back, once, and publish again.
                Err(PublishError::Unroutable { .. }) if lane.may_declare() => {
                    warn!(event = "lane_missing", lane = %lane.name, "the retry lane is gone; declaring it again");
                    lane.restore(&consume, &lanes).await?;
                    lane.publish(&channel, &copy).await
                }
                result => result,
            }
        })
    }
}

struct Lane {
    queue: Arc<Queue>,
    delay: Duration,
    name: String,
}

impl Lane {
    /// The lane for the wanted delay. A service that may not declare queues has only the lanes of
    /// its policy: then the next longer one of those serves, or the longest.
    fn of(copy: &RetryCopy) -> Self {
        let queue = Arc::clone(&copy.queue);
        let mut delay = copy.delay;
        if queue.get_declare() != Declare::Create {
            let lanes = queue.get_retry().lanes();
            let fitting = lanes.iter().find(|lane| **lane >= delay).or(lanes.last());
            delay = fitting.copied().unwrap_or(delay);
        }
        Self {
            name: queue.lane_name(delay),
            queue,
            delay,
        }
    }

    fn may_declare(&self) -> bool {
        self.queue.get_declare() == Declare::Create
    }

    /// Declares a lane that is not part of the topology, the first time in every epoch.
    async fn ensure(
        &self,
        consume: &LinkWatch,
        known: &RefCell<KnownLanes>,
    ) -> Result<(), PublishError> {
        if !self.may_declare() || self.queue.get_retry().lanes().contains(&self.delay) {
            return Ok(());
        }
        let epoch = consume.borrow().as_ref().map(|link| link.epoch);
        {
            let known = known.borrow();
            if known.epoch == epoch && known.names.contains(&self.name) {
                return Ok(());
            }
        }
        let link = consume.borrow().clone();
        let declared = match link {
            Some(link) => declare_lane(&link, &self.queue, self.delay).await,
            None => return Err(self.undeclared("the consume link is down")),
        };
        declared.map_err(|e| self.undeclared(e))?;
        let mut known = known.borrow_mut();
        if known.epoch != epoch {
            *known = KnownLanes {
                epoch,
                names: HashSet::new(),
            };
        }
        known.names.insert(self.name.clone());
        Ok(())
    }

    async fn restore(
        &self,
        consume: &LinkWatch,
        known: &RefCell<KnownLanes>,
    ) -> Result<(), PublishError> {
        known.borrow_mut().names.remove(&self.name);
        let link = consume.borrow().clone();
        let Some(link) = link else {
            return Err(self.undeclared("the consume link is down"));
        };
        declare_queue(&link, &self.queue)
            .await
            .map_err(|e| self.undeclared(e))?;
        self.ensure(consume, known).await
    }

    async fn publish(
        &self,
        channel: &ConfirmChannel,
        copy: &RetryCopy,
    ) -> Result<(), PublishError> {
        let (job, answer) = Job::new(
            "",
            &self.name,
            copy.properties.clone(),
            copy.body.clone(),
            Patience::Copy,
        );
        channel.publish(job, answer).await
    }

    fn undeclared(&self, why: impl std::fmt::Display) -> PublishError {
        let reason = format!("retry lane `{}` cannot be declared: {why}", self.name);
        PublishError::Disconnected {
            reason,
            sent: false,
        }
    }
}

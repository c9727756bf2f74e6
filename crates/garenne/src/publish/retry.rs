//! The actor that puts copies of failed messages into delayed lanes.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message};
use bytes::Bytes;
use garenne_core::{Declare, Epoch, Properties, Queue};
use tokio::sync::oneshot;
use tracing::warn;

use super::owner::own;
use super::{ConfirmChannel, Job, Limits, Patience, PublishError, channel};
use crate::link::{LinkWatch, declare_lane, restore};

/// Publishes retry copies, each persistent, mandatory and confirmed, and sees to it that the lane
/// is there. It never retries by itself: who holds the original decides how long to hold it.
///
/// It has a confirm channel of its own, whose owner task runs on its thread: a copy on its way to the
/// broker and back changes threads no more often than it must.
pub(crate) struct RetryPublisher {
    channel: ConfirmChannel,
    consume: LinkWatch,
    lanes: HashMap<(*const Queue, Duration), Rc<Lane>>,
}

/// A copy of a failed message for the lane of this delay.
pub(crate) struct RetryCopy {
    pub(crate) queue: Arc<Queue>,
    pub(crate) delay: Duration,
    pub(crate) properties: Arc<Properties>,
    pub(crate) body: Bytes,
    /// The broker said that there is no such lane: it is put back before the copy is published.
    pub(crate) lane_is_missing: bool,
    /// Who holds the original. The owner of the confirm channel answers it, with nothing in between:
    /// this is what every failed message comes to.
    pub(crate) reply: oneshot::Sender<Result<(), PublishError>>,
}

impl Message for RetryCopy {
    type Result = ();
}

impl RetryPublisher {
    /// To be called on its thread, where it starts the owner of its confirm channel.
    pub(crate) fn new(publish: LinkWatch, consume: LinkWatch, limits: Limits) -> Self {
        let (channel, jobs) = channel();
        actix_rt::spawn(own(jobs, publish, limits, None));
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
    type Result = ();

    fn handle(&mut self, mut copy: RetryCopy, _: &mut Self::Context) {
        let lane = self.lane(&copy);
        if lane.is_there(&self.consume) && !copy.lane_is_missing {
            return self.channel.hand_over(lane.job(copy));
        }
        let (channel, consume) = (self.channel.clone(), self.consume.clone());
        actix_rt::spawn(async move {
            let there = tokio::select! {
                there = lane.see_to_it(&consume, copy.lane_is_missing) => there,
                () = copy.reply.closed() => return,
            };
            match there {
                Ok(()) => channel.hand_over(lane.job(copy)),
                // Who held the original may be gone with its channel.
                Err(error) => drop(copy.reply.send(Err(error))),
            }
        });
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
        let lanes = queue.retry.lanes();
        if queue.declare != Declare::Create {
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
        self.queue.declare == Declare::Create
    }

    /// Whether nothing has to be declared before a copy is published.
    fn is_there(&self, consume: &LinkWatch) -> bool {
        let epoch = || consume.borrow().as_ref().map(|link| link.epoch);
        !self.may_declare()
            || self.is_of_policy
            || (self.declared.get().is_some() && self.declared.get() == epoch())
    }

    /// Declares what has to be declared before a copy is published.
    async fn see_to_it(&self, consume: &LinkWatch, is_missing: bool) -> Result<(), PublishError> {
        if is_missing {
            self.restore(consume).await?;
        }
        self.ensure(consume).await
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

    /// It is not there, or somebody deleted it: makes it, with all that belongs to its queue.
    async fn restore(&self, consume: &LinkWatch) -> Result<(), PublishError> {
        warn!(event = "lane_missing", lane = %self.name, "the retry lane is not there; declaring it");
        self.declared.set(None);
        let link = consume.borrow().clone();
        let Some(link) = link else {
            return Err(self.undeclared("the consume link is down"));
        };
        let restored = restore(&link, &self.queue).await;
        restored.map_err(|e| self.undeclared(e))
    }

    fn job(&self, copy: RetryCopy) -> Job {
        let RetryCopy {
            properties,
            body,
            reply,
            ..
        } = copy;
        let job = Job::new("", &self.name, properties, body, Patience::Copy);
        let reply = Some(reply);
        Job { reply, ..job }
    }

    fn undeclared(&self, why: impl std::fmt::Display) -> PublishError {
        let reason = format!("retry lane `{}` cannot be declared: {why}", self.name);
        PublishError::Disconnected {
            reason,
            sent: false,
        }
    }
}

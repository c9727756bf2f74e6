//! The actor that publishes copies of failed messages to retry lanes.

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

/// Publishes retry copies, each persistent, mandatory and confirmed, and makes sure that the lane exists. It
/// never retries by itself: the holder of the original decides how long to hold it.
///
/// It has its own confirm channel, whose owner task runs on its thread, so that a copy changes threads as
/// seldom as possible.
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
    /// The broker said that this lane is missing: it is declared again before the copy is published.
    pub(crate) lane_is_missing: bool,
    /// The answer to the holder of the original. The owner of the confirm channel sends it directly, because
    /// every failed message takes this path.
    pub(crate) reply: oneshot::Sender<Result<(), PublishError>>,
}

impl Message for RetryCopy {
    type Result = ();
}

impl RetryPublisher {
    /// Call it on the actor's thread: it starts the owner of the confirm channel there.
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
        // The lane keeps the queue alive, so no other queue can get its address.
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
                // The holder of the original may be gone with its channel.
                Err(error) => drop(copy.reply.send(Err(error))),
            }
        });
    }
}

struct Lane {
    queue: Arc<Queue>,
    delay: Duration,
    name: String,
    /// A lane of the policy, which is declared with its queue.
    is_of_policy: bool,
    /// For any other lane: the epoch in which it was last declared.
    declared: Cell<Option<Epoch>>,
}

impl Lane {
    /// The lane for the wanted delay. A service that may not declare queues has only the lanes of its policy:
    /// it uses the next longer lane, or the longest.
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

    /// Whether a copy can be published without a declaration.
    fn is_there(&self, consume: &LinkWatch) -> bool {
        let epoch = || consume.borrow().as_ref().map(|link| link.epoch);
        !self.may_declare()
            || self.is_of_policy
            || (self.declared.get().is_some() && self.declared.get() == epoch())
    }

    /// Makes the declarations that a copy needs before it is published.
    async fn see_to_it(&self, consume: &LinkWatch, is_missing: bool) -> Result<(), PublishError> {
        if is_missing {
            self.restore(consume).await?;
        }
        self.ensure(consume).await
    }

    /// Declares a lane outside the topology, once in every epoch.
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

    /// The lane is missing: declares it again, with every entity that belongs to its queue.
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

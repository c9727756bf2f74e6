//! The actor that has a failed message stored: in the user's sink, or else in the parking queue.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use garenne_core::Queue;
use tracing::warn;

use super::asked::{AskedSink, SinkFactory};
use super::follower::Follower;
use super::{FailedMessage, Parking};
use crate::alert::Desk;
use crate::publish::PublishError;

/// How long the user's sink may take to store a record, by default.
pub(crate) const SINK_TIMEOUT: Duration = Duration::from_secs(10);

/// The sinks of a system, as the builder collects them.
#[derive(Clone)]
pub(crate) struct Sinks {
    /// The sink that stores; if `None`, the parking queue stores.
    pub(crate) store: Option<SinkFactory>,
    /// The sinks that are told of stored messages.
    pub(crate) followers: Vec<SinkFactory>,
    pub(crate) timeout: Duration,
}

impl Default for Sinks {
    fn default() -> Self {
        Self {
            store: None,
            followers: Vec::new(),
            timeout: SINK_TIMEOUT,
        }
    }
}

/// Answers when a failed message is durably stored.
pub(crate) struct FailSink {
    parking: Parking,
    desk: Desk,
    store: Option<Rc<AskedSink>>,
    followers: Rc<[Follower]>,
}

/// A failed message, and the queue that it came from.
pub(crate) struct Store {
    pub(crate) queue: Arc<Queue>,
    pub(crate) failed: FailedMessage,
}

/// Where it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    InSink,
    InParkingQueue,
}

impl Message for Store {
    type Result = Result<Stored, PublishError>;
}

impl FailSink {
    /// # Errors
    ///
    /// The thread of a sink cannot be made.
    pub(crate) fn new(parking: Parking, desk: Desk, sinks: Sinks) -> io::Result<Self> {
        let asked = |factory| AskedSink::new(factory, sinks.timeout);
        let followers: io::Result<_> = sinks
            .followers
            .into_iter()
            .map(|factory| asked(factory).map(Follower::new))
            .collect();
        Ok(Self {
            parking,
            desk,
            store: sinks.store.map(asked).transpose()?.map(Rc::new),
            followers: followers?,
        })
    }
}

impl Actor for FailSink {
    type Context = Context<Self>;

    /// A sink that is started before it is needed can log early that its store is out of reach.
    fn started(&mut self, _: &mut Self::Context) {
        if let Some(sink) = &self.store {
            sink.start();
        }
        for follower in self.followers.iter() {
            follower.start();
        }
    }
}

impl Handler<Store> for FailSink {
    type Result = ResponseFuture<Result<Stored, PublishError>>;

    fn handle(&mut self, store: Store, _: &mut Self::Context) -> Self::Result {
        let (parking, sink) = (self.parking.clone(), self.store.clone());
        let desk = self.desk.clone();
        let followers = Rc::clone(&self.followers);
        Box::pin(async move {
            let stored = stored(&parking, &desk, sink.as_deref(), &store).await?;
            for follower in followers.iter() {
                follower.tell(&store.failed);
            }
            Ok(stored)
        })
    }
}

async fn stored(
    parking: &Parking,
    desk: &Desk,
    sink: Option<&AskedSink>,
    Store { queue, failed }: &Store,
) -> Result<Stored, PublishError> {
    if let Some(sink) = sink {
        match sink.store(failed).await {
            Ok(()) => return Ok(Stored::InSink),
            Err(error) => {
                desk.not_stored(queue.name(), &error.to_string());
                warn!(
                    event = "fail_sink_failed",
                    queue = queue.name(),
                    message_id = %failed.message_id,
                    %error,
                    "the fail sink did not store the message; parking it on the broker"
                );
            }
        }
    }
    parking.park(queue, failed).await?;
    Ok(Stored::InParkingQueue)
}

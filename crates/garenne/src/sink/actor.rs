//! The actor that sees a failed message stored: in the user's sink, or else in the parking queue.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message, Recipient, ResponseFuture};
use actix_rt::{Arbiter, ArbiterHandle};
use garenne_core::Queue;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::warn;

use super::{FailedMessage, Parking, SinkError};
use crate::publish::PublishError;

/// How long the user's sink may take to store one record.
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the user's sink on a thread. A sink that panicked is dropped and made again.
pub(crate) type SinkFactory = Arc<dyn Fn(&ArbiterHandle) -> Recipient<FailedMessage> + Send + Sync>;

/// Answers when a failed message is durably stored.
pub(crate) struct FailSink {
    parking: Parking,
    custom: Option<Rc<Custom>>,
}

struct Custom {
    factory: SinkFactory,
    /// The sink's own thread; a panic ends only the actor on it.
    arbiter: Arbiter,
    running: RefCell<Option<Recipient<FailedMessage>>>,
    alone: Mutex<()>,
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
    pub(crate) fn new(parking: Parking, factory: Option<SinkFactory>) -> Self {
        let custom = factory.map(|factory| {
            Rc::new(Custom {
                factory,
                arbiter: Arbiter::new(),
                running: RefCell::new(None),
                alone: Mutex::new(()),
            })
        });
        Self { parking, custom }
    }
}

impl Actor for FailSink {
    type Context = Context<Self>;
}

impl Handler<Store> for FailSink {
    type Result = ResponseFuture<Result<Stored, PublishError>>;

    fn handle(&mut self, store: Store, _: &mut Self::Context) -> Self::Result {
        let (parking, custom) = (self.parking.clone(), self.custom.clone());
        Box::pin(async move {
            if let Some(custom) = custom {
                match custom.store(&store.failed).await {
                    Ok(()) => return Ok(Stored::InSink),
                    Err(error) => warn!(
                        event = "fail_sink_failed",
                        queue = store.queue.name(),
                        message_id = %store.failed.message_id,
                        %error,
                        "the fail sink did not store the message; parking it on the broker"
                    ),
                }
            }
            parking
                .park(&store.queue, &store.failed)
                .await
                .map(|()| Stored::InParkingQueue)
        })
    }
}

impl Custom {
    /// A panic takes everything down that waits in the sink's mailbox. Who was lost so tries again
    /// alone: then only the record that the sink panics over is left to the parking queue.
    async fn store(&self, failed: &FailedMessage) -> Result<(), SinkError> {
        if let Some(answer) = self.ask(failed).await {
            return answer;
        }
        let _alone = self.alone.lock().await;
        let lost = || Err(SinkError::new("the sink panicked or stopped"));
        self.ask(failed).await.unwrap_or_else(lost)
    }

    /// The sink's answer; `None` when the sink was lost.
    async fn ask(&self, failed: &FailedMessage) -> Option<Result<(), SinkError>> {
        match timeout(STORE_TIMEOUT, self.recipient().send(failed.clone())).await {
            Ok(answer) => answer.ok(),
            Err(_) => Some(Err(SinkError::new(format_args!(
                "no answer within {} s",
                STORE_TIMEOUT.as_secs()
            )))),
        }
    }

    fn recipient(&self) -> Recipient<FailedMessage> {
        let mut running = self.running.borrow_mut();
        match &*running {
            Some(recipient) if recipient.connected() => recipient.clone(),
            _ => running
                .insert((self.factory)(&self.arbiter.handle()))
                .clone(),
        }
    }
}

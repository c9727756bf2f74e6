//! Fail sinks that are watched: what they were asked to store, and what they said.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::{
    Actor, ActorContext, ActorFutureExt, Context, Handler, Recipient, ResponseActFuture, WrapFuture,
};

use garenne::core::FailReason;
use garenne::{FailSinkSetup, FailedMessage, SinkError};

use crate::assertions::record;
use crate::fail::fail;

/// Watches a fail sink of your own while it does its work, so that a test can say what it must have
/// stored.
///
/// ```
/// use garenne::core::FailReason;
/// use garenne::prelude::*;
/// use garenne_testing::{SinkWatch, TestSystem};
/// # struct Archive;
/// # impl Actor for Archive { type Context = Context<Self>; }
/// # impl Handler<FailedMessage> for Archive {
/// #     type Result = Result<(), SinkError>;
/// #     fn handle(&mut self, _: FailedMessage, _: &mut Self::Context) -> Self::Result { Ok(()) }
/// # }
/// # async fn charge(_: Delivery<Text>) -> Result<(), Failure> { Err(Failure::permanent("no card")) }
///
/// # #[tokio::main]
/// # async fn main() {
/// let archived = SinkWatch::new();
/// let archive = archived.watch(|| Archive);
/// let system = TestSystem::start(move |builder| {
///     builder.consume_fn(Queue::quorum("orders"), charge).fail_sink(archive)
/// })
/// .await;
/// let order = system.send("orders", "order 7").await;
/// system.settled().await;
/// archived.assert_stored(&order).reason(FailReason::Permanent).error("no card").attempts(1);
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct SinkWatch {
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// Once that a sink was asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// What it was asked to store.
    pub record: FailedMessage,
    /// What it said; `None`: nothing yet, or it panicked or stopped over it.
    pub answer: Option<Result<(), SinkError>>,
}

impl SinkWatch {
    /// One that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same sink, watched, for
    /// [`SystemBuilder::fail_sink`](garenne::SystemBuilder::fail_sink): a factory of actors, or a
    /// ready-made sink.
    pub fn watch(&self, sink: impl Into<FailSinkSetup>) -> FailSinkSetup {
        let watch = self.clone();
        sink.into().behind(move |sink| Watcher {
            sink,
            watch: watch.clone(),
        })
    }

    /// Everything that the sink was asked to store, in that order. A record may come more than once.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().clone()
    }

    /// The sink has stored this message: it said so. What is returned asserts more about the record.
    ///
    /// # Panics
    ///
    /// When it has not.
    #[track_caller]
    pub fn assert_stored(&self, message: impl AsRef<str>) -> Stored {
        let id = message.as_ref();
        let asked = self.asked();
        let mut of_it = asked.iter().filter(|asked| asked.record.message_id == id);
        match of_it.clone().find(|asked| asked.answer == Some(Ok(()))) {
            Some(stored) => Stored {
                record: stored.record.clone(),
            },
            None => match of_it.next_back() {
                Some(Asked {
                    answer: Some(Err(error)),
                    ..
                }) => fail(format!("`{id}` is not stored: the sink said `{error}`")),
                Some(_) => fail(format!("`{id}` is not stored: the sink gave no answer")),
                None => {
                    let others: Vec<_> = asked.iter().map(|a| &a.record.message_id).collect();
                    fail(format!(
                        "the sink was never asked to store `{id}`, but {others:?}"
                    ))
                }
            },
        }
    }

    /// The sink was asked to store nothing.
    ///
    /// # Panics
    ///
    /// When it was.
    #[track_caller]
    pub fn assert_never_asked(&self) {
        let asked = self.asked();
        if !asked.is_empty() {
            fail(format!("the sink was asked, expected never: {asked:#?}"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that a watched sink has stored; from [`SinkWatch::assert_stored`].
#[derive(Debug)]
pub struct Stored {
    record: FailedMessage,
}

impl Stored {
    /// It failed for this reason.
    ///
    /// # Panics
    ///
    /// When it failed for another.
    #[track_caller]
    pub fn reason(self, reason: FailReason) -> Self {
        let wrong = record::other_reason(&self.record, reason);
        self.unless(wrong)
    }

    /// Its last error, or one of that error's sources, contains this text.
    ///
    /// # Panics
    ///
    /// When none does.
    #[track_caller]
    pub fn error(self, text: &str) -> Self {
        let wrong = record::other_error(&self.record, text);
        self.unless(wrong)
    }

    /// So many attempts were made.
    ///
    /// # Panics
    ///
    /// When more or fewer were.
    #[track_caller]
    pub fn attempts(self, attempts: u32) -> Self {
        let wrong = record::other_attempts(&self.record, attempts);
        self.unless(wrong)
    }

    /// The whole record, as the sink got it.
    #[must_use]
    pub fn record(&self) -> &FailedMessage {
        &self.record
    }

    #[track_caller]
    fn unless(self, wrong: Option<String>) -> Self {
        match wrong {
            Some(wrong) => fail(format!("`{}` is stored {wrong}", self.record.message_id)),
            None => self,
        }
    }
}

/// Stands before the sink.
struct Watcher {
    sink: Recipient<FailedMessage>,
    watch: SinkWatch,
}

impl Actor for Watcher {
    type Context = Context<Self>;
}

impl Handler<FailedMessage> for Watcher {
    type Result = ResponseActFuture<Self, Result<(), SinkError>>;

    fn handle(&mut self, record: FailedMessage, _: &mut Self::Context) -> Self::Result {
        let at = {
            let mut asked = self.watch.lock();
            asked.push(Asked {
                record: record.clone(),
                answer: None,
            });
            asked.len() - 1
        };
        let asking = self.sink.send(record).into_actor(self);
        Box::pin(asking.then(move |answer, watcher: &mut Self, context| {
            match &answer {
                Ok(answer) => {
                    if let Some(asked) = watcher.watch.lock().get_mut(at) {
                        asked.answer = Some(answer.clone());
                    }
                }
                // The watcher goes with its sink and answers nobody, so that both are started anew and
                // whoever waits in line asks again.
                Err(_) => context.terminate(),
            }
            let answering = async move {
                match answer {
                    Ok(answer) => answer,
                    Err(_) => std::future::pending().await,
                }
            };
            answering.into_actor(watcher)
        }))
    }
}

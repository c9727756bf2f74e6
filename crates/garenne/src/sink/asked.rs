//! A sink of the user's: started, asked, given up on for a while when it does not answer, and
//! started again when it is lost.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Recipient;
use actix_rt::{Arbiter, ArbiterHandle};
use garenne_core::{Breaker, Moment};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{FailedMessage, SinkError};

/// Starts the user's sink on a thread. A sink that panicked is dropped and made again.
pub(crate) type SinkFactory = Arc<dyn Fn(&ArbiterHandle) -> Recipient<FailedMessage> + Send + Sync>;

/// One sink, on a thread of its own; a panic ends only the actor on it.
pub(super) struct AskedSink {
    factory: SinkFactory,
    patience: Duration,
    arbiter: Arbiter,
    running: RefCell<Option<Recipient<FailedMessage>>>,
    alone: Mutex<()>,
    breaker: RefCell<Breaker>,
    born: Instant,
}

impl AskedSink {
    pub(super) fn new(factory: SinkFactory, patience: Duration) -> Self {
        Self {
            factory,
            patience,
            arbiter: Arbiter::new(),
            running: RefCell::new(None),
            alone: Mutex::new(()),
            breaker: RefCell::default(),
            born: Instant::now(),
        }
    }

    /// Starts the actor, if it does not run.
    pub(super) fn start(&self) {
        self.recipient();
    }

    /// Has a record stored.
    ///
    /// A panic takes everything down that waits in the sink's mailbox. Who was lost so tries again
    /// alone: then only the record that the sink panics over is left to the parking queue.
    pub(super) async fn store(&self, failed: &FailedMessage) -> Result<(), SinkError> {
        if let Some(answer) = self.ask(failed).await {
            return answer;
        }
        let _alone = self.alone.lock().await;
        let lost = || Err(SinkError::new("the sink panicked or stopped"));
        self.ask(failed).await.unwrap_or_else(lost)
    }

    /// The sink's answer; `None` when the sink was lost.
    async fn ask(&self, failed: &FailedMessage) -> Option<Result<(), SinkError>> {
        if !self.breaker.borrow_mut().admits(self.now()) {
            let why = "not asked: the sink has not answered lately and is left alone for a while";
            return Some(Err(SinkError::new(why)));
        }
        let answer = timeout(self.patience, self.recipient().send(failed.clone())).await;
        let mut breaker = self.breaker.borrow_mut();
        if let Ok(answer) = answer {
            breaker.answered();
            return answer.ok();
        }
        breaker.missed(self.now(), fastrand::f64());
        let patience = humantime::format_duration(self.patience);
        let why = format_args!("no answer within {patience}");
        Some(Err(SinkError::new(why)))
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

    fn now(&self) -> Moment {
        Moment::from_origin(self.born.elapsed())
    }
}

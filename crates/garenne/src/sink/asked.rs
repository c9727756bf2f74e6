//! A sink of the user's: started, asked, left alone for a while when it does not answer, and started again
//! when it is lost.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Recipient;
use actix_rt::{Arbiter, ArbiterHandle};
use garenne_core::{Breaker, Moment};
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

use super::{FailedMessage, SinkError};

/// Starts the user's sink on a thread. A sink that panicked is dropped and made again.
pub(crate) type SinkFactory = Arc<dyn Fn(&ArbiterHandle) -> Recipient<FailedMessage> + Send + Sync>;

/// A sink, on a thread of its own; a panic ends only the actor on it.
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
    pub(super) fn new(factory: SinkFactory, patience: Duration) -> io::Result<Self> {
        Ok(Self {
            factory,
            patience,
            arbiter: Arbiter::try_new()?,
            running: RefCell::new(None),
            alone: Mutex::new(()),
            breaker: RefCell::default(),
            born: Instant::now(),
        })
    }

    /// Starts the actor, if it does not run.
    pub(super) fn start(&self) {
        self.recipient();
    }

    /// Has the sink store a record.
    ///
    /// A panic also loses all records that wait in the sink's mailbox. A lost record is tried again alone:
    /// then only the record that causes the panic is left to the parking queue.
    pub(super) async fn store(&self, failed: &FailedMessage) -> Result<(), SinkError> {
        if let Some(answer) = self.ask(failed).await {
            return answer;
        }
        let _alone = self.alone.lock().await;
        let lost = || Err(SinkError::new("the sink panicked or stopped"));
        self.ask(failed).await.unwrap_or_else(lost)
    }

    /// The sink's answer; `None` when the sink was lost, and is gone.
    async fn ask(&self, failed: &FailedMessage) -> Option<Result<(), SinkError>> {
        if !self.breaker.borrow_mut().admits(self.now()) {
            let why = "not asked: the sink has not answered lately and is left alone for a while";
            return Some(Err(SinkError::new(why)));
        }
        let asking = async {
            let answer = self.recipient().send(failed.clone()).await;
            if answer.is_err() {
                self.turn_of_its_thread().await;
            }
            answer
        };
        let answer = timeout(self.patience, asking).await;
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

    /// Waits until the sink's thread has finished its current turn.
    ///
    /// A panic drops the question first and the mailbox last. A new question in between would find the
    /// mailbox open, and be lost with it.
    async fn turn_of_its_thread(&self) {
        let (ends, ended) = oneshot::channel();
        self.arbiter.spawn_fn(move || {
            // The receiver is gone when the sink's patience has run out.
            let _ = ends.send(());
        });
        // If the thread is gone, so is the mailbox; the next question will show that.
        let _ = ended.await;
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use actix::{Actor, Context, Handler};
    use garenne_core::{FailReason, FailedMessage as Record, Properties};

    use super::*;

    /// Panics over a certain record, and delays its end.
    struct Panics {
        /// How long its mailbox stays open after the question is lost.
        goes_within: Duration,
    }

    impl Actor for Panics {
        type Context = Context<Self>;
    }

    impl Drop for Panics {
        fn drop(&mut self) {
            std::thread::park_timeout(self.goes_within);
        }
    }

    impl Handler<FailedMessage> for Panics {
        type Result = Result<(), SinkError>;

        fn handle(&mut self, failed: FailedMessage, _: &mut Self::Context) -> Self::Result {
            assert!(failed.message_id != "bad", "the sink's own fault");
            Ok(())
        }
    }

    fn record(id: &str) -> FailedMessage {
        FailedMessage::from(Record {
            message_id: id.to_owned(),
            queue: "orders".to_owned(),
            exchange: String::new(),
            routing_key: "orders".to_owned(),
            body: Arc::from([]),
            properties: Properties::default(),
            attempts: 1,
            first_failed_at: std::time::UNIX_EPOCH,
            last_failed_at: std::time::UNIX_EPOCH,
            reason: FailReason::Permanent,
            error: String::new(),
            error_chain: Vec::new(),
            host: String::new(),
            service: String::new(),
            version: String::new(),
        })
    }

    #[test]
    fn only_the_record_that_the_sink_panics_over_is_not_stored() {
        let started = AtomicU64::new(0);
        let factory: SinkFactory = Arc::new(move |thread: &ArbiterHandle| {
            // The first actor ends at once, so that the bad record reaches the second actor and ends it as
            // well while the good records wait for their turn.
            let before = started.fetch_add(1, Ordering::Relaxed);
            let goes_within = Duration::from_millis(100 * before);
            Panics::start_in_arbiter(thread, move |_| Panics { goes_within }).recipient()
        });
        actix::System::new().block_on(async {
            let sink = AskedSink::new(factory, Duration::from_secs(60)).unwrap();
            let (bad, good, other) = (record("bad"), record("good"), record("other"));
            let (bad, good, other) =
                tokio::join!(sink.store(&bad), sink.store(&good), sink.store(&other));
            assert_eq!(bad, Err(SinkError::new("the sink panicked or stopped")));
            assert_eq!((good, other), (Ok(()), Ok(())));
        });
    }
}

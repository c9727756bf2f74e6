//! Calls the user's alert.

use std::io;
use std::sync::Weak;
use std::time::Duration;

use actix::Recipient;
use actix_rt::Arbiter;
use garenne_core::alert::Digest;
use tokio::time::timeout;

use super::setup::Start;
use super::{Alert, AlertError};
use crate::resources::no_thread;

/// How many calls may hang at a time. A hanging call keeps its memory, in the alert's mailbox or in a
/// future of its own.
const MOST_HANGING: usize = 8;

/// The user's alert on a thread of its own, which is made when there is news to tell. An actor that
/// panicked or hung is dropped and made again.
pub(super) struct Voice {
    start: Start,
    timeout: Duration,
    arbiter: Option<Arbiter>,
    running: Option<Recipient<Alert>>,
    /// Calls that were not answered in time and have not ended yet.
    hanging: Vec<Weak<Digest>>,
}

impl Voice {
    pub(super) fn new(start: Start, timeout: Duration) -> Self {
        Self {
            start,
            timeout,
            arbiter: None,
            running: None,
            hanging: Vec::new(),
        }
    }

    /// Makes a call.
    pub(super) async fn call(&mut self, digest: Digest) -> Result<(), AlertError> {
        self.hanging.retain(|call| call.strong_count() > 0);
        if self.hanging.len() >= MOST_HANGING {
            return Err(AlertError::new(format_args!(
                "{MOST_HANGING} earlier calls hang; not called until one of them ends"
            )));
        }
        let alert = Alert::new(digest);
        let call = alert.downgrade();
        let recipient = self
            .recipient()
            .map_err(|error| AlertError::new(no_thread("the alert's thread", &error)))?;
        match timeout(self.timeout, recipient.send(alert)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(AlertError::new("the alert's actor panicked or stopped")),
            Err(_) => {
                self.hanging.push(call);
                self.running = None;
                Err(AlertError::new(format_args!(
                    "no answer within {}",
                    humantime::format_duration(self.timeout)
                )))
            }
        }
    }

    fn recipient(&mut self) -> io::Result<Recipient<Alert>> {
        if let Some(running) = self.running.as_ref().filter(|actor| actor.connected()) {
            return Ok(running.clone());
        }
        let arbiter = match &mut self.arbiter {
            Some(arbiter) => arbiter,
            none => none.insert(Arbiter::try_new()?),
        };
        let started = (self.start)(&arbiter.handle());
        Ok(self.running.insert(started).clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix::{Actor, Context, Handler, ResponseFuture};
    use tokio::sync::watch;

    use super::*;

    /// Answers when it is released.
    struct Hangs(watch::Receiver<bool>);

    impl Actor for Hangs {
        type Context = Context<Self>;
    }

    impl Handler<Alert> for Hangs {
        type Result = ResponseFuture<Result<(), AlertError>>;

        fn handle(&mut self, alert: Alert, _: &mut Self::Context) -> Self::Result {
            let mut let_go = self.0.clone();
            Box::pin(async move {
                let_go.wait_for(|let_go| *let_go).await?;
                drop(alert);
                Ok(())
            })
        }
    }

    fn digest() -> Digest {
        Digest {
            service: String::new(),
            host: String::new(),
            number: 0,
            items: Vec::new(),
            dropped: 0,
        }
    }

    #[test]
    fn calls_that_hang_do_not_pile_up() {
        let (let_go, hold) = watch::channel(false);
        let start: Start = Arc::new(move |arbiter| {
            let hangs = Hangs(hold.clone());
            Hangs::start_in_arbiter(arbiter, |_| hangs).recipient()
        });
        actix::System::new().block_on(async {
            let mut voice = Voice::new(start, Duration::from_millis(50));
            // A call that its actor did not even begin in time does not count as hanging.
            let error = loop {
                let error = voice.call(digest()).await.unwrap_err().to_string();
                assert!(voice.hanging.len() <= MOST_HANGING);
                if error != "no answer within 50ms" {
                    break error;
                }
            };
            assert!(error.contains("earlier calls hang"), "{error}");
            assert_eq!(voice.hanging.len(), MOST_HANGING);
            let_go.send_replace(true);
            while voice.call(digest()).await.is_err() {
                tokio::task::yield_now().await;
            }
        });
    }
}

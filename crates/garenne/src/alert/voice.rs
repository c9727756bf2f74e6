//! The way into the user's alert.

use std::sync::Weak;
use std::time::Duration;

use actix::Recipient;
use actix_rt::Arbiter;
use garenne_core::alert::Digest;
use tokio::time::timeout;

use super::channel::Start;
use super::{Alert, AlertError};

/// How many calls may hang at a time. What hangs keeps its memory, in the alert's mailbox or in a
/// future of its own.
const MOST_HANGING: usize = 8;

/// The user's alert on a thread of its own, which is made when there is something to tell. An actor
/// that panicked or hung is dropped and made again.
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

    /// One call.
    pub(super) async fn call(&mut self, digest: Digest) -> Result<(), AlertError> {
        self.hanging.retain(|call| call.strong_count() > 0);
        if self.hanging.len() >= MOST_HANGING {
            return Err(AlertError::new(format_args!(
                "{MOST_HANGING} earlier calls hang; not called until one of them ends"
            )));
        }
        let alert = Alert::new(digest);
        let call = alert.downgrade();
        match timeout(self.timeout, self.recipient().send(alert)).await {
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

    fn recipient(&mut self) -> Recipient<Alert> {
        if let Some(running) = self.running.as_ref().filter(|actor| actor.connected()) {
            return running.clone();
        }
        let arbiter = self.arbiter.get_or_insert_with(Arbiter::new);
        let started = (self.start)(&arbiter.handle());
        self.running.insert(started).clone()
    }
}

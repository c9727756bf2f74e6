//! A sink that is told of messages that are stored elsewhere.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tracing::warn;

use super::FailedMessage;
use super::asked::AskedSink;

/// How many records may be on their way to a follower; further records are not told.
const MOST_UNDER_WAY: usize = 1000;

/// Tells a sink; nothing waits for it.
pub(super) struct Follower {
    sink: Rc<AskedSink>,
    room: Arc<Semaphore>,
}

impl Follower {
    pub(super) fn new(sink: AskedSink) -> Self {
        Self {
            sink: Rc::new(sink),
            room: Arc::new(Semaphore::new(MOST_UNDER_WAY)),
        }
    }

    pub(super) fn start(&self) {
        self.sink.start();
    }

    pub(super) fn tell(&self, failed: &FailedMessage) {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            return not_told(failed, "it is behind by more records than are kept for it");
        };
        let (sink, failed) = (Rc::clone(&self.sink), failed.clone());
        actix_rt::spawn(async move {
            if let Err(error) = sink.store(&failed).await {
                not_told(&failed, error);
            }
            drop(permit);
        });
    }
}

fn not_told(failed: &FailedMessage, error: impl std::fmt::Display) {
    warn!(
        event = "fail_follower_missed",
        queue = %failed.queue,
        message_id = %failed.message_id,
        %error,
        "the message is stored, but a sink that follows did not take it"
    );
}

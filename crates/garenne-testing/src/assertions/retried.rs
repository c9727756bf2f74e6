//! A message that waits for its next attempt.

use std::time::Duration;

use crate::TestSystem;
use crate::fail::fail;
use crate::message::Message;
use crate::scene::{Role, Scene};

impl TestSystem {
    /// A message waits in a lane for its next attempt. What is returned asserts more about it:
    ///
    /// ```
    /// # use garenne::prelude::*;
    /// # use garenne_testing::{Sent, TestSystem};
    /// # fn example(system: &TestSystem, sent: &Sent) {
    /// system.assert_retried(sent).attempt(2).after(20.secs());
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn assert_retried(&self, message: impl AsRef<str>) -> Retried {
        let (scene, id) = (self.scene(), message.as_ref());
        let waiting = scene.places(id).find_map(|place| match &place.queue.role {
            Role::Lane { of, delay } => Some((of.clone(), *delay, place.message.clone())),
            _ => None,
        });
        let Some((queue, delay, message)) = waiting else {
            fail(scene.complain(id, "is not waiting for a retry"))
        };
        Retried {
            queue,
            delay,
            message,
            scene,
        }
    }
}

/// A message that waits for its next attempt; from [`TestSystem::assert_retried`].
#[derive(Debug)]
pub struct Retried {
    queue: String,
    delay: Duration,
    message: Message,
    scene: Scene,
}

impl Retried {
    /// It comes back as this attempt; the first retry is attempt 2.
    ///
    /// # Panics
    ///
    /// When it is another.
    #[track_caller]
    pub fn attempt(self, attempt: u32) -> Self {
        let is = self.message.attempt();
        if is.number() != attempt {
            self.complain(format!("waits for attempt {is}, not {attempt}"));
        }
        self
    }

    /// It waits in the lane of this delay, counted from when its last attempt failed.
    ///
    /// # Panics
    ///
    /// When it waits in another.
    #[track_caller]
    pub fn after(self, delay: Duration) -> Self {
        if self.delay != delay {
            let (is, wanted) = (self.delay, delay);
            let (is, wanted) = (
                humantime::format_duration(is),
                humantime::format_duration(wanted),
            );
            self.complain(format!("is retried after {is}, not after {wanted}"));
        }
        self
    }

    /// It comes back to this queue.
    ///
    /// # Panics
    ///
    /// When it comes back to another.
    #[track_caller]
    pub fn to(self, queue: &str) -> Self {
        if self.queue != queue {
            self.complain(format!("is retried in `{}`, not in `{queue}`", self.queue));
        }
        self
    }

    /// The message as it waits.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    #[track_caller]
    fn complain(&self, what: String) -> ! {
        fail(self.scene.complain(self.message.message_id(), what))
    }
}

//! A message that failed for good.

use garenne::core::{FailReason, FailedMessage};

use super::record;
use crate::TestSystem;
use crate::fail::fail;
use crate::scene::{Role, Scene};

impl TestSystem {
    /// A message lies in a parking queue. What is returned asserts more about it:
    ///
    /// ```
    /// # use garenne::core::FailReason;
    /// # use garenne_testing::{Sent, TestSystem};
    /// # fn example(system: &TestSystem, sent: &Sent) {
    /// system.assert_parked(sent).reason(FailReason::Exhausted).error("card declined").attempts(4);
    /// # }
    /// ```
    ///
    /// What a fail sink of your own has taken is not parked: see [`SinkWatch`](crate::SinkWatch).
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn assert_parked(&self, message: impl AsRef<str>) -> Parked {
        let (scene, id) = (self.scene(), message.as_ref());
        let record = scene.places(id).find_map(|place| match &place.queue.role {
            Role::Parking { of } => Some(place.message.record(of)),
            _ => None,
        });
        let Some(record) = record else {
            fail(scene.complain(id, "is not parked"))
        };
        Parked { record, scene }
    }
}

/// A message that failed for good; from [`TestSystem::assert_parked`].
#[derive(Debug)]
pub struct Parked {
    record: FailedMessage,
    scene: Scene,
}

impl Parked {
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

    /// The whole record, as the parking queue keeps it.
    #[must_use]
    pub fn record(&self) -> &FailedMessage {
        &self.record
    }

    #[track_caller]
    fn unless(self, wrong: Option<String>) -> Self {
        match wrong {
            Some(wrong) => {
                let what = format!("is parked {wrong}");
                fail(self.scene.complain(&self.record.message_id, what))
            }
            None => self,
        }
    }
}

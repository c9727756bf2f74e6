//! A message that failed for good.

use garenne::core::{FailReason, FailedMessage};

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
    /// What a fail sink of your own has taken is not parked: ask the sink.
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
        let is = self.record.reason;
        if is != reason {
            self.complain(format!("is parked with reason `{is}`, not `{reason}`"));
        }
        self
    }

    /// Its last error, or one of that error's sources, contains this text.
    ///
    /// # Panics
    ///
    /// When none does.
    #[track_caller]
    pub fn error(self, text: &str) -> Self {
        let FailedMessage {
            error, error_chain, ..
        } = &self.record;
        let mut errors = std::iter::once(error).chain(error_chain);
        if !errors.any(|error| error.contains(text)) {
            let sources: String = error_chain
                .iter()
                .map(|source| format!(" (because of `{source}`)"))
                .collect();
            self.complain(format!(
                "is parked with error `{error}`{sources}, which does not contain `{text}`"
            ));
        }
        self
    }

    /// So many attempts were made.
    ///
    /// # Panics
    ///
    /// When more or fewer were.
    #[track_caller]
    pub fn attempts(self, attempts: u32) -> Self {
        let is = self.record.attempts;
        if is != attempts {
            self.complain(format!("is parked after attempt {is}, not {attempts}"));
        }
        self
    }

    /// The whole record, as the parking queue keeps it.
    #[must_use]
    pub fn record(&self) -> &FailedMessage {
        &self.record
    }

    #[track_caller]
    fn complain(&self, what: String) -> ! {
        fail(self.scene.complain(&self.record.message_id, what))
    }
}

//! The end of a system under test.

use std::panic::Location;

use garenne::StopReason;

use super::TestSystem;
use crate::block::{block_on, block_on_within};
use crate::fail::{fail, fail_at};

impl TestSystem {
    /// Sees that everything is settled, and stops the system and its broker.
    ///
    /// # Panics
    ///
    /// When something is left unsettled, or the system has stopped by itself.
    #[track_caller]
    pub fn finish(mut self) -> impl Future<Output = ()> {
        let place = Location::caller();
        async move {
            if let Err(why) = self.settle().await {
                self.abandon();
                fail_at(place, why);
            }
            self.finished = true;
            self.handle.stop();
            match self.handle.stopped().await {
                StopReason::Requested => {}
                reason => fail_at(place, format!("the system has stopped by itself: {reason}")),
            }
        }
    }

    /// Ends the system without looking whether anything is left.
    pub(crate) fn abandon(&mut self) {
        self.finished = true;
        self.handle.stop_now();
    }
}

impl Drop for TestSystem {
    /// What [`finish`](TestSystem::finish) does, on this thread; a test that is failing already is
    /// not held up.
    fn drop(&mut self) {
        let mut failure = None;
        if std::thread::panicking() {
            self.abandon();
        } else if !self.finished {
            failure = block_on(self.settle()).err();
            match failure {
                Some(_) => self.abandon(),
                None => {
                    self.handle.stop();
                    let _ = block_on_within(self.patience, self.handle.stopped());
                }
            }
        }
        if let Some(journal) = self.journal.take() {
            journal.forget();
        }
        if let Some(why) = failure {
            fail(why);
        }
    }
}

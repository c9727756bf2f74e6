//! Finds out over which of its deliveries a handler actor was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of a call on its handler actor; the first call is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallNumber(u64);

impl CallNumber {
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The call that a handler actor was lost over: the first accused call. It is 0 while the call is not
/// known.
#[derive(Default)]
pub(crate) struct Culprit(AtomicU64);

impl Culprit {
    pub(crate) fn accuse(&self, call: CallNumber) {
        let _ = self
            .0
            .compare_exchange(0, call.0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether it is known that the actor was lost over a call other than this one.
    pub(crate) fn is_another_than(&self, call: CallNumber) -> bool {
        let culprit = self.0.load(Ordering::Relaxed);
        culprit != 0 && culprit != call.0
    }
}

/// Sees how a delivery ends: in the normal way, or dropped by a panic. When an actor dies with several
/// deliveries in its hands, this distinguishes the delivery that killed it from its neighbours.
pub(super) struct Witness {
    pub(super) culprit: Arc<Culprit>,
    pub(super) call: CallNumber,
}

impl Drop for Witness {
    fn drop(&mut self) {
        // The delivery whose handler panicked is dropped first; then the actor is, with all its other
        // deliveries.
        if std::thread::panicking() {
            self.culprit.accuse(self.call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls() -> [CallNumber; 2] {
        let first = CallNumber::default().next();
        [first, first.next()]
    }

    #[test]
    fn while_no_call_is_accused_the_actor_was_lost_over_none() {
        let culprit = Culprit::default();
        assert!(
            !calls()
                .map(|call| culprit.is_another_than(call))
                .contains(&true)
        );
    }

    #[test]
    fn the_first_call_that_is_accused_is_the_culprit() {
        let (culprit, [first, second]) = (Culprit::default(), calls());
        culprit.accuse(second);
        culprit.accuse(first);
        assert!(culprit.is_another_than(first));
        assert!(!culprit.is_another_than(second));
    }

    #[test]
    fn a_delivery_that_is_dropped_in_passing_accuses_no_call() {
        let (culprit, [first, second]) = (Arc::<Culprit>::default(), calls());
        drop(Witness {
            culprit: Arc::clone(&culprit),
            call: first,
        });
        assert!(!culprit.is_another_than(second));
    }

    #[test]
    fn a_delivery_that_a_panic_tears_down_accuses_its_call() {
        let (culprit, [first, second]) = (Arc::<Culprit>::default(), calls());
        let witness = Witness {
            culprit: Arc::clone(&culprit),
            call: first,
        };
        let torn_down = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _witness = witness;
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(torn_down.is_err());
        assert!(culprit.is_another_than(second));
        assert!(!culprit.is_another_than(first));
    }
}

//! Checks for faults of a system as a whole.

use garenne_core::{Declare, Fault};

use super::SystemBuilder;
use crate::alert::AlertSetup;
use crate::link::plain_text_faults;

impl SystemBuilder {
    /// All faults except those of single queues.
    pub(super) fn faults_of_the_whole(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.queues.is_empty() {
            faults.push(Fault::new(
                "queues",
                "none",
                "at least one queue with a handler, by `consume` or `consume_fn`",
            ));
        }
        for (what, value) in [
            ("drain deadline", self.drain_deadline),
            ("confirm timeout", self.confirm_timeout),
            ("fail sink timeout", self.sinks.timeout),
        ] {
            if value.is_zero() {
                faults.push(Fault::new(what, "0s", "a duration above zero"));
            }
        }
        faults.extend(plain_text_faults(&self.brokers, &self.tls));
        faults.extend(self.replies.faults());
        faults.extend(self.shared_names());
        faults.extend(self.topology.faults());
        faults.extend(self.alerts.iter().flat_map(AlertSetup::all_faults));
        faults
    }

    /// Queues that are declared twice: by themselves, and as the parking queue or a lane of another queue.
    /// No declaration fits both.
    fn shared_names(&self) -> Vec<Fault> {
        let is_registered = |name: &str| {
            let mut queues = self.queues.iter().map(|(queue, _)| queue);
            queues.any(|queue| queue.name() == name && queue.declare == Declare::Create)
        };
        let mut faults = Vec::new();
        for (owner, _) in &self.queues {
            let lanes = owner.retry.lanes().into_iter();
            let own = lanes
                .map(|delay| owner.lane_name(delay))
                .chain([owner.parking_name()]);
            faults.extend(own.filter(|name| is_registered(name)).map(|name| {
                let accepted = format!(
                    "another name, or `Declare::Verify`; it belongs to queue `{}`",
                    owner.name()
                );
                Fault::new("queue", name, accepted)
            }));
        }
        faults
    }
}

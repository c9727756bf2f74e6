//! The log of a start.

use tracing::info;

use super::plan::Plan;

/// Logs which system starts, where it connects, and how long it tries.
pub(super) fn starting(plan: &Plan) {
    let brokers: Vec<_> = plan.brokers.iter().map(ToString::to_string).collect();
    let queues = plan.queues.iter().map(|queue| {
        format!(
            "{} (prefetch {}, workers {})",
            queue.queue.name(),
            queue.settings.prefetch,
            queue.workers
        )
    });
    let queues: Vec<_> = queues.collect();
    let identity = &plan.identity;
    info!(
        event = "starting",
        service = identity.service,
        version = Some(&identity.version).filter(|version| !version.is_empty()),
        brokers = brokers.join(", "),
        queues = queues.join(", "),
        outage_window = %plan.window,
        "starting"
    );
}

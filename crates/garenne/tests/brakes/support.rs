//! Systems that cannot consume for long, and how they end.

use std::time::Duration;

use garenne::core::{OutageWindow, outage::GaveUp};
use garenne::prelude::*;
use garenne::{StopReason, SystemHandle};

use crate::fake::Fake;
use crate::log::{self, Line};

/// Long enough that what has not happened by then never will, on a machine however slow.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// The shortest pause of the back-off.
pub(crate) const FLOOR: Duration = Duration::from_millis(500);

/// Consumes a queue from a broker that ends each subscription, until the window is over.
pub(crate) async fn give_up(fake: &Fake, queue: Queue, window: Duration) -> GaveUp {
    log::listen();
    let builder = SystemBuilder::new(fake.url())
        .outage_window(OutageWindow::For(window))
        .consume_fn(queue, nothing);
    let running = builder.build().unwrap().start().unwrap();
    match stopped(&running).await {
        StopReason::GaveUp(gave_up) => gave_up,
        other => panic!("it stopped for another reason: {other}"),
    }
}

async fn stopped(running: &SystemHandle) -> StopReason {
    let stopped = tokio::time::timeout(SOON, running.stopped()).await;
    stopped.unwrap_or_else(|_| panic!("it does not stop: {:?}", running.status()))
}

async fn nothing(_: Delivery<Bytes>) -> Result<(), Failure> {
    Ok(())
}

/// How many times something can have happened in this time with a pause between any two: the first time, and
/// the last one, whose pause was cut.
pub(crate) fn most_in(window: Duration) -> usize {
    let pauses = window.as_millis() / FLOOR.as_millis();
    usize::try_from(pauses).unwrap() + 2
}

/// The pauses that the links' losses were answered with, in milliseconds.
pub(crate) fn pauses(losses: &[Line]) -> Vec<u64> {
    losses
        .iter()
        .filter_map(|line| line.number("retry_in_ms"))
        .collect()
}

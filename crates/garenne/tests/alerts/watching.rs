//! Watching the alert of a system. It knows no system of its own: the tests of webhooks use it too.

use std::time::Duration;

use garenne::SystemHandle;
use garenne::prelude::*;
use garenne::status::{AlertStatus, Status};

/// Long enough that what has not happened by then never will, on a machine however slow.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// A pace at which nothing waits but for failed calls.
pub(crate) fn at_once() -> Pace {
    Pace::default().gather(Duration::ZERO).every(Duration::ZERO)
}

/// Waits until the only alert of the system is as wanted.
pub(crate) async fn until(
    handle: &SystemHandle,
    wanted: impl Fn(&AlertStatus) -> bool,
) -> AlertStatus {
    let looked = handle.wait_until(|status: &Status| wanted(&status.alerts[0]));
    match tokio::time::timeout(SOON, looked).await {
        Ok(Ok(mut status)) => status.alerts.remove(0),
        Ok(Err(reason)) => panic!("stopped: {reason}"),
        Err(_) => panic!("not as wanted: {:?}", handle.status().alerts),
    }
}

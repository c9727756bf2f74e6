//! AMQP calls, each under a deadline.

use std::time::Duration;

use tokio::time::timeout;

use super::{LinkError, timed_out};

/// How long an AMQP call (opening a channel, a declare, a cancel) may take. Calls can hang: a declare on a
/// dead node's classic queue took 12 s in a measurement.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Awaits an AMQP call, under its deadline.
pub(crate) async fn call<T>(
    what: &str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, LinkError> {
    match timeout(CALL_TIMEOUT, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(LinkError::of(&error).advised_of_limits().while_doing(what)),
        Err(_) => Err(timed_out(what, CALL_TIMEOUT)),
    }
}

//! What these tests share: a queue `q` whose failed messages wait an hour, and a look at it.

use std::time::Duration;

use garenne_broker::{Broker, View};

/// Where the copies go.
pub(crate) const LANE: &str = "q.retry.3600s";
/// Long enough that what has not happened by then never will, on a machine however slow.
const SOON: Duration = Duration::from_secs(60);

pub(crate) fn is_settled(view: &View) -> bool {
    (view.ready("q"), view.unacked("q"), view.consumers("q")) == (0, 0, 1)
}

pub(crate) async fn until(broker: &Broker, wanted: impl FnMut(&View) -> bool) {
    let waiting = broker.wait_until_within(SOON, wanted);
    waiting.await.unwrap_or_else(|error| panic!("{error}"));
}

//! Messages that were looked at go back into their parking queues.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::link::{Link, LinkError, Port, message_count};

/// How long is waited until a queue shows what was given back to it, and how often it is asked.
const BACK_MAX: Duration = Duration::from_secs(10);
const BACK_EVERY: Duration = Duration::from_millis(50);

/// Gives everything back that a channel holds, and closes the channel. The broker's answer to that says
/// that it has read both.
pub(super) async fn give_back(port: &Port) -> Result<(), LinkError> {
    port.writer().give_back_all();
    port.close().await
}

/// Waits until the queues show what was given back: whoever looks next shall see it. A quorum queue
/// may take seconds for thousands. If somebody else takes it first, the wait ends by itself.
pub(super) async fn are_back(link: &Link, staying: &BTreeMap<String, u32>) {
    let waiting = async {
        for (parking, number) in staying {
            while message_count(link, parking).await? < *number {
                sleep(BACK_EVERY).await;
            }
        }
        Ok::<_, LinkError>(())
    };
    // It is a courtesy: nothing depends on it.
    let _ = timeout(BACK_MAX, link.while_up(waiting)).await;
}

//! Gives messages that were read back to their parking queues.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::link::{Link, LinkError, Port, message_count};

/// How long to wait until a queue shows the messages that were given back, and how often to ask it.
const BACK_MAX: Duration = Duration::from_secs(10);
const BACK_EVERY: Duration = Duration::from_millis(50);

/// Gives back every message that a channel holds, and closes the channel. The broker's close-ok shows that it
/// has read both.
pub(super) async fn give_back(port: &Port) -> Result<(), LinkError> {
    port.writer().give_back_all();
    port.close().await
}

/// Waits until the queues show the messages that were given back, so that the next reader sees them. A quorum
/// queue may take seconds for thousands. If another reader takes them first, the wait times out.
pub(super) async fn are_back(link: &Link, staying: &BTreeMap<String, u32>) {
    let waiting = async {
        for (parking, number) in staying {
            while message_count(link, parking).await? < *number {
                sleep(BACK_EVERY).await;
            }
        }
        Ok::<_, LinkError>(())
    };
    // Nothing depends on this wait; it only helps the next reader.
    let _ = timeout(BACK_MAX, link.while_up(waiting)).await;
}

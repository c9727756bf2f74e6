//! The tasks that call the alerts.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::line::{Line, Next};
use super::voice::Voice;

/// A task per alert, on the thread of the supervisor. Only the end of the system waits for them, for a
/// limited time.
#[derive(Default)]
pub(crate) struct Tellers {
    idle: Vec<(Arc<Line>, Voice)>,
    running: Vec<(Arc<Line>, JoinHandle<()>)>,
}

impl Tellers {
    pub(super) const fn new(idle: Vec<(Arc<Line>, Voice)>) -> Self {
        Self {
            idle,
            running: Vec::new(),
        }
    }

    /// Starts the tasks; run it on a thread of actix.
    pub(crate) fn start(&mut self) {
        for (line, voice) in self.idle.drain(..) {
            let task = actix_rt::spawn(tell(Arc::clone(&line), voice));
            self.running.push((line, task));
        }
    }

    /// Tells the remaining news, until then at most; without a time, tells nothing more.
    pub(crate) async fn finish(self, until: Option<Instant>) {
        for (line, _) in &self.running {
            line.close();
        }
        let (lines, mut tasks): (Vec<_>, Vec<_>) = self.running.into_iter().unzip();
        if let Some(until) = until {
            // An error means that the time is over.
            let _ = timeout_at(until, join_all(&mut tasks)).await;
        }
        for (line, task) in lines.iter().zip(tasks) {
            task.abort();
            let news = line.give_up();
            if news > 0 {
                warn!(
                    event = "alert_dropped",
                    alert = line.name,
                    news,
                    "the system ends with news that this alert could not tell in time"
                );
            }
        }
    }
}

async fn tell(line: Arc<Line>, mut voice: Voice) {
    loop {
        let digest = match line.next() {
            Next::Tell(digest) => digest,
            Next::Wait(until) => {
                line.wait(until).await;
                continue;
            }
            Next::Done => return,
        };
        let (number, news) = (digest.number, digest.count());
        match voice.call(digest).await {
            Ok(()) => {
                line.told();
                info!(
                    event = "alert_told",
                    alert = line.name,
                    number,
                    news,
                    "people were told"
                );
            }
            Err(error) => {
                let pause = line.failed(&error);
                warn!(
                    event = "alert_failed",
                    alert = line.name,
                    number,
                    news,
                    %error,
                    retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                    "the alert could not be told; it is told later, with what comes meanwhile"
                );
            }
        }
    }
}

//! The end of a system: why, how far it is, and the work that comes first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use garenne_core::StopReason;
use garenne_core::alert::{News, Subject};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::alert::{Desk, Tellers};
use crate::link::{CLOSE_TIMEOUT, Link};
use crate::publish::Publisher;
use crate::quiet::millis;

/// How long, from the beginning of a stop, alerts may take to tell what they know. The drain of the
/// handlers goes on meanwhile.
const ALERT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the workers may take to log the messages that they abandoned.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);

/// The state of the end, and the channel to the tasks that wait for it.
pub(super) struct Ending {
    /// The first reason counts.
    reason: Option<StopReason>,
    /// The links are being closed.
    is_closing: bool,
    /// Until when the alerts may speak as the system ends; `None`: not at all.
    last_words: Option<Instant>,
    tellers: Tellers,
    desk: Desk,
    /// The program's own sends may still be waiting for their confirms.
    publisher: Publisher,
    stopped: watch::Sender<Option<StopReason>>,
}

impl Ending {
    pub(super) fn new(
        (desk, tellers): (Desk, Tellers),
        publisher: Publisher,
        stopped: watch::Sender<Option<StopReason>>,
    ) -> Self {
        Self {
            reason: None,
            is_closing: false,
            last_words: None,
            tellers,
            desk,
            publisher,
            stopped,
        }
    }

    /// Starts calling the alerts; run it on a thread of actix.
    pub(super) fn start_alerts(&mut self) {
        self.tellers.start();
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.reason.is_some()
    }

    /// Takes the reason and tells of it. False if the end has begun already.
    pub(super) fn begin(&mut self, reason: StopReason, drain: Duration, in_flight: u64) -> bool {
        if self.has_begun() {
            return false;
        }
        let subject = match &reason {
            StopReason::Requested => {
                info!(
                    event = "stopping",
                    in_flight,
                    gives_up_in_ms = millis(drain),
                    "stopping on request; finishing what is in hand"
                );
                None
            }
            StopReason::GaveUp(why) => {
                error!(event = "gave_up", exit_code = reason.code(), "{why}");
                Some(Subject::GaveUp)
            }
            StopReason::Configuration(why) => {
                error!(event = "configuration", exit_code = reason.code(), "{why}");
                Some(Subject::Configuration)
            }
            StopReason::Internal(why) => {
                error!(event = "internal", exit_code = reason.code(), "{why}");
                Some(Subject::Internal)
            }
        };
        if let Some(subject) = subject {
            let text = format!("{reason} (exit code {})", reason.code());
            self.desk.tell(&News::new(subject, &text));
        }
        self.last_words = Some(Instant::now() + ALERT_TIMEOUT);
        self.reason = Some(reason);
        true
    }

    /// Alerts tell nothing more.
    pub(super) const fn silence(&mut self) {
        self.last_words = None;
    }

    /// Whether the system still waits for handlers; logs it, because they are abandoned then.
    pub(super) fn is_overdue(&self, in_flight: u64) -> bool {
        if !self.is_closing {
            warn!(
                event = "drain_deadline",
                in_flight, "the drain deadline has passed; abandoning what is in hand"
            );
        }
        !self.is_closing
    }

    /// Whether the links may be closed now: once.
    pub(super) const fn may_close(&mut self) -> bool {
        !std::mem::replace(&mut self.is_closing, true)
    }

    /// Closes the links, and lets the alerts say their last words.
    pub(super) fn close(&mut self, links: Vec<Arc<Link>>) -> impl Future<Output = ()> + 'static {
        let publisher = self.publisher.clone();
        // News that came while handlers finished gets as long as closing the links may take.
        let until = self
            .last_words
            .map(|until| until.max(Instant::now() + CLOSE_TIMEOUT).into());
        let telling = std::mem::take(&mut self.tellers).finish(until);
        let closing = async move {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, publisher.idle()).await;
            futures_util::future::join_all(links.iter().map(|link| link.close())).await;
        };
        async move {
            futures_util::future::join(closing, telling).await;
        }
    }

    /// It is over.
    pub(super) fn announce(&self) {
        // The program may end the process, and the log with it, as soon as it hears of the end.
        crate::logging::flush_logging();
        self.stopped.send_replace(self.reason.clone());
    }
}

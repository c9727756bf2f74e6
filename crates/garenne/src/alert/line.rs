//! The line to an alert: its pager, behind a lock that is held for microseconds.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use garenne_core::Moment;
use garenne_core::alert::{Digest, News, Pager, Step};
use tokio::sync::Notify;

use super::{AlertError, AlertStatus};

/// The state that the sources of news share with the task that calls the alert.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    origin: Instant,
    state: Mutex<State>,
    /// Wakes the task that calls: there is news to tell, or the system ends.
    news: Notify,
}

#[derive(Debug)]
struct State {
    pager: Pager,
    closed: bool,
    last_error: Option<String>,
}

/// The next action of the task that calls.
pub(super) enum Next {
    Tell(Digest),
    Wait(Option<Instant>),
    /// The system ends, and there is nothing left to tell.
    Done,
}

impl Line {
    pub(super) fn new(name: String, pager: Pager) -> Self {
        let state = State {
            pager,
            closed: false,
            last_error: None,
        };
        Self {
            name,
            origin: Instant::now(),
            state: Mutex::new(state),
            news: Notify::new(),
        }
    }

    pub(super) fn note(&self, news: &News) {
        if self.state().pager.note(self.now(), news) {
            self.news.notify_one();
        }
    }

    pub(super) fn next(&self) -> Next {
        let mut state = self.state();
        match state.pager.next(self.now()) {
            Step::Tell(digest) => Next::Tell(digest),
            Step::Until(moment) => {
                let wait = moment.saturating_since(Moment::default());
                Next::Wait(self.origin.checked_add(wait))
            }
            Step::Rest if state.closed => Next::Done,
            Step::Rest => Next::Wait(None),
        }
    }

    /// Waits until then, or until there is more news.
    pub(super) async fn wait(&self, until: Option<Instant>) {
        match until {
            None => self.news.notified().await,
            Some(until) => {
                // An error means that the time has come.
                let _ = tokio::time::timeout_at(until.into(), self.news.notified()).await;
            }
        }
    }

    pub(super) fn told(&self) {
        let mut state = self.state();
        state.pager.told(self.now());
        state.last_error = None;
    }

    /// Returns the pause until the next call.
    pub(super) fn failed(&self, error: &AlertError) -> Duration {
        let mut state = self.state();
        state.last_error = Some(error.to_string());
        let retry_after = error.retry_after();
        state.pager.failed(self.now(), retry_after, fastrand::f64())
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.pager.close(self.now());
        self.news.notify_one();
    }

    /// Drops the untold news, and returns how many items of news that was.
    pub(super) fn give_up(&self) -> u64 {
        self.state().pager.give_up()
    }

    pub(super) fn status(&self) -> AlertStatus {
        let state = self.state();
        let tally = state.pager.tally();
        AlertStatus {
            name: self.name.clone(),
            told: tally.told,
            pending: tally.pending(),
            dropped: tally.dropped,
            calls: tally.calls,
            failed_calls: tally.failed_calls,
            last_error: state.last_error.clone(),
        }
    }

    fn now(&self) -> Moment {
        Moment::from_origin(self.origin.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

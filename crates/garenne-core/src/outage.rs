//! The outage: from the first loss of a link until consumption is stable again.

mod report;

use std::time::Duration;

pub use self::report::{Ended, GaveUp, Next, Phase, Summary};

use crate::time::Moment;
use crate::window::OutageWindow;

/// How long consumption must go on without a loss until it counts as stable.
///
/// When it is too short, a link that comes and goes gets a new window each time. When it is too long, two
/// separate outages count as one. A single successful ack makes consumption stable at once.
pub const STABLE_AFTER: Duration = Duration::from_secs(10);

/// The state machine that knows how long consumption has been down, and when to give up.
///
/// ```text
///         consuming               progress, or stable_after without a loss
///   Down ───────────▶ Provisional ───────────────────────────────────────▶ Stable
///    ▲ ▲                   │ lost                                            │
///    │ └───────────────────┘                                                 │ lost
///    └───────────────────────────────────────────────────── a new outage ────┘
/// ```
///
/// A start is an outage from its first moment. A link that comes and goes adds up in the same outage: only
/// stable consumption ends it. While consumption is provisional, the deadline does not end the system; the
/// next loss after the deadline does.
#[derive(Clone, Debug)]
pub struct Outage {
    window: OutageWindow,
    stable_after: Duration,
    had_started: bool,
    incident: Option<Incident>,
}

/// The current outage.
#[derive(Clone, Debug)]
struct Incident {
    since: Moment,
    consuming_since: Option<Moment>,
    attempts: u32,
    losses: u32,
    last_error: Option<String>,
}

impl Outage {
    /// A system that starts now: an outage without any loss yet.
    ///
    /// `stable_after` is normally [`STABLE_AFTER`].
    #[must_use]
    pub const fn starting(window: OutageWindow, stable_after: Duration, now: Moment) -> Self {
        let incident = Incident::from(now, None);
        Self {
            window,
            stable_after,
            had_started: false,
            incident: Some(incident),
        }
    }

    /// A link or a worker is lost. Call [`Outage::verdict`] afterwards.
    ///
    /// This begins an outage, or leads the current outage back to `Down`. A second report of the same loss
    /// changes nothing. If consumption had become stable before and [`Outage::tick`] was not called since,
    /// the outage that ended then is returned.
    pub fn lost(&mut self, now: Moment, reason: impl Into<String>) -> Option<Ended> {
        let ended = self.tick(now);
        let incident = self.incident.get_or_insert(Incident::from(now, Some(now)));
        if incident.consuming_since.take().is_some() {
            incident.losses = incident.losses.saturating_add(1);
            incident.last_error = Some(reason.into());
        } else if incident.last_error.is_none() {
            incident.last_error = Some(reason.into());
        }
        ended
    }

    /// An attempt to reconnect has failed; `wanted_pause` is the pause that the back-off asks for.
    ///
    /// A pause that would end past the deadline is cut to end at it, so that a last attempt is made then. An
    /// attempt that fails at the deadline or later was the last. An attempt that fails while consumption goes
    /// on is a loss that was noticed late.
    pub fn attempt_failed(
        &mut self,
        now: Moment,
        error: impl Into<String>,
        wanted_pause: Duration,
    ) -> Next {
        let error = error.into();
        self.lost(now, error.as_str());
        if let Some(incident) = &mut self.incident {
            incident.attempts = incident.attempts.saturating_add(1);
            incident.last_error = Some(error);
        }
        match self.verdict(now) {
            Some(gave_up) => Next::GiveUp(gave_up),
            None => Next::RetryAfter(match self.deadline() {
                Some(deadline) => wanted_pause.min(deadline.saturating_since(now)),
                None => wanted_pause,
            }),
        }
    }

    /// Whether it is time to give up; call it after a loss.
    ///
    /// It is time when consumption is down and its deadline has passed, or when it is down for any reason and
    /// the window is [`OutageWindow::FailFast`]. Do not call it in the pause before an attempt: at the
    /// deadline there is still a last attempt.
    #[must_use]
    pub fn verdict(&self, now: Moment) -> Option<GaveUp> {
        let incident = self
            .incident
            .as_ref()
            .filter(|incident| incident.is_down())?;
        let over = match self.window {
            OutageWindow::Never => false,
            OutageWindow::FailFast => incident.attempts > 0 || incident.losses > 0,
            OutageWindow::For(window) => now >= incident.since + window,
        };
        over.then(|| GaveUp {
            window: self.window,
            lasted: now.saturating_since(incident.since),
            attempts: incident.attempts,
            losses: incident.losses,
            last_error: incident
                .last_error
                .clone()
                .unwrap_or_else(|| "none yet".to_owned()),
        })
    }

    /// Consumption has begun; it is provisional from now on.
    pub fn consuming(&mut self, now: Moment) {
        self.had_started = true;
        if let Some(incident) = &mut self.incident {
            incident.consuming_since.get_or_insert(now);
        }
    }

    /// A delivery was acked: consumption is stable now, and the current outage, if any, is over.
    ///
    /// While consumption is down this changes nothing: the ack belongs to a link that is gone.
    pub fn progress(&mut self, now: Moment) -> Option<Ended> {
        // An ack must not make the outage look longer because the tick before it came late.
        self.tick(now).or_else(|| self.end_at(now))
    }

    /// Lets time pass: consumption that was provisional for long enough becomes stable.
    pub fn tick(&mut self, now: Moment) -> Option<Ended> {
        let stable_from = self.next_tick()?;
        if now >= stable_from {
            self.end_at(stable_from)
        } else {
            None
        }
    }

    /// When [`Outage::tick`] should be called next; `None` when consumption is not provisional.
    #[must_use]
    pub fn next_tick(&self) -> Option<Moment> {
        let consuming_since = self.incident.as_ref()?.consuming_since?;
        Some(consuming_since + self.stable_after)
    }

    /// When the window of the current outage ends; `None` when there is no outage, or no such moment.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        match (self.window, &self.incident) {
            (OutageWindow::For(window), Some(incident)) => Some(incident.since + window),
            _ => None,
        }
    }

    /// How long is left of the window of the current outage, or of an outage that begins now; `None` where
    /// the window has no end.
    #[must_use]
    pub fn gives_up_in(&self, now: Moment) -> Option<Duration> {
        match (self.window, self.deadline()) {
            (_, Some(deadline)) => Some(deadline.saturating_since(now)),
            (OutageWindow::For(window), None) => Some(window),
            _ => None,
        }
    }

    /// When the current outage began: the first loss in it, or the start.
    #[must_use]
    pub fn since(&self) -> Option<Moment> {
        Some(self.incident.as_ref()?.since)
    }

    /// From now on no outage is too long.
    pub const fn never_give_up(&mut self) {
        self.window = OutageWindow::Never;
    }

    /// The state of consumption.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.incident {
            None => Phase::Stable,
            Some(Incident {
                consuming_since: Some(since),
                ..
            }) => Phase::Provisional { since: *since },
            Some(Incident { since, .. }) => Phase::Down { since: *since },
        }
    }

    /// The current outage, if there is one.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        let Incident {
            since,
            attempts,
            losses,
            last_error,
            ..
        } = self.incident.clone()?;
        Some(Summary {
            since,
            attempts,
            losses,
            last_error,
        })
    }

    /// Whether there has been any consumption since the start, stable or not. Some errors mean a faulty
    /// configuration before the first consumption, and a broker in trouble after it.
    #[must_use]
    pub const fn had_started(&self) -> bool {
        self.had_started
    }

    fn end_at(&mut self, stable_from: Moment) -> Option<Ended> {
        let incident = self.incident.take_if(|incident| !incident.is_down())?;
        Some(Ended {
            lasted: stable_from.saturating_since(incident.since),
            attempts: incident.attempts,
            losses: incident.losses,
        })
    }
}

impl Incident {
    const fn from(since: Moment, consuming_since: Option<Moment>) -> Self {
        Self {
            since,
            consuming_since,
            attempts: 0,
            losses: 0,
            last_error: None,
        }
    }

    const fn is_down(&self) -> bool {
        self.consuming_since.is_none()
    }
}

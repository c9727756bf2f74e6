//! When an outage becomes news.

use std::time::Duration;

use super::news::News;
use super::subject::Subject;
use super::words::lasting;
use crate::outage::{Ended, Outage, Phase};
use crate::time::Moment;

/// Reports an outage once it has lasted for some time, and its end if the outage was reported.
#[derive(Clone, Debug)]
pub struct OutageAlarm {
    after: Duration,
    told: bool,
}

impl OutageAlarm {
    /// Reports outages that have lasted this long.
    #[must_use]
    pub const fn new(after: Duration) -> Self {
        Self { after, told: false }
    }

    /// Call it at short intervals while there may be an outage.
    ///
    /// Only an outage without consumption is news; consumption that is not *stable* yet is not.
    pub fn look(&mut self, outage: &Outage, now: Moment) -> Option<News> {
        let Phase::Down { since } = outage.phase() else {
            return None;
        };
        let lasted = now.saturating_since(since);
        if self.told || lasted < self.after {
            return None;
        }
        self.told = true;
        let error = outage.summary().and_then(|summary| summary.last_error);
        let text = format!(
            "no stable consumption for {}; last error: {}",
            lasting(lasted),
            error.as_deref().unwrap_or("none")
        );
        Some(News::new(Subject::Outage, &text))
    }

    /// The outage is over.
    pub fn ended(&mut self, ended: &Ended) -> Option<News> {
        if !std::mem::take(&mut self.told) {
            return None;
        }
        let text = format!(
            "consuming again after {} (failed attempts {}, losses {})",
            lasting(ended.lasted),
            ended.attempts,
            ended.losses
        );
        Some(News::new(Subject::OutageEnded, &text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::DurationExt;
    use crate::outage::STABLE_AFTER;
    use crate::window::OutageWindow;

    fn at(second: u64) -> Moment {
        Moment::default() + second.secs()
    }

    #[test]
    fn an_outage_is_told_once_it_has_lasted_and_so_is_its_end() {
        let mut outage = Outage::starting(OutageWindow::Never, STABLE_AFTER, at(0));
        let mut alarm = OutageAlarm::new(30.secs());
        let _ = outage.attempt_failed(at(1), "connection refused", 1.secs());
        assert_eq!(alarm.look(&outage, at(29)), None);
        let told = alarm.look(&outage, at(90)).unwrap();
        insta::assert_snapshot!(told.text, @"no stable consumption for 1 min 30 s; last error: connection refused");
        assert_eq!(alarm.look(&outage, at(91)), None);
        outage.consuming(at(100));
        assert_eq!(alarm.look(&outage, at(105)), None);
        let ended = outage.progress(at(106)).unwrap();
        let told = alarm.ended(&ended).unwrap();
        insta::assert_snapshot!(told.text, @"consuming again after 1 min 46 s (failed attempts 1, losses 0)");
        assert_eq!(alarm.ended(&ended), None);
    }

    #[test]
    fn a_short_outage_is_no_news_and_neither_is_its_end() {
        let mut outage = Outage::starting(OutageWindow::Never, STABLE_AFTER, at(0));
        let mut alarm = OutageAlarm::new(30.secs());
        assert_eq!(alarm.look(&outage, at(5)), None);
        outage.consuming(at(6));
        let ended = outage.progress(at(40)).unwrap();
        assert_eq!(alarm.ended(&ended), None);
    }

    #[test]
    fn consumption_that_is_not_stable_yet_is_no_outage_to_tell() {
        let mut outage = Outage::starting(OutageWindow::Never, STABLE_AFTER, at(0));
        outage.consuming(at(0));
        assert_eq!(OutageAlarm::new(1.secs()).look(&outage, at(9)), None);
    }
}

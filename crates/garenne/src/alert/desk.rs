//! The entry point for news.

use std::sync::Arc;

use garenne_core::FailReason;
use garenne_core::alert::{News, Pager, Subject};

use super::line::Line;
use super::teller::Tellers;
use super::voice::Voice;
use super::{AlertSetup, AlertStatus};
use crate::identity::Identity;

/// Takes news for every alert of the system. Nothing here waits: the desk only counts the news.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk(Arc<[Arc<Line>]>);

impl Desk {
    /// A desk for these alerts, and the tasks that will call them.
    pub(crate) fn new(channels: Vec<AlertSetup>, identity: &Identity) -> (Self, Tellers) {
        let mut lines = Vec::new();
        let mut voices = Vec::new();
        for channel in channels {
            let pager = Pager::new(channel.pace, &identity.service, &identity.host);
            let line = Arc::new(Line::new(channel.name, pager));
            let voice = Voice::new(channel.start, channel.pace.timeout);
            voices.push((Arc::clone(&line), voice));
            lines.push(line);
        }
        (Self(lines.into()), Tellers::new(voices))
    }

    /// Counts news for every alert.
    pub(crate) fn tell(&self, news: &News) {
        for line in &*self.0 {
            line.note(news);
        }
    }

    /// A message failed permanently.
    pub(crate) fn failed(&self, queue: &str, reason: FailReason, error: &str) {
        // Without an alert, the text of thousands of failures a second need not be made.
        if !self.0.is_empty() {
            self.tell(&News::failure(queue, reason, error));
        }
    }

    /// A handler panicked or hung.
    pub(crate) fn handler_died(&self, queue: &str, why: &str) {
        let queue = queue.to_owned();
        self.tell(&News::new(Subject::HandlerDied { queue }, why));
    }

    /// The fail sink did not store a message.
    pub(crate) fn not_stored(&self, queue: &str, why: &str) {
        let queue = queue.to_owned();
        self.tell(&News::new(Subject::FailSink { queue }, why));
    }

    pub(crate) fn status(&self) -> Vec<AlertStatus> {
        self.0.iter().map(|line| line.status()).collect()
    }
}

//! A single piece of news.

use super::subject::Subject;
use super::words::one_line;
use crate::outcome::FailReason;

/// How many bytes of an error are told.
const MAX_TEXT: usize = 500;

/// A single piece of news, with its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The subject.
    pub subject: Subject,
    /// The text: a single line of at most 500 bytes.
    pub text: String,
}

impl News {
    /// News about this subject. The text is made a single line and cut to 500 bytes.
    #[must_use]
    pub fn new(subject: Subject, text: &str) -> Self {
        Self {
            subject,
            text: one_line(text, MAX_TEXT),
        }
    }

    /// A message failed for good.
    #[must_use]
    pub fn failure(queue: &str, reason: FailReason, error: &str) -> Self {
        Self::new(Subject::failure(queue, reason, error), error)
    }
}

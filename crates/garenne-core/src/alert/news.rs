//! One thing that happened.

use super::subject::Subject;
use super::words::one_line;
use crate::outcome::FailReason;

/// How much of an error is told, in bytes.
const MAX_TEXT: usize = 500;

/// One thing that happened, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What it is about.
    pub subject: Subject,
    /// The words for it: one line, at most 500 bytes.
    pub text: String,
}

impl News {
    /// News about this. The text is made one line and cut to 500 bytes.
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

//! The content of a call of an alert.

use std::fmt;
use std::time::Duration;

use super::subject::{Severity, Subject};
use super::words::{cut, grouped, lasting, one_line};

/// How long a name may be in the head line, in bytes.
const MAX_NAME: usize = 100;

/// The content of a call of an alert: all news since the last call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The service that sends it.
    pub service: String,
    /// The host on which the service runs.
    pub host: String,
    /// How many digests this alert has sent before, since the process started.
    ///
    /// A failed call is repeated later with the same number, and with the news since then. A receiver that
    /// gets a number twice should believe the later digest.
    pub number: u64,
    /// The news: the worst first, then the most frequent. Never empty.
    pub items: Vec<Item>,
    /// News that were dropped since the last digest, because they could not be told in time.
    pub dropped: u64,
}

/// Equal news, told together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The subject of the news.
    pub subject: Subject,
    /// How many there were.
    pub count: u64,
    /// The time from the first to the newest of them.
    pub lasting: Duration,
    /// The text of the newest: a single line of at most 500 bytes.
    pub newest: String,
}

impl Digest {
    /// The severity of the worst item.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let all = self.items.iter().map(|item| item.subject.severity());
        all.max().unwrap_or(Severity::Info)
    }

    /// How many failed messages it reports.
    #[must_use]
    pub fn failures(&self) -> u64 {
        let failures = |item: &&Item| matches!(item.subject, Subject::Failures { .. });
        self.items
            .iter()
            .filter(failures)
            .map(|item| item.count)
            .sum()
    }

    /// How many news it reports.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.items.iter().map(|item| item.count).sum()
    }

    /// The text for people: a head line, a line per item, and the numbers of items that did not fit. It has
    /// at most `max_bytes` bytes.
    #[must_use]
    pub fn text(&self, max_bytes: usize) -> String {
        let mut text = self.head();
        let mut shown = 0;
        for item in &self.items {
            let line = format!("\n{item}");
            let rest = self.tail(shown + 1);
            if text.len() + line.len() + rest.len() > max_bytes {
                break;
            }
            text.push_str(&line);
            shown += 1;
        }
        text.push_str(&self.tail(shown));
        cut(text, max_bytes)
    }

    fn head(&self) -> String {
        let mut head = one_line(&self.service, MAX_NAME);
        head.push_str(" on ");
        head.push_str(&one_line(&self.host, MAX_NAME));
        if self.items.len() > 1 && self.failures() > 0 {
            head.push_str(": ");
            head.push_str(&counted(self.failures(), "failure"));
        }
        head
    }

    /// The line about the items that did not fit.
    fn tail(&self, shown: usize) -> String {
        let mut tail = String::new();
        let unsaid = &self.items[shown..];
        if !unsaid.is_empty() {
            let news = unsaid.iter().map(|item| item.count).sum();
            tail.push_str(&format!(
                "\nand {} more of {}",
                grouped(news),
                counted(unsaid.len() as u64, "other kind")
            ));
        }
        if self.dropped > 0 {
            tail.push_str(&format!(
                "\n{} could not be told in time",
                counted(self.dropped, "earlier event")
            ));
        }
        tail
    }
}

/// The whole text, however long.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(usize::MAX))
    }
}

/// A single line: the subject, the count, the time span, and the newest.
impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subject,
            count,
            newest,
            ..
        } = self;
        match subject {
            Subject::Failures {
                queue,
                reason,
                kind,
            } => {
                let kinds = if kind.is_some() {
                    ""
                } else {
                    ", several errors"
                };
                write!(
                    f,
                    "{queue}: {}{} ({reason}{kinds})",
                    counted(*count, "failure"),
                    self.span()
                )?;
            }
            Subject::FailSink { queue } => write!(
                f,
                "{queue}: the fail sink did not store {}{}, parked instead",
                counted(*count, "message"),
                self.span()
            )?,
            Subject::HandlerDied { queue } => write!(
                f,
                "{queue}: the handler died {}{}",
                counted(*count, "time"),
                self.span()
            )?,
            Subject::WorkerDied { queue } => write!(
                f,
                "{queue}: a worker died {}{}",
                counted(*count, "time"),
                self.span()
            )?,
            Subject::Outage => f.write_str("outage")?,
            Subject::OutageEnded => f.write_str("the outage is over")?,
            Subject::GaveUp | Subject::Configuration | Subject::Internal => {
                f.write_str("the service stops")?;
            }
        }
        match (*count, subject.queue()) {
            (2.., Some(_)) => write!(f, ", newest: {newest}"),
            _ => write!(f, ": {newest}"),
        }
    }
}

impl Item {
    fn span(&self) -> String {
        match self.count {
            0 | 1 => String::new(),
            _ => format!(" in {}", lasting(self.lasting)),
        }
    }
}

fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::DurationExt;
    use crate::outcome::FailReason;

    fn item(subject: Subject, count: u64, newest: &str) -> Item {
        Item {
            subject,
            count,
            lasting: 5.minutes(),
            newest: newest.to_owned(),
        }
    }

    fn digest(items: Vec<Item>) -> Digest {
        Digest {
            service: "order-service".to_owned(),
            host: "web-1".to_owned(),
            number: 3,
            items,
            dropped: 0,
        }
    }

    fn orders() -> String {
        "orders".to_owned()
    }

    fn declined() -> Subject {
        Subject::failure("orders", FailReason::Exhausted, "card declined")
    }

    #[test]
    fn ten_thousand_failures_are_two_lines() {
        insta::assert_snapshot!(digest(vec![item(declined(), 4812, "card declined")]), @r"
        order-service on web-1
        orders: 4,812 failures in 5 min (exhausted), newest: card declined
        ");
        insta::assert_snapshot!(digest(vec![item(declined(), 1, "card declined")]), @r"
        order-service on web-1
        orders: 1 failure (exhausted): card declined
        ");
    }

    #[test]
    fn every_subject_has_its_words() {
        let others = Subject::Failures {
            queue: orders(),
            reason: FailReason::Panic,
            kind: None,
        };
        let mut all = digest(vec![
            item(Subject::GaveUp, 1, "gave up on the broker after 2m"),
            item(Subject::Configuration, 1, "no such vhost"),
            item(Subject::Internal, 1, "a worker died too often"),
            item(Subject::Outage, 2, "no stable consumption for 30 s"),
            item(declined(), 12, "card declined"),
            item(others, 7, "panicked: boom"),
            item(
                Subject::FailSink { queue: orders() },
                3,
                "no answer within 10 s",
            ),
            item(
                Subject::HandlerDied { queue: orders() },
                1,
                "panicked: boom",
            ),
            item(Subject::WorkerDied { queue: orders() }, 2, "it panicked"),
            item(Subject::OutageEnded, 1, "consuming again after 40 s"),
        ]);
        all.dropped = 1200;
        insta::assert_snapshot!(all, @r"
        order-service on web-1: 19 failures
        the service stops: gave up on the broker after 2m
        the service stops: no such vhost
        the service stops: a worker died too often
        outage: no stable consumption for 30 s
        orders: 12 failures in 5 min (exhausted), newest: card declined
        orders: 7 failures in 5 min (panic, several errors), newest: panicked: boom
        orders: the fail sink did not store 3 messages in 5 min, parked instead, newest: no answer within 10 s
        orders: the handler died 1 time: panicked: boom
        orders: a worker died 2 times in 5 min, newest: it panicked
        the outage is over: consuming again after 40 s
        1,200 earlier events could not be told in time
        ");
        assert_eq!(all.severity(), Severity::Critical);
        assert_eq!((all.failures(), all.count()), (19, 31));
    }

    #[test]
    fn what_does_not_fit_is_told_in_numbers() {
        let of = |error: &str, count| {
            item(
                Subject::failure("orders", FailReason::Exhausted, error),
                count,
                error,
            )
        };
        let digest = digest(vec![
            of("declined", 100),
            of("no stock", 20),
            of("timeout", 3),
        ]);
        insta::assert_snapshot!(digest.text(150), @r"
        order-service on web-1: 123 failures
        orders: 100 failures in 5 min (exhausted), newest: declined
        and 23 more of 2 other kinds
        ");
        for most in 0..300 {
            assert!(digest.text(most).len() <= most);
        }
        assert_eq!(digest.text(300), digest.to_string());
    }
}

//! What programs say: events on stdout, logs on stderr.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use garenne_testing::eventually;
use serde_json::Value;

/// One line that `order-service` wrote about one handler run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the line was read.
    pub at: Instant,
    /// `begin`, `ok`, or what else the run came to.
    pub event: String,
    /// The order's id, as it was sent.
    pub order_id: u64,
    /// Which run of the handler on this message, from 1.
    pub attempt: u64,
}

impl Event {
    /// Whether this is event `name` of order `id`.
    #[must_use]
    pub fn is(&self, name: &str, id: u64) -> bool {
        self.event == name && self.order_id == id
    }

    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        Some(Self {
            at: Instant::now(),
            event: value.get("event")?.as_str()?.to_owned(),
            order_id: value.get("order_id")?.as_u64()?,
            attempt: value.get("attempt")?.as_u64()?,
        })
    }
}

/// The ids of all orders that were handled successfully.
#[must_use]
pub fn handled(events: &[Event]) -> BTreeSet<u64> {
    events
        .iter()
        .filter(|event| event.event == "ok")
        .map(|event| event.order_id)
        .collect()
}

/// Everything that one program wrote, over all its incarnations.
#[derive(Debug, Default)]
pub struct Transcript {
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    events: Vec<Event>,
    stdout: Vec<String>,
    stderr: Vec<String>,
    readers: usize,
}

impl Transcript {
    /// Looks at the events so far.
    pub fn events<T>(&self, look: impl FnOnce(&[Event]) -> T) -> T {
        look(&self.said().events)
    }

    /// How many events satisfy `which`.
    pub fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.events(|events| events.iter().filter(|event| which(event)).count())
    }

    /// The lines on stdout that are not events.
    #[must_use]
    pub fn stdout(&self) -> Vec<String> {
        self.said().stdout.clone()
    }

    /// All lines on stderr.
    #[must_use]
    pub fn stderr(&self) -> Vec<String> {
        self.said().stderr.clone()
    }

    /// Whether some line on stderr contains `text`, in any case.
    #[must_use]
    pub fn stderr_says(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.said()
            .stderr
            .iter()
            .any(|line| line.to_lowercase().contains(&text))
    }

    /// The last events and log lines, for the message of a failed test.
    #[must_use]
    pub fn tail(&self) -> String {
        let said = self.said();
        let mut text = format!("{} events, the last:", said.events.len());
        for Event {
            event,
            order_id,
            attempt,
            ..
        } in last(&said.events, 6)
        {
            text += &format!("\n  {event} order {order_id} attempt {attempt}");
        }
        text += &format!("\n{} lines on stderr, the last:", said.stderr.len());
        for line in last(&said.stderr, 25) {
            // A backtrace in a JSON line has thousands of characters.
            text += &format!("\n  {line:.400}");
        }
        text
    }

    /// Reads the child's pipes to their ends, on threads that belong to no runtime.
    pub(crate) fn follow(self: &Arc<Self>, child: &mut Child) {
        if let Some(pipe) = child.stdout.take() {
            self.read(pipe, |said, line| match Event::parse(&line) {
                Some(event) => said.events.push(event),
                None => said.stdout.push(line),
            });
        }
        if let Some(pipe) = child.stderr.take() {
            self.read(pipe, |said, line| said.stderr.push(line));
        }
    }

    /// Waits until everything that was written before an exit has been read.
    pub(crate) async fn complete(&self, deadline: Duration) {
        eventually(
            deadline,
            "the pipes of an ended program are read to their ends",
            async || match self.said().readers {
                0 => Ok(()),
                open => Err(format!("{open} open")),
            },
        )
        .await;
    }

    fn read(
        self: &Arc<Self>,
        pipe: impl Read + Send + 'static,
        store: impl Fn(&mut Said, String) + Send + 'static,
    ) {
        self.said().readers += 1;
        let transcript = Arc::clone(self);
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                store(&mut transcript.said(), text);
                line.clear();
            }
            transcript.said().readers -= 1;
        });
    }

    /// A panic while somebody looked does not spoil what was read.
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last<T>(all: &[T], n: usize) -> &[T] {
    &all[all.len().saturating_sub(n)..]
}

//! What a failed assertion shows.

use std::fmt::{self, Display, Formatter};

use garenne::status::{Phase, QueueStatus};

use crate::scene::{QueueScene, Role, Scene, in_words};

/// So many messages of a queue are shown.
const MESSAGES: usize = 5;
/// So many of the last log lines are shown.
const LINES: usize = 10;

impl Scene {
    /// A failed assertion about one message: what is wrong, where the message is, what happened to
    /// it, and everything else.
    pub(crate) fn complain(&self, message_id: &str, what: impl Display) -> String {
        let mut text = format!("message `{message_id}` {what}");
        for sentence in self.whereabouts(message_id) {
            text.push_str("\n  ");
            text.push_str(&sentence);
        }
        let lives = self.lives(message_id);
        if !lives.is_empty() {
            text.push_str("\n\nwhat happened to it:");
        }
        for life in lives {
            for moment in &life.moments {
                text.push_str(&format!("\n  {}: {moment}", life.queue));
            }
        }
        if self.places(message_id).any(|place| place.is_underway()) {
            text.push_str("\n\nthe system is still at work: await `settled()` before asserting");
        }
        format!("{text}\n\n{self}")
    }
}

impl crate::scene::Place<'_> {
    fn is_underway(&self) -> bool {
        self.queue.role == Role::Consumed
    }
}

impl Display for Scene {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "the queues:")?;
        for queue in &self.queues {
            write!(f, "{queue}")?;
        }
        writeln!(f, "the system {}", self.state())?;
        for queue in &self.status.queues {
            writeln!(f, "  {}: {}", queue.queue, Counters(queue))?;
        }
        let lines = self
            .journal
            .map_or_else(Vec::new, |journal| journal.lines());
        if !lines.is_empty() {
            writeln!(f, "its last log lines:")?;
        }
        for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

impl Scene {
    fn state(&self) -> String {
        if let Some(reason) = &self.stopped {
            return format!("has stopped: {reason}");
        }
        let phase = match self.status.phase {
            Phase::Starting => "is starting",
            Phase::Consuming => "is consuming",
            Phase::Outage => "has lost the broker",
            Phase::Stopping => "is stopping",
            Phase::Stopped => "has stopped",
            _ => "is in another phase",
        };
        let error = self.status.outage.as_ref();
        let error = error.and_then(|outage| outage.last_error.as_ref());
        match error {
            Some(error) if self.status.phase != Phase::Consuming => format!("{phase}: {error}"),
            _ => phase.to_owned(),
        }
    }
}

impl Display for QueueScene {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = &self.view.name;
        let (ready, in_hand) = (self.view.ready, self.view.unacked);
        match &self.role {
            Role::Consumed => writeln!(f, "  {name}: {ready} waiting, {in_hand} in hand")?,
            Role::Lane { .. } => writeln!(f, "  {name}: {ready} waiting for a retry")?,
            Role::Parking { .. } => writeln!(f, "  {name}: {ready} parked")?,
            Role::Other => writeln!(f, "  {name}: {ready} lying there, not consumed here")?,
        }
        for message in self.messages.iter().take(MESSAGES) {
            let id = match message.message_id() {
                "" => "(no message id)",
                id => id,
            };
            write!(f, "    {id}")?;
            match &self.role {
                Role::Consumed => {
                    write!(f, ", attempt {}", message.attempt())?;
                    if message.is_in_hand() {
                        f.write_str(", in hand")?;
                    }
                }
                Role::Lane { .. } => {
                    let left = message.expires_in().map(in_words).unwrap_or_default();
                    write!(f, ", attempt {} {left}", message.attempt())?;
                }
                Role::Parking { of } => {
                    let record = message.record(of);
                    let (reason, attempts) = (record.reason, record.attempts);
                    write!(f, ", {reason} after attempt {attempts}: {}", record.error)?;
                }
                Role::Other => {}
            }
            writeln!(f, ", {}", message.preview())?;
        }
        match self.messages.len().saturating_sub(MESSAGES) {
            0 => Ok(()),
            more => writeln!(f, "    … and {more} more"),
        }
    }
}

/// The counters of a queue that are not 0.
struct Counters<'a>(&'a QueueStatus);

impl Display for Counters<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let QueueStatus {
            in_flight,
            delivered,
            handled,
            failed_attempts,
            retried,
            failed,
            discarded,
            requeued,
            recalled,
            ..
        } = self.0;
        write!(
            f,
            "{delivered} delivered, {handled} handled, {failed_attempts} failed attempts"
        )?;
        let rest = [
            ("retried", retried),
            ("failed for good", failed),
            ("discarded", discarded),
            ("requeued", requeued),
            ("recalled", recalled),
            ("in flight", in_flight),
        ];
        for (name, count) in rest.iter().filter(|(_, count)| **count > 0) {
            write!(f, ", {count} {name}")?;
        }
        Ok(())
    }
}

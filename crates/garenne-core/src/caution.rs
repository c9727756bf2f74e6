//! The cautious start of a worker in a fresh process, and after a loss.

/// How many deliveries a worker may hold while it is unknown why the previous process, link or channel ended.
///
/// A process or a link that dies takes its whole prefetch window with it, and the broker counts that against
/// every message in the window, harmful or not. So a worker begins with a prefetch of 1. A message that kills
/// the process or the link is then alone when it does, and only its own count grows. The caution ends at the
/// first delivery that the broker has not handed out before, or after K redelivered messages that did no
/// harm. K is an eighth of the full prefetch and at least 10.
///
/// # Why a single harmless message is not enough
///
/// The harmful message may be anywhere in the window of the previous process. With a single harmless message
/// per start, a harmful message at place 100 would count against the messages behind it a hundred times. With
/// K per start it is alone after 8 more starts at most, so each harmless message is counted 9 times at most.
/// That is far below the delivery limit of 20, past which the broker gives up on a message. It holds for any
/// number of harmful messages in a queue.
///
/// # The limits of caution
///
/// It knows a single worker of a single process. Workers that share a queue have a window each, and a harmful
/// message goes from worker to worker until the delivery limit stops it.
#[derive(Clone, Debug)]
pub struct Caution {
    full: u16,
    /// How many redelivered messages must still do no harm; 0 when the caution is over.
    to_survive: u16,
}

impl Caution {
    /// A cautious worker, whose prefetch becomes `full` later. A full prefetch of 0 counts as 1: on the wire
    /// it would mean no limit.
    #[must_use]
    pub fn new(full: u16) -> Self {
        Self {
            to_survive: (full / 8).max(10),
            ..Self::off(full)
        }
    }

    /// A worker without caution: the broker ended its subscription, and no message was lost.
    #[must_use]
    pub fn off(full: u16) -> Self {
        Self {
            full: full.max(1),
            to_survive: 0,
        }
    }

    /// The prefetch that the worker should have now: 1 while it is cautious.
    #[must_use]
    pub const fn prefetch(&self) -> u16 {
        if self.to_survive == 0 { self.full } else { 1 }
    }

    /// The prefetch after the caution.
    #[must_use]
    pub const fn full(&self) -> u16 {
        self.full
    }

    /// A message was delivered. `Some` with the full prefetch when that ends the caution.
    pub fn delivered(&mut self, redelivered: bool) -> Option<u16> {
        if redelivered { None } else { self.end() }
    }

    /// A message did no harm: its handler ended, with any result. `Some` with the full prefetch when that
    /// ends the caution.
    pub fn succeeded(&mut self, redelivered: bool) -> Option<u16> {
        if redelivered && self.to_survive > 1 {
            self.to_survive -= 1;
            return None;
        }
        self.end()
    }

    fn end(&mut self) -> Option<u16> {
        let was_cautious = self.to_survive > 0;
        self.to_survive = 0;
        was_cautious.then_some(self.full)
    }
}

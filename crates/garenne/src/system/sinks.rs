//! Where failed messages go: the part of the builder.

use std::time::Duration;

use super::SystemBuilder;
use crate::sink::FailSinkSetup;

impl SystemBuilder {
    /// Replaces the fail sink, the one place that failed messages are stored in: an actor of yours,
    /// by its factory, or a ready-made sink. The default is the parking queue `<queue>.failed` on
    /// the broker, which also takes what another sink cannot store.
    ///
    /// The actor is started with the system, on a thread of its own; one that panicked is dropped and
    /// made again.
    pub fn fail_sink(mut self, sink: impl Into<FailSinkSetup>) -> Self {
        let sink = sink.into();
        self.faults.extend(sink.faults);
        self.sinks.store = Some(sink.start);
        self
    }

    /// Adds a sink that is told of each failed message *after* it has been stored, in the fail sink or
    /// in the parking queue: [`LogSink`](crate::LogSink) beside a database, say. Any number of them.
    ///
    /// The message is acked without waiting for them. What one does not take within the time for
    /// sinks, or refuses, is logged (`fail_follower_missed`) and not told again; 1000 records at most
    /// are on their way to it.
    pub fn fail_follower(mut self, sink: impl Into<FailSinkSetup>) -> Self {
        let sink = sink.into();
        self.faults.extend(sink.faults);
        self.sinks.followers.push(sink.start);
        self
    }

    /// How long a fail sink may take to store one message before it is parked on the broker instead:
    /// 10 s by default, above zero. After three such messages in a row the sink is not asked for a
    /// growing pause of 0.5 to 30 s, and messages are parked at once.
    ///
    /// Too short, and messages are parked that a slow store takes nevertheless: they are then in both
    /// places. Too long, and messages that wait for a store that hangs fill the prefetch.
    pub fn fail_sink_timeout(mut self, timeout: Duration) -> Self {
        self.sinks.timeout = timeout;
        self
    }
}

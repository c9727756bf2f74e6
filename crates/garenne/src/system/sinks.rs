//! Where failed messages go: the part of the builder.

use std::time::Duration;

use super::SystemBuilder;
use crate::sink::FailSinkSetup;

impl SystemBuilder {
    /// Replaces the fail sink, the place that stores failed messages, by the factory of an actor of yours
    /// or by a ready-made sink. The default is the parking queue `<queue>.failed` on the broker, which also
    /// takes the messages that another sink cannot store.
    ///
    /// The actor is started with the system, on a thread of its own; an actor that panicked is dropped and
    /// made again.
    pub fn fail_sink(mut self, sink: impl Into<FailSinkSetup>) -> Self {
        let sink = sink.into();
        self.faults.extend(sink.faults);
        self.sinks.store = Some(sink.start);
        self
    }

    /// Adds a follower: a sink that is told of each failed message *after* the fail sink or the parking
    /// queue has stored it, for example a [`LogSink`](crate::LogSink) beside a database. You may add any
    /// number of followers.
    ///
    /// The message is acked without waiting for them. A record that a follower refuses, or does not take
    /// within the time for sinks, is logged (`fail_follower_missed`) and not sent again; at most 1000
    /// records are on their way to a follower.
    pub fn fail_follower(mut self, sink: impl Into<FailSinkSetup>) -> Self {
        let sink = sink.into();
        self.faults.extend(sink.faults);
        self.sinks.followers.push(sink.start);
        self
    }

    /// How long a fail sink may take to store a message before it is parked on the broker instead: 10 s by
    /// default, above zero. After three such messages in a row garenne does not ask the sink for a growing
    /// pause of 0.5 to 30 s, and parks messages at once.
    ///
    /// Too short: messages are parked that a slow store takes nevertheless, so they are in both places. Too
    /// long: messages that wait for a hanging store fill the prefetch.
    pub fn fail_sink_timeout(mut self, timeout: Duration) -> Self {
        self.sinks.timeout = timeout;
        self
    }
}

//! A system under test.

mod end;
mod settle;

use std::panic::Location;
use std::time::{Duration, Instant};

use garenne::status::{LinkState, Status};
use garenne::{Outgoing, Payload, PublishError, Publisher, SystemBuilder, SystemHandle};
use garenne_broker::Broker;

use crate::block::block_on;
use crate::fail::{fail, fail_at};
use crate::journal::Journal;
use crate::message::{Message, Sent};
use crate::options::TestSystemBuilder;
use crate::scene::Scene;

/// A system on an embedded broker of its own, with its time under the test's control.
///
/// It is the real thing: your [`SystemBuilder`], its threads, its links over loopback. Only the
/// broker is [embedded](garenne_broker), so that nothing has to be installed, tests do not see each
/// other's queues, and [`advance`](Self::advance) lets hours pass at once.
///
/// ```
/// use garenne::core::FailReason;
/// use garenne::prelude::*;
/// use garenne_testing::TestSystem;
///
/// async fn charge(order: Delivery<Text>) -> Result<(), Failure> {
///     if order.starts_with("declined") {
///         return Err(Failure::transient("card declined"));
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let orders = Queue::quorum("orders").retry(Retry::delays([20.secs(), 6.hours()]));
/// let system = TestSystem::start(|builder| builder.consume_fn(orders, charge)).await;
///
/// let good = system.send("orders", "good").await;
/// let declined = system.send("orders", "declined").await;
/// system.settled().await;
/// system.assert_handled(&good);
/// system.assert_retried(&declined).attempt(2).after(20.secs());
///
/// system.advance(20.secs()).await;
/// system.assert_retried(&declined).attempt(3).after(6.hours());
///
/// system.advance(6.hours()).await;
/// system.assert_parked(&declined).reason(FailReason::Exhausted).error("card declined");
/// system.finish().await;
/// # }
/// ```
///
/// # Waiting
///
/// Nothing here sleeps. [`settled`](Self::settled) waits for the broker's own state changes, and
/// gives up after the [patience](TestSystemBuilder::patience), which is real time.
///
/// # Time
///
/// What the *broker* measures is under control: lanes, message TTLs, queue expiries. What is
/// measured in the *process* is real time: a handler's deadline, a `sleep` in it, the outage window,
/// back-off after a lost link. Use [`perform`](crate::perform) in a runtime whose clock is paused to
/// test a handler's deadline.
///
/// # The end
///
/// [`finish`](Self::finish) fails the test when something is left unsettled. A test that forgets it
/// is not better off: dropping the system does the same, unless the test is failing already.
pub struct TestSystem {
    broker: Broker,
    handle: SystemHandle,
    patience: Duration,
    journal: Option<Journal>,
    finished: bool,
}

impl TestSystem {
    /// Starts the system that `configure` makes, on a broker of its own, and waits until it
    /// consumes: [`TestSystemBuilder::start`] with the defaults.
    ///
    /// # Panics
    ///
    /// When the configuration is faulty, or the system does not come to consume.
    #[track_caller]
    pub fn start(
        configure: impl FnOnce(SystemBuilder) -> SystemBuilder,
    ) -> impl Future<Output = Self> {
        Self::builder().start(configure)
    }

    /// Options to start with.
    pub fn builder() -> TestSystemBuilder {
        TestSystemBuilder::default()
    }

    pub(crate) fn new(broker: Broker, handle: SystemHandle, patience: Duration) -> Self {
        Self {
            broker,
            handle,
            patience,
            journal: None,
            finished: false,
        }
    }

    /// Publishes a message to a queue, over the system's own publish link, and returns when the
    /// broker has it.
    ///
    /// # Panics
    ///
    /// When it cannot be published; a link that is down is waited for.
    #[track_caller]
    pub fn send(&self, queue: &str, payload: impl Payload) -> impl Future<Output = Sent> {
        self.send_message(Outgoing::to_queue(queue, payload))
    }

    /// Publishes a message as it is: to an exchange, with headers, with an id of its own.
    ///
    /// A message whose confirm is lost with its link is sent again, as a producer should.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    #[track_caller]
    pub fn send_message(&self, message: Outgoing) -> impl Future<Output = Sent> {
        let place = Location::caller();
        async move {
            let sent = Sent::new(message.id());
            let end = Instant::now() + self.patience;
            let is_up = |status: &Status| matches!(status.publish, LinkState::Up { .. });
            loop {
                let error = match self.handle.publisher().send(message.clone()).await {
                    Ok(()) => return sent,
                    Err(error) => error,
                };
                let link_is_down = matches!(error, PublishError::Disconnected { .. });
                let link_is_back = |status: &Status| is_up(status) || Instant::now() >= end;
                if !link_is_down
                    || Instant::now() >= end
                    || self.handle.wait_until(link_is_back).await.is_err()
                {
                    fail_at(place, format!("cannot send `{sent}`: {error}"));
                }
            }
        }
    }

    /// Waits until everything is settled: in the queues that the system consumes nothing waits, and
    /// nothing is in its hands. What lies in lanes and parking queues may stay there. The system's
    /// own [counters](garenne::status::QueueStatus) have come to rest then, too.
    ///
    /// # Panics
    ///
    /// When it does not come to that within the patience, or the system stops.
    #[track_caller]
    pub fn settled(&self) -> impl Future<Output = ()> {
        let place = Location::caller();
        async move { self.settle_or_fail(place).await }
    }

    /// Lets time pass on the broker, and the system do what falls due in it.
    ///
    /// Time goes from one due time to the next, and waits there until the system has
    /// [settled](Self::settled): so a message falls through a whole ladder of lanes in one call, as
    /// it would in real life. Hours take milliseconds. The clock also runs by itself, so that a lane
    /// of 50 ms may be over before it is looked at: use delays of a second or more.
    ///
    /// # Panics
    ///
    /// As [`settled`](Self::settled).
    #[track_caller]
    pub fn advance(&self, by: Duration) -> impl Future<Output = ()> {
        let place = Location::caller();
        async move {
            self.settle_or_fail(place).await;
            if let Err(error) = self.pass(by, place).await {
                fail_at(place, error.to_string());
            }
        }
    }

    /// The messages that lie in a queue; none when there is no such queue.
    ///
    /// # Panics
    ///
    /// When the broker was shut down.
    #[must_use]
    #[track_caller]
    pub fn messages(&self, queue: &str) -> Vec<Message> {
        let scene = self.scene();
        let queue = scene.queue(queue);
        queue.map_or_else(Vec::new, |queue| queue.messages.clone())
    }

    /// Everything that is there, as a failed assertion shows it: queues and their messages, the
    /// system's state and counters, the last lines of its log.
    ///
    /// # Panics
    ///
    /// When the broker was shut down.
    #[must_use]
    #[track_caller]
    pub fn report(&self) -> String {
        self.scene().to_string()
    }

    /// The handle of the running system.
    #[must_use]
    pub fn handle(&self) -> &SystemHandle {
        &self.handle
    }

    /// The system's own publisher.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        self.handle.publisher()
    }

    /// The embedded broker: for faults, and for what else can be seen there.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    #[track_caller]
    pub(crate) fn scene(&self) -> Scene {
        match block_on(self.look()) {
            Ok(scene) => scene,
            Err(error) => fail(error.to_string()),
        }
    }

    pub(crate) fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    pub(crate) fn listen(&mut self, journal: Option<Journal>) {
        self.journal = journal;
    }
}

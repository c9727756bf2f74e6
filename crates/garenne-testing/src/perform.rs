//! One run of a handler, without a broker.

mod actor;
mod function;
mod outcome;
mod run;

use std::any::Any;
use std::cell::RefCell;
use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use garenne::core::{Attempt, Properties, Queue, RETRY_NUMS, Settlement, Value, decide};
use garenne::{Body, Delivery, Failure, Outgoing, Payload, Undecodable};
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::fail::fail_at;
pub use outcome::Performed;
pub use run::Run;

/// How long a run may take. A queue's own default is ten minutes, which no test should wait.
const DEADLINE: Duration = Duration::from_secs(10);

/// Runs a handler once, on one message, with no broker at all, and gives what it returned.
///
/// The handler is an actor or an async function, as it would be given to
/// [`consume`](garenne::SystemBuilder::consume) or [`consume_fn`](garenne::SystemBuilder::consume_fn).
/// The body is encoded and then decoded as on its way over a broker: a value (`Json(order)`), a text
/// as some other program would send it, or raw bytes.
///
/// ```
/// use garenne::prelude::*;
/// use garenne_testing::perform;
///
/// async fn charge(order: Delivery<Json<serde_json::Value>>) -> Result<(), Failure> {
///     if order["cents"] == 0 {
///         return Err(Failure::discard("nothing to pay"));
///     }
///     if order.attempt().number() < 3 {
///         return Err(Failure::transient("card declined"));
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let failure = perform(charge, r#"{ "cents": 1999 }"#).await.unwrap_err();
/// assert_eq!(failure.error(), "card declined");
///
/// assert!(perform(charge, r#"{ "cents": 1999 }"#).attempt(3).await.is_ok());
/// # }
/// ```
///
/// What is returned is awaited, in any tokio runtime; an actor needs no actix system, unless it asks
/// for one itself: then test it in `#[actix_rt::test]`. It runs on the test's thread and clock, so
/// with `#[tokio::test(start_paused = true)]` a handler that sleeps for hours is done at once.
///
/// # Panics
///
/// When awaited, if the handler returned nothing because it panicked, took longer than the
/// [deadline](Perform::deadline), or never saw the message because its body cannot be decoded. Tests
/// about that await [`Perform::outcome`].
#[track_caller]
pub fn perform<H, M>(handler: H, body: impl Payload) -> Perform
where
    H: Performer<M>,
    M: 'static,
{
    let place = Location::caller();
    let (bytes, content_type) = match body.encode() {
        Ok(encoded) => encoded,
        Err(error) => fail_at(place, error.to_string()),
    };
    Perform {
        setup: Setup {
            queue: "test".to_owned(),
            attempt: Attempt::FIRST,
            properties: Properties {
                content_type: content_type.map(str::to_owned),
                delivery_mode: Some(2),
                message_id: Some("test-message".to_owned()),
                ..Properties::default()
            },
            bytes,
            outgoing: Watch::default(),
        },
        deadline: DEADLINE,
        run: Box::new(move |setup| handler.perform(setup)),
        place,
    }
}

/// One run of a handler; made by [`perform()`], begun when it is awaited.
#[must_use = "the handler runs when this is awaited"]
pub struct Perform {
    setup: Setup,
    deadline: Duration,
    run: Box<dyn FnOnce(Setup) -> LocalBoxFuture<'static, Performed>>,
    place: &'static Location<'static>,
}

/// The message that a handler is run on.
#[doc(hidden)]
pub struct Setup {
    queue: String,
    attempt: Attempt,
    properties: Properties,
    bytes: Bytes,
    /// Sees what the handler wants sent, once there is a delivery.
    outgoing: Watch,
}

/// Everything that a handler wants sent, each message with its delay.
type Wanted = Vec<(Outgoing, Option<Duration>)>;
type Watch = Rc<RefCell<Option<Box<dyn Fn() -> Wanted>>>>;

impl Perform {
    /// The number of the attempt. Default: 1, the first.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.setup.attempt = Attempt::from_failed(attempt.saturating_sub(1));
        self
    }

    /// Sets a header of the message.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let headers = &mut self.setup.properties.headers;
        headers.insert(name.into(), value.into());
        self
    }

    /// The message id. Default: `test-message`.
    pub fn message_id(mut self, id: impl Into<String>) -> Self {
        self.setup.properties.message_id = Some(id.into());
        self
    }

    /// All properties of the message at once, its headers included: those of a message from real
    /// life, for example. What was set before is forgotten.
    pub fn properties(mut self, properties: Properties) -> Self {
        self.setup.properties = properties;
        self
    }

    /// The queue that the message seems to come from. Default: `test`.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.setup.queue = queue.into();
        self
    }

    /// How long the handler may take, on the clock of the test's runtime. Default: 10 s.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Runs the handler, and gives what would happen to its message then: what a queue's retry policy
    /// makes of it, at this attempt.
    ///
    /// ```
    /// use garenne::core::{FailReason, Settlement};
    /// use garenne::prelude::*;
    /// use garenne_testing::perform;
    ///
    /// async fn charge(_: Delivery<Text>) -> Result<(), Failure> {
    ///     Err(Failure::transient("card declined"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let orders = Queue::quorum("orders").retry(Retry::every(20.secs()).times(3));
    /// let run = perform(charge, "order 7").attempt(3).settlement(&orders).await;
    /// assert_eq!(run, Settlement::Retry(20.secs()));
    /// let run = perform(charge, "order 7").attempt(4).settlement(&orders).await;
    /// assert_eq!(run, Settlement::Fail(FailReason::Exhausted));
    /// # }
    /// ```
    pub async fn settlement(self, queue: &Queue) -> Settlement {
        let attempt = self.setup.attempt;
        decide(&self.outcome().await.as_outcome(), attempt, &queue.retry)
    }

    /// Runs the handler, and gives what came of it, whatever that is.
    pub async fn outcome(self) -> Performed {
        self.run().await.outcome
    }

    /// Runs the handler, and gives what came of it and what it wants sent: see
    /// [`Run::assert_published`].
    pub async fn run(self) -> Run {
        let Self {
            mut setup,
            deadline,
            run,
            ..
        } = self;
        if setup.attempt > Attempt::FIRST {
            let headers = &mut setup.properties.headers;
            headers.insert(RETRY_NUMS.to_owned(), setup.attempt.header());
        }
        // Actors and what handlers spawn need one; it ends with the run, and so do they.
        let local = LocalSet::new();
        let outgoing = Rc::clone(&setup.outgoing);
        let outcome = match timeout(deadline, local.run_until(run(setup))).await {
            Ok(performed) => performed,
            Err(_) => Performed::DeadlineExceeded(deadline),
        };
        let watch = outgoing.take();
        Run::new(outcome, watch.map(|watch| watch()).unwrap_or_default())
    }
}

impl IntoFuture for Perform {
    type Output = Result<(), Failure>;
    type IntoFuture = LocalBoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let place = self.place;
            match self.outcome().await {
                Performed::Returned(result) => result,
                other => fail_at(place, format!("the handler returned nothing: {other}")),
            }
        })
    }
}

/// A handler that [`perform()`] can run: an actor that handles deliveries, or an async function that
/// takes one. It is implemented for all of them; `M` only tells them apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "neither an actor that handles `Delivery<…>` nor an async function that takes one",
    note = "an actor implements `Handler<Delivery<B>>`; a function is `async fn(Delivery<B>) -> Result<(), Failure>`"
)]
pub trait Performer<M>: 'static {
    #[doc(hidden)]
    fn perform(self, setup: Setup) -> LocalBoxFuture<'static, Performed>;
}

impl Setup {
    /// The delivery, as the handler would get it. A decoder is user code: it may panic.
    fn delivery<B: Body>(self) -> Result<Delivery<B>, Performed> {
        let Self {
            queue,
            attempt,
            properties,
            bytes,
            outgoing,
        } = self;
        let decode = || Delivery::<B>::fabricate(&queue, attempt, &properties, bytes);
        match catch_unwind(AssertUnwindSafe(decode)) {
            Ok(Ok(delivery)) => {
                outgoing.replace(Some(Box::new(delivery.watch_outgoing())));
                Ok(delivery)
            }
            Ok(Err(undecodable)) => Err(Performed::Undecodable(undecodable)),
            Err(panic) => {
                let why = format_args!("the decoder panicked: {}", panic_text(&*panic)).to_string();
                Err(Performed::Undecodable(Undecodable::new(why)))
            }
        }
    }
}

/// The text of a panic, as far as it has one.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("(no text)").to_owned()
}

//! Which queue is consumed with which handler: the part of the builder.

use std::sync::Arc;

use garenne_core::Queue;

use super::SystemBuilder;
use crate::body::Body;
use crate::consumer::{FnHandler, IntoHandler, StartWorker, start_worker};
use crate::delivery::Delivery;
use crate::failure::IntoFailure;

impl SystemBuilder {
    /// Consumes a queue with handlers that this factory makes: structs that implement
    /// [`Handle`](crate::Handle), or actors that handle [`Delivery`].
    ///
    /// Each worker gets a handler of its own from the factory, on its own thread; one that panicked
    /// is dropped and made again.
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// #[derive(Default)]
    /// struct Charge; // any state lives here
    ///
    /// impl Handle<Text> for Charge {
    ///     async fn handle(&self, order: Delivery<Text>) -> Result<(), Failure> {
    ///         println!("charged {}", order.body().0);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// SystemBuilder::from_env().consume(Queue::quorum("orders"), Charge::default).run();
    /// ```
    ///
    /// An actor has a mailbox beside the queue, timers, and `started` and `stopped`:
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// #[derive(Default)]
    /// struct Charge;
    ///
    /// impl Actor for Charge {
    ///     type Context = Context<Self>;
    /// }
    ///
    /// impl Handler<Delivery<Text>> for Charge {
    ///     type Result = HandlerFuture; // a boxed future of Result<(), Failure>
    ///
    ///     fn handle(&mut self, order: Delivery<Text>, _: &mut Self::Context) -> Self::Result {
    ///         Box::pin(async move {
    ///             println!("charged {}", order.body().0);
    ///             Ok(())
    ///         })
    ///     }
    /// }
    ///
    /// SystemBuilder::from_env().consume(Queue::quorum("orders"), Charge::default).run();
    /// ```
    pub fn consume<Kind, H, F>(self, queue: Queue, factory: F) -> Self
    where
        H: IntoHandler<Kind>,
        H::Body: Body,
        F: Fn() -> H + Send + Sync + 'static,
    {
        let factory: Arc<dyn Fn() -> H::Actor + Send + Sync> =
            Arc::new(move || factory().into_actor());
        self.register(queue, start_worker(factory))
    }

    /// Consumes a queue with an async function, which is all that a handler without state needs.
    ///
    /// The error of its result is a [`Failure`](crate::Failure), or whatever becomes one.
    pub fn consume_fn<B, F, R, E>(self, queue: Queue, function: F) -> Self
    where
        B: Body,
        F: Fn(Delivery<B>) -> R + Clone + Send + Sync + Unpin + 'static,
        R: Future<Output = Result<(), E>> + 'static,
        E: IntoFailure + 'static,
    {
        let factory: Arc<dyn Fn() -> FnHandler<F, B> + Send + Sync> =
            Arc::new(move || FnHandler::new(function.clone()));
        self.register(queue, start_worker(factory))
    }

    fn register(mut self, queue: Queue, start: StartWorker) -> Self {
        self.queues.push((queue, start));
        self
    }
}

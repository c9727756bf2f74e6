//! Handlers without state: an async function is enough.

use std::marker::PhantomData;

use actix::{Actor, Context, Handler};

use crate::delivery::Delivery;
use crate::failure::{HandlerFuture, IntoFailure};

/// The actor around an async function, for handlers without state.
pub(crate) struct FnHandler<F, B> {
    function: F,
    body: PhantomData<fn(B)>,
}

impl<F, B> FnHandler<F, B> {
    pub(crate) fn new(function: F) -> Self {
        Self {
            function,
            body: PhantomData,
        }
    }
}

impl<F: Unpin + 'static, B: 'static> Actor for FnHandler<F, B> {
    type Context = Context<Self>;
}

impl<F, R, E, B> Handler<Delivery<B>> for FnHandler<F, B>
where
    F: Fn(Delivery<B>) -> R + Unpin + 'static,
    R: Future<Output = Result<(), E>> + 'static,
    E: IntoFailure,
    B: 'static,
{
    type Result = HandlerFuture;

    fn handle(&mut self, delivery: Delivery<B>, _: &mut Self::Context) -> HandlerFuture {
        let running = (self.function)(delivery);
        Box::pin(async move { running.await.map_err(IntoFailure::into_failure) })
    }
}

//! A run of an async function.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use garenne::{Body, Delivery, IntoFailure};

use super::{Performed, Performer, Setup, panic_text};

/// Tells functions from structs and actors.
pub struct ByFunction<B, R, E>(PhantomData<fn(B) -> (R, E)>);

impl<F, B, R, E> Performer<ByFunction<B, R, E>> for F
where
    F: Fn(Delivery<B>) -> R + 'static,
    B: Body,
    R: Future<Output = Result<(), E>> + 'static,
    E: IntoFailure + 'static,
{
    fn perform(self, setup: Setup) -> LocalBoxFuture<'static, Performed> {
        Box::pin(async move {
            let delivery = match setup.delivery() {
                Ok(delivery) => delivery,
                Err(undecodable) => return undecodable,
            };
            let run = match catch_unwind(AssertUnwindSafe(|| self(delivery))) {
                Ok(run) => AssertUnwindSafe(run).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            match run {
                Ok(result) => Performed::Returned(result.map_err(IntoFailure::into_failure)),
                Err(panic) => Performed::Panicked(panic_text(&*panic)),
            }
        })
    }
}

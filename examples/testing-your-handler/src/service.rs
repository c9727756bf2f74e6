//! The service: which queue, which policy, which handler.

use std::sync::Arc;

use garenne::prelude::*;

use crate::charge::{Cards, Charge};

/// The queue of orders. A card that is declined is tried again after a minute, an hour and a day.
#[must_use]
pub fn orders() -> Queue {
    Queue::quorum("orders").retry(Retry::delays([1.minutes(), 1.hours(), 24.hours()]))
}

/// The service, made out of a builder that knows the broker.
///
/// `main` is then two lines:
///
/// ```no_run
/// # use testing_your_handler::{Cards, Declined, Order, service};
/// # struct Bank;
/// # impl Cards for Bank {
/// #     fn charge(
/// #         &self,
/// #         _: &Order,
/// #     ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Declined>>>> {
/// #         Box::pin(async { Ok(()) })
/// #     }
/// # }
/// use std::sync::Arc;
///
/// use garenne::prelude::*;
///
/// fn main() -> std::process::ExitCode {
///     service(SystemBuilder::from_env(), Arc::new(Bank)).run()
/// }
/// ```
pub fn service(builder: SystemBuilder, cards: Arc<dyn Cards>) -> SystemBuilder {
    let publisher = builder.publisher();
    builder.consume(orders(), move || {
        Charge::new(Arc::clone(&cards), publisher.clone())
    })
}

//! How to test a handler.
//!
//! This is a service in the shape in which services are easy to test, and its tests. Read it in this
//! order:
//!
//! 1. [`charge`] is the handler: it charges the card of an order and publishes a receipt. What it
//!    needs from the world, it is *given*: a [`Cards`] that may be a payment provider or a test's own,
//!    and a publisher.
//! 2. [`service()`] puts the system together out of a `SystemBuilder`. `main` gives it
//!    `SystemBuilder::from_env()` and runs it; a test gives it the builder of an embedded broker. The
//!    queue, its retry policy and its deadline are part of what is tested.
//! 3. `tests/handler.rs` asks what the handler returns for one message, **without a broker**. Start
//!    here: most of what can be wrong is wrong in the handler, and such a test takes microseconds.
//! 4. `tests/service.rs` asks what becomes of a message, **with a broker** inside the test's process:
//!    retried when, parked why, published what. Time is under the test's control, so a retry policy
//!    that goes on for a day is tested in milliseconds.
//!
//! `cargo test -p testing-your-handler` runs them all; nothing has to be installed.
//!
//! # Which kind of test for what?
//!
//! | question | test |
//! |---|---|
//! | does a declined card fail in a way that is retried, a wrong currency in one that is not? | handler |
//! | is a message of last year's format still understood? | handler, with its raw bytes |
//! | does the third attempt do something else than the first? | handler, with `attempt(3)` |
//! | is a slow payment provider given up in time? | handler, on a paused clock |
//! | are there as many retries as intended, as far apart? | service, with time advanced |
//! | does a message that fails for good end where people look for it? | service |
//! | does the receipt come out, with the right routing key? | service |
//! | does the service come back when the broker was away? | service, with a fault |
//!
//! # What a failed test says
//!
//! An assertion about a message that is somewhere else says where it is, what happened to it, and
//! what lies in all queues:
//!
//! ```text
//! message `018f…` was not handled
//!   it waits in the lane `orders.retry.60s`: attempt 2 comes in 1m
//!
//! what happened to it:
//!   orders: attempt 1 began
//!   orders: attempt 1 failed, to be retried after 1m: card declined
//!
//! the queues:
//!   orders: 0 waiting, 0 in hand
//!   …
//! ```

pub mod charge;
pub mod service;

pub use charge::{Cards, Charge, Declined, Order};
pub use service::service;

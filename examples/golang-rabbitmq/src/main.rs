//! What a team runs beside its programs on the Go package `golang-rabbitmq` while it moves over: a
//! consumer and a producer for the same queues. See `MIGRATING.md`.
//!
//! ```text
//! golang-rabbitmq recv                          handles messages until it is stopped
//! golang-rabbitmq send BODY...                  sends messages
//! golang-rabbitmq send-delay SECONDS BODY...    sends messages that come later
//! ```
//!
//! A body that contains `fail` fails at every attempt.
//!
//! | variable | the package's | default |
//! |---|---|---|
//! | `AMQP_URL` | `Dns` | `amqp://localhost:5672` |
//! | `QUEUE` | `QuName` | `orders` |
//! | `EXCHANGE` | `ExName` | none: the default exchange |
//! | `EXCHANGE_TYPE` | `ExType`: `direct`, `fanout`, `topic`, `headers` | `direct` |
//! | `ROUTING_KEY` | `RtKey` | the name of the queue |

mod sending;
mod shared;

use std::process::ExitCode;

use garenne::prelude::*;

use crate::shared::Shared;

async fn handle(order: Delivery<Text>) -> Result<(), Failure> {
    shared::say(&format!("attempt {}: {}", order.attempt(), order.body().0));
    if order.contains("fail") {
        return Err(Failure::transient("the message says so"));
    }
    Ok(())
}

fn main() -> ExitCode {
    let (shared, faults) = Shared::from_env();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["recv"] => SystemBuilder::from_env()
            .with_faults(faults)
            .consume_fn(Queue::golang_rabbitmq(shared.contract()), handle)
            .run(),
        ["send", ref bodies @ ..] if !bodies.is_empty() => {
            sending::run(&shared, &faults, None, bodies)
        }
        ["send-delay", seconds, ref bodies @ ..] if !bodies.is_empty() => {
            match seconds.parse::<u64>() {
                Ok(seconds) => sending::run(&shared, &faults, Some(seconds.secs()), bodies),
                Err(error) => {
                    shared::refuse(&format!("{seconds} is no number of seconds: {error}"))
                }
            }
        }
        _ => shared::refuse(
            "usage: golang-rabbitmq recv | send BODY... | send-delay SECONDS BODY...",
        ),
    }
}

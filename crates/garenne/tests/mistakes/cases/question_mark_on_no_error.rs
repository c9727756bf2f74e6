//! `?` on an error type that neither implements `std::error::Error` nor becomes a `Failure`.

use garenne::prelude::*;

struct Declined;

fn bank() -> Result<(), Declined> {
    Err(Declined)
}

async fn charge(_: Delivery<Text>) -> Result<(), Failure> {
    bank()?;
    Ok(())
}

fn main() {
    SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge).run();
}

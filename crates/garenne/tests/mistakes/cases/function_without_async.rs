//! The function is not async.

use garenne::prelude::*;

fn charge(_: Delivery<Text>) -> Result<(), Failure> {
    Ok(())
}

fn main() {
    SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge).run();
}

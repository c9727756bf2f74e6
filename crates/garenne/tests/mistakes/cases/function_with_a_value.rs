//! The function returns a value.

use garenne::prelude::*;

async fn charge(order: Delivery<Text>) -> Result<usize, Failure> {
    Ok(order.len())
}

fn main() {
    SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge).run();
}

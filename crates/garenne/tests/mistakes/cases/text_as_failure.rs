//! A text is returned as it is.

use garenne::prelude::*;

async fn charge(_: Delivery<Text>) -> Result<(), Failure> {
    Err("no card")
}

fn main() {
    SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge).run();
}

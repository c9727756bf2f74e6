//! A name is given in place of a queue.

use garenne::prelude::*;

async fn charge(_: Delivery<Text>) -> Result<(), Failure> {
    Ok(())
}

fn main() {
    SystemBuilder::from_env().consume_fn("orders", charge).run();
}

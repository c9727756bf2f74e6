//! The function takes the body alone.

use garenne::prelude::*;

async fn charge(_: Json<u64>) -> Result<(), Failure> {
    Ok(())
}

fn main() {
    SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge).run();
}

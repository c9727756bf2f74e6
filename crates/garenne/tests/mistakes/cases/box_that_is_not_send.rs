//! `Box<dyn Error>` without `Send + Sync`.

use garenne::prelude::*;

async fn charge(_: Delivery<Text>) -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

fn main() {
    SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge).run();
}

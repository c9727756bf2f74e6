//! A function is given to `consume`.

use garenne::prelude::*;

async fn charge(_: Delivery<Text>) -> Result<(), Failure> {
    Ok(())
}

fn main() {
    SystemBuilder::from_env().consume(Queue::quorum("orders"), charge).run();
}

//! The handler itself is given in place of a factory.

use garenne::prelude::*;

struct Charge;

impl Handle<Text> for Charge {
    async fn handle(&self, _: Delivery<Text>) -> Result<(), Failure> {
        Ok(())
    }
}

fn main() {
    SystemBuilder::from_env().consume(Queue::quorum("orders"), Charge).run();
}

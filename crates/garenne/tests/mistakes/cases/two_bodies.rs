//! The struct handles two kinds of bodies, so nothing says which one the queue has.

use garenne::prelude::*;

#[derive(Default)]
struct Charge;

impl Handle<Text> for Charge {
    async fn handle(&self, _: Delivery<Text>) -> Result<(), Failure> {
        Ok(())
    }
}

impl Handle<Bytes> for Charge {
    async fn handle(&self, _: Delivery<Bytes>) -> Result<(), Failure> {
        Ok(())
    }
}

fn main() {
    SystemBuilder::from_env().consume(Queue::quorum("orders"), Charge::default).run();
}

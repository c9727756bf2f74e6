//! A struct is given to `consume_fn`.

use garenne::prelude::*;

#[derive(Default)]
struct Charge;

impl Handle<Text> for Charge {
    async fn handle(&self, _: Delivery<Text>) -> Result<(), Failure> {
        Ok(())
    }
}

fn main() {
    SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), Charge::default).run();
}

//! The actor handles no `Delivery`.

use garenne::prelude::*;

#[derive(Default)]
struct Charge;

impl Actor for Charge {
    type Context = Context<Self>;
}

fn main() {
    SystemBuilder::from_env().consume(Queue::quorum("orders"), Charge::default).run();
}

//! The actor handles a `Delivery` of what is not a body.

use garenne::prelude::*;

struct Order;

#[derive(Default)]
struct Charge;

impl Actor for Charge {
    type Context = Context<Self>;
}

impl Handler<Delivery<Order>> for Charge {
    type Result = HandlerFuture;

    fn handle(&mut self, _: Delivery<Order>, _: &mut Self::Context) -> Self::Result {
        Box::pin(async { Ok(()) })
    }
}

fn main() {
    SystemBuilder::from_env().consume(Queue::quorum("orders"), Charge::default).run();
}

//! The struct implements no handler.

use garenne::prelude::*;

#[derive(Default)]
struct Charge;

fn main() {
    SystemBuilder::from_env().consume(Queue::quorum("orders"), Charge::default).run();
}

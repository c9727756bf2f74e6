//! The function returns nothing.

use garenne::prelude::*;

async fn charge(order: Delivery<Text>) {
    println!("charged {}", order.body().0);
}

fn main() {
    SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge).run();
}

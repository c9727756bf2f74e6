//! A failure in a text would lose its causes, and what should happen to the message.

use garenne::prelude::*;

async fn bank() -> Result<(), Failure> {
    Err(Failure::permanent("no such account"))
}

async fn charge(_: Delivery<Text>) -> Result<(), Failure> {
    bank().await.map_err(|failure| Failure::transient(format!("the bank: {failure}")))
}

fn main() {
    SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge).run();
}

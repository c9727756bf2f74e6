//! The same for a function.

use garenne::prelude::*;

enum ChargeError {
    Declined,
}

async fn charge(_: Delivery<Text>) -> Result<(), ChargeError> {
    Err(ChargeError::Declined)
}

fn main() {
    SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge).run();
}

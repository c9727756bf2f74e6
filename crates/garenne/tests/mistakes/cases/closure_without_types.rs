//! The closure does not say which body its messages have.

use garenne::prelude::*;

fn main() {
    SystemBuilder::from_env()
        .consume_fn(Queue::quorum("orders"), async |order| {
            println!("charged {order:?}");
            Ok::<(), Failure>(())
        })
        .run();
}

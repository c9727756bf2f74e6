//! The closure gives away what it needs for the next message.

use garenne::prelude::*;

fn main() {
    let builder = SystemBuilder::from_env();
    let publisher = builder.publisher();
    builder
        .consume_fn(Queue::quorum("orders"), move |order: Delivery<Text>| async move {
            publisher.send(Outgoing::to_queue("invoices", order.into_body())).await
        })
        .run();
}

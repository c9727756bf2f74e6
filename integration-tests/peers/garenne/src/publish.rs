//! A producer that keeps a window of confirms.

use garenne::prelude::*;

use crate::setting::{finish, queues, say, setting};

#[derive(serde::Serialize)]
struct Order<'a> {
    order_id: u64,
    cents: u64,
    note: &'a str,
}

pub async fn all() {
    let (count, window): (u64, usize) = (setting("BENCH_COUNT"), setting("BENCH_WINDOW"));
    let publisher = Publisher::builder(setting::<String>("BENCH_URL"))
        .max_messages(window)
        .connect()
        .await
        .expect("a broker");
    let queue = queues().remove(0);
    // What is around it weighs about 50 bytes.
    let note = "x".repeat(setting::<usize>("BENCH_BODY").saturating_sub(50));
    let orders = (0..count).map(|order_id| {
        let order = Order {
            order_id,
            cents: 1999,
            note: &note,
        };
        Outgoing::to_queue(&queue, Json(order)).message_id(order_id.to_string())
    });
    say("first", &[]);
    if window == 1 {
        for order in orders {
            publisher.send(order).await.expect("a confirm");
        }
    } else {
        let sent = publisher.send_all(orders).finish().await;
        assert_eq!(sent.confirmed, count, "{:?}", sent.first_failure);
    }
    say("done", &[]);
    finish().await;
    publisher.close().await;
}

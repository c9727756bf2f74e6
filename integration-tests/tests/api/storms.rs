//! Many sends while links are cut and the broker is killed.

#[path = "../../../crates/garenne/tests/publishing/storm.rs"]
mod storm;

use std::collections::BTreeMap;
use std::time::Duration;

use garenne::prelude::*;
use integration_tests::{Client, Direction, FaultProxy, RabbitNode};
use lapin::types::AMQPValue;

use super::support::take_ids;
use storm::Storm;

const SENDS: usize = 100_000;
const FAULTS: usize = 20;
/// A killed broker takes seconds to come back, on a busy machine many.
const PATIENCE: Duration = Duration::from_secs(120);
const QUEUES: [&str; 2] = ["classic", "quorum"];

async fn do_harm(fault: usize, node: &mut RabbitNode, proxy: &FaultProxy) {
    match fault {
        5 | 15 => {
            node.restart().await;
        }
        _ => match fault % 4 {
            0 => proxy.cut().await,
            1 => proxy.cut_after(3000, Direction::ToBroker),
            2 => proxy.cut_after(500, Direction::ToClient),
            _ => node.close_connections("/").await,
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_20_kills_and_cuts_every_ok_is_in_a_queue_and_every_error_is_true() {
    let mut node = RabbitNode::start().await;
    let client = Client::connect(&node.url("/")).await;
    for queue in QUEUES {
        let kind = AMQPValue::LongString(queue.into());
        client.declare(queue, &[("x-queue-type", kind)]).await;
    }
    drop(client);
    let proxy = FaultProxy::before(&node).await;
    let publisher = Publisher::connect(proxy.url("/")).await.unwrap();
    let mut storm = Storm::new(publisher, SENDS, PATIENCE).begin(&QUEUES);
    for fault in 1..=FAULTS {
        storm.reaches(fault, FAULTS + 1).await;
        do_harm(fault, &mut node, &proxy).await;
    }
    let answers = storm.ends().await;
    let client = Client::connect(&node.url("/")).await;
    let mut stored = BTreeMap::new();
    for queue in QUEUES {
        stored.extend(take_ids(&client, queue).await);
    }
    storm.check(&answers, &stored);
}

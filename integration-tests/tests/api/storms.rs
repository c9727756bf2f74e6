//! Many sends while links are cut and the broker is killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use garenne::PublishError;
use garenne::prelude::*;
use integration_tests::{Client, Direction, FaultProxy, RabbitNode};
use lapin::types::AMQPValue;

use super::support::take_ids;

const SENDS: usize = 100_000;
const FAULTS: usize = 20;
/// A killed broker takes seconds to come back, on a busy machine many.
const PATIENCE: Duration = Duration::from_secs(120);
const QUEUES: [&str; 2] = ["classic", "quorum"];

/// Every tenth message has no patience, every tenth is buffered, the others wait.
fn when_down(number: usize) -> WhenDown {
    match number % 10 {
        3 => WhenDown::FailFast,
        7 => WhenDown::Buffer {
            max_messages: SENDS,
            max_bytes: 1 << 30,
            max_age: PATIENCE,
        },
        _ => WhenDown::WaitUpTo(PATIENCE),
    }
}

type Answers = Vec<(usize, Result<(), PublishError>)>;

/// Sends every second message, and counts the answers.
async fn send_half(publisher: Publisher, half: usize, answered: Arc<AtomicUsize>) -> Answers {
    let numbers = (0..SENDS).filter(|number| number % 2 == half);
    let messages = numbers.clone().map(|number| {
        Outgoing::to_queue(QUEUES[half], "x")
            .with_message_id(number.to_string())
            .when_down(when_down(number))
    });
    let mut results = publisher.send_all(messages);
    let mut answers = Vec::new();
    for number in numbers {
        let result = results.next().await.expect("a result for every message");
        answers.push((number, result));
        answered.fetch_add(1, Ordering::Relaxed);
    }
    answers
}

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
    let answered = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..2)
        .map(|half| tokio::spawn(send_half(publisher.clone(), half, Arc::clone(&answered))))
        .collect();
    for fault in 1..=FAULTS {
        // In the middle of the flow, wherever that is.
        while answered.load(Ordering::Relaxed) < fault * SENDS / (FAULTS + 1) {
            tokio::task::yield_now().await;
        }
        do_harm(fault, &mut node, &proxy).await;
    }
    let answers = tokio::time::timeout(3 * PATIENCE, join_all(senders)).await;
    let answers = answers.expect("no send is unresolved");
    let answers: Vec<_> = answers.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(answers.len(), SENDS);

    let client = Client::connect(&node.url("/")).await;
    let mut stored = BTreeMap::new();
    for queue in QUEUES {
        stored.extend(take_ids(&client, queue).await);
    }
    let (mut oks, mut unsent, mut unknown) = (0, 0, 0);
    for (number, answer) in &answers {
        let is_stored = stored.contains_key(&number.to_string());
        match answer {
            Ok(()) => {
                assert!(is_stored, "message {number} was Ok and is in no queue");
                oks += 1;
            }
            Err(error) if error.may_be_stored() => unknown += 1,
            Err(error) => {
                assert!(!is_stored, "message {number} is in a queue: {error}");
                unsent += 1;
            }
        }
    }
    let copies: usize = stored.values().sum();
    let again = u64::try_from(copies - stored.len()).unwrap();
    let status = publisher.status();
    println!("{oks} Ok, {unsent} not sent, {unknown} unknown; {again} stored again; {status:?}");
    assert!(
        again <= status.possible_duplicates,
        "duplicates that were not counted"
    );
    assert!(oks >= SENDS * 8 / 10, "those that wait arrive: {oks}");
}

//! Many sends through many crashes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use garenne::prelude::*;

use super::support::{Post, SOON, to_q};

const SENDS: usize = 100_000;
const CRASHES: usize = 20;
const SENDERS: usize = 4;

/// Every tenth message has no patience, every tenth is buffered, the others wait.
fn when_down(number: usize) -> WhenDown {
    match number % 10 {
        3 => WhenDown::FailFast,
        7 => WhenDown::Buffer {
            max_messages: 100_000,
            max_bytes: 1 << 30,
            max_age: SOON,
        },
        _ => WhenDown::WaitUpTo(SOON),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_20_crashes_of_the_broker_every_ok_is_in_the_queue_and_every_error_is_true() {
    let post = Post::open().await;
    let answered = Arc::new(AtomicUsize::new(0));
    let senders = (0..SENDERS).map(|sender| {
        let (publisher, answered) = (post.publisher.clone(), Arc::clone(&answered));
        tokio::spawn(async move {
            let numbers = (0..SENDS).filter(|number| number % SENDERS == sender);
            let messages = numbers
                .clone()
                .map(|number| to_q(&number.to_string()).when_down(when_down(number)));
            let mut results = publisher.send_all(messages);
            let mut answers = Vec::new();
            for number in numbers {
                let result = results.next().await.expect("a result for every message");
                answers.push((number, result));
                answered.fetch_add(1, Ordering::Relaxed);
            }
            answers
        })
    });
    let senders: Vec<_> = senders.collect();
    for crash in 1..=CRASHES {
        // In the middle of the flow, wherever that is.
        while answered.load(Ordering::Relaxed) < crash * SENDS / (CRASHES + 1) {
            tokio::task::yield_now().await;
        }
        post.broker.faults().crash_and_restart().await.unwrap();
    }
    let answers = tokio::time::timeout(Duration::from_secs(300), join_all(senders));
    let answers = answers.await.expect("no send is unresolved");
    let answers: Vec<_> = answers.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(answers.len(), SENDS);
    let stored = post.ids().await;
    let (mut oks, mut unsent, mut unknown) = (0, 0, 0);
    for (number, answer) in &answers {
        let is_stored = stored.contains_key(&number.to_string());
        match answer {
            Ok(()) => {
                assert!(is_stored, "message {number} was Ok and is not in the queue");
                oks += 1;
            }
            Err(error) if error.may_be_stored() => unknown += 1,
            Err(error) => {
                assert!(!is_stored, "message {number} is in the queue: {error}");
                unsent += 1;
            }
        }
    }
    let copies: usize = stored.values().sum();
    let status = post.publisher.status();
    println!(
        "{oks} Ok, {unsent} not sent, {unknown} unknown; {copies} stored, {} of them again; {status:?}",
        copies - stored.len()
    );
    let again = u64::try_from(copies - stored.len()).unwrap();
    assert!(
        again <= status.possible_duplicates,
        "duplicates that were not counted"
    );
    assert!(oks >= SENDS * 8 / 10, "those that wait arrive: {oks}");
}

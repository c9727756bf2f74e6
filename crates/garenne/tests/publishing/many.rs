//! `send_all`: in order, bounded, of any length.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream;
use garenne::prelude::*;

use super::support::{Post, PublishError, answered, to_q};

#[tokio::test]
async fn results_come_in_the_order_of_the_messages_whatever_they_are() {
    let post = Post::open().await;
    let messages = (0..500).map(|n| {
        let queue = if n % 7 == 3 { "nowhere" } else { "q" };
        Outgoing::to_queue(queue, n.to_string())
    });
    let mut results = post.publisher.send_all(messages);
    for n in 0..500 {
        let result = answered(results.next()).await.unwrap();
        match result {
            Err(PublishError::Unroutable { .. }) if n % 7 == 3 => {}
            Ok(()) if n % 7 != 3 => {}
            other => panic!("message {n}: {other:?}"),
        }
    }
    assert_eq!(answered(results.next()).await, None);
    let sent = answered(results.finish()).await;
    assert_eq!((sent.confirmed, sent.failed), (429, 71));
    assert!(matches!(
        sent.first_failure,
        Some((3, PublishError::Unroutable { .. }))
    ));
}

#[tokio::test]
async fn nothing_to_send_is_no_result() {
    let post = Post::open().await;
    let sent = answered(post.publisher.send_all([]).finish()).await;
    assert_eq!(
        (sent.confirmed, sent.failed, sent.first_failure),
        (0, 0, None)
    );
}

/// Messages that count themselves as they are pulled.
fn counted(body: String) -> (impl Iterator<Item = Outgoing> + Send, Arc<AtomicUsize>) {
    let pulled = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&pulled);
    let messages = (0..usize::MAX).map(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Outgoing::to_queue("q", body.as_str())
    });
    (messages, pulled)
}

#[tokio::test]
async fn of_an_endless_source_no_more_is_pulled_than_the_window_holds_and_one() {
    let post = Post::with(|builder| builder.max_messages(10)).await;
    post.broker.faults().hold_confirms().await.unwrap();
    let (messages, pulled) = counted("x".to_owned());
    let publisher = post.publisher.clone();
    let sending = tokio::spawn(async move { publisher.send_all(messages).finish().await });
    post.queue(|view| view.ready("q") == 10).await;
    assert_eq!(pulled.load(Ordering::SeqCst), 11);
    assert_eq!(post.publisher.status().held, 10);
    post.broker.faults().release_confirms().await.unwrap();
    post.queue(|view| view.ready("q") > 100).await;
    sending.abort();
}

#[tokio::test]
async fn of_large_messages_no_more_is_held_than_the_window_has_bytes() {
    const LARGE: usize = 100_000;
    let post = Post::with(|builder| builder.max_bytes(1_000_000)).await;
    post.broker.faults().hold_confirms().await.unwrap();
    let (messages, pulled) = counted("x".repeat(LARGE));
    let publisher = post.publisher.clone();
    let sending = tokio::spawn(async move { publisher.send_all(messages).finish().await });
    post.queue(|view| view.ready("q") == 9).await;
    assert_eq!(pulled.load(Ordering::SeqCst), 10);
    let held = post.publisher.status().held_bytes;
    assert!((900_000..1_000_000).contains(&held), "{held}");
    sending.abort();
}

#[tokio::test]
async fn a_message_larger_than_the_window_is_sent_all_the_same() {
    let post = Post::with(|builder| builder.max_bytes(1000)).await;
    let bodies = [10, 5000, 10].map(|size| Outgoing::to_queue("q", vec![0; size]));
    let sent = answered(post.publisher.send_all(bodies).finish()).await;
    assert_eq!(sent.confirmed, 3, "{sent:?}");
}

#[tokio::test]
async fn results_that_nobody_takes_stop_the_source() {
    let post = Post::open().await;
    let (messages, pulled) = counted("x".to_owned());
    let mut results = post.publisher.send_all(messages);
    answered(results.next()).await.unwrap().unwrap();
    let before = pulled.load(Ordering::SeqCst);
    assert!(before <= 1024, "{before}");
    post.holds(0).await;
    assert_eq!(
        pulled.load(Ordering::SeqCst),
        before,
        "it works only while it is polled"
    );
}

#[tokio::test]
async fn dropping_the_wait_for_a_result_loses_neither_result_nor_message() {
    let post = Post::with(|builder| builder.max_messages(3)).await;
    let mut results = post
        .publisher
        .send_all((0..200).map(|n| to_q(&n.to_string())));
    let mut count = 0;
    loop {
        // Polled once and dropped, again and again.
        let next = tokio::select! {
            biased;
            next = results.next() => next,
            () = tokio::task::yield_now() => continue,
        };
        match next {
            Some(result) => result.unwrap(),
            None => break,
        }
        count += 1;
    }
    assert_eq!(count, 200);
    let expected: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    assert_eq!(post.bodies().await, expected);
}

#[tokio::test]
async fn messages_that_come_over_time_are_sent_as_they_come() {
    let post = Post::open().await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Outgoing>(1);
    let messages = stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|message| (message, receiver))
    });
    let mut results = post.publisher.send_stream(messages);
    for n in 0..5 {
        sender.send(to_q(&n.to_string())).await.unwrap();
        answered(results.next()).await.unwrap().unwrap();
        post.queue(|view| view.ready("q") == n + 1).await;
    }
    drop(sender);
    assert_eq!(answered(results.next()).await, None);
}

//! Cancel safety: what is dropped half-way harms nobody.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use garenne::prelude::*;

use super::support::{Post, SOON, answered, to_q};

#[tokio::test]
async fn a_send_dropped_before_it_was_handed_to_the_link_is_not_sent() {
    let post = Post::open().await;
    post.down().await;
    let waiting = post.sending(to_q("withdrawn").when_down(WhenDown::WaitUpTo(SOON)));
    post.holds(1).await;
    waiting.abort();
    post.up().await;
    let after = post.sending(to_q("after").when_down(WhenDown::WaitUpTo(SOON)));
    answered(after).await.unwrap().unwrap();
    assert_eq!(post.bodies().await, ["after"]);
    post.holds(0).await;
}

#[tokio::test]
async fn a_send_dropped_while_the_broker_blocks_is_not_sent() {
    let post = Post::open().await;
    post.alarm().await;
    let waiting = post.sending(to_q("withdrawn").when_down(WhenDown::WaitUpTo(SOON)));
    post.holds(1).await;
    waiting.abort();
    post.holds(0).await;
    post.broker.faults().unblock().await.unwrap();
    post.queue(|view| view.connections.iter().all(|c| !c.blocked))
        .await;
    let after = post.sending(to_q("after").when_down(WhenDown::WaitUpTo(SOON)));
    answered(after).await.unwrap().unwrap();
    assert_eq!(post.bodies().await, ["before", "after"]);
}

#[tokio::test]
async fn a_send_dropped_while_it_waits_for_its_place_gives_the_place_to_the_next() {
    let post = Post::with(|builder| builder.max_messages(1)).await;
    post.broker.faults().hold_confirms().await.unwrap();
    let first = post.sending(to_q("first"));
    post.queue(|view| view.ready("q") == 1).await;
    let mut second = Box::pin(post.publisher.send(to_q("second")));
    let mut third = Box::pin(post.publisher.send(to_q("third")));
    for waiting in [&mut second, &mut third] {
        assert!(poll_once(waiting.as_mut()).is_pending());
    }
    drop(second);
    post.broker.faults().release_confirms().await.unwrap();
    answered(first).await.unwrap().unwrap();
    answered(third).await.unwrap();
    assert_eq!(post.bodies().await, ["first", "third"]);
}

#[tokio::test]
async fn a_send_dropped_at_any_await_is_stored_whole_or_not_at_all_and_its_place_is_free_again() {
    let post = Post::with(|builder| builder.max_messages(2)).await;
    let mut finished = 0;
    for polls in 0..20 {
        let body = format!("dropped after {polls} polls");
        let mut sending = Box::pin(post.publisher.send(to_q(&body)));
        let mut done = false;
        for _ in 0..polls {
            done = poll_once(sending.as_mut()).is_ready();
            if done {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(sending);
        finished += u32::from(done);
        post.send(&format!("after {polls}")).await.unwrap();
    }
    post.holds(0).await;
    let ids = post.ids().await;
    assert!(ids.values().all(|copies| *copies == 1), "{ids:?}");
    let after = ids.keys().filter(|id| id.starts_with("after")).count();
    assert_eq!(after, 20);
    assert!(ids.len() - after >= finished as usize, "{ids:?}");
    assert!(!ids.contains_key("dropped after 0 polls"), "{ids:?}");
}

#[tokio::test]
async fn results_dropped_half_way_leave_the_publisher_free() {
    let post = Post::with(|builder| builder.max_messages(5)).await;
    post.broker.faults().hold_confirms().await.unwrap();
    let publisher = post.publisher.clone();
    let sending = tokio::spawn(async move {
        let endless = (0..u64::MAX).map(|n| to_q(&n.to_string()));
        publisher.send_all(endless).finish().await
    });
    post.queue(|view| view.ready("q") == 5).await;
    sending.abort();
    post.broker.faults().release_confirms().await.unwrap();
    post.holds(0).await;
    post.send("after").await.unwrap();
    assert_eq!(post.bodies().await.len(), 6);
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

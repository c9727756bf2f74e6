//! Messages that end links.

use std::time::Duration;

use garenne::core::Value;
use garenne::prelude::*;
use garenne::status::Status;
use lapin::types::AMQPValue;

use super::support::{Post, PublishError, SOON, answered, declare, to_q};

/// What RabbitMQ says when it has failed over something.
const FAILED: &str = "INTERNAL_ERROR";

async fn patient_post() -> Post {
    let mut post = Post::open().await;
    post.publisher = post.publisher.when_down(WhenDown::WaitUpTo(SOON));
    post
}

/// Waits until so many messages lie in a queue, and ends all links as a broker does that failed.
async fn fail_at(post: &Post, queue: &str, count: usize) {
    post.queue(|view| view.ready(queue) == count).await;
    let closed = post.broker.faults().close_connections(541, FAILED).await;
    closed.expect("the broker runs");
}

async fn confirm_nothing_for(post: &Post, queue: &str) {
    let silent = post.broker.faults().confirm_nothing_for(queue).await;
    silent.expect("the broker runs");
}

fn is_given_up(sent: &Result<(), PublishError>) -> bool {
    matches!(sent, Err(PublishError::Unsendable { what }) if what.contains(FAILED))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_two_links_alone_is_sent_no_more() {
    let post = patient_post().await;
    confirm_nothing_for(&post, "q").await;
    let poison = post.sending(to_q("poison"));
    fail_at(&post, "q", 1).await;
    fail_at(&post, "q", 2).await;
    let sent = answered(poison).await.unwrap();
    assert!(is_given_up(&sent), "{sent:?}");
    assert_eq!(post.bodies().await, ["poison", "poison"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_it_again_and_again_is_told() {
    let post = Post::open().await;
    confirm_nothing_for(&post, "q").await;
    let poison = post.sending(to_q("poison"));
    fail_at(&post, "q", 1).await;
    let sent = answered(poison).await.unwrap();
    assert!(
        matches!(sent, Err(PublishError::Disconnected { sent: true, .. })),
        "{sent:?}"
    );
    let again = async {
        loop {
            match post.publisher.send(to_q("poison")).await {
                Err(PublishError::Disconnected { sent: false, .. }) => {
                    tokio::task::yield_now().await;
                }
                sent => return sent,
            }
        }
    };
    let (sent, ()) = answered(async { tokio::join!(again, fail_at(&post, "q", 2)) }).await;
    assert!(is_given_up(&sent), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_on_its_way_with_it_is_sent() {
    let post = patient_post().await;
    declare(&post.broker, "silent").await;
    confirm_nothing_for(&post, "silent").await;
    confirm_nothing_for(&post, "q").await;
    let poison = Outgoing::to_queue("silent", "x").message_id("poison");
    let poison = post.sending(poison);
    let others: Vec<_> = (0..20)
        .map(|n| post.sending(to_q(&n.to_string())))
        .collect();
    post.queue(|view| view.ready("q") == 20).await;
    post.queue(|view| view.ready("silent") == 1).await;
    let faults = post.broker.faults();
    faults.clear().await.unwrap();
    confirm_nothing_for(&post, "silent").await;
    fail_at(&post, "silent", 1).await;
    fail_at(&post, "silent", 2).await;
    fail_at(&post, "silent", 3).await;
    let sent = answered(poison).await.unwrap();
    assert!(is_given_up(&sent), "{sent:?}");
    for other in others {
        assert_eq!(answered(other).await.unwrap(), Ok(()));
    }
    assert_eq!(post.send("after").await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_that_is_taken_keeps_nobody_waiting() {
    let post = patient_post().await;
    confirm_nothing_for(&post, "q").await;
    let suspect = post.sending(to_q("suspect"));
    post.queue(|view| view.ready("q") == 1).await;
    post.broker.faults().clear().await.unwrap();
    fail_at(&post, "q", 1).await;
    assert_eq!(answered(suspect).await.unwrap(), Ok(()));
    assert_eq!(post.send("after").await, Ok(()));
    assert_eq!(post.bodies().await, ["suspect", "suspect", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_closes_connections_makes_nobody_suspect() {
    let post = patient_post().await;
    confirm_nothing_for(&post, "q").await;
    let sending = post.sending(to_q("patient"));
    for count in 1..=3 {
        post.queue(|view| view.ready("q") == count).await;
        let faults = post.broker.faults();
        let closed = faults.close_connections(320, "CONNECTION_FORCED - bye");
        closed.await.unwrap();
    }
    post.broker.faults().clear().await.unwrap();
    post.broker
        .faults()
        .close_connections(320, "CONNECTION_FORCED - bye")
        .await
        .unwrap();
    assert_eq!(answered(sending).await.unwrap(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_float_that_is_no_number_is_refused_before_it_costs_a_link() {
    let post = Post::open().await;
    post.send("before").await.unwrap();
    let nested = Value::from(vec![Value::F32(f32::NEG_INFINITY)]);
    for value in [Value::F64(f64::NAN), Value::F64(f64::INFINITY), nested] {
        let message = to_q("x").header("ratio", value);
        let sent = answered(post.publisher.send(message.clone())).await;
        let Err(error @ PublishError::Unsendable { .. }) = sent else {
            panic!("{sent:?}");
        };
        assert!(error.to_string().contains("header `ratio`"), "{error}");
        assert!(!error.is_transient() && !error.may_be_stored());
        let later = post.publisher.send_after(message, Duration::from_secs(1));
        let sent = answered(later).await;
        assert!(
            matches!(sent, Err(PublishError::Unsendable { .. })),
            "{sent:?}"
        );
    }
    post.send("after").await.unwrap();
    assert_eq!(post.bodies().await, ["before", "after"]);
    assert_eq!(post.broker.connections().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_the_broker_fails_over_fails_its_message_and_no_neighbour() {
    let post = patient_post().await;
    let faults = post.broker.faults();
    faults.fail_over_header("tenant").await.unwrap();
    let poison = post.sending(to_q("poison").header("tenant", "acme"));
    let others: Vec<_> = (0..20).map(|_| post.sending(to_q("good"))).collect();
    let sent = answered(poison).await.unwrap();
    let Err(PublishError::Unsendable { what }) = sent else {
        panic!("{sent:?}");
    };
    assert!(what.contains(FAILED), "{what}");
    for other in others {
        assert_eq!(answered(other).await.unwrap(), Ok(()));
    }
}

/// What a producer has sent, the broker has read; its copy may be another matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_whose_copies_end_links_is_parked_without_its_headers() {
    let post = patient_post().await;
    let work = Queue::quorum("work").retry(Retry::every(100.millis()).times(3));
    let fails = async |_: Delivery<Text>| Err::<(), _>(Failure::transient("no"));
    let builder = SystemBuilder::new(post.broker.url()).consume_fn(work, fails);
    let system = builder.build().unwrap().start().unwrap();
    answered(system.wait_until(Status::is_ready)).await.unwrap();
    let message = Outgoing::to_queue("work", "x").header("tenant", "acme");
    answered(post.publisher.send(message)).await.unwrap();
    let faults = post.broker.faults();
    faults.fail_over_header("tenant").await.unwrap();
    let good = Outgoing::to_queue("work", "good");
    answered(post.publisher.send(good)).await.unwrap();
    let parked = |status: &Status| status.queues[0].failed == 2 && status.in_flight() == 0;
    answered(system.wait_until(parked)).await.unwrap();
    let parked = post.broker.messages("work.failed").await.unwrap();
    let parked = parked.iter().find(|it| &it.body[..] == b"x");
    let headers = parked.expect("it is parked").properties.headers().clone();
    let headers = headers.expect("it has a record");
    assert!(!headers.contains_key("tenant"), "{headers:?}");
    let shown = |name: &str| format!("{:?}", headers.inner().get(name).map(text));
    assert_eq!(shown("fail-dropped-headers"), r#"Some("tenant")"#);
    assert_eq!(shown("fail-reason"), r#"Some("unrepeatable")"#);
}

fn text(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(text) => text.to_string(),
        AMQPValue::FieldArray(array) => array.as_slice().iter().map(text).collect(),
        other => format!("{other:?}"),
    }
}

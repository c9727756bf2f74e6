//! Requests and replies.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use garenne::prelude::*;
use garenne::status::Status;
use tokio::sync::Semaphore;

use super::support::{Post, PublishError, SOON, answered};

/// A system whose handler of `questions` answers with twice the number, once the gate lets it;
/// `odd` numbers fail their first attempt.
pub(super) struct Answering {
    pub(super) post: Post,
    system: SystemHandle,
    pub(super) gate: Arc<Semaphore>,
}

impl Answering {
    async fn open() -> Self {
        let answering = Self::closed().await;
        answering.gate.add_permits(Semaphore::MAX_PERMITS / 2);
        answering
    }

    pub(super) async fn closed() -> Self {
        let post = Post::open().await;
        let gate = Arc::new(Semaphore::new(0));
        let queue = Queue::quorum("questions").retry(Retry::every(100.millis()).times(3));
        let handler = {
            let gate = Arc::clone(&gate);
            move |question: Delivery<Json<u64>>| {
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire().await.unwrap().forget();
                    if question.0 % 100 == 99 && question.attempt().number() == 1 {
                        return Err(Failure::transient("not yet"));
                    }
                    question.reply(Json(question.0 * 2));
                    Ok(())
                }
            }
        };
        let builder = SystemBuilder::new(post.broker.url())
            .allow_replies_to("q")
            .consume_fn(queue, handler);
        let system = builder.build().unwrap().start().unwrap();
        answered(system.wait_until(Status::is_ready)).await.unwrap();
        Self { post, system, gate }
    }

    pub(super) async fn ask(&self, number: u64, deadline: Duration) -> Result<u64, RequestError> {
        let question = Outgoing::to_queue("questions", Json(number));
        let answer = self.post.publisher.request::<Json<u64>>(question, deadline);
        answered(answer).await.map(|Json(answer)| answer)
    }

    pub(super) async fn asked(&self, waiting: u64) {
        let in_hand = |status: &Status| status.in_flight() == waiting;
        answered(self.system.wait_until(in_hand)).await.unwrap();
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.system.stop_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_gets_its_own_reply_and_many_are_under_way_at_once() {
    let answering = Answering::open().await;
    let asks = (0..500).map(|number| answering.ask(number, SOON));
    for (number, answer) in (0..500).zip(join_all(asks).await) {
        assert_eq!(answer, Ok(number * 2));
    }
    let acked = |status: &Status| status.queues[0].handled == 500 && status.in_flight() == 0;
    answered(answering.system.wait_until(acked)).await.unwrap();
    assert_eq!(answering.post.publisher.status().late_replies, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_takes_fails_at_once() {
    let answering = Answering::open().await;
    for message in [
        Outgoing::to_queue("nowhere", "x"),
        Outgoing::to_exchange("no-such-exchange", "k", "x"),
    ] {
        let asking = answering
            .post
            .publisher
            .request::<Text>(message, Duration::MAX);
        let error = answered(asking).await.unwrap_err();
        assert!(
            matches!(
                error,
                RequestError::Publish(PublishError::Unroutable { .. })
            ),
            "{error:?}"
        );
        assert!(!error.may_be_handled());
    }
    assert_eq!(
        answering.ask(4, SOON).await,
        Ok(8),
        "and the next one works"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_deadline_a_request_fails_and_its_late_reply_is_dropped_and_counted() {
    let answering = Answering::closed().await;
    let error = answering.ask(1, 300.millis()).await.unwrap_err();
    assert_eq!(
        error,
        RequestError::Deadline {
            after: 300.millis()
        }
    );
    assert!(error.may_be_handled());
    answering.gate.add_permits(1);
    answering
        .post
        .knows("the late reply", |publisher| {
            publisher.status().late_replies == 1
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_link_is_lost_fails_at_once() {
    let answering = Answering::closed().await;
    let asking = answering.ask(1, Duration::MAX);
    let losing = async {
        answering.asked(1).await;
        let how = garenne_broker::How::Reset;
        answering
            .post
            .broker
            .faults()
            .drop_connections(how)
            .await
            .unwrap();
    };
    let (answer, ()) = tokio::join!(asking, losing);
    let error = answer.unwrap_err();
    assert!(matches!(error, RequestError::LinkLost { .. }), "{error:?}");
    assert!(error.may_be_handled());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_link_a_request_fails_at_once_unless_it_may_wait() {
    let answering = Answering::open().await;
    answering.post.broker.faults().refuse().await.unwrap();
    let how = garenne_broker::How::Reset;
    answering
        .post
        .broker
        .faults()
        .drop_connections(how)
        .await
        .unwrap();
    answering
        .post
        .knows("the link is down", |publisher| {
            publisher.status().link == garenne::status::LinkState::Down
        })
        .await;
    // What the publisher does with sends does not count.
    let publisher = answering
        .post
        .publisher
        .clone()
        .when_down(WhenDown::WaitUpTo(SOON));
    let question = || Outgoing::to_queue("questions", Json(2));
    let asking = publisher.request::<Json<u64>>(question(), Duration::MAX);
    let error = answered(asking).await.unwrap_err();
    assert!(
        matches!(
            error,
            RequestError::Publish(PublishError::Disconnected { sent: false, .. })
        ),
        "{error:?}"
    );
    let waiting = question().when_down(WhenDown::WaitUpTo(SOON));
    let asking = publisher.request::<Json<u64>>(waiting, SOON);
    let back = answering.post.broker.faults();
    let (answer, accepted) = tokio::join!(asking, back.accept());
    accepted.unwrap();
    assert_eq!(answer.unwrap().0, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_retried_is_answered_by_the_attempt_that_succeeds() {
    let answering = Answering::open().await;
    assert_eq!(answering.ask(99, SOON).await, Ok(198));
    // The second attempt may answer before the first one is settled.
    let settled = answering
        .system
        .wait_until(|status| status.in_flight() == 0);
    let status = answered(settled).await.unwrap();
    assert_eq!(status.queues[0].retried, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_not_what_was_expected_is_told_so() {
    let answering = Answering::open().await;
    let question = Outgoing::to_queue("questions", Json(1));
    let asking = answering
        .post
        .publisher
        .request::<Json<String>>(question, SOON);
    let error = answered(asking).await.unwrap_err();
    assert!(
        matches!(error, RequestError::Undecodable { .. }),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_nobody_waits_for_is_no_failure() {
    let answering = Answering::closed().await;
    // One that asks for no reply, one whose address is gone, one whose queue never was.
    let plain = || Outgoing::to_queue("questions", Json(1));
    let publisher = &answering.post.publisher;
    publisher.send(plain()).await.unwrap();
    publisher
        .send(plain().reply_to("amq.gen-nowhere"))
        .await
        .unwrap();
    let other = Publisher::connect(answering.post.broker.url())
        .await
        .unwrap();
    {
        let asking = other.request::<Json<u64>>(plain(), Duration::MAX);
        tokio::select! {
            answer = asking => panic!("nobody answers yet: {answer:?}"),
            () = answering.asked(3) => {}
        }
    }
    answered(other.close()).await;
    answering.gate.add_permits(3);
    let done = |status: &Status| status.queues[0].acked == 3;
    let status = answered(answering.system.wait_until(done)).await.unwrap();
    assert_eq!(
        (status.queues[0].handled, status.queues[0].failed_attempts),
        (3, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_to_an_ordinary_queue_with_the_correlation_id_too() {
    let answering = Answering::open().await;
    let question = Outgoing::to_queue("questions", Json(21))
        .reply_to("q")
        .correlation_id("c-1");
    answering.post.publisher.send(question).await.unwrap();
    answering.post.queue(|view| view.ready("q") == 1).await;
    let reply = answering.post.broker.messages("q").await.unwrap().remove(0);
    let id = reply
        .properties
        .correlation_id()
        .as_ref()
        .map(ToString::to_string);
    assert_eq!((&reply.body[..], id.as_deref()), (&b"42"[..], Some("c-1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_request_leaves_nothing_behind() {
    let answering = Answering::closed().await;
    {
        let asking = answering.ask(1, Duration::MAX);
        tokio::select! {
            answer = asking => panic!("nobody answers yet: {answer:?}"),
            () = answering.asked(1) => {}
        }
    }
    answering.gate.add_permits(2);
    answering
        .post
        .knows("the late reply", |publisher| {
            publisher.status().late_replies == 1
        })
        .await;
    assert_eq!(answering.ask(3, SOON).await, Ok(6));
}

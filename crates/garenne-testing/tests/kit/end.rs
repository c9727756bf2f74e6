//! The end of a test: nothing may be left unsettled, and nothing may hang.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use garenne::prelude::*;
use garenne_testing::TestSystem;

use crate::orders::{complaint, complaint_of, send, service, start};

async fn impatient() -> TestSystem {
    let builder = TestSystem::builder().patience(3.secs());
    builder.start(service).await
}

#[tokio::test]
async fn finish_fails_when_a_message_is_left_in_hand() {
    let system = impatient().await;
    send(&system, "m1", "hang").await;
    let text = complaint_of(system.finish()).await;
    assert!(
        text.starts_with("the system is not settled after 3s of real time"),
        "{text}"
    );
    assert!(
        text.contains("orders: 0 waiting, 1 in hand\n    m1, attempt 1, in hand, `hang`"),
        "{text}"
    );
    assert!(text.contains("tests/kit/end.rs"), "{text}");
}

#[tokio::test]
async fn a_system_that_is_dropped_fails_the_test_as_well() {
    let system = impatient().await;
    send(&system, "m1", "hang").await;
    let text = complaint(move || drop(system));
    assert!(text.contains("m1, attempt 1, in hand"), "{text}");
}

#[tokio::test]
async fn a_system_that_is_dropped_settled_does_not() {
    let system = start().await;
    send(&system, "m1", "ok").await;
    send(&system, "m2", "fail").await;
}

#[tokio::test]
async fn a_test_that_fails_already_fails_with_its_own_words_and_at_once() {
    let system = start().await;
    send(&system, "m1", "hang").await;
    let began = Instant::now();
    let failed = catch_unwind(AssertUnwindSafe(move || {
        let _system = system;
        panic!("my own words");
    }));
    assert_eq!(
        *failed.unwrap_err().downcast::<&str>().unwrap(),
        "my own words"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_lies_in_lanes_and_parking_queues_is_settled() {
    let system = start().await;
    let (waiting, parked) = (
        send(&system, "m1", "fail").await,
        send(&system, "m2", "permanent").await,
    );
    system.settled().await;
    system.assert_retried(&waiting);
    system.assert_parked(&parked);
    system.finish().await;
}

#[tokio::test]
async fn a_system_that_stops_by_itself_fails_the_test() {
    #[derive(Default)]
    struct Stillborn;
    impl Actor for Stillborn {
        type Context = Context<Self>;
    }
    impl Handler<Delivery<Text>> for Stillborn {
        type Result = HandlerFuture;
        fn handle(&mut self, _: Delivery<Text>, _: &mut Self::Context) -> Self::Result {
            Box::pin(async { Ok(()) })
        }
    }
    let factory = || -> Stillborn { panic!("no database") };
    let system = TestSystem::start(|builder| builder.consume(Queue::quorum("orders"), factory));
    let system = system.await;
    send(&system, "m1", "ok").await;
    let text = complaint_of(system.settled()).await;
    assert!(
        text.contains("because it has stopped: internal error: queue `orders`"),
        "{text}"
    );
    assert!(text.contains("the system has stopped"), "{text}");
    let text = complaint_of(system.finish()).await;
    assert!(text.contains("because it has stopped"), "{text}");
}

#[tokio::test]
async fn a_test_may_stop_its_system_itself() {
    let system = start().await;
    let sent = send(&system, "m1", "ok").await;
    system.settled().await;
    system.handle().stop();
    system.handle().stopped().await;
    system.assert_handled(&sent);
    system.finish().await;
}

#[tokio::test]
async fn a_faulty_configuration_is_told_with_all_its_faults() {
    let faulty = |builder: SystemBuilder| {
        let queue = Queue::quorum("orders").prefetch(0).concurrency(7);
        builder
            .consume_fn(queue, crate::orders::charge)
            .drain_deadline(0.secs())
    };
    let text = complaint_of(TestSystem::start(faulty)).await;
    assert!(text.starts_with("the configuration is faulty: "), "{text}");
    assert!(
        text.contains("drain deadline") && text.contains("prefetch"),
        "{text}"
    );
}

#[tokio::test]
async fn a_system_that_cannot_consume_says_why() {
    let verify = |builder: SystemBuilder| {
        let queue = Queue::quorum("orders").declare(Declare::Verify);
        builder.consume_fn(queue, crate::orders::charge)
    };
    let text = complaint_of(TestSystem::start(verify)).await;
    assert!(
        text.contains("because it has stopped: faulty configuration"),
        "{text}"
    );
    assert!(text.contains("create `orders"), "{text}");
}

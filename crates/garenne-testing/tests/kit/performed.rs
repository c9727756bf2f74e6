//! Single runs of a handler.

use std::time::{Duration, Instant};

use actix::{ActorFutureExt, ResponseActFuture, WrapFuture};
use garenne::core::{FailReason, Properties, Settlement};
use garenne::prelude::*;
use garenne_testing::{Performed, perform};

use crate::orders::{charge, complaint, complaint_of};

/// An actor with state that answers in the documented way.
#[derive(Default)]
pub(crate) struct Till {
    opened: bool,
}

impl Actor for Till {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        // It opens before it takes anything.
        context.wait(
            tokio::task::yield_now()
                .into_actor(self)
                .map(|(), till, _| till.opened = true),
        );
    }
}

impl Handler<Delivery<Text>> for Till {
    type Result = HandlerResult;

    fn handle(&mut self, order: Delivery<Text>, _: &mut Self::Context) -> Self::Result {
        assert!(self.opened, "not open yet");
        assert!(&*order.body().0 != "torn", "torn");
        Box::pin(charge(order))
    }
}

/// An actor whose answer goes actix's own way.
struct Slow;

impl Actor for Slow {
    type Context = Context<Self>;
}

impl Handler<Delivery<Text>> for Slow {
    type Result = ResponseActFuture<Self, Result<(), Failure>>;

    fn handle(&mut self, order: Delivery<Text>, context: &mut Self::Context) -> Self::Result {
        if &*order.body().0 == "stop" {
            actix::ActorContext::terminate(context);
        }
        Box::pin(charge(order).into_actor(self))
    }
}

#[tokio::test]
async fn an_actor_gives_what_it_returns() {
    assert!(perform(Till::default(), "ok").await.is_ok());
    let failure = perform(Till::default(), "fail").await.unwrap_err();
    assert_eq!(failure.error(), "card declined");
    let failure = perform(Slow, "permanent").await.unwrap_err();
    assert_eq!(failure.error(), "no such card");
}

#[tokio::test]
async fn a_function_gives_what_it_returns() {
    assert!(perform(charge, "ok").await.is_ok());
    assert!(
        perform(
            |_: Delivery<Bytes>| async { Ok::<(), Failure>(()) },
            vec![1]
        )
        .await
        .is_ok()
    );
    let failure = perform(charge, "fail:not-a-number").await.unwrap_err();
    assert_eq!(failure.error(), "invalid digit found in string");
}

#[tokio::test]
async fn the_attempt_is_the_one_that_was_asked_for() {
    for (attempt, succeeds) in [(0, false), (1, false), (2, false), (3, true), (4, true)] {
        let result = perform(charge, "fail:2").attempt(attempt).await;
        assert_eq!(result.is_ok(), succeeds, "attempt {attempt}");
    }
}

#[tokio::test]
async fn the_message_is_the_one_that_was_described() {
    let check = |order: Delivery<Json<Vec<u8>>>| async move {
        assert_eq!(order.queue(), "orders");
        assert_eq!(order.message_id(), Some("m1"));
        assert_eq!(order.header("tenant"), Some("eu".into()));
        assert_eq!(order.attempt().number(), 2);
        assert_eq!(
            order.properties().content_type.as_deref(),
            Some("application/json")
        );
        assert_eq!(order.body().0, [1, 2, 3]);
        Ok::<(), Failure>(())
    };
    let performed = perform(check, Json([1, 2, 3]))
        .queue("orders")
        .message_id("m1");
    performed.header("tenant", "eu").attempt(2).await.unwrap();
}

#[tokio::test]
async fn a_body_that_cannot_be_decoded_is_said_to_be_so() {
    let handler = |_: Delivery<Json<u8>>| async { Ok::<(), Failure>(()) };
    let performed = perform(handler, "three").outcome().await;
    let Performed::Undecodable(why) = performed else {
        panic!("{performed:?}");
    };
    assert!(why.as_str().starts_with("not the expected JSON"), "{why:?}");
    let text = complaint_of(async { perform(handler, "three").await }).await;
    assert!(
        text.contains("the body cannot be decoded: not the expected JSON"),
        "{text}"
    );
    assert!(text.contains("tests/kit/performed.rs"), "{text}");
}

#[tokio::test]
async fn a_panic_is_said_to_be_one_wherever_it_happens() {
    let outcomes = [
        ("in a function", perform(charge, "panic").outcome().await),
        (
            "in an actor's future",
            perform(Till::default(), "panic").outcome().await,
        ),
        (
            "in `handle` itself",
            perform(Till::default(), "torn").outcome().await,
        ),
        (
            "in a future of the context",
            perform(Slow, "panic").outcome().await,
        ),
    ];
    for (place, outcome) in outcomes {
        match outcome {
            Performed::Panicked(text) if text == "no such currency" || text == "torn" => {}
            other => panic!("{place}: {other:?}"),
        }
    }
    let text = complaint_of(async { perform(charge, "panic").await }).await;
    assert!(
        text.starts_with("the handler returned nothing: it panicked: no such currency"),
        "{text}"
    );
}

#[tokio::test]
async fn what_would_happen_next_is_what_the_queue_says() {
    let orders = Queue::quorum("orders").retry(Retry::every(20.secs()).times(1));
    for (body, attempt, expected) in [
        ("ok", 1, Settlement::Ack),
        ("fail", 1, Settlement::Retry(20.secs())),
        ("fail", 2, Settlement::Fail(FailReason::Exhausted)),
        ("permanent", 1, Settlement::Fail(FailReason::Permanent)),
        ("discard", 1, Settlement::Discard),
        ("panic", 2, Settlement::Fail(FailReason::Panic)),
    ] {
        let run = perform(Till::default(), body).attempt(attempt);
        assert_eq!(
            run.settlement(&orders).await,
            expected,
            "{body} at {attempt}"
        );
    }
    let run = perform(charge, "hang").attempt(2).deadline(20.millis());
    let expected = Settlement::Fail(FailReason::Deadline);
    assert_eq!(run.settlement(&orders).await, expected);
    let run = perform(charge, vec![0xff]);
    let expected = Settlement::Fail(FailReason::Undecodable);
    assert_eq!(run.settlement(&orders).await, expected);
}

#[tokio::test]
async fn an_actor_that_stops_before_it_answers_is_said_to_have() {
    let performed = perform(Slow, "stop").outcome().await;
    let Performed::Panicked(text) = performed else {
        panic!("{performed:?}");
    };
    assert_eq!(text, "the actor stopped before it answered");
}

#[tokio::test]
async fn a_run_ends_at_its_deadline() {
    let performed = perform(charge, "hang")
        .deadline(20.millis())
        .outcome()
        .await;
    assert!(
        matches!(performed, Performed::DeadlineExceeded(_)),
        "{performed:?}"
    );
    let hanging = perform(Till::default(), "hang").deadline(20.millis());
    let text = complaint_of(async { hanging.await }).await;
    assert!(
        text.contains("no result within the deadline of 20ms"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn where_the_clock_is_paused_hours_of_waiting_take_no_time() {
    let sleepy = |_: Delivery<Text>| async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok::<(), Failure>(())
    };
    let began = Instant::now();
    perform(sleepy, "").deadline(2.hours()).await.unwrap();
    let performed = perform(sleepy, "").deadline(30.minutes()).outcome().await;
    assert!(
        matches!(performed, Performed::DeadlineExceeded(_)),
        "{performed:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_a_handler_spawns_ends_with_its_run() {
    let (alive, mut seen) = tokio::sync::watch::channel(());
    let spawning = move |_: Delivery<Text>| {
        let alive = alive.clone();
        async move {
            actix_rt::spawn(async move {
                std::future::pending::<()>().await;
                drop(alive);
            });
            Ok::<(), Failure>(())
        }
    };
    perform(spawning, "").await.unwrap();
    // The sender is gone.
    assert!(seen.changed().await.is_err());
}

async fn bill(order: Delivery<Text>) -> Result<(), Failure> {
    let invoice = Outgoing::to_queue("invoices", order.body().clone()).header("tenant", "eu");
    order.publish(invoice.derived());
    order.publish(Outgoing::to_queue("reminders", "pay!").after(72.hours()));
    order.publish(Outgoing::to_exchange("events", "order.billed", Json(7)));
    order.reply("billed");
    match &**order.body() {
        "fails" => Err(Failure::transient("not now")),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn what_a_handler_published_can_be_asserted() {
    let asked = Properties {
        message_id: Some("7".into()),
        reply_to: Some("answers".into()),
        ..Properties::default()
    };
    let run = perform(bill, "order 7").properties(asked).run().await;
    assert!(
        matches!(run.outcome, Performed::Returned(Ok(()))),
        "{run:?}"
    );
    let invoice = run.assert_published("invoices");
    let invoice = invoice.body("order 7").header("tenant", "eu").times(1);
    let again = perform(bill, "order 7").message_id("7").run().await;
    let ids = [&invoice, &again.assert_published("invoices")]
        .map(|i| i.messages()[0].message_id().to_owned());
    assert_eq!(ids[0], ids[1], "derived of the same message");
    run.assert_published("reminders").after(72.hours());
    let event = run.assert_published_to_exchange("events");
    event.json(&7.into()).routing_key("order.billed").times(1);
    run.assert_published("answers").body("billed");
    assert_eq!(run.published.len(), 4);
    again.assert_published("reminders");
    let text = complaint(|| again.assert_published("answers"));
    assert!(
        text.contains("nothing was published to `answers`"),
        "{text}"
    );
    assert!(
        text.contains("exchange `events` with key `order.billed`: `7`"),
        "{text}"
    );
    let text = complaint(|| run.assert_published("reminders").after(1.hours()));
    assert!(text.contains("a delay of 1h"), "{text}");
    let text = complaint(|| run.assert_nothing_published());
    assert!(text.contains("4 published, expected none"), "{text}");
}

#[tokio::test]
async fn a_handler_that_fails_or_whose_message_cannot_be_encoded_publishes_nothing() {
    perform(bill, "fails")
        .run()
        .await
        .assert_nothing_published();
    let unencodable = |order: Delivery<Text>| async move {
        order.publish(Outgoing::to_queue("q", "first"));
        let keys_are_no_texts = std::collections::BTreeMap::from([((), 1)]);
        order.publish(Outgoing::to_queue("q", Json(keys_are_no_texts)));
        Ok::<(), Failure>(())
    };
    let run = perform(unencodable, "").run().await;
    run.assert_nothing_published();
    let Performed::Returned(Err(failure)) = run.outcome else {
        panic!("{:?}", run.outcome);
    };
    assert!(failure.error().contains("cannot be encoded"), "{failure}");
}

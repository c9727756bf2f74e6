//! A failed message comes back, and ends somewhere.

use std::time::Duration;

use garenne::prelude::*;

use super::stage::{Diary, Stage, work};
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{count, headers, int, table, text};

cases![
    a_failed_message_comes_back_with_the_number_of_its_attempt,
    a_message_that_fails_every_time_is_parked_with_its_record,
    a_classic_queue_retries_and_parks_too,
    a_permanent_failure_is_parked_at_once,
    an_undecodable_message_is_parked_after_one_look,
    a_message_that_panics_is_parked_with_the_panics_text,
    a_handler_that_hangs_ends_at_its_deadline,
    a_discarded_message_is_kept_nowhere,
    a_wish_for_a_delay_is_granted,
    a_retried_message_keeps_its_properties,
    a_retried_message_keeps_its_origin,
    nobody_else_sees_a_retried_message,
    the_rest_goes_on_while_one_is_retried,
    hundreds_of_messages_end_where_they_belong,
];

async fn a_failed_message_comes_back_with_the_number_of_its_attempt(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    stage.send(&["ok", "fail once", "fail twice"]).await;
    stage.note_runs(6).await;
    let status = stage.counts(|status| status.acked == 6).await;
    lab.note("retried", status.retried);
    stage.end(&["work", "work.retry.50ms", "work.failed"]).await;
}

async fn a_message_that_fails_every_time_is_parked_with_its_record(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    stage.send(&["fail"]).await;
    stage.note_next("work.failed").await;
    stage.note_runs(3).await;
    stage.counts(|status| status.failed == 1).await;
    stage.end(&["work", "work.retry.50ms", "work.failed"]).await;
}

async fn a_classic_queue_retries_and_parks_too(lab: Lab) {
    let queue = Queue::classic("work").retry(Retry::every(Duration::from_millis(50)).times(1));
    let stage = Stage::obeying(&lab, queue).await;
    stage.send(&["fail", "fail once", "ok"]).await;
    stage.note_next("work.failed").await;
    stage.note_runs(5).await;
    stage.counts(|status| status.acked == 5).await;
    stage.end(&["work", "work.retry.50ms", "work.failed"]).await;
}

async fn a_permanent_failure_is_parked_at_once(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    stage.send(&["permanent"]).await;
    stage.note_next("work.failed").await;
    stage.note_runs(1).await;
    stage.end(&["work", "work.retry.50ms"]).await;
}

#[derive(serde::Deserialize)]
struct Order {
    order_id: u64,
}

async fn an_undecodable_message_is_parked_after_one_look(lab: Lab) {
    let diary = Diary::default();
    let writes = diary.clone();
    let handler = move |order: Delivery<Json<Order>>| {
        writes.add(format!("order {}", order.order_id));
        async { Ok::<(), Failure>(()) }
    };
    let stage = Stage::of(&lab, diary, |builder| builder.consume_fn(work(), handler)).await;
    stage.send(&["not json", r#"{"order_id": 7}"#]).await;
    stage.note_next("work.failed").await;
    stage.note_runs(1).await;
    stage.end(&["work", "work.retry.50ms"]).await;
}

async fn a_message_that_panics_is_parked_with_the_panics_text(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    stage.send(&["panic"]).await;
    stage.note_next("work.failed").await;
    stage.note_runs(3).await;
    stage.send(&["ok"]).await;
    stage.note_runs(4).await;
    stage.end(&["work", "work.retry.50ms"]).await;
}

async fn a_handler_that_hangs_ends_at_its_deadline(lab: Lab) {
    let queue = work().retry(Retry::every(Duration::from_millis(50)).times(1));
    let queue = queue.deadline(Duration::from_millis(100));
    let stage = Stage::obeying(&lab, queue).await;
    stage.send(&["hang"]).await;
    stage.note_next("work.failed").await;
    stage.note_runs(2).await;
    stage.end(&["work", "work.retry.50ms"]).await;
}

async fn a_discarded_message_is_kept_nowhere(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    stage.send(&["discard"]).await;
    let status = stage.counts(|status| status.acked == 1).await;
    lab.note("discarded", status.discarded);
    stage.note_runs(1).await;
    stage.end(&["work", "work.retry.50ms", "work.failed"]).await;
}

async fn a_wish_for_a_delay_is_granted(lab: Lab) {
    let diary = Diary::default();
    let writes = diary.clone();
    let handler = move |order: Delivery<Text>| {
        writes.add(format!("attempt {}", order.attempt().number()));
        let first = order.attempt().number() == 1;
        async move {
            match first {
                true => Err(Failure::retry_after(Duration::from_millis(80), "come back")),
                false => Ok(()),
            }
        }
    };
    let delays = [Duration::from_millis(80), Duration::from_secs(3600)];
    let queue = Queue::quorum("work").retry(Retry::delays(delays));
    let stage = Stage::of(&lab, diary, |builder| builder.consume_fn(queue, handler)).await;
    stage.send(&["m"]).await;
    stage.note_runs(2).await;
    stage.counts(|status| status.acked == 2).await;
    stage
        .end(&["work", "work.retry.80ms", "work.retry.3600s", "work.failed"])
        .await;
}

async fn a_retried_message_keeps_its_properties(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    let nested = lapin::types::AMQPValue::FieldTable(table(&[("n", int(1))]));
    let properties = headers(&[
        ("text", text("kept")),
        ("nested", nested),
        (
            "bytes",
            lapin::types::AMQPValue::ByteArray(vec![1, 2].into()),
        ),
        ("u8", lapin::types::AMQPValue::ShortShortUInt(200)),
        ("void", lapin::types::AMQPValue::Void),
        ("retry_nums", lapin::types::AMQPValue::ShortShortInt(1)),
    ])
    .with_message_id("m-1".into())
    .with_content_type("text/plain".into())
    .with_correlation_id("correlation".into())
    .with_reply_to("reply".into())
    .with_timestamp(1_000_000)
    .with_expiration("100000".into())
    .with_type("kind".into())
    .with_user_id("guest".into())
    .with_app_id("app".into())
    .with_priority(4);
    stage.client.publish("", "work", b"fail", properties).await;
    stage.note_next("work.failed").await;
    stage.note_runs(2).await;
    stage.end(&["work"]).await;
}

/// A system whose handler notes where a message came from, fails once, and succeeds.
async fn tracing_origin(lab: &Lab) -> Stage {
    let diary = Diary::default();
    let writes = diary.clone();
    let handler = move |order: Delivery<Text>| {
        let attempt = order.attempt().number();
        let (exchange, key) = (order.exchange(), order.routing_key());
        writes.add(format!("attempt {attempt} from '{exchange}' '{key}'"));
        async move {
            match attempt {
                1 => Err(Failure::transient("not yet")),
                _ => Ok(()),
            }
        }
    };
    let queue = work().bind("shop", ExchangeKind::Topic, "order.#");
    Stage::of(lab, diary, |builder| builder.consume_fn(queue, handler)).await
}

async fn a_retried_message_keeps_its_origin(lab: Lab) {
    let stage = tracing_origin(&lab).await;
    stage
        .client
        .publish("shop", "order.new", b"m", Default::default())
        .await;
    stage.note_runs(2).await;
    stage.end(&["work", "work.failed"]).await;
}

async fn nobody_else_sees_a_retried_message(lab: Lab) {
    let stage = tracing_origin(&lab).await;
    stage.client.declare("audit", &[]).await;
    crate::conformance::tools::bind(&stage.client, "audit", "shop", "#").await;
    stage
        .client
        .publish("shop", "order.new", b"m", Default::default())
        .await;
    stage.note_runs(2).await;
    stage.counts(|status| status.acked == 2).await;
    let (seen, _) = count(stage.client.channel(), "audit").await;
    lab.note("seen by another queue", seen);
    stage.end(&["work"]).await;
}

async fn the_rest_goes_on_while_one_is_retried(lab: Lab) {
    let queue = Queue::quorum("work").retry(Retry::every(Duration::from_secs(3600)).times(1));
    let stage = Stage::obeying(&lab, queue.concurrency(1)).await;
    stage.send(&["fail", "one", "two", "three"]).await;
    let lines = stage.diary.has(4).await;
    lab.note("in order", lines.join(", "));
    stage.counts(|status| status.acked == 4).await;
    stage
        .end(&["work", "work.retry.3600s", "work.failed"])
        .await;
}

async fn hundreds_of_messages_end_where_they_belong(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    let orders: Vec<&str> = ["ok", "fail once", "permanent", "fail"].repeat(50);
    stage.send(&orders).await;
    let status = stage
        .counts(|status| status.handled == 100 && status.failed == 100 && status.in_flight == 0)
        .await;
    lab.note("handled", status.handled);
    lab.note("retried", status.retried);
    lab.note("failed attempts", status.failed_attempts);
    stage.end(&["work", "work.retry.50ms", "work.failed"]).await;
}

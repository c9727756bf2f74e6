//! Where messages go that failed for good.

use std::collections::HashSet;
use std::thread::ThreadId;
use std::time::SystemTime;

use garenne::core::FailReason;
use garenne::prelude::*;

use super::logs;
use super::support::{Place, Running, Seen, id, text};

/// A sink that keeps what it gets, or does what the message says.
struct Keeps {
    kept: Seen<FailedMessage>,
    threads: Seen<ThreadId>,
}

impl Actor for Keeps {
    type Context = Context<Self>;
}

impl Handler<FailedMessage> for Keeps {
    type Result = garenne::actix::ResponseFuture<Result<(), SinkError>>;

    fn handle(&mut self, failed: FailedMessage, _: &mut Self::Context) -> Self::Result {
        self.threads.note(std::thread::current().id());
        assert!(!failed.body.starts_with(b"panic"), "the sink's own fault");
        let kept = self.kept.clone();
        Box::pin(async move {
            match &failed.body[..] {
                b"hang" => std::future::pending().await,
                b"err" => Err(std::fmt::Error)?,
                b"refuse" => return Err(SinkError::new("the disk is full")),
                _ => {}
            }
            kept.note(failed);
            Ok(())
        })
    }
}

struct Sunk {
    place: Place,
    running: Running,
    kept: Seen<FailedMessage>,
    threads: Seen<ThreadId>,
}

/// A system whose every message fails, with a sink of its own.
async fn with_own_sink() -> Sunk {
    let place = Place::new().await;
    let (kept, threads) = (Seen::default(), Seen::default());
    let queue = Queue::quorum("orders")
        .bind("shop", ExchangeKind::Direct, "new")
        .retry(Retry::every(100.millis()).times(1));
    let builder = place
        .system()
        .fail_sink({
            let (kept, threads) = (kept.clone(), threads.clone());
            move || Keeps {
                kept: kept.clone(),
                threads: threads.clone(),
            }
        })
        .consume_fn(queue, |_: Delivery<Bytes>| async {
            Err::<(), _>("x".parse::<u8>().unwrap_err())
        });
    let running = Running::consuming(builder).await;
    Sunk {
        place,
        running,
        kept,
        threads,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_gets_records_with_everything() {
    let Sunk {
        place,
        running,
        kept,
        ..
    } = with_own_sink().await;
    let before = SystemTime::now();
    let mut headers = lapin::types::FieldTable::default();
    headers.insert("tenant".into(), lapin::types::AMQPValue::ShortInt(7));
    let properties = id("no-7")
        .with_headers(headers)
        .with_content_type("application/octet-stream".into())
        .with_correlation_id("cart".into())
        .with_expiration("3600000".into());
    place
        .client
        .publish("shop", "new", b"\x00body\xff", properties)
        .await;
    let record = kept.reach(1).await.remove(0);
    assert_eq!(record.message_id, "no-7");
    assert_eq!(
        (record.queue.as_str(), record.exchange.as_str()),
        ("orders", "shop")
    );
    assert_eq!(record.routing_key, "new");
    assert_eq!(&record.body[..], b"\x00body\xff");
    assert_eq!(record.attempts, 2);
    assert_eq!(record.reason, FailReason::Exhausted);
    assert_eq!(record.error, "invalid digit found in string");
    assert!(record.error_chain.is_empty());
    assert_eq!((&*record.service, &*record.version), ("api-tests", "7.2"));
    assert!(!record.host.is_empty());
    let properties = &record.properties;
    assert_eq!(
        properties.headers.get("tenant"),
        Some(&garenne::core::Value::I16(7))
    );
    assert_eq!(properties.headers.len(), 1, "{:?}", properties.headers);
    assert_eq!(
        properties.content_type.as_deref(),
        Some("application/octet-stream")
    );
    assert_eq!(properties.correlation_id.as_deref(), Some("cart"));
    assert_eq!(properties.expiration.as_deref(), Some("3600000"));
    let span = std::time::Duration::from_secs(1);
    assert!(
        record.first_failed_at + span >= before,
        "stamps are cut to milliseconds"
    );
    assert!(record.first_failed_at < record.last_failed_at);
    let counts = running.acked(2).await;
    assert_eq!(counts.failed, 1);
    place.holds("orders.failed", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sink_does_not_store_is_parked() {
    let Sunk {
        place,
        running,
        kept,
        ..
    } = with_own_sink().await;
    let bodies = ["err", "refuse", "panic", "hang", "fine"];
    place.send("orders", bodies).await;
    // The one that hangs is given up after ten seconds; the others do not wait for it.
    running
        .until("all but the one that hangs are settled", |status| {
            status.queues[0].failed >= 4
        })
        .await;
    running.acked(10).await;
    assert_eq!(kept.all().len(), 1);
    let mut parked: Vec<_> = place.take_ids("orders.failed").await.into_keys().collect();
    parked.sort_unstable();
    assert_eq!(parked, ["err", "hang", "panic", "refuse"]);
    for why in [
        "the disk is full",
        "the sink panicked or stopped",
        "no answer within 10s",
    ] {
        assert!(
            !logs::lines_with(&["fail_sink_failed", why]).is_empty(),
            "{why}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_keeps_panicking_takes_no_new_thread_each_time() {
    let Sunk {
        place,
        running,
        threads,
        ..
    } = with_own_sink().await;
    let bodies: Vec<_> = (0..40).map(|n| format!("panic {n}")).collect();
    place
        .send("orders", bodies.iter().map(String::as_str))
        .await;
    running.acked(80).await;
    place.holds("orders.failed", 40).await;
    let distinct: HashSet<_> = threads.all().into_iter().collect();
    assert_eq!(distinct.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parking_queue_that_was_deleted_is_declared_again() {
    let place = Place::new().await;
    let queue = Queue::quorum("orders").retry(Retry::none());
    let builder = place
        .system()
        .consume_fn(queue, |order: Delivery<Text>| async move {
            Err::<(), _>(Failure::transient(order.to_string()))
        });
    let running = Running::consuming(builder).await;
    for round in ["first", "second"] {
        let deleted = place
            .client
            .channel()
            .queue_delete("orders.failed".into(), Default::default());
        deleted.await.unwrap();
        place.send("orders", [round]).await;
        let parked = place.take_one("orders.failed").await;
        assert_eq!(text(&parked, "fail-error"), round);
    }
    running.acked(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_sink_lets_messages_go_and_says_so() {
    let place = Place::new().await;
    let queue = Queue::classic("orders").retry(Retry::none());
    let builder = place
        .system()
        .fail_sink(LogSink::default)
        .consume_fn(queue, |_: Delivery<Bytes>| async {
            Err::<(), _>(Failure::permanent("no such article"))
        });
    let running = Running::consuming(builder).await;
    let message_id = format!("logged-{}", place.vhost.name());
    place
        .client
        .publish("", "orders", b"body", id(&message_id))
        .await;
    let counts = running.acked(1).await;
    assert_eq!(counts.failed, 1);
    place.holds("orders.failed", 0).await;
    let lines = logs::lines_with(&[&message_id, "no such article", "permanent"]);
    assert!(!lines.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_too_large_for_a_frame_is_cut_and_parked() {
    let place = Place::new().await;
    let queue = Queue::quorum("orders").retry(Retry::none());
    let builder = place
        .system()
        .consume_fn(queue, |_: Delivery<Bytes>| async {
            Err::<(), _>(Failure::permanent("x".repeat(300_000)))
        });
    let running = Running::consuming(builder).await;
    let mut headers = lapin::types::FieldTable::default();
    // As much as a frame takes: with the record beside it, it cannot all stay.
    headers.insert(
        "big".into(),
        lapin::types::AMQPValue::LongString("y".repeat(125_000).into()),
    );
    headers.insert(
        "small".into(),
        lapin::types::AMQPValue::LongString("z".into()),
    );
    place
        .client
        .publish("", "orders", b"body", id("big").with_headers(headers))
        .await;
    let parked = place.take_one("orders.failed").await;
    assert_eq!(parked.data, b"body");
    assert_eq!(text(&parked, "fail-reason"), "permanent");
    assert!(text(&parked, "fail-error").starts_with("xxx"));
    assert_eq!(text(&parked, "small"), "z");
    running.acked(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_headers_fill_the_frame_fails_without_being_held_for_ever() {
    let place = Place::new().await;
    let queue = Queue::quorum("orders").retry(Retry::every(100.millis()).times(2));
    let builder = place
        .system()
        .consume_fn(queue, |_: Delivery<Bytes>| async {
            Err::<(), _>(Failure::transient("not today"))
        });
    let running = Running::consuming(builder).await;
    let mut headers = lapin::types::FieldTable::default();
    headers.insert(
        "big".into(),
        lapin::types::AMQPValue::LongString("y".repeat(130_900).into()),
    );
    place
        .client
        .publish("", "orders", b"body", id("big").with_headers(headers))
        .await;
    let parked = place.take_one("orders.failed").await;
    assert!(text(&parked, "fail-error").starts_with("not today"));
    running
        .until("it is acked", |status| status.in_flight() == 0)
        .await;
}

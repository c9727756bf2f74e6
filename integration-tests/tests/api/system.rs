//! The system from outside: started anywhere, looked at, built or refused.

use std::process::{Command, ExitCode};

use garenne::PublishError;
use garenne::core::StopReason;
use garenne::prelude::*;
use garenne::status::{LinkState, Phase, Status};

use super::support::{Gate, Place, Running, SOON, Seen, nothing};

#[tokio::test]
async fn a_system_starts_inside_a_runtime_of_one_thread_and_leaves_it_running() {
    let place = Place::new().await;
    let seen = Seen::default();
    let builder = place.system().consume_fn(Queue::classic("q"), {
        let seen = seen.clone();
        move |body: Delivery<Text>| {
            seen.note(body.to_string());
            async { Ok::<(), Failure>(()) }
        }
    });
    let running = Running::consuming(builder).await;
    running
        .publisher()
        .send(Outgoing::to_queue("q", "here"))
        .await
        .unwrap();
    assert_eq!(seen.reach(1).await, ["here"]);
    running.stop().await;
}

#[test]
fn a_system_starts_inside_an_actix_system_too() {
    garenne::actix::System::new().block_on(async {
        let place = Place::new().await;
        let running =
            Running::consuming(place.system().consume_fn(Queue::classic("q"), nothing)).await;
        running
            .publisher()
            .send(Outgoing::to_queue("q", "here"))
            .await
            .unwrap();
        running.acked(1).await;
        running.stop().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn two_systems_in_one_process_share_a_queue_and_stop_one_by_one() {
    let place = Place::new().await;
    let seen: Seen<(u8, String)> = Seen::default();
    let system = |name: u8| {
        let seen = seen.clone();
        let queue = Queue::quorum("q").prefetch(1);
        place
            .system()
            .consume_fn(queue, move |body: Delivery<Text>| {
                seen.note((name, body.to_string()));
                async { Ok::<(), Failure>(()) }
            })
    };
    let (one, two) = (
        Running::consuming(system(1)).await,
        Running::consuming(system(2)).await,
    );
    let bodies: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    place
        .send("q", bodies[..30].iter().map(String::as_str))
        .await;
    seen.reach(30).await;
    one.stop().await;
    place
        .send("q", bodies[30..].iter().map(String::as_str))
        .await;
    let all = seen.reach(50).await;
    assert!(all.iter().any(|run| run.0 == 1) && all.iter().any(|run| run.0 == 2));
    assert!(all[30..].iter().all(|run| run.0 == 2));
    two.stop().await;
    assert_eq!(seen.all().len(), 50, "nobody ran twice");
}

/// Waits for the gate, and ends as its message says.
async fn obeys(order: Delivery<Text>, gate: Gate) -> Result<(), Failure> {
    gate.pass().await;
    match &**order {
        "discard" => Err(Failure::discard("")),
        "fail" => Err(Failure::transient("")),
        "permanent" => Err(Failure::permanent("")),
        "panic" => panic!("told to"),
        _ => Ok(()),
    }
}

/// The first link of its kind is up, to the broker at this port.
fn assert_up(link: &LinkState, port: &str) {
    match link {
        LinkState::Up {
            broker,
            epoch: 1,
            blocked: None,
            ..
        } => assert!(broker.contains(port) && !broker.contains('@'), "{broker}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_of_links_queues_and_every_message() {
    let place = Place::new().await;
    let gate = Gate::closed();
    let queue = Queue::quorum("orders")
        .retry(Retry::every(100.millis()).times(1))
        .concurrency(3);
    let builder = place
        .system()
        .consume_fn(queue, {
            let gate = gate.clone();
            move |order| obeys(order, gate.clone())
        })
        .consume_fn(Queue::classic("idle"), nothing);
    let running = Running::started(builder);
    assert!(!running.status().is_ready());
    assert_eq!(running.status().phase, Phase::Starting);
    let status = running.until("it consumes", Status::is_ready).await;
    let names: Vec<_> = status
        .queues
        .iter()
        .map(|queue| queue.queue.as_str())
        .collect();
    assert_eq!(names, ["orders", "idle"]);
    let port = place.vhost.node().port().to_string();
    for link in [&status.consume, &status.publish] {
        assert_up(link, &port);
    }
    let bodies = [
        "ok",
        "discard",
        "fail",
        "permanent",
        "panic",
        "ok",
        "ok",
        "ok",
    ];
    place.send("orders", bodies).await;
    running
        .until("all are in hand", |status| status.in_flight() == 8)
        .await;
    gate.open();
    let done = |status: &Status| status.queues[0].acked == 10 && status.in_flight() == 0;
    let status = running.until("all is settled", done).await;
    let queue = &status.queues[0];
    assert_eq!(queue.delivered, 10);
    assert_eq!((queue.handled, queue.failed_attempts), (4, 6), "{queue:?}");
    assert_eq!(
        (queue.retried, queue.failed, queue.discarded),
        (2, 3, 1),
        "{queue:?}"
    );
    assert_eq!((queue.requeued, queue.recalled), (0, 0));
    assert_eq!(
        queue.acked,
        queue.handled + queue.retried + queue.failed + queue.discarded
    );
    assert_eq!(status.queues[1].delivered, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_status_ends_with_the_reason_when_the_system_stops_before() {
    let place = Place::new().await;
    let running = Running::consuming(place.system().consume_fn(Queue::classic("q"), nothing)).await;
    let handle = SystemHandle::clone(&running);
    let waiting = tokio::spawn(async move { handle.wait_until(|_| false).await.map(|_| ()) });
    running.stop().await;
    let ended = tokio::time::timeout(SOON, waiting).await.unwrap().unwrap();
    assert_eq!(ended, Err(StopReason::Requested));
    assert_eq!(running.status().phase, Phase::Stopped);
    // What has happened stays known.
    assert!(
        running
            .wait_until(|status| status.phase == Phase::Stopped)
            .await
            .is_ok()
    );
    assert_eq!(running.stopped().await, StopReason::Requested);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_of_the_builder_works_in_handlers_and_fails_when_no_system_comes() {
    let place = Place::new().await;
    place.client.declare("invoices", &[]).await;
    let builder = place.system();
    let publisher = builder.publisher();
    let builder = builder.consume_fn(Queue::classic("orders"), move |order: Delivery<Text>| {
        let publisher = publisher.clone();
        async move {
            publisher
                .send(Outgoing::to_queue("invoices", order.into_body()))
                .await
        }
    });
    let running = Running::consuming(builder).await;
    place.send("orders", ["no 1", "no 2"]).await;
    place.holds("invoices", 2).await;
    let counts = running.acked(2).await;
    assert_eq!(counts.handled, 2);

    let orphan = place.system().publisher();
    let sending = orphan.send(Outgoing::to_queue("invoices", ""));
    let answer = tokio::time::timeout(SOON, sending)
        .await
        .expect("an answer");
    assert!(
        matches!(answer, Err(PublishError::Disconnected { .. })),
        "{answer:?}"
    );
}

/// Set for a child process that is this test binary once more.
const CHILD: &str = "GARENNE_API_TEST_CHILD";

/// Signals belong to a whole process, so a system that listens to them gets one of its own: this
/// test again, which then ends the process with what `run_until` returned.
#[test]
fn run_until_ends_with_its_future_and_a_zero_exit_code() {
    if let Ok(url) = std::env::var(CHILD) {
        let (done, told) = tokio::sync::oneshot::channel::<()>();
        let done = std::sync::Arc::new(std::sync::Mutex::new(Some(done)));
        let code = SystemBuilder::new(url)
            .consume_fn(Queue::classic("q"), move |_: Delivery<Bytes>| {
                drop(done.lock().unwrap().take());
                async { Ok::<(), Failure>(()) }
            })
            .run_until(async {
                let _ended = told.await;
            });
        std::process::exit(i32::from(code != ExitCode::SUCCESS) * 99);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let place = Place::new().await;
        let classic = lapin::types::AMQPValue::LongString("classic".into());
        place
            .client
            .declare("q", &[("x-queue-type", classic)])
            .await;
        place.send("q", ["one"]).await;
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args([
                "--exact",
                "api::system::run_until_ends_with_its_future_and_a_zero_exit_code",
            ])
            .env(CHILD, place.vhost.url());
        let mut child = child.spawn().unwrap();
        let status = integration_tests::eventually(SOON, "the child ends", async || {
            child
                .try_wait()
                .unwrap()
                .ok_or_else(|| "it runs".to_owned())
        });
        let status = status.await;
        assert_eq!(status.code(), Some(0), "{status}");
        place.holds("q", 0).await;
    });
}

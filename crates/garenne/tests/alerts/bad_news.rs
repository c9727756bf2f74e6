//! The system's own bad news go the same way.

use std::time::Duration;

use garenne::prelude::*;
use garenne::status::Status;
use garenne::{StopReason, System};
use garenne_testing::TestSystem;
use garenne_testing::broker::How;

use crate::support::{SOON, Told, keeps, obey, orders};

/// Nothing listens there: port 1 is reserved, and nobody but root could.
const NOBODY: &str = "amqp://app:s3cr3t@127.0.0.1:1";

async fn stopped(system: System) -> StopReason {
    let handle = system.start().expect("threads can be made");
    match tokio::time::timeout(SOON, handle.stopped()).await {
        Ok(reason) => reason,
        Err(_) => panic!("it does not stop: {:?}", handle.status()),
    }
}

#[tokio::test]
async fn giving_up_is_told_once_before_the_system_has_stopped() {
    let told = Told::default();
    let builder = SystemBuilder::new(NOBODY).outage_window(OutageWindow::FailFast);
    let system = builder.consume_fn(orders(), obey).alert(keeps(&told));
    let reason = stopped(system.build().expect("it is complete")).await;
    assert_eq!(reason.code(), 75);
    assert_eq!(told.subjects(), ["gave-up"]);
    let text = told.all()[0].to_string();
    assert!(text.contains("127.0.0.1:1"), "{text}");
    assert!(text.contains("exit code 75"), "{text}");
    assert!(!text.contains("s3cr3t"), "{text}");
}

#[tokio::test]
async fn giving_up_is_told_however_slow_the_pace() {
    let told = Told::default();
    let pace = Pace::default().gather(1.hours()).every(1.hours());
    let builder = SystemBuilder::new(NOBODY).outage_window(OutageWindow::FailFast);
    let system = builder
        .consume_fn(orders(), obey)
        .alert(keeps(&told).pace(pace));
    stopped(system.build().expect("it is complete")).await;
    assert_eq!(told.subjects(), ["gave-up"]);
}

#[tokio::test]
async fn an_outage_that_lasts_is_told_and_so_is_its_end() {
    let told = Told::default();
    let system = TestSystem::builder()
        .patience(SOON)
        .start(|builder| {
            let builder = builder.consume_fn(orders(), obey).alert(keeps(&told));
            builder.outage_alert_after(1.secs())
        })
        .await;
    system.send("orders", "ok").await;
    system.settled().await;
    let faults = system.broker().faults();
    faults.refuse().await.unwrap();
    faults.drop_connections(How::Reset).await.unwrap();
    let line = told.line_about("outage").await;
    assert!(
        line.starts_with("outage: no stable consumption for "),
        "{line}"
    );
    faults.accept().await.unwrap();
    system.send("orders", "ok").await;
    let line = told.line_about("outage-ended").await;
    assert!(
        line.starts_with("the outage is over: consuming again after"),
        "{line}"
    );
    system.settled().await;
    system.finish().await;
    assert_eq!(told.subjects(), ["outage", "outage-ended"]);
}

#[tokio::test]
async fn a_start_and_a_stop_are_no_news() {
    let told = Told::default();
    let system =
        TestSystem::start(|builder| builder.consume_fn(orders(), obey).alert(keeps(&told))).await;
    system.send("orders", "ok").await;
    system.settled().await;
    system.finish().await;
    assert_eq!(told.all(), []);
}

#[tokio::test]
async fn a_handler_that_panicked_is_news() {
    let told = Told::default();
    let queue = Queue::quorum("orders").retry(Retry::every(20.secs()).times(3));
    let system =
        TestSystem::start(|builder| builder.consume_fn(queue, obey).alert(keeps(&told))).await;
    system.send("orders", "panic").await;
    let line = told.line_about("handler-died").await;
    assert_eq!(
        line,
        "orders: the handler died 1 time: panicked: the message says so"
    );
    system.settled().await;
    system.finish().await;
}

struct Refuses;

impl Actor for Refuses {
    type Context = Context<Self>;
}

impl Handler<FailedMessage> for Refuses {
    type Result = Result<(), SinkError>;

    fn handle(&mut self, _: FailedMessage, _: &mut Self::Context) -> Self::Result {
        Err(SinkError::new("the database is down"))
    }
}

#[tokio::test]
async fn a_fail_sink_that_does_not_store_is_news() {
    let told = Told::default();
    let system = TestSystem::start(|builder| {
        let builder = builder.consume_fn(orders(), obey).fail_sink(|| Refuses);
        builder.alert(keeps(&told))
    })
    .await;
    system.send("orders", "no money").await;
    let line = told.line_about("fail-sink").await;
    assert_eq!(
        line,
        "orders: the fail sink did not store 1 message, parked instead: the database is down"
    );
    told.line_about("failures").await;
    system.settled().await;
    system.finish().await;
}

/// Dies whenever it is made.
struct Stillborn;

impl Actor for Stillborn {
    type Context = Context<Self>;

    #[expect(clippy::panic, reason = "this is what is tested")]
    fn started(&mut self, _: &mut Self::Context) {
        panic!("no database");
    }
}

impl Handler<Delivery<Text>> for Stillborn {
    type Result = HandlerFuture;

    fn handle(&mut self, _: Delivery<Text>, _: &mut Self::Context) -> Self::Result {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_handler_that_dies_again_and_again_is_told_before_the_end() {
    let told = Told::default();
    let broker = garenne_testing::broker::Broker::start().await.unwrap();
    let builder = SystemBuilder::new(broker.url()).drain_deadline(Duration::from_secs(1));
    let system = builder.consume(orders(), || Stillborn).alert(keeps(&told));
    let handle = system.build().unwrap().start().unwrap();
    handle.wait_until(Status::is_ready).await.unwrap();
    handle
        .publisher()
        .send(Outgoing::to_queue("orders", "ok"))
        .await
        .unwrap();
    let reason = tokio::time::timeout(SOON, handle.stopped()).await.unwrap();
    assert_eq!(reason.code(), 70);
    let line = told.line_about("internal").await;
    assert!(line.contains("died again and again"), "{line}");
}

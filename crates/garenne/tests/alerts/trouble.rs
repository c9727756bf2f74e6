//! Alerts that panic, hang and block: nothing waits for them.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use actix::ResponseFuture;
use garenne::actix;
use garenne::prelude::*;
use garenne_testing::TestSystem;

use crate::support::{Told, at_once, obey, orders, until};

/// Panics over the first alert, keeps the others.
struct PanicsOnce(Told);

impl Actor for PanicsOnce {
    type Context = Context<Self>;
}

impl Handler<Alert> for PanicsOnce {
    type Result = Result<(), AlertError>;

    fn handle(&mut self, alert: Alert, _: &mut Self::Context) -> Self::Result {
        self.0.note(&alert);
        assert!(self.0.all().len() > 1, "the first alert is too much");
        Ok(())
    }
}

#[tokio::test]
async fn an_alert_that_panicked_is_made_again_and_told_again() {
    let told = Told::default();
    let keeper = told.clone();
    let alert = AlertSetup::from(move || PanicsOnce(keeper.clone())).pace(at_once());
    let system = TestSystem::start(|builder| builder.consume_fn(orders(), obey).alert(alert)).await;
    system.send("orders", "no money").await;
    let done = until(system.handle(), |alert| alert.told == 1).await;
    assert_eq!((done.calls, done.failed_calls), (2, 1));
    system.settled().await;
    system.finish().await;
}

/// Never answers.
struct Hangs;

impl Actor for Hangs {
    type Context = Context<Self>;
}

impl Handler<Alert> for Hangs {
    type Result = ResponseFuture<Result<(), AlertError>>;

    fn handle(&mut self, _: Alert, _: &mut Self::Context) -> Self::Result {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn an_alert_that_hangs_delays_neither_acks_nor_the_end() {
    let alert = AlertSetup::new("hangs", || Hangs).pace(at_once().timeout(1.hours()));
    let system = TestSystem::start(|builder| builder.consume_fn(orders(), obey).alert(alert)).await;
    system.send("orders", "no money").await;
    until(system.handle(), |alert| alert.calls == 1).await;
    for _ in 0..100 {
        system.send("orders", "no money").await;
    }
    system.settled().await;
    let handle = system.handle().clone();
    assert_eq!(handle.status().queues[0].acked, 101);
    // Within its time box, or this test would take the hour that a call may take.
    system.finish().await;
    let alert = handle.status().alerts.remove(0);
    assert_eq!((alert.told, alert.pending, alert.dropped), (0, 0, 101));
}

/// Blocks its thread until it is let go.
struct Blocks(Arc<Mutex<Receiver<()>>>);

impl Actor for Blocks {
    type Context = Context<Self>;
}

impl Handler<Alert> for Blocks {
    type Result = Result<(), AlertError>;

    fn handle(&mut self, _: Alert, _: &mut Self::Context) -> Self::Result {
        let _ = self.0.lock().map(|go| go.recv());
        Ok(())
    }
}

#[tokio::test]
async fn an_alert_that_blocks_its_thread_blocks_nobody_else() {
    let (let_go, go): (Sender<()>, _) = channel();
    let go = Arc::new(Mutex::new(go));
    let alert = AlertSetup::from(move || Blocks(Arc::clone(&go)));
    let pace = at_once().timeout(50.millis());
    let system =
        TestSystem::start(|builder| builder.consume_fn(orders(), obey).alert(alert.pace(pace)))
            .await;
    system.send("orders", "no money").await;
    let failed = until(system.handle(), |alert| alert.failed_calls == 1).await;
    assert_eq!(failed.last_error.as_deref(), Some("no answer within 50ms"));
    for _ in 0..100 {
        system.send("orders", "no money").await;
    }
    system.settled().await;
    drop(let_go);
    let done = until(system.handle(), |alert| alert.told == 101).await;
    assert_eq!((done.pending, done.dropped), (0, 0));
    system.finish().await;
}

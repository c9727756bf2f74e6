//! What is done with a message, and how far all workers have come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use garenne::prelude::*;
use tokio::sync::Notify;

use crate::setting::{say, setting};

#[derive(serde::Deserialize)]
pub struct Order {
    order_id: u64,
    cents: u64,
    sent_ns: Option<u64>,
}

/// How far all workers have come together.
pub struct Progress {
    handled: AtomicU64,
    pub count: u64,
    /// The last message is in its handler's hands.
    pub last: Notify,
    latencies: Mutex<Vec<u64>>,
}

impl Progress {
    pub fn new() -> Self {
        Self {
            handled: AtomicU64::new(0),
            count: setting("BENCH_COUNT"),
            last: Notify::new(),
            latencies: Mutex::new(Vec::new()),
        }
    }

    fn seen(&self) {
        let before = self.handled.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            say("first", &[]);
        }
        if before + 1 == self.count {
            self.last.notify_one();
        }
    }

    fn keep_latency(&self, order: &Order) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or_default();
        // The message that was there before has no time.
        let latency = now.saturating_sub(order.sent_ns.unwrap_or(now));
        let mut latencies = self.latencies.lock().expect("no handler panics");
        latencies.push(latency);
    }

    pub fn done(&self) {
        say("done", &self.latencies.lock().expect("no handler panics"));
    }
}

/// Counts what it handles.
pub struct Charge {
    progress: Arc<Progress>,
    pause: Duration,
    fail_every: u64,
    keeps_up: bool,
}

impl Charge {
    pub fn new(progress: Arc<Progress>) -> Self {
        Self {
            progress,
            pause: Duration::from_millis(setting("BENCH_PAUSE_MS")),
            fail_every: setting("BENCH_FAIL_EVERY"),
            keeps_up: setting::<String>("BENCH_ACT") == "keep-up",
        }
    }
}

impl Actor for Charge {
    type Context = Context<Self>;
}

impl Handler<Delivery<Json<Order>>> for Charge {
    type Result = HandlerFuture;

    fn handle(&mut self, order: Delivery<Json<Order>>, _: &mut Self::Context) -> Self::Result {
        self.progress.seen();
        if self.keeps_up {
            self.progress.keep_latency(&order);
        }
        let (pause, fail_every) = (self.pause, self.fail_every);
        Box::pin(async move {
            std::hint::black_box((order.order_id, order.cents));
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            if fail_every > 0 && order.order_id.is_multiple_of(fail_every) {
                return Err(Failure::transient("card declined"));
            }
            Ok(())
        })
    }
}

/// Tells of every message.
pub struct Recovering;

impl Actor for Recovering {
    type Context = Context<Self>;
}

impl Handler<Delivery<Json<Order>>> for Recovering {
    type Result = HandlerFuture;

    fn handle(&mut self, _: Delivery<Json<Order>>, _: &mut Self::Context) -> Self::Result {
        say("handled", &[]);
        Box::pin(async { Ok(()) })
    }
}

//! What is done with a message, and how far all workers have come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lapin::message::Delivery;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel};
use tokio::sync::Notify;

use crate::setting::{say, setting};

#[derive(serde::Deserialize)]
struct Order {
    order_id: u64,
    cents: u64,
    sent_ns: Option<u64>,
}

/// How far all workers have come together.
pub struct Progress {
    seen: AtomicU64,
    settled: AtomicU64,
    count: u64,
    /// The last ack is written.
    pub last: Notify,
    latencies: Mutex<Vec<u64>>,
}

impl Progress {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            seen: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            count: setting("BENCH_COUNT"),
            last: Notify::new(),
            latencies: Mutex::new(Vec::new()),
        })
    }

    /// One more message has come.
    pub fn seen(&self) {
        if self.seen.fetch_add(1, Ordering::Relaxed) == 0 {
            say("first", &[]);
        }
    }

    /// So many more are done with.
    pub fn settled(&self, messages: u64) {
        let before = self.settled.fetch_add(messages, Ordering::Relaxed);
        if messages > 0 && before + messages == self.count {
            self.last.notify_one();
        }
    }

    pub fn done(&self) {
        say("done", &self.latencies.lock().expect("no handler panics"));
    }
}

/// What every worker does with a message.
pub struct Charge {
    pub progress: Arc<Progress>,
    pause: Duration,
    fail_every: u64,
    retries: Option<Channel>,
    keeps_up: bool,
}

impl Charge {
    pub fn new(progress: Arc<Progress>, retries: Option<Channel>) -> Self {
        Self {
            progress,
            pause: Duration::from_millis(setting("BENCH_PAUSE_MS")),
            fail_every: setting("BENCH_FAIL_EVERY"),
            retries,
            keeps_up: setting::<String>("BENCH_ACT") == "keep-up",
        }
    }

    /// Handles it; gives the tag to ack.
    pub async fn handle(&self, delivery: Delivery) -> u64 {
        let order: Order = serde_json::from_slice(&delivery.data).expect("an order");
        std::hint::black_box((order.order_id, order.cents));
        if self.keeps_up {
            self.keep_latency(&order);
        }
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        if self.fail_every > 0 && order.order_id.is_multiple_of(self.fail_every) {
            self.retry_later(&delivery).await;
        }
        delivery.delivery_tag
    }

    fn keep_latency(&self, order: &Order) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or_default();
        // The message that was there before has no time.
        let latency = now.saturating_sub(order.sent_ns.unwrap_or(now));
        let mut latencies = self.progress.latencies.lock().expect("no handler panics");
        latencies.push(latency);
    }

    /// A copy for later, confirmed before the original may be acked.
    async fn retry_later(&self, delivery: &Delivery) {
        let retries = self.retries.as_ref().expect("a channel, where some fail");
        let properties: BasicProperties = delivery.properties.clone().with_delivery_mode(2);
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let copy = retries.basic_publish(
            "".into(),
            "bench.retry".into(),
            options,
            &delivery.data,
            properties,
        );
        let confirm = copy.await.expect("a copy").await.expect("a confirm");
        assert!(confirm.is_ack(), "the broker refused a copy");
    }
}

//! The contender on ruststream-lapin: a subscriber as its documentation writes one.

#[path = "../../lapin/src/setting.rs"]
mod setting;

use std::num::NonZeroU16;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ruststream_lapin::prelude::*;

use crate::setting::{finish, queues, say, setting};

static COUNT: LazyLock<u64> = LazyLock::new(|| setting("BENCH_COUNT"));
static HANDLED: AtomicU64 = AtomicU64::new(0);

#[derive(serde::Deserialize)]
struct Order {
    order_id: u64,
    cents: u64,
}

#[subscriber(RabbitQueue::new(queues().remove(0)))]
async fn charge(order: &Order) -> HandlerOutcome {
    let before = HANDLED.fetch_add(1, Ordering::Relaxed);
    if before == 0 {
        say("first", &[]);
    }
    std::hint::black_box((order.order_id, order.cents));
    // Its ack follows; whoever measures looks whether it did.
    if before + 1 == *COUNT {
        say("done", &[]);
    }
    HandlerOutcome::ack()
}

#[tokio::main]
async fn main() {
    setting::start();
    let prefetch: NonZeroU16 = setting("BENCH_PREFETCH");
    let broker = LapinBroker::new(setting::<String>("BENCH_URL")).prefetch(prefetch);
    let app = RustStream::new(AppInfo::new("bench", "0.0.0")).with_broker(broker, |b| {
        b.include(charge);
    });
    app.run_until(finish()).await.expect("a broker");
}

//! The contender on ruststream-lapin: a subscriber as its documentation writes one.

use std::io::{Write, stdin, stdout};
use std::num::NonZeroU16;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ruststream_lapin::prelude::*;

static SINCE: LazyLock<Instant> = LazyLock::new(Instant::now);
static COUNT: LazyLock<u64> = LazyLock::new(|| setting("BENCH_COUNT"));
static HANDLED: AtomicU64 = AtomicU64::new(0);

#[derive(serde::Deserialize)]
struct Order {
    order_id: u64,
    cents: u64,
}

#[subscriber(RabbitQueue::new(setting::<String>("BENCH_QUEUE")))]
async fn charge(order: &Order) -> HandlerOutcome {
    let before = HANDLED.fetch_add(1, Ordering::Relaxed);
    if before == 0 {
        say("first");
    }
    std::hint::black_box((order.order_id, order.cents));
    // Its ack follows; whoever measures looks whether it did.
    if before + 1 == *COUNT {
        say("done");
    }
    HandlerOutcome::ack()
}

fn say(event: &str) {
    let nanos = SINCE.elapsed().as_nanos();
    let mut out = stdout().lock();
    writeln!(out, r#"{{"event":"{event}","ns":{nanos}}}"#).expect("somebody listens");
    out.flush().expect("somebody listens");
}

fn setting<T: std::str::FromStr>(name: &str) -> T {
    let value = std::env::var(name).unwrap_or_default();
    value.parse().unwrap_or_else(|_| panic!("{name}={value}"))
}

#[tokio::main]
async fn main() {
    LazyLock::force(&SINCE);
    let prefetch: NonZeroU16 = setting("BENCH_PREFETCH");
    let broker = LapinBroker::new(setting::<String>("BENCH_URL")).prefetch(prefetch);
    let app = RustStream::new(AppInfo::new("bench", "0.0.0")).with_broker(broker, |b| {
        b.include(charge);
    });
    // Until the runner has read what this process cost.
    let told = tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new()));
    let stop = async move {
        told.await.expect("a thread").expect("a pipe");
    };
    app.run_until(stop).await.expect("a broker");
}

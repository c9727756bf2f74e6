//! The contender on apalis-amqp: a worker as its documentation builds one, tasks spawned on tokio.

use std::future::poll_fn;
use std::io::{Write, stdin, stdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use apalis::prelude::*;
use apalis_amqp::{AmqpBackend, Config};
use lapin::options::QueueDeclareOptions;

static SINCE: LazyLock<Instant> = LazyLock::new(Instant::now);

#[derive(serde::Deserialize, serde::Serialize)]
struct Order {
    order_id: u64,
    cents: u64,
}

struct Progress {
    handled: AtomicU64,
    count: u64,
}

async fn charge(order: Order, progress: Data<Arc<Progress>>) -> Result<(), BoxDynError> {
    let before = progress.handled.fetch_add(1, Ordering::Relaxed);
    if before == 0 {
        say("first");
    }
    std::hint::black_box((order.order_id, order.cents));
    // Its ack follows; whoever measures looks whether it did.
    if before + 1 == progress.count {
        say("done");
    }
    Ok(())
}

/// Version 1.0.0 asks for messages before it consumes, and panics, unless all its steps are done
/// before: its channel, its consumer, and being ready.
async fn make_ready(backend: &mut AmqpBackend<Order>) {
    let context = WorkerContext::new("bench");
    for _ in 0..3 {
        let ready = poll_fn(|cx| backend.poll_ready(cx, &context));
        ready.await.expect("a queue to consume");
    }
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
    // The queue is there, with arguments that are not this worker's.
    let as_it_is = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let prefetch: u16 = setting("BENCH_PREFETCH");
    let config = Config::default()
        .queue(setting::<String>("BENCH_QUEUE"))
        .declare_options(as_it_is)
        .prefetch_count(prefetch);
    let mut backend = AmqpBackend::<Order>::new_from_addr(setting::<String>("BENCH_URL"))
        .expect("an address")
        .with_config(config);
    make_ready(&mut backend).await;
    let progress = Progress {
        handled: AtomicU64::new(0),
        count: setting("BENCH_COUNT"),
    };
    let worker = WorkerBuilder::new("bench")
        .backend(backend)
        .data(Arc::new(progress))
        .parallelize(tokio::spawn)
        .build(charge);
    let work = tokio::spawn(worker.run());
    // Until the runner has read what this process cost.
    let told = tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new()));
    tokio::select! {
        ended = work => panic!("the worker ended: {ended:?}"),
        told = told => told.expect("a thread").expect("a pipe"),
    };
}

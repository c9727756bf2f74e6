//! The contender on apalis-amqp: a worker as its documentation builds one, tasks spawned on tokio.

#[path = "../../lapin/src/setting.rs"]
mod setting;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use apalis::prelude::*;
use apalis_amqp::{AmqpBackend, Config};
use lapin::options::QueueDeclareOptions;

use crate::setting::{finish, queues, say, setting};

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
        say("first", &[]);
    }
    std::hint::black_box((order.order_id, order.cents));
    // Its ack follows; whoever measures looks whether it did.
    if before + 1 == progress.count {
        say("done", &[]);
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

#[tokio::main]
async fn main() {
    setting::start();
    // The queue is there, with arguments that are not this worker's.
    let as_it_is = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let prefetch: u16 = setting("BENCH_PREFETCH");
    let config = Config::default()
        .queue(queues().remove(0))
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
    tokio::select! {
        ended = work => panic!("the worker ended: {ended:?}"),
        () = finish() => {}
    };
}

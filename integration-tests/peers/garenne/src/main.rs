//! The contender on garenne: an actor with an async handler, a plain `SystemBuilder`; told to publish,
//! a `Publisher`.

mod charge;
mod publish;
#[path = "../../lapin/src/setting.rs"]
mod setting;

use std::sync::Arc;
use std::time::Duration;

use garenne::prelude::*;

use crate::charge::{Charge, Progress, Recovering};
use crate::setting::{finish, queues, setting};

/// How often it is looked whether the last acks are written.
const LOOK: Duration = Duration::from_millis(1);
/// What fails waits for longer than any run takes.
const RETRY_AFTER: Duration = Duration::from_secs(3600);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    setting::start();
    match setting::<String>("BENCH_ACT").as_str() {
        "publish" => publish::all().await,
        "recover" => recover().await,
        _ => consume().await,
    }
}

fn queue(name: &str) -> Queue {
    let queue = match setting::<String>("BENCH_KIND").as_str() {
        "classic" => Queue::classic(name),
        _ => Queue::quorum(name),
    };
    queue
        .prefetch(setting("BENCH_PREFETCH"))
        .workers(setting("BENCH_WORKERS"))
}

async fn consume() {
    let progress = Arc::new(Progress::new());
    let mut builder = SystemBuilder::new(setting::<String>("BENCH_URL"));
    for name in queues() {
        let mut queue = queue(&name);
        if setting::<u64>("BENCH_FAIL_EVERY") > 0 {
            queue = queue.retry(Retry::every(RETRY_AFTER).times(1));
        }
        let progress = Arc::clone(&progress);
        builder = builder.consume(queue, move || Charge::new(Arc::clone(&progress)));
    }
    let system = started(builder);
    tokio::select! {
        () = all_acked(&progress, &system) => progress.done(),
        reason = system.stopped() => panic!("the system has stopped: {reason}"),
    }
    finish().await;
    system.stop();
    system.stopped().await;
}

async fn all_acked(progress: &Progress, system: &SystemHandle) {
    progress.last.notified().await;
    let mut looks = tokio::time::interval(LOOK);
    let acked = || {
        let queues = system.status().queues;
        queues.iter().map(|queue| queue.acked).sum::<u64>()
    };
    while acked() < progress.count {
        looks.tick().await;
    }
}

async fn recover() {
    let builder = SystemBuilder::new(setting::<String>("BENCH_URL"));
    let queue = queue(&queues().remove(0));
    let system = started(builder.consume(queue, || Recovering));
    finish().await;
    system.stop();
    system.stopped().await;
}

fn started(builder: SystemBuilder) -> SystemHandle {
    let system = builder.build().expect("a valid system");
    system.start().expect("threads")
}

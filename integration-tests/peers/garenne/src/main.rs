//! The contender on garenne: an actor with an async handler, a plain `SystemBuilder`.

use std::io::{Write, stdin, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use garenne::prelude::*;
use tokio::sync::Notify;

/// How often it is looked whether the last acks are written.
const LOOK: Duration = Duration::from_millis(1);

#[derive(serde::Deserialize)]
struct Order {
    order_id: u64,
    cents: u64,
}

/// Counts what it handles.
struct Charge {
    handled: u64,
    count: u64,
    last: Arc<Notify>,
    since: Instant,
}

impl Actor for Charge {
    type Context = Context<Self>;
}

impl Handler<Delivery<Json<Order>>> for Charge {
    type Result = HandlerResult;

    fn handle(&mut self, order: Delivery<Json<Order>>, _: &mut Self::Context) -> Self::Result {
        if self.handled == 0 {
            say("first", self.since);
        }
        self.handled += 1;
        if self.handled == self.count {
            self.last.notify_one();
        }
        Box::pin(async move {
            std::hint::black_box((order.order_id, order.cents));
            Ok(())
        })
    }
}

fn say(event: &str, since: Instant) {
    let nanos = since.elapsed().as_nanos();
    let mut out = stdout().lock();
    writeln!(out, r#"{{"event":"{event}","ns":{nanos}}}"#).expect("somebody listens");
    out.flush().expect("somebody listens");
}

fn setting<T: std::str::FromStr>(name: &str) -> T {
    let value = std::env::var(name).unwrap_or_default();
    value.parse().unwrap_or_else(|_| panic!("{name}={value}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (url, count): (String, u64) = (setting("BENCH_URL"), setting("BENCH_COUNT"));
    let queue = Queue::quorum(setting::<String>("BENCH_QUEUE")).prefetch(setting("BENCH_PREFETCH"));
    let (since, last) = (Instant::now(), Arc::new(Notify::new()));
    let told = Arc::clone(&last);
    let charge = move || Charge {
        handled: 0,
        count,
        last: Arc::clone(&told),
        since,
    };
    let system = SystemBuilder::new(url)
        .consume(queue, charge)
        .build()
        .expect("a valid system")
        .start()
        .expect("threads");
    last.notified().await;
    let mut looks = tokio::time::interval(LOOK);
    while system.status().queues[0].acked < count {
        looks.tick().await;
    }
    say("done", since);
    // Until the runner has read what this process cost.
    let told = tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new()));
    told.await.expect("a thread").expect("a pipe");
    system.stop();
    system.stopped().await;
}

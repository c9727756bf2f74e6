//! What the runner says to a program in Rust, and what is said to it.

use std::io::{Write, stdin, stdout};
use std::sync::LazyLock;
use std::time::Instant;

static SINCE: LazyLock<Instant> = LazyLock::new(Instant::now);

pub fn start() {
    LazyLock::force(&SINCE);
}

pub fn setting<T: std::str::FromStr>(name: &str) -> T {
    let value = std::env::var(name).unwrap_or_default();
    value.parse().unwrap_or_else(|_| panic!("{name}={value}"))
}

pub fn queues() -> Vec<String> {
    let names: String = setting("BENCH_QUEUE");
    names.split(',').map(str::to_owned).collect()
}

pub fn say(event: &str, latencies: &[u64]) {
    let nanos = SINCE.elapsed().as_nanos();
    let mut out = stdout().lock();
    writeln!(
        out,
        r#"{{"event":"{event}","ns":{nanos},"latencies_ns":{latencies:?}}}"#
    )
    .expect("somebody listens");
    out.flush().expect("somebody listens");
}

/// Waits until the runner has read what this process cost.
pub async fn finish() {
    let told = tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new()));
    told.await.expect("a thread").expect("a pipe");
}

//! What the command `garenne failed` makes of odd messages.

use integration_tests::{Program, Transcript};
use serde_json::Value;
use std::sync::Arc;

use crate::api::support::SOON;

/// A list has a heading and a line for each of them, and none of them steers the terminal.
pub(super) async fn assert_listed(url: &str, queues: &[&str], number: usize) {
    let said = run(url, "ls", queues, &[]).await;
    let lines = said.stdout();
    assert_eq!(lines.len(), number + 1, "{lines:#?}\n{}", said.tail());
    assert_clean(&lines);
}

/// Each is shown, with its body last.
pub(super) async fn assert_shown(url: &str, queues: &[&str], number: usize) {
    let said = run(url, "show", queues, &["--limit", "100"]).await;
    let lines = said.stdout();
    let bodies = lines.iter().filter(|line| line.starts_with("body, "));
    assert_eq!(bodies.count(), number, "{}", said.tail());
    assert_clean(&lines);
}

/// An export has a line for each, with a reason and the whole body.
pub(super) async fn assert_exported(url: &str, queues: &[&str], number: usize, body: &[u8]) {
    let said = run(url, "export", queues, &[]).await;
    let lines = said.stdout();
    assert_eq!(lines.len(), number, "{}", said.tail());
    assert_clean(&lines);
    for line in lines {
        let record: Value = serde_json::from_str(&line).expect("a line is an object");
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        assert_ne!(text("reason"), "", "{line:.500}");
        assert_ne!(text("reason"), "panic", "{line:.500}");
        // Four characters for three bytes.
        let encoded = text("body");
        assert_eq!(encoded.len(), body.len().div_ceil(3) * 4, "{line:.500}");
    }
}

pub(super) async fn discard(url: &str, queues: &[&str]) {
    run(url, "discard", queues, &["--yes"]).await;
}

pub(super) async fn replay(url: &str, queues: &[&str]) {
    // Some of them look like records, and are none.
    run(url, "replay", queues, &["--doubtful"]).await;
}

async fn run(url: &str, what: &str, queues: &[&str], more: &[&str]) -> Arc<Transcript> {
    let queues = queues.iter().flat_map(|queue| ["--queue", queue]);
    let ended = Program::named("garenne")
        .args(["failed", what])
        .args(queues)
        .args(more.iter().copied())
        .env("AMQP_URL", url)
        .run(SOON)
        .await;
    assert_eq!(
        ended.code,
        Some(0),
        "garenne failed {what}: {}",
        ended.transcript.tail()
    );
    ended.transcript
}

/// No character on the way to a terminal does anything but stand there.
fn assert_clean(lines: &[String]) {
    for line in lines {
        let steering = line.chars().find(|c| c.is_control() && *c != '\t');
        assert_eq!(steering, None, "in {line:?}");
    }
}

//! The log of a program, whoever reads it.

use garenne_testing::{Signal, eventually};

use serde_json::Value;

use crate::support::{SOON, events, start};

/// What a pipe holds that nobody reads, several times over.
const MUCH: usize = 5;
/// More than the queue of the log holds besides: each makes a line of 100 KB.
const TOO_MUCH: usize = 120;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_reader_is_gone_ends_nothing() {
    for how in ["sync", "async"] {
        let mut scene = start(how, &[]).await;
        drop(scene.stderr.take());
        scene.consumes().await;
        let messages = (0..20).map(|n| match n % 3 {
            0 => "ok".to_owned(),
            1 => "fail: nobody reads this".to_owned(),
            _ => "panic: nor this".to_owned(),
        });
        scene.send(messages).await;
        scene.is_idle().await;
        scene.until(|view| view.ready("q.failed") == 13).await;
        assert_eq!(scene.stop(Signal::TERM).await, Some(0), "{how}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_reader_stalls_holds_nothing_up_and_the_end_neither() {
    let mut scene = start("sync", &[]).await;
    scene.consumes().await;
    scene.send((0..MUCH).map(|_| "long".to_owned())).await;
    scene
        .send((0..20).map(|_| "panic: at once".to_owned()))
        .await;
    scene.is_idle().await;
    scene.until(|view| view.ready("q.failed") == 20).await;
    assert_eq!(scene.stop(Signal::TERM).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_found_no_room_are_counted_and_told_when_the_log_flows_again() {
    let mut scene = start("sync", &[("GARENNE_LOG", "json")]).await;
    scene.consumes().await;
    scene.send((0..TOO_MUCH).map(|_| "long".to_owned())).await;
    scene.is_idle().await;
    scene.send(["fail: the last one".to_owned()]).await;
    scene.is_idle().await;
    let mut reading = scene.read();
    let mut lines = reading.until("log_lines_lost").await;
    scene.program.signal(Signal::TERM);
    lines.extend(reading.rest().await);
    assert_eq!(scene.end().await, Some(0));
    let told = events(&lines, "log_lines_lost");
    let lost: u64 = told.iter().filter_map(|told| told["lines"].as_u64()).sum();
    let written = events(&lines, "message_discarded").len() as u64;
    let failed = events(&lines, "message_failed").len() as u64;
    assert!(lost > 0, "{told:?}");
    assert_eq!(written + failed + lost, TOO_MUCH as u64 + 1, "{told:?}");
    assert_eq!(events(&lines, "exit").len(), 1);
}

const HOSTILE: &str = "a\n2026-01-01T00:00:00Z ERROR garenne: forged\r\u{1b}[2J\u{9b}31m\u{202e}b";

/// Lines of a program whose handler fails, and panics, with a text that a producer chose.
async fn hostile_lines(format: &str) -> Vec<String> {
    let mut scene = start("sync", &[("GARENNE_LOG", format)]).await;
    scene.consumes().await;
    scene
        .send([format!("fail:{HOSTILE}"), format!("panic:{HOSTILE}")])
        .await;
    scene.until(|view| view.ready("q.failed") == 2).await;
    scene.program.signal(Signal::TERM);
    let lines = scene.lines().await;
    assert_eq!(scene.end().await, Some(0));
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_forges_a_line_or_steers_the_terminal_of_whoever_reads_it() {
    for format in ["text", "json"] {
        let lines = hostile_lines(format).await;
        for line in &lines {
            assert_eq!(
                line,
                &garenne::core::wire::readable(line.as_bytes()),
                "{format}"
            );
            let is_ours = line.starts_with("garenne: ")
                || line.starts_with('{')
                || line.contains("Z  ")
                || line.contains("Z ERROR");
            assert!(
                is_ours && !line.starts_with("2026-01-01T00:00:00Z"),
                "{line}"
            );
        }
        let told = lines.iter().filter(|line| line.contains("forged")).count();
        assert!(told >= 3, "{lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_in_json_says_the_text_as_it_was() {
    let lines = hostile_lines("json").await;
    let failed = events(&lines, "message_failed");
    assert!(
        failed.iter().any(|failed| failed["error"] == HOSTILE),
        "{failed:#?}"
    );
}

/// The one event of this name.
fn only(lines: &[String], name: &str) -> Value {
    let events = events(lines, name);
    assert_eq!(events.len(), 1, "{name}: {lines:#?}");
    events[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_logged_with_its_causes() {
    let mut scene = start("sync", &[("GARENNE_LOG", "json")]).await;
    scene.consumes().await;
    scene.send(["cause:the bank is closed".to_owned()]).await;
    scene.until(|view| view.ready("q.failed") == 1).await;
    scene.program.signal(Signal::TERM);
    let failed = only(&scene.lines().await, "message_failed");
    assert_eq!(failed["error"], "declined");
    assert_eq!(failed["causes"], "the bank is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_says_what_starts_and_an_outage_when_it_is_given_up() {
    let env = [
        ("GARENNE_LOG", "json"),
        ("GARENNE_OUTAGE_WINDOW", "1h"),
        ("AMQP_URL", "amqp://app:secret@127.0.0.1:1/shop"),
    ];
    let mut scene = start("sync", &env).await;
    let mut reading = scene.read();
    let lines = reading.until("link_attempt_failed").await;
    let starting = only(&lines, "starting");
    let text = starting.to_string();
    assert!(
        text.contains("127.0.0.1:1") && !text.contains("secret"),
        "{text}"
    );
    assert_eq!(starting["queues"], "q (prefetch 100, workers 1)");
    assert_eq!(starting["outage_window"], "1h");
    let attempt = only(&lines, "link_attempt_failed");
    let left = attempt["gives_up_in_ms"].as_u64().unwrap();
    let lasting = attempt["lasting_ms"].as_u64().unwrap();
    assert!(left > 0 && left + lasting <= 3_600_000, "{attempt}");
    assert_eq!(attempt["attempts"], 1);
    assert!(attempt["retry_in_ms"].is_u64(), "{attempt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_what_it_waits_for() {
    let env = [("GARENNE_LOG", "json"), ("GARENNE_DRAIN_DEADLINE", "1h")];
    let mut scene = start("sync", &env).await;
    scene.consumes().await;
    scene.begin("for-ever").await;
    scene.program.signal(Signal::TERM);
    let mut reading = scene.read();
    let mut lines = reading.until("\"draining\"").await;
    let ended = eventually(SOON, "a second signal ends it", async || {
        scene.program.signal(Signal::TERM);
        scene.program.exit().ok_or_else(|| "it runs".to_owned())
    });
    assert_eq!(ended.await.code(), Some(0));
    lines.extend(reading.rest().await);
    let stopping = only(&lines, "stopping");
    assert_eq!(stopping["in_flight"], 1);
    assert_eq!(stopping["gives_up_in_ms"], 3_600_000);
    let draining = events(&lines, "draining")[0].clone();
    let abandoned = only(&lines, "message_abandoned");
    assert_eq!(draining["queue"], "q");
    assert_eq!(
        (&draining["running"], &draining["settling"]),
        (&1.into(), &0.into())
    );
    assert_eq!(draining["oldest_message_id"], abandoned["message_id"]);
    let ran = draining["oldest_running_ms"].as_u64().unwrap();
    assert!(
        ran <= abandoned["running_ms"].as_u64().unwrap(),
        "{draining} {abandoned}"
    );
}

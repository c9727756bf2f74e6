//! The log of a program, whoever reads it.

use garenne_testing::Signal;

use crate::support::{events, start};

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
    lines.extend(reading.to_the_end().await);
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

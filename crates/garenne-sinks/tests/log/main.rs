//! What is in the log at its finest: never the address of a webhook, its secret or its headers.
//!
//! It is a program of its own: what a process logs, and to whom, is decided once.

#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../webhook/support.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;
#[path = "../../../garenne/tests/alerts/watching.rs"]
mod watching;

use std::io;
use std::sync::{Mutex, PoisonError};

use garenne_sinks::WebhookAlert;
use garenne_testing::{WebhookAnswer, WebhookServer};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{at_once, failing, until};

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands what libraries write by the crate `log` to `tracing`, as programs have it done.
struct Bridge;

impl log::Log for Bridge {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        tracing::trace!(from = record.target(), "{}", record.args());
    }

    fn flush(&self) {}
}

fn logged() -> String {
    let lines = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&lines).into_owned()
}

#[tokio::test]
async fn a_webhook_is_not_in_the_log_even_at_trace() {
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(|| Lines)
        .init();
    log::set_logger(&Bridge).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    log::trace!("libraries are heard");
    let server = WebhookServer::start();
    server.answer(WebhookAnswer::new(
        200,
        r#"{"errcode":300001,"errmsg":"no"}"#,
    ));
    let url = server.url("/robot/send?access_token=t0ken-1");
    let alert = WebhookAlert::dingtalk(url, "SEC-s3cret").header("Authorization", "Bearer b3arer");
    let system = failing(alert.pace(at_once())).await;
    system.send("orders", "1").await;
    until(system.handle(), |alert| alert.failed_calls >= 1).await;
    system.settled().await;
    system.finish().await;
    let logged = logged();
    for part in ["libraries are heard", "alert_failed"] {
        assert!(logged.contains(part), "{part} is not in the log");
    }
    for secret in ["t0ken", "s3cret", "b3arer", "access_token"] {
        let told = logged.lines().find(|line| line.contains(secret));
        assert_eq!(told, None);
    }
}

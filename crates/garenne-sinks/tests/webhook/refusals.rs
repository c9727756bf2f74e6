//! Services that refuse, hang, or are not there.

use std::time::Duration;

use garenne_sinks::WebhookAlert;
use garenne_testing::{WebhookAnswer, WebhookServer};

use crate::support::{at_once, failing, until};

#[tokio::test]
async fn a_result_code_is_a_failure_that_is_seen_counted_and_repeated() {
    let server = WebhookServer::start();
    server.answer(WebhookAnswer::new(200, r#"{"errcode":0,"errmsg":"ok"}"#));
    server.answer_next(WebhookAnswer::new(
        200,
        r#"{"errcode":310000,"errmsg":"sign not match"}"#,
    ));
    let system = failing(WebhookAlert::dingtalk(server.url("/robot"), "SEC").pace(at_once())).await;
    system.send("orders", "1").await;
    let failed = until(system.handle(), |alert| alert.failed_calls == 1).await;
    let error = failed.last_error.expect("the last call failed");
    for part in ["dingtalk", "310000", "sign not match", "secret"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!((failed.told, failed.pending), (0, 1));
    let done = until(system.handle(), |alert| alert.told == 1).await;
    assert_eq!((done.calls, done.last_error), (2, None));
    system.settled().await;
    system.finish().await;
}

#[tokio::test]
async fn who_says_when_to_call_again_is_not_called_before() {
    let server = WebhookServer::start();
    let later = vec!["Retry-After: 3".to_owned()];
    server.answer_next(WebhookAnswer::Response(429, later, "too many".to_owned()));
    let system = failing(WebhookAlert::slack(server.url("/services/T/B/X")).pace(at_once())).await;
    system.send("orders", "1").await;
    until(system.handle(), |alert| alert.told == 1).await;
    let got = server.got();
    let apart = got[1].at.duration_since(got[0].at);
    assert!(apart >= Duration::from_secs(3), "{apart:?}");
    system.settled().await;
    system.finish().await;
}

#[tokio::test]
async fn a_service_in_trouble_is_called_again() {
    let server = WebhookServer::start();
    server.answer_next(WebhookAnswer::new(503, "<h1>Service Unavailable</h1>"));
    server.answer_next(WebhookAnswer::Close);
    let system = failing(WebhookAlert::json(server.url("/"), "").pace(at_once())).await;
    system.send("orders", "1").await;
    let done = until(system.handle(), |alert| alert.told == 1).await;
    assert_eq!((done.calls, done.failed_calls), (3, 2));
    system.settled().await;
    system.finish().await;
}

#[tokio::test]
async fn a_service_that_hangs_delays_neither_acks_nor_the_end() {
    let server = WebhookServer::start();
    server.answer(WebhookAnswer::Silence);
    let alert = WebhookAlert::wecom(server.url("/")).timeout(Duration::from_millis(200));
    let system = failing(alert.pace(at_once())).await;
    for n in 0..50 {
        system.send("orders", n.to_string()).await;
    }
    system.settled().await;
    let failed = until(system.handle(), |alert| alert.failed_calls > 0).await;
    let error = failed.last_error.expect("the last call failed");
    assert!(error.contains("timeout"), "{error}");
    let handle = system.handle().clone();
    system.finish().await;
    let end = handle.status().alerts.remove(0);
    assert_eq!((end.told, end.pending, end.dropped), (0, 0, 50));
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_failure_with_the_reason() {
    // Port 1 is reserved: nothing listens there.
    let alert = WebhookAlert::json("http://127.0.0.1:1/", "").pace(at_once());
    let system = failing(alert).await;
    system.send("orders", "1").await;
    let failed = until(system.handle(), |alert| alert.failed_calls > 0).await;
    let error = failed.last_error.expect("the last call failed");
    assert!(error.contains("refused"), "{error}");
    system.settled().await;
    system.finish().await;
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let (server, other) = (WebhookServer::start(), WebhookServer::start());
    let there = vec![format!("Location: {}", other.url("/"))];
    server.answer(WebhookAnswer::Response(307, there, String::new()));
    let system = failing(WebhookAlert::json(server.url("/"), "").pace(at_once())).await;
    system.send("orders", "1").await;
    let failed = until(system.handle(), |alert| alert.failed_calls > 0).await;
    let error = failed.last_error.expect("the last call failed");
    assert!(error.contains("307") && error.contains("moved"), "{error}");
    assert!(other.got().is_empty());
    system.settled().await;
    system.finish().await;
}

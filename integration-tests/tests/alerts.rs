//! A service that tells people, seen from outside.

use integration_tests::{
    Client, Service, ServiceOptions, Vhost, WebhookAnswer, WebhookServer, eventually,
};
use serde_json::Value;

use crate::support::{SOON, consumes, options};

const TOKEN: &str = "t0ken-of-a-robot";
const SECRET: &str = "SEC-s3cret-of-a-robot";
/// Port 1 is reserved: nothing listens there.
const NOBODY: &str = "amqp://127.0.0.1:1";

fn telling(service: ServiceOptions, server: &WebhookServer) -> ServiceOptions {
    let url = server.url(&format!("/robot/send?access_token={TOKEN}"));
    service
        .env("ORDERS_ALERT_WEBHOOK", format!("dingtalk+{url}"))
        .env("ORDERS_ALERT_SECRET", SECRET)
}

fn takes_calls() -> WebhookServer {
    let server = WebhookServer::start();
    server.answer(WebhookAnswer::new(200, r#"{"errcode":0,"errmsg":"ok"}"#));
    server
}

fn texts(server: &WebhookServer) -> Vec<String> {
    let text = |body: &str| {
        let body: Value = serde_json::from_str(body).expect("JSON is sent");
        body["text"]["content"].as_str().expect("a text").to_owned()
    };
    server.got().iter().map(|call| text(&call.body)).collect()
}

fn assert_silent(service: &Service) {
    for secret in [TOKEN, "s3cret"] {
        let said = service.transcript();
        assert!(
            !said.stderr_says(secret),
            "{secret} is in the log:\n{}",
            said.tail()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_gives_up_tells_it_once_before_it_exits_with_75() {
    let server = takes_calls();
    let service = Service::on(NOBODY)
        .env("GARENNE_OUTAGE_WINDOW", "2s")
        .env("RUST_LOG", "trace");
    let mut service = telling(service, &server).start();
    assert_eq!(
        service.exit_code(SOON).await,
        75,
        "{}",
        service.transcript().tail()
    );
    let [text] = &texts(&server)[..] else {
        panic!("{:?}", texts(&server));
    };
    assert!(
        text.contains("the service stops: gave up on the broker"),
        "{text}"
    );
    assert!(text.contains("(exit code 75)"), "{text}");
    assert!(
        service.transcript().stderr_says("alert_told"),
        "{}",
        service.transcript().tail()
    );
    assert_silent(&service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_hangs_does_not_keep_a_service_from_giving_up() {
    let server = WebhookServer::start();
    server.answer(WebhookAnswer::Silence);
    let service = Service::on(NOBODY)
        .env("GARENNE_OUTAGE_WINDOW", "fail-fast")
        .env("RUST_LOG", "trace");
    let mut service = telling(service, &server).start();
    assert_eq!(
        service.exit_code(SOON).await,
        75,
        "{}",
        service.transcript().tail()
    );
    assert!(!server.got().is_empty());
    assert!(
        service.transcript().stderr_says("alert_dropped"),
        "{}",
        service.transcript().tail()
    );
    assert_silent(&service);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_in_numbers_and_the_last_of_them_before_the_end() {
    let server = takes_calls();
    let vhost = Vhost::new().await;
    let mut service = telling(options(&vhost, "none"), &server).start();
    consumes(&vhost, &mut service).await;
    let client = Client::connect(&vhost.url()).await;
    let orders = || (0..100_u64).map(|id| (id, "permanent"));
    client.publish_orders("orders", orders()).await;
    eventually(SOON, "people are told", async || match texts(&server) {
        texts if texts.is_empty() => Err("nothing".to_owned()),
        _ => Ok(()),
    })
    .await;
    client.publish_orders("orders", orders()).await;
    eventually(SOON, "all are parked", async || {
        match vhost.queue("orders.failed").await?.ready {
            200 => Ok(()),
            n => Err(format!("{n}")),
        }
    })
    .await;
    service.stop().await;
    let texts = texts(&server);
    assert!(texts.len() <= 3, "{texts:?}");
    let failures: u64 = texts
        .iter()
        .map(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("orders: "));
            let count = line.and_then(|line| line.split(' ').next()?.parse::<u64>().ok());
            count.unwrap_or_else(|| panic!("{text}"))
        })
        .sum();
    assert_eq!(failures, 200, "{texts:?}");
    assert!(texts[0].contains("(permanent)"), "{texts:?}");
}

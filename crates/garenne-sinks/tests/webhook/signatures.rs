//! Each service gets what it documents, signed.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use garenne_sinks::WebhookAlert;
use garenne_testing::{WebhookAnswer, WebhookServer};
use ring::hmac;

use crate::support::{at_once, bodies, failing, got};

const SECRET: &str = "SEC0123456789abcdef";

fn seconds_since_epoch() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is later than 1970").as_secs()
}

/// Calls a robot once, and gives the server that took the call.
async fn called(robot: impl FnOnce(&WebhookServer) -> WebhookAlert, ok: &str) -> WebhookServer {
    let server = WebhookServer::start();
    server.answer(WebhookAnswer::new(200, ok));
    let system = failing(robot(&server).pace(at_once())).await;
    system.send("orders", "1").await;
    got(&server, 1).await;
    system.settled().await;
    let handle = system.handle().clone();
    system.finish().await;
    assert_eq!(
        handle.status().alerts[0].told,
        1,
        "{:?}",
        handle.status().alerts
    );
    server
}

#[tokio::test]
async fn dingtalk_can_verify_the_signature_in_the_query() {
    let robot = |server: &WebhookServer| {
        WebhookAlert::dingtalk(server.url("/robot/send?access_token=t0ken"), SECRET)
    };
    let server = called(robot, r#"{"errcode":0,"errmsg":"ok"}"#).await;
    let call = server.got().remove(0);
    let query = call
        .target
        .strip_prefix("/robot/send?access_token=t0ken&timestamp=");
    let (timestamp, sign) = query
        .and_then(|query| query.split_once("&sign="))
        .unwrap_or_else(|| panic!("{}", call.target));
    let sign = sign
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    let sign = STANDARD.decode(sign).expect("it is Base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = format!("{timestamp}\n{SECRET}");
    hmac::verify(&key, signed.as_bytes(), &sign).expect("the signature is right");
    // The service refuses what is older than an hour.
    let age = seconds_since_epoch() - timestamp.parse::<u64>().expect("a number") / 1000;
    assert!(age < 3600, "{age}");
    let body = &bodies(&server)[0];
    assert_eq!(body["msgtype"], "text");
    let text = body["text"]["content"].as_str().expect("a text");
    assert!(text.starts_with("shop on "), "{text}");
    assert!(
        text.ends_with("orders: 1 failure (exhausted): no order 1"),
        "{text}"
    );
}

#[tokio::test]
async fn feishu_can_verify_the_signature_in_the_body() {
    let robot = |server: &WebhookServer| {
        WebhookAlert::lark(server.url("/open-apis/bot/v2/hook/t0ken"), SECRET)
    };
    let server = called(robot, r#"{"code":0,"msg":"success"}"#).await;
    let body = &bodies(&server)[0];
    let timestamp = body["timestamp"].as_str().expect("a text");
    let key = hmac::Key::new(
        hmac::HMAC_SHA256,
        format!("{timestamp}\n{SECRET}").as_bytes(),
    );
    let sign = STANDARD.decode(body["sign"].as_str().expect("a text"));
    hmac::verify(&key, b"", &sign.expect("it is Base64")).expect("the signature is right");
    let age = seconds_since_epoch() - timestamp.parse::<u64>().expect("a number");
    assert!(age < 3600, "{age}");
    assert_eq!(body["msg_type"], "text");
}

#[tokio::test]
async fn others_get_their_documents_and_the_headers_that_they_want() {
    let robot = |server: &WebhookServer| {
        let alert = WebhookAlert::json(server.url("/"), r#"{"n": "{count}", "s": "{service}"}"#);
        alert.header("Authorization", "Bearer t0ken")
    };
    let server = called(robot, "").await;
    assert_eq!(server.got()[0].body, r#"{"n":1,"s":"shop"}"#);
    let headers = server.got()[0].headers.join("\n").to_lowercase();
    assert!(headers.contains("authorization: bearer t0ken"), "{headers}");
    assert!(
        headers.contains("content-type: application/json"),
        "{headers}"
    );

    let slack = called(|server| WebhookAlert::slack(server.url("/")), "ok").await;
    assert!(bodies(&slack)[0]["text"].as_str().is_some());
    let wecom = called(
        |server| WebhookAlert::wecom(server.url("/")),
        r#"{"errcode":0}"#,
    )
    .await;
    assert_eq!(bodies(&wecom)[0]["msgtype"], "text");
}

#[tokio::test]
async fn an_address_says_which_service_it_is() {
    let robot =
        |server: &WebhookServer| WebhookAlert::from_url(format!("wecom+{}", server.url("/")), "");
    let server = called(robot, r#"{"errcode":0}"#).await;
    assert_eq!(bodies(&server)[0]["msgtype"], "text");
    for (url, service) in [
        (
            "https://oapi.dingtalk.com/robot/send?access_token=x",
            "dingtalk",
        ),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/x", "feishu"),
        (
            "https://open.larksuite.com/open-apis/bot/v2/hook/x",
            "feishu",
        ),
        (
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x",
            "wecom",
        ),
        ("https://hooks.slack.com/services/x", "slack"),
        ("https://h.example/a+b", "webhook"),
        ("lark+https://h.example/", "feishu"),
    ] {
        let shown = format!("{:?}", WebhookAlert::from_url(url, ""));
        assert!(shown.contains(&format!("\"{service}\"")), "{shown}");
    }
}

//! The address, the secret and the headers are nowhere to be read.

use garenne::prelude::*;
use garenne_sinks::WebhookAlert;
use garenne_testing::{WebhookAnswer, WebhookServer};

use crate::support::{at_once, failing, until};

/// What must not be in any text.
const PARTS: [&str; 3] = ["t0ken", "s3cret", "b3arer"];

fn must_not_tell(what: &str, text: &str) {
    for part in PARTS {
        assert!(!text.contains(part), "{what} tells {part}: {text}");
    }
}

fn secretive(url: &str) -> WebhookAlert {
    WebhookAlert::dingtalk(url, "SEC-s3cret").header("Authorization", "Bearer b3arer")
}

#[tokio::test]
async fn whatever_the_service_says_its_address_is_in_no_error_and_no_status() {
    let server = WebhookServer::start();
    let url = server.url("/robot/send?access_token=t0ken-1");
    let alert = secretive(&url);
    must_not_tell("Debug", &format!("{alert:?} {alert:#?}"));
    // It repeats all that it knows.
    let echo = format!("{url} t0ken-1 SEC-s3cret Bearer b3arer");
    server.answer_next(WebhookAnswer::new(403, &echo));
    let code = format!(r#"{{"errcode":300001,"errmsg":"{echo}"}}"#);
    server.answer(WebhookAnswer::new(200, code));
    let system = failing(alert.pace(at_once())).await;
    system.send("orders", "1").await;
    for calls in [1, 2] {
        let failed = until(system.handle(), |alert| alert.failed_calls == calls).await;
        let error = failed.last_error.expect("the last call failed");
        assert!(error.contains("***"), "{error}");
        must_not_tell("the error", &error);
        must_not_tell("the status", &format!("{:?}", system.handle()));
    }
    must_not_tell("the report", &system.report());
    system.settled().await;
    system.finish().await;
}

#[test]
fn a_faulty_webhook_is_refused_without_being_shown() {
    for url in [
        "oapi.dingtalk.com/robot/send?access_token=t0ken-1",
        "ftp://h.example/t0ken-1",
        "https://h.example:port/t0ken-1",
        "https:///t0ken-1",
        "t0ken-1",
        "",
    ] {
        let builder = SystemBuilder::new("amqp://localhost")
            .consume_fn(Queue::quorum("orders"), |_: Delivery<Text>| async {
                Ok::<_, Failure>(())
            })
            .alert(secretive(url).header("Bearer b3arer", "Authorization"));
        let Err(error) = builder.build() else {
            panic!("{url} was accepted");
        };
        assert_eq!(error.faults().len(), 2, "{error}");
        assert!(
            error.to_string().contains("alert `dingtalk`: address"),
            "{error}"
        );
        must_not_tell(url, &format!("{error} {error:?}"));
    }
}

#[test]
fn a_template_that_cannot_work_is_refused_with_the_reason() {
    let alert = WebhookAlert::json("http://h.example/", r#"{"text": "{txt}"}"#);
    let builder = SystemBuilder::new("amqp://localhost")
        .consume_fn(Queue::quorum("orders"), |_: Delivery<Text>| async {
            Ok::<_, Failure>(())
        });
    let Err(error) = builder.alert(alert).build() else {
        panic!("it was accepted");
    };
    assert!(
        error.to_string().contains("`{txt}` is no placeholder"),
        "{error}"
    );
}

#[test]
fn a_malformed_template_is_not_repeated() {
    for template in [
        "{\"token\": \"s3cret\", }",
        "s3cret",
        "{\"a\": \"{s3cret\"",
        "\"{text}\" s3cret",
    ] {
        let builder = SystemBuilder::new("amqp://localhost")
            .consume_fn(Queue::quorum("orders"), |_: Delivery<Text>| async {
                Ok::<_, Failure>(())
            })
            .alert(WebhookAlert::json("http://h.example/", template));
        let Err(error) = builder.build() else {
            panic!("{template} was accepted");
        };
        must_not_tell(template, &format!("{error} {error:?}"));
        assert!(error.to_string().contains("not JSON"), "{error}");
    }
}

//! What several of the modules do in the same way.

use std::time::Duration;

use integration_tests::{Client, Service, ServiceOptions, Vhost, eventually};
use lapin::message::BasicGetMessage;
use lapin::types::AMQPValue;

/// For what happens within milliseconds unless it never does.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Starts a service on the queue `orders` of a virtual host and waits until it consumes.
pub(crate) async fn start(vhost: &Vhost, retry: &str) -> Service {
    let mut service = options(vhost, retry).start();
    consumes(vhost, &mut service).await;
    service
}

/// The service that [`start`] starts.
pub(crate) fn options(vhost: &Vhost, retry: &str) -> ServiceOptions {
    Service::on(vhost.url())
        .queue("orders")
        .env("ORDERS_RETRY", retry)
}

/// Waits until the service consumes, and with that until everything is declared.
pub(crate) async fn consumes(vhost: &Vhost, service: &mut Service) {
    eventually(SOON, "the service consumes", async || {
        service.assert_lives();
        match vhost.queue("orders").await?.consumers {
            0 => Err("no consumer".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
}

/// Waits for one message in a queue and takes it.
pub(crate) async fn take_one(vhost: &Vhost, client: &Client, queue: &str) -> BasicGetMessage {
    eventually(SOON, "one message waits there", async || {
        let depth = vhost.queue(queue).await?;
        if depth.ready == 1 {
            Ok(())
        } else {
            Err(format!("{depth:?}"))
        }
    })
    .await;
    client.take_all(queue).await.pop().expect("it waits there")
}

pub(crate) fn header<'a>(message: &'a BasicGetMessage, name: &str) -> Option<&'a AMQPValue> {
    message.properties.headers().as_ref()?.inner().get(name)
}

pub(crate) fn text(message: &BasicGetMessage, name: &str) -> String {
    match header(message, name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("header {name}: {other:?}"),
    }
}

pub(crate) fn integer(message: &BasicGetMessage, name: &str) -> i64 {
    match header(message, name) {
        Some(AMQPValue::LongInt(n)) => i64::from(*n),
        Some(AMQPValue::LongLongInt(n)) => *n,
        other => panic!("header {name}: {other:?}"),
    }
}

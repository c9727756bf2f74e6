//! Passwords are nowhere to be read.

use garenne::BrokerUrl;
use garenne::prelude::*;
use garenne::status::Phase;
use integration_tests::FaultProxy;

use super::logs;
use super::support::{Place, Running, nothing};

/// As it is, and as it is written in a URL.
const PASSWORD: &str = "s3cr3t/p@ss:w0rd";
const ENCODED: &str = "s3cr3t%2Fp%40ss%3Aw0rd";

/// What must not be in any text, however it was cut.
const PARTS: [&str; 3] = ["s3cr3t", "w0rd", "p@ss"];

fn must_not_tell(what: &str, text: &str) {
    for part in PARTS {
        assert!(!text.contains(part), "{what} tells {part}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_system_tells_its_password_to_nobody() {
    let place = Place::new().await;
    let (node, vhost) = (place.vhost.node(), place.vhost.name());
    let user = format!("user-{vhost}");
    node.add_user(&user, PASSWORD).await;
    node.permit(&user, vhost).await;
    let proxy = FaultProxy::before(node).await;
    let url = proxy
        .url(vhost)
        .replace("guest:guest", &format!("{user}:{ENCODED}"));
    let parsed = BrokerUrl::parse(&url).unwrap();
    must_not_tell("Display", &parsed.to_string());
    must_not_tell("Debug", &format!("{parsed:?} {parsed:#?}"));
    let builder = SystemBuilder::new(&url).consume_fn(Queue::classic("q"), nothing);
    let running = Running::consuming(builder).await;
    must_not_tell(
        "the handle",
        &format!("{:#?}", SystemHandle::clone(&running)),
    );
    must_not_tell("the status", &format!("{:#?}", running.status()));
    must_not_tell("the publisher", &format!("{:#?}", running.publisher()));
    proxy.refuse().await;
    proxy.cut().await;
    let down = |status: &garenne::status::Status| {
        let outage = status.outage.as_ref();
        status.phase == Phase::Outage && outage.is_some_and(|outage| outage.attempts > 0)
    };
    let status = running.until("an attempt has failed", down).await;
    must_not_tell("the outage", &format!("{status:#?}"));
    running.stop().await;
    must_not_tell("the log", &logs::lines_with(&[]).join("\n"));
    assert!(
        !logs::lines_with(&[vhost]).is_empty(),
        "the log was captured"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_names_the_user_and_not_the_password() {
    let place = Place::new().await;
    let (node, vhost) = (place.vhost.node(), place.vhost.name());
    let url = node.url_for("nobody", ENCODED, vhost);
    let builder = SystemBuilder::new(&url).consume_fn(Queue::classic("q"), nothing);
    let reason = Running::started(builder).stopped().await;
    assert_eq!(reason.code(), 78, "{reason}");
    assert!(reason.to_string().contains("nobody"), "{reason}");
    must_not_tell("the reason", &format!("{reason} {reason:?}"));
    must_not_tell("the log", &logs::lines_with(&[]).join("\n"));
}

#[test]
fn a_faulty_address_is_reported_without_its_password() {
    for address in [
        // Each is wrong in another way; the password is written as people write it.
        "amqp://app:s3cr3t@:x/",
        "amqp://app:s3cr3t@mq:99999",
        "amqp:/app:s3cr3t@mq",
        "amqp//app:s3cr3t@mq",
        "app:s3cr3t@mq",
        "http://app:s3cr3t@mq",
        "amqp://app:s3cr3t/w0rd@mq",
        "amqp://app:s3cr3t?w0rd@mq",
        "amqp://app:s3cr3t#w0rd@mq",
        "amqp://app:s3cr3t w0rd@mq:x",
        "amqp://app:s3cr3t@w0rd@mq:x",
        "amqp://app:s3cr3t@w0rd@mq",
        "amqp://app:s3cr3t,w0rd@mq",
        "amqp://mq,amqp://app:s3cr3t,w0rd@mq:x",
        // The host is forgotten.
        "amqp://app:s3cr3t",
        "amqp://app:s3cr3t/",
        "app:s3cr3t",
        "amqp://mq:x?password=s3cr3t",
        // A part of the password could be taken for a port, a path, a query or another address.
        "amqp://app:/s3cr3t@mq/v",
        "amqp://app:12/s3cr3t@mq",
        "amqp://app:12?s3cr3t@mq",
        "amqp://mq;amqp://app:s3cr3t@mq-2",
        "amqp://mq amqp://app:s3cr3t@mq-2",
        "amqp://app:s3cr3t%w0rd@mq",
        "amqp://mq?pasword=s3cr3t",
        "amqp://mq?s3cr3t",
    ] {
        let builder = SystemBuilder::new(address).consume_fn(Queue::classic("q"), nothing);
        match builder.build() {
            Err(error) => must_not_tell(address, &format!("{error} {error:?}")),
            // What stands before the last `@` is the password, whatever it is.
            Ok(_) => assert_eq!(address, "amqp://app:s3cr3t@w0rd@mq"),
        }
        if let Err(fault) = BrokerUrl::parse(address) {
            must_not_tell(address, &format!("{fault} {fault:?}"));
        }
    }
}

#[test]
fn a_password_with_a_comma_is_refused_with_the_way_to_write_it() {
    let address = "amqp://mq:1, amqp://app:s3cr3t,w0rd@mq";
    let builder = SystemBuilder::new(address).consume_fn(Queue::classic("q"), nothing);
    let error = builder.build().err().unwrap();
    assert_eq!(error.faults().len(), 1, "{error}");
    assert!(error.to_string().contains("%2C"), "{error}");
    assert!(BrokerUrl::parse("amqp://app:s3cr3t%2Cw0rd@mq").is_ok());
}

#[test]
fn a_fault_says_what_is_wrong_without_repeating_the_address() {
    for (address, why) in [
        ("amqp://mq:99999/v", "no port from 1 to 65535"),
        ("amqp://app:123456", "is the host missing"),
        ("http://mq", "`amqp://`"),
        ("mq:5672", "a scheme"),
        ("amqp://:5672", "names no host"),
        ("amqp://app:a/b@mq", "`/` `%2F`"),
        ("amqp://app:100%@mq", "`%25`"),
    ] {
        let fault = BrokerUrl::parse(address).unwrap_err();
        assert!(fault.accepted.contains(why), "{address}: {fault}");
        assert!(fault.value.starts_with("(not shown"), "{fault}");
    }
}

//! What cannot work is refused at once, with the mend in the message: exit code 78.

use std::time::Duration;

use integration_tests::{Client, FaultProxy, Service, ServiceOptions, Vhost, handled, stays};
use lapin::types::AMQPValue;

use crate::support::{SOON, consumes, start};

/// The promise is 3 s; a slow machine may take longer, but a retry loop would take the 2 min of the
/// outage window.
const AT_ONCE: Duration = Duration::from_secs(15);

/// Expects that a service refuses to run, and that stderr says all of `words`.
async fn refuses(options: ServiceOptions, words: &[&str]) {
    let mut service = options.start();
    let code = service.exit_code(SOON).await;
    let took = service.age();
    let said = service.transcript();
    assert_eq!(code, 78, "{}", said.tail());
    println!(
        "refused in {took:.2?}: {}",
        said.stderr().last().map_or("", String::as_str)
    );
    assert!(took < AT_ONCE, "{took:?}");
    for word in words {
        assert!(
            said.stderr_says(word),
            "`{word}` is not said\n{}",
            said.tail()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_at_once_and_not_repeated() {
    let vhost = Vhost::new().await;
    let url = vhost.node().url_for("guest", "s3cr3t-wrong", vhost.name());
    let mut service = Service::on(&url).env("RUST_LOG", "trace").start();
    assert_eq!(service.exit_code(SOON).await, 78);
    assert!(service.age() < AT_ONCE, "{:?}", service.age());
    let said = service.transcript();
    assert!(said.stderr_says("password"), "{}", said.tail());
    assert!(!said.stderr_says("s3cr3t"), "the password is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_vhost_is_refused_at_once_and_named() {
    let vhost = Vhost::new().await;
    refuses(
        Service::on(vhost.node().url("nowhere")),
        &["nowhere", "vhost"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_exists_with_other_arguments_is_refused_with_both_values() {
    let vhost = Vhost::new().await;
    let client = Client::connect(&vhost.url()).await;
    let text = |value: &str| AMQPValue::LongString(value.into());
    client
        .declare("other-type", &[("x-queue-type", text("classic"))])
        .await;
    let mut ours = vec![
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("other-limit.failed")),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ];
    ours.push(("x-delivery-limit", AMQPValue::LongInt(3)));
    client.declare("other-limit", &ours).await;
    let short = [
        ("x-queue-type", text("quorum")),
        ("x-message-ttl", AMQPValue::LongLongInt(5)),
    ];
    client.declare("laned.retry.20s", &short).await;

    // The broker names the first difference that it finds.
    let service = |queue| Service::on(vhost.url()).queue(queue);
    refuses(
        service("other-type"),
        &[
            "queue `other-type`",
            "x-queue-type",
            "`quorum`",
            "`classic`",
        ],
    )
    .await;
    refuses(
        service("other-limit"),
        &["queue `other-limit`", "x-delivery-limit", "`20`", "`3`"],
    )
    .await;
    refuses(service("laned"), &["queue `laned.retry.20s`", "x-"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_value_is_refused_with_its_variable_and_what_is_accepted() {
    let vhost = Vhost::new().await;
    let cases: [(&str, &str, &[&str]); 10] = [
        (
            "GARENNE_OUTAGE_WINDOW",
            "soonish",
            &["soonish", "never", "fail-fast", "2m"],
        ),
        ("GARENNE_OUTAGE_WINDOW", "0s", &["0s"]),
        ("GARENNE_DRAIN_DEADLINE", "later", &["later", "25s"]),
        ("GARENNE_PREFETCH", "0", &["`0`"]),
        ("GARENNE_PREFETCH", "many", &["many", "number"]),
        ("GARENNE_WORKERS", "-1", &["-1"]),
        ("ORDERS_RETRY", "often", &["often", "20s*3", "none"]),
        (
            "ORDERS_QUEUE_TYPE",
            "stream",
            &["stream", "quorum", "classic"],
        ),
        ("ORDERS_DEADLINE", "1 fortnight", &["fortnight"]),
        ("AMQP_URL", "http://user:hunter2@localhost", &["amqp://"]),
    ];
    for (variable, value, words) in cases {
        let mut all = vec![variable];
        all.extend_from_slice(words);
        refuses(Service::on(vhost.url()).env(variable, value), &all).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_wrong_values_are_named_at_once() {
    let vhost = Vhost::new().await;
    let options = Service::on(vhost.url())
        .env("GARENNE_OUTAGE_WINDOW", "soonish")
        .env("GARENNE_PREFETCH", "many")
        .env("GARENNE_LOG", "xml");
    refuses(
        options,
        &["GARENNE_OUTAGE_WINDOW", "GARENNE_PREFETCH", "GARENNE_LOG"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_never_reach_the_log() {
    let vhost = Vhost::new().await;
    let node = vhost.node();
    node.add_user("merchant", "hunter2-pass").await;
    node.permit("merchant", vhost.name()).await;
    let url = node.url_for("merchant", "hunter2-pass", vhost.name());
    let trace = |url: &str| {
        Service::on(url)
            .queue("orders")
            .env("RUST_LOG", "trace,lapin=off")
    };
    let assert_silent = |service: &Service| {
        let said = service.transcript();
        assert!(!said.stderr().is_empty());
        assert!(
            !said.stderr_says("hunter2"),
            "the password is in the log:\n{}",
            said.tail()
        );
    };

    // A link that is made, lost and made again, and one broker of two that is down.
    let down = FaultProxy::before(node).await;
    down.refuse().await;
    let two = format!(
        "{},{url}",
        down.url(vhost.name())
            .replace("guest:guest", "merchant:hunter2-pass")
    );
    let mut service = trace(&two).start();
    consumes(&vhost, &mut service).await;
    node.close_connections(vhost.name()).await;
    service.wait_for_log("link_lost").await;
    service.stop().await;
    assert_silent(&service);

    // No broker at all, and URLs that are none.
    let nobody = two
        .split(',')
        .next()
        .expect("every string has a first part");
    let broken = [
        "amqp://merchant:hunter2-pass@local host:x",
        "merchant:hunter2-pass@localhost",
        "amqp://merchant:hunter2-pass@localhost:123456/",
    ];
    for url in broken.iter().chain([&nobody]) {
        let mut service = trace(url).env("GARENNE_OUTAGE_WINDOW", "1s").start();
        service.ends(SOON).await;
        assert_silent(&service);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vhost_that_vanishes_after_the_start_is_an_outage_and_not_a_refusal() {
    let vhost = Vhost::new().await;
    let mut service = Service::on(vhost.url())
        .queue("orders")
        .env("GARENNE_OUTAGE_WINDOW", "4s")
        .start();
    consumes(&vhost, &mut service).await;
    vhost.node().delete_vhost(vhost.name()).await;
    assert_eq!(
        service.exit_code(SOON).await,
        75,
        "{}",
        service.transcript().tail()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_brokers_of_a_list_are_tried_in_turn() {
    let vhost = Vhost::new().await;
    let down = FaultProxy::before(vhost.node()).await;
    down.refuse().await;
    let url = format!("{},{}", down.url(vhost.name()), vhost.url());
    let mut service = Service::on(url).queue("orders").start();
    consumes(&vhost, &mut service).await;
    let client = Client::connect(&vhost.url()).await;
    client.publish_orders("orders", [(1, "ok")]).await;
    service
        .wait_for("it is handled", |events| handled(events).len() == 1)
        .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_deleted_and_redeclared_by_others_does_not_end_a_running_service() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, "200ms*1").await;
    let client = Client::connect(&vhost.url()).await;
    client
        .channel()
        .queue_delete("orders".into(), Default::default())
        .await
        .unwrap();
    client.declare("orders", &[]).await;
    stays(Duration::from_secs(3), "the service lives", async || {
        service.assert_lives();
        Ok(())
    })
    .await;
    client
        .channel()
        .queue_delete("orders".into(), Default::default())
        .await
        .unwrap();
    consumes(&vhost, &mut service).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_in_the_log_even_where_the_client_library_logs_every_frame() {
    let vhost = Vhost::new().await;
    let (node, user) = (vhost.node(), format!("user-{}", vhost.name()));
    node.add_user(&user, "s3cr3t").await;
    node.permit(&user, vhost.name()).await;
    let service = Service::on(node.url_for(&user, "s3cr3t", vhost.name()))
        .queue("orders")
        .env("RUST_LOG", "trace,lapin=trace");
    let mut service = service.start();
    consumes(&vhost, &mut service).await;
    service.stop().await;
    let said = service.transcript();
    assert!(said.stderr_says("StartOk"), "lapin logs what it writes");
    assert!(!said.stderr_says("s3cr3t"), "the password is in the log");
}

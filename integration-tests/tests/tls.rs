//! `amqps://`: whom the service trusts, and who it is.

use std::ops::Range;
use std::time::Duration;

use integration_tests::{Certs, Client, NodeOptions, RabbitNode, Service, ServiceOptions, handled};

use crate::support::SOON;

/// A node for both tests of this file costs half of two.
async fn node(certs: &Certs) -> RabbitNode {
    NodeOptions::new().tls(certs).start().await
}

async fn works(node: &RabbitNode, options: ServiceOptions, ids: Range<u64>) {
    let client = Client::connect(&node.url("/")).await;
    let mut service = options.start();
    node.consumes("/", "orders").await;
    let count = ids.clone().count();
    let orders = ids.map(|id| (id, if id % 10 == 0 { "fail:1" } else { "ok" }));
    client.publish_orders("orders", orders).await;
    service
        .wait_for("all are handled", |events| handled(events).len() == count)
        .await;
    service.stop().await;
}

/// Expects exit code 78 soon, and one of `words` on stderr.
async fn is_fatal(options: ServiceOptions, words: &[&str]) {
    let mut service = options.start();
    let code = service.exit_code(SOON).await;
    let said = service.transcript();
    println!("{}", said.stderr().last().map_or("", String::as_str));
    assert_eq!(code, 78, "{}", said.tail());
    assert!(
        service.age() < Duration::from_secs(15),
        "{:?}",
        service.age()
    );
    assert!(
        words.iter().any(|word| said.stderr_says(word)),
        "none of {words:?}\n{}",
        said.tail()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_ca_with_a_client_certificate_works_and_a_wrong_one_is_fatal() {
    let certs = Certs::generate();
    let others = Certs::generate();
    let node = node(&certs).await;
    let service = |url: &str| {
        Service::on(url)
            .queue("orders")
            .env("ORDERS_RETRY", "200ms*2")
    };
    let url = node.tls_url(&certs);
    let plain = url
        .split('?')
        .next()
        .expect("every string has a first part");

    works(&node, service(&url), 10..12).await;
    let by_variables = service(plain)
        .env("GARENNE_TLS_CA", certs.ca().to_string_lossy())
        .env("GARENNE_TLS_CERT", certs.client_chain().to_string_lossy())
        .env("GARENNE_TLS_KEY", certs.client_key().to_string_lossy());
    works(&node, by_variables.clone(), 20..22).await;
    let with_much_at_once = by_variables.clone().env("GARENNE_PREFETCH", "1000");
    works(&node, with_much_at_once, 1000..3000).await;

    // A broker that our CA has not signed.
    let wrong_ca = by_variables
        .clone()
        .env("GARENNE_TLS_CA", others.ca().to_string_lossy());
    is_fatal(wrong_ca, &["certificate is not trusted"]).await;
    // No CA given: the system's roots do not know ours.
    is_fatal(service(plain), &["certificate is not trusted"]).await;
    // A client that the broker's CA has not signed.
    is_fatal(
        service(&format!("{plain}?cacertfile={}", certs.ca().display())),
        &["client's tls certificate"],
    )
    .await;
    let stranger = by_variables
        .env("GARENNE_TLS_CERT", others.client_chain().to_string_lossy())
        .env("GARENNE_TLS_KEY", others.client_key().to_string_lossy());
    is_fatal(stranger, &["client's tls certificate"]).await;
    // A file that is not there.
    is_fatal(
        service(&format!("{plain}?cacertfile=/nowhere/ca.pem")),
        &["/nowhere/ca.pem"],
    )
    .await;
}

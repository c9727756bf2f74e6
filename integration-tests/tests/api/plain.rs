//! A publisher without a consumer: how it connects, comes back, and ends.

use std::time::{Duration, Instant};

use garenne::prelude::*;
use garenne::{ConnectError, ConnectErrorKind, PublishError};
use garenne_broker::Broker;
use integration_tests::{Certs, Client, FaultProxy, NodeOptions, eventually, shared_node};

use super::support::{Place, SOON};

/// Waits for an answer as long as a test may take.
pub(super) async fn answered<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, waiting).await {
        Ok(answer) => answer,
        Err(_) => panic!("no answer within {SOON:?}: {what}"),
    }
}

async fn refused(url: &str) -> ConnectError {
    let connecting = Publisher::connect(url);
    answered("the connect", connecting)
        .await
        .expect_err("this address must not work")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_a_consumer_sends_closes_and_leaves_no_connection() {
    let place = Place::new().await;
    place.client.declare("q", &[]).await;
    let before = place.vhost.node().connections(place.vhost.name()).await;
    let publisher = Publisher::connect(place.vhost.url()).await.unwrap();
    for body in ["one", "two"] {
        publisher.send(Outgoing::to_queue("q", body)).await.unwrap();
    }
    place.holds("q", 2).await;
    publisher.close().await;
    let late = publisher.send(Outgoing::to_queue("q", "three")).await;
    assert!(
        matches!(late, Err(PublishError::Disconnected { sent: false, .. })),
        "{late:?}"
    );
    eventually(SOON, "only the test's own client is left", async || {
        let now = place.vhost.node().connections(place.vhost.name()).await;
        if now == before {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_virtual_host_reaches_the_default_one_however_it_is_written() {
    let node = shared_node().await;
    let queue = "without-a-virtual-host";
    let client = Client::connect(&node.url("/")).await;
    client.declare(queue, &[]).await;
    let before = format!("amqp://guest:guest@127.0.0.1:{}", node.port());
    let spellings = ["", "/", "/%2f", "/%2F", "//"];
    for behind in spellings {
        let connecting = Publisher::connect(format!("{before}{behind}"));
        let publisher = answered("the connect", connecting).await.unwrap();
        publisher
            .send(Outgoing::to_queue(queue, behind))
            .await
            .unwrap();
        publisher.close().await;
    }
    assert_eq!(client.take_all(queue).await.len(), spellings.len());
}

#[test]
fn dropping_the_last_clone_closes_the_link_wherever_it_happens() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let broker = Broker::start().await.unwrap();
        let publisher = Publisher::connect(broker.url()).await.unwrap();
        let clone = publisher.clone();
        drop(publisher);
        assert_eq!(broker.connections().await.unwrap().len(), 1);
        // Inside a task, where a runtime of its own must not be waited for.
        tokio::spawn(async move { drop(clone) }).await.unwrap();
        let gone = broker.wait_until(|view| view.connections.is_empty());
        gone.await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn close_waits_for_the_confirm_of_what_is_in_flight() {
    let broker = Broker::start().await.unwrap();
    let publisher = Publisher::connect(broker.url()).await.unwrap();
    declare(&broker.url(), "q").await;
    broker.faults().hold_confirms().await.unwrap();
    let sending = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.send(Outgoing::to_queue("q", "slow")).await }
    });
    broker
        .wait_until(|view| view.ready("q") == 1)
        .await
        .unwrap();
    let mut closing = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.close().await }
    });
    // The close has begun once new messages are refused.
    eventually(SOON, "nothing more is taken", async || {
        let sent = publisher.send(Outgoing::to_queue("q", "new"));
        match tokio::time::timeout(Duration::from_millis(100), sent).await {
            Ok(Err(PublishError::Disconnected { sent: false, .. })) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(!closing.is_finished(), "closed before the confirm");
    broker.faults().release_confirms().await.unwrap();
    answered("the send", sending).await.unwrap().unwrap();
    answered("the close", &mut closing).await.unwrap();
    let gone = broker.wait_until(|view| view.connections.is_empty());
    gone.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_work_is_refused_with_the_mend_and_without_the_password() {
    let place = Place::new().await;
    let node = place.vhost.node();
    let closed_port = FaultProxy::before(node).await;
    closed_port.refuse().await;
    let cases = [
        (
            node.url_for("guest", "s3cret", place.vhost.name()),
            ConnectErrorKind::Refused,
            ["guest", "password"],
        ),
        (
            node.url("no-such-place"),
            ConnectErrorKind::Refused,
            ["no-such-place", "create vhost"],
        ),
        (
            closed_port.url("/").replace("guest:guest", "guest:s3cret"),
            ConnectErrorKind::Unreachable,
            ["Connection refused", "start the broker"],
        ),
        (
            "http://app:s3cret@mq".to_owned(),
            ConnectErrorKind::Faulty,
            ["broker address", "amqp://"],
        ),
        (
            String::new(),
            ConnectErrorKind::Faulty,
            ["broker address", "amqp://"],
        ),
    ];
    for (url, kind, words) in cases {
        let error = refused(&url).await;
        let said = error.to_string();
        assert_eq!(error.kind(), kind, "{url}: {said}");
        for word in words {
            assert!(said.contains(word), "`{word}` is not said: {said}");
        }
        let shown = format!("{said} {error:?}");
        assert!(!shown.contains("s3cret"), "the password is told: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_accepts_and_says_nothing_is_given_up_within_the_handshakes_deadline() {
    let broker = Broker::start().await.unwrap();
    broker.faults().accept_silently().await.unwrap();
    let error = refused(&broker.url()).await;
    assert_eq!(error.kind(), ConnectErrorKind::Unreachable);
    assert!(error.to_string().contains("handshake"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_addresses_the_one_that_answers_is_taken() {
    let broker = Broker::start().await.unwrap();
    let other = Broker::start().await.unwrap();
    other.faults().refuse().await.unwrap();
    let publisher = Publisher::connect(format!("{},{}", other.url(), broker.url()))
        .await
        .unwrap();
    declare(&broker.url(), "q").await;
    publisher
        .send(Outgoing::to_queue("q", "here"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn given_time_the_first_connect_waits_for_a_broker_that_starts_later() {
    let broker = Broker::start().await.unwrap();
    broker.faults().refuse().await.unwrap();
    let builder = Publisher::builder(broker.url()).connect_within(SOON);
    let connecting = tokio::spawn(builder.connect());
    let began = Instant::now();
    eventually(SOON, "it has been refused for a while", async || {
        assert!(!connecting.is_finished(), "it gave up");
        if began.elapsed() > Duration::from_secs(1) {
            Ok(())
        } else {
            Err("still young".to_owned())
        }
    })
    .await;
    broker.faults().accept().await.unwrap();
    let publisher = answered("the connect", connecting).await.unwrap().unwrap();
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_cut_comes_back_by_itself_and_at_another_address_if_need_be() {
    let (first, second) = (
        Broker::start().await.unwrap(),
        Broker::start().await.unwrap(),
    );
    for broker in [&first, &second] {
        declare(&broker.url(), "q").await;
    }
    let publisher = Publisher::connect(format!("{},{}", first.url(), second.url()))
        .await
        .unwrap();
    let arrives = async |place: &str| {
        eventually(SOON, place, async || {
            let answer = publisher.send(Outgoing::to_queue("q", "x")).await;
            answer.map_err(|error| error.to_string())
        })
        .await;
    };
    arrives("sends arrive at the first").await;
    first.faults().crash_and_restart().await.unwrap();
    arrives("sends arrive after a crash").await;
    first.faults().crash().await.unwrap();
    arrives("sends arrive at the second").await;
    assert!(second.queue("q").await.unwrap().ready > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_private_ca_and_a_client_certificate_works_for_a_plain_program() {
    let certs = Certs::generate();
    let node = NodeOptions::new().tls(&certs).start().await;
    let client = Client::connect(&node.url("/")).await;
    client.declare("q", &[]).await;
    let url = node.tls_url(&certs);
    let plain = url.split('?').next().unwrap_or_default();
    let tls = Tls::new()
        .ca_file(certs.ca())
        .identity_files(certs.client_chain(), certs.client_key());
    let connecting = Publisher::builder(plain).tls(tls).connect();
    let publisher = answered("the connect", connecting).await.unwrap();
    publisher
        .send(Outgoing::to_queue("q", "safe"))
        .await
        .unwrap();
    let error = refused(plain).await;
    assert_eq!(error.kind(), ConnectErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("not trusted"), "{error}");
}

/// Declares a queue on a broker, with a plain client.
pub(super) async fn declare(url: &str, queue: &str) {
    let client = Client::connect(url).await;
    client.declare(queue, &[]).await;
}

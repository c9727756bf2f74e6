//! A service as a process, and its supervisor's view: it lives.

use std::ops::Range;

use garenne_testing::{FieldBytes, RawClient};
use integration_tests::{Client, Event, Service, Vhost, eventually, order};

use super::odd::Odd;
use crate::api::support::SOON;

/// Orders in hand when the odd one comes, and those behind it.
const SLOW: Range<u64> = 0..40;
const QUICK: Range<u64> = 40..50;
/// The odd one.
const ODD: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn an_order_service_outlives_a_message_on_which_nothing_is_odd() {
    outlives(Odd::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_service_outlives_a_header_of_2000_arrays_in_one_another() {
    outlives(Odd::new().header("deep", FieldBytes::void().in_arrays(2_000))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_service_outlives_an_app_id_that_is_not_utf8() {
    outlives(Odd::new().short("app_id", b"caf\xe9")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_service_outlives_properties_that_outgrew_a_frame() {
    outlives(Odd::new().filled_to(131_000).expired()).await;
}

async fn outlives(odd: Odd) {
    tokio::join!(outlives_on("quorum", &odd), outlives_on("classic", &odd));
}

async fn outlives_on(kind: &str, odd: &Odd) {
    let odd = odd.clone().body(order(ODD, "ok"));
    let vhost = Vhost::new().await;
    let mut service = Service::on(vhost.url())
        .queue("orders")
        .env("ORDERS_QUEUE_TYPE", kind)
        .env("ORDERS_RETRY", "1s*1")
        .env("GARENNE_PREFETCH", "100")
        .start();
    crate::support::consumes(&vhost, &mut service).await;
    let client = Client::connect(&vhost.url()).await;
    let mut raw = RawClient::connect(&vhost.url()).await;
    client
        .publish_orders("orders", SLOW.map(|id| (id, "sleep:2000")))
        .await;
    reaches(&mut service, "begin", SLOW).await;
    odd.send(&mut raw, "orders").await;
    client
        .publish_orders("orders", QUICK.map(|id| (id, "ok")))
        .await;
    reaches(&mut service, "ok", 0..ODD + 1).await;
    for id in 0..=ODD {
        let runs = |name: &str| service.transcript().count(|event| event.is(name, id));
        assert_eq!((runs("begin"), runs("ok")), (1, 1), "order {id}");
    }
    assert_no_loss(&mut service);
    for queue in ["orders", "orders.failed"] {
        eventually(SOON, "nothing is left", async || {
            match vhost.queue(queue).await?.messages() {
                0 => Ok(()),
                left => Err(format!("{left} in {queue}")),
            }
        })
        .await;
    }
    service.stop().await;
}

/// Waits until something has happened to all of these orders, and fails as soon as it cannot any more.
async fn reaches(service: &mut Service, what: &str, ids: Range<u64>) {
    let all = |events: &[Event]| {
        let happened = |id| events.iter().any(|event| event.is(what, id));
        ids.clone().all(happened)
    };
    eventually(SOON, what, async || {
        assert_no_loss(service);
        if service.transcript().events(all) {
            Ok(())
        } else {
            Err(service.transcript().tail())
        }
    })
    .await;
}

/// It lives, and has lost no link.
fn assert_no_loss(service: &mut Service) {
    service.assert_lives();
    let transcript = service.transcript();
    assert!(
        !transcript.stderr_says("link_lost"),
        "{}",
        transcript.tail()
    );
}

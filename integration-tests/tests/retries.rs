//! What a retry keeps, where it goes, and what is written down when there is no further one.

use std::time::{Duration, SystemTime};

use integration_tests::{Client, Event, Vhost, eventually, handled, order, persistent, stays};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, ExchangeKind};

use crate::support::{SOON, assert_kept, header, integer, rich_properties, start, take_one, text};

/// Long enough to look into a lane before it gives its messages back.
const LONG_LANE: &str = "1h*3";

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_fails_twice_is_handled_at_its_third_attempt_after_two_delays() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, "700ms*3").await;
    let client = Client::connect(&vhost.url()).await;
    client
        .publish_orders("orders", [(1, "fail:2"), (2, "ok")])
        .await;
    service
        .wait_for("both are handled", |events| handled(events).len() == 2)
        .await;
    let begins = service.transcript().events(|events| {
        let begins = events.iter().filter(|event| event.is("begin", 1));
        begins
            .map(|event| (event.attempt, event.at))
            .collect::<Vec<_>>()
    });
    assert_eq!(
        begins
            .iter()
            .map(|(attempt, _)| *attempt)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let took = begins[2].1 - begins[0].1;
    println!("two lane delays of 700 ms took {took:.2?}");
    // Read from a pipe: the first may be read a little late.
    assert!(
        took > Duration::from_millis(1_300),
        "two delays of 700 ms took only {took:?}"
    );
    vhost.drained("orders").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_always_fails_is_parked_with_everything_needed_to_understand_it() {
    let vhost = Vhost::new().await;
    let before = SystemTime::now();
    let mut service = start(&vhost, "300ms*2").await;
    let client = Client::connect(&vhost.url()).await;
    let sent = rich_properties();
    client
        .publish("", "orders", &order(1, "fail"), sent.clone())
        .await;
    let parked = take_one(&vhost, &client, "orders.failed").await;
    let runs = service.transcript().count(|event| event.is("begin", 1));
    assert_eq!(runs, 3, "300ms*2 is one attempt and two more");

    assert_eq!(parked.data, order(1, "fail"));
    assert_kept(&sent, &parked.properties);
    assert_eq!(text(&parked, "fail-reason"), "exhausted");
    assert!(
        text(&parked, "fail-error").contains("fails"),
        "{}",
        text(&parked, "fail-error")
    );
    assert_eq!(integer(&parked, "fail-attempts"), 3);
    assert_eq!(text(&parked, "orig-exchange"), "");
    assert_eq!(text(&parked, "orig-routing-key"), "orders");
    assert!(matches!(
        header(&parked, "fail-chain"),
        Some(AMQPValue::FieldArray(_))
    ));
    let (first, last) = (
        text(&parked, "fail-first-at"),
        text(&parked, "fail-last-at"),
    );
    println!("failed first at {first}, last at {last}");
    for time in [&first, &last] {
        let form: String = time
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(form, "0000-00-00T00:00:00.000Z");
    }
    // This spelling sorts as time does.
    assert!(first < last, "two delays lie between {first} and {last}");
    let year = 1970
        + before
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
            / 31_557_600;
    assert!(
        first[..4].parse::<u64>().unwrap().abs_diff(year) <= 1,
        "{first}"
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_copy_keeps_the_body_all_properties_and_headers_of_every_type() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, LONG_LANE).await;
    let client = Client::connect(&vhost.url()).await;
    let sent = rich_properties();
    client
        .publish("", "orders", &order(1, "fail"), sent.clone())
        .await;
    let copy = take_one(&vhost, &client, "orders.retry.3600s").await;
    assert_eq!(copy.data, order(1, "fail"));
    assert_kept(&sent, &copy.properties);
    assert_eq!(integer(&copy, "retry_nums"), 1);
    vhost.drained("orders").await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_an_id_is_given_one_that_its_copies_keep() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, LONG_LANE).await;
    let client = Client::connect(&vhost.url()).await;
    client
        .publish("", "orders", &order(1, "fail"), BasicProperties::default())
        .await;
    let copy = take_one(&vhost, &client, "orders.retry.3600s").await;
    let id = copy
        .properties
        .message_id()
        .clone()
        .expect("a copy has a message id");
    assert_eq!(
        copy.properties.delivery_mode(),
        &Some(2),
        "a copy is persistent"
    );
    // A shorter lane, out of which it comes at once.
    let lane = "orders.retry.50ms";
    let arguments = [
        ("x-message-ttl", AMQPValue::LongInt(50)),
        ("x-dead-letter-exchange", AMQPValue::LongString("".into())),
        (
            "x-dead-letter-routing-key",
            AMQPValue::LongString("orders".into()),
        ),
    ];
    client.declare(lane, &arguments).await;
    client
        .publish("", lane, &copy.data, copy.properties.clone())
        .await;
    let next = take_one(&vhost, &client, "orders.retry.3600s").await;
    assert_eq!(next.properties.message_id().as_ref(), Some(&id));
    assert_eq!(integer(&next, "retry_nums"), 2);
    assert_eq!(text(&next, "fail-first-at"), text(&copy, "fail-first-at"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_queues_bound_to_the_same_exchange_never_see_a_retry_copy() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, "200ms*2").await;
    let client = Client::connect(&vhost.url()).await;
    client.declare("audit", &[]).await;
    let channel = client.channel();
    for (exchange, kind) in [
        ("news", ExchangeKind::Fanout),
        ("shop", ExchangeKind::Topic),
    ] {
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        channel
            .exchange_declare(exchange.into(), kind, durable, Default::default())
            .await
            .unwrap();
        for queue in ["orders", "audit"] {
            let bound = channel.queue_bind(
                queue.into(),
                exchange.into(),
                "order.#".into(),
                QueueBindOptions::default(),
                Default::default(),
            );
            bound.await.unwrap();
        }
        client
            .publish(exchange, "order.placed", &order(1, "fail:2"), persistent(1))
            .await;
        client
            .publish(exchange, "order.placed", &order(2, "fail"), persistent(2))
            .await;
    }
    let times = |id: u64, wanted: usize, what: &'static str| {
        move |events: &[Event]| events.iter().filter(|event| event.is(what, id)).count() == wanted
    };
    service
        .wait_for("order 1 is handled, once per exchange", times(1, 2, "ok"))
        .await;
    service
        .wait_for("order 2 fails, thrice per exchange", times(2, 6, "failed"))
        .await;
    vhost.drained("orders").await;
    let parked = client.take_all("orders.failed").await;
    let mut origins: Vec<_> = parked
        .iter()
        .map(|message| {
            (
                text(message, "orig-exchange"),
                text(message, "orig-routing-key"),
            )
        })
        .collect();
    origins.sort();
    let origin = |exchange: &str| (exchange.to_owned(), "order.placed".to_owned());
    assert_eq!(origins, [origin("news"), origin("shop")]);
    assert_eq!(
        client.take_all("audit").await.len(),
        4,
        "the originals, and nothing else"
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiration_on_the_original_neither_cuts_a_delay_nor_deletes_what_is_parked() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, "2s*1").await;
    let client = Client::connect(&vhost.url()).await;
    let properties = persistent(1).with_expiration("700".into());
    client
        .publish("", "orders", &order(1, "fail"), properties)
        .await;
    service
        .wait_for("it is tried again", |events| {
            events.iter().any(|e| e.is("failed", 1) && e.attempt == 2)
        })
        .await;
    let begins = service.transcript().events(|events| {
        events
            .iter()
            .filter(|event| event.is("begin", 1))
            .map(|event| event.at)
            .collect::<Vec<_>>()
    });
    assert!(
        begins[1] - begins[0] > Duration::from_millis(1_800),
        "the lane's delay was cut"
    );
    let long_after = Duration::from_millis(1_500);
    eventually(SOON, "it is parked", async || {
        let depth = vhost.queue("orders.failed").await?;
        if depth.ready == 1 {
            Ok(())
        } else {
            Err(format!("{depth:?}"))
        }
    })
    .await;
    stays(long_after, "it stays parked", async || {
        let depth = vhost.queue("orders.failed").await?;
        if depth.ready == 1 {
            Ok(())
        } else {
            Err(format!("{depth:?}"))
        }
    })
    .await;
    let parked = take_one(&vhost, &client, "orders.failed").await;
    assert_eq!(parked.properties.expiration(), &None);
    assert_eq!(text(&parked, "orig-expiration"), "700");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_body_is_parked_after_one_look_and_its_neighbours_are_handled() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, "200ms*3").await;
    let client = Client::connect(&vhost.url()).await;
    client
        .publish("", "orders", b"{ this is not json", persistent(1))
        .await;
    client.publish_orders("orders", [(2, "ok")]).await;
    let parked = take_one(&vhost, &client, "orders.failed").await;
    assert_eq!(parked.data, b"{ this is not json");
    assert_eq!(text(&parked, "fail-reason"), "undecodable");
    assert!(!text(&parked, "fail-error").is_empty());
    assert_eq!(integer(&parked, "fail-attempts"), 1);
    service
        .wait_for("its neighbour is handled", |events| {
            handled(events).contains(&2)
        })
        .await;
    vhost.drained("orders").await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_failure_is_parked_at_once_and_none_means_no_retry() {
    let vhost = Vhost::new().await;
    let client = Client::connect(&vhost.url()).await;
    for (retry, what, reason) in [
        ("1h*3", "permanent", "permanent"),
        ("none", "fail", "exhausted"),
    ] {
        let mut service = start(&vhost, retry).await;
        client.publish_orders("orders", [(1, what)]).await;
        let parked = take_one(&vhost, &client, "orders.failed").await;
        assert_eq!(text(&parked, "fail-reason"), reason);
        assert_eq!(integer(&parked, "fail-attempts"), 1);
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attempt_is_read_from_an_integer_of_any_width() {
    let vhost = Vhost::new().await;
    let mut service = start(&vhost, "1h*9").await;
    let client = Client::connect(&vhost.url()).await;
    let widths = [
        AMQPValue::ShortShortInt(3),
        AMQPValue::ShortShortUInt(3),
        AMQPValue::ShortInt(3),
        AMQPValue::ShortUInt(3),
        AMQPValue::LongInt(3),
        AMQPValue::LongUInt(3),
        AMQPValue::LongLongInt(3),
    ];
    let count = widths.len();
    for (id, value) in (1..).zip(widths) {
        let mut headers = FieldTable::default();
        headers.insert("retry_nums".into(), value);
        client
            .publish(
                "",
                "orders",
                &order(id, "ok"),
                persistent(id).with_headers(headers),
            )
            .await;
    }
    service
        .wait_for("all are handled", |events| handled(events).len() == count)
        .await;
    service.transcript().events(|events| {
        assert!(events.iter().all(|event| event.attempt == 4), "{events:?}");
    });
    service.stop().await;
}

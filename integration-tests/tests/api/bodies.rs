//! How bodies become values, and what becomes of bodies that do not.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use garenne::prelude::*;
use lapin::types::AMQPValue;

use super::support::{Place, Running, Seen, header, id, text};

#[derive(Debug, serde::Deserialize)]
struct Order {
    order_id: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn json_text_and_bytes_reach_their_handlers_as_they_were_sent() {
    let place = Place::new().await;
    let seen = Seen::default();
    let (json, plain, bytes) = (seen.clone(), seen.clone(), seen.clone());
    let builder = place
        .system()
        .consume_fn(
            Queue::classic("json"),
            move |order: Delivery<Json<Order>>| {
                json.note(format!("order {}", order.order_id));
                async { Ok::<(), Failure>(()) }
            },
        )
        .consume_fn(Queue::classic("text"), move |body: Delivery<Text>| {
            plain.note(format!("text {}, {} bytes", &**body, body.bytes().len()));
            async { Ok::<(), Failure>(()) }
        })
        .consume_fn(Queue::classic("bytes"), move |body: Delivery<Bytes>| {
            bytes.note(format!("bytes {:?}", body.into_body()));
            async { Ok::<(), Failure>(()) }
        });
    let _running = Running::consuming(builder).await;
    place
        .client
        .publish("", "json", br#"{"order_id":7,"more":[]}"#, id("1"))
        .await;
    place
        .client
        .publish("", "text", "né".as_bytes(), id("2"))
        .await;
    place
        .client
        .publish("", "bytes", b"\xff\x00", id("3"))
        .await;
    place.client.publish("", "bytes", b"", id("4")).await;
    let mut all = seen.reach(4).await;
    all.sort();
    assert_eq!(
        all,
        [
            "bytes b\"\"",
            "bytes b\"\\xff\\0\"",
            "order 7",
            "text né, 3 bytes"
        ]
    );
}

/// `<id>;<name>`, in the spelling that the content type names. It never leaves its thread.
struct Receipt {
    id: u64,
    name: Rc<str>,
}

static LOOKS: AtomicUsize = AtomicUsize::new(0);

impl Body for Receipt {
    fn decode(bytes: &Bytes, content_type: Option<&str>) -> Result<Self, Undecodable> {
        LOOKS.fetch_add(1, Ordering::SeqCst);
        let text = std::str::from_utf8(bytes)?;
        assert!(!text.starts_with("panic"), "a decoder's own fault");
        let (id, name) = text
            .split_once(';')
            .ok_or_else(|| Undecodable::new("no `;`"))?;
        let name = match content_type {
            Some("text/shouted") => name.to_uppercase(),
            _ => name.to_owned(),
        };
        Ok(Self {
            id: id.parse()?,
            name: name.into(),
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_decoder_refuses_or_panics_over_is_parked_after_one_look() {
    let place = Place::new().await;
    let seen = Seen::default();
    let queue = Queue::quorum("receipts").retry(Retry::every(100.millis()).times(3));
    let builder = place.system().consume_fn(queue, {
        let seen = seen.clone();
        move |receipt: Delivery<Receipt>| {
            seen.note(format!("{} {}", receipt.id, receipt.name));
            async { Ok::<(), Failure>(()) }
        }
    });
    let running = Running::consuming(builder).await;
    let shouted = id("good").with_content_type("text/shouted".into());
    place
        .client
        .publish("", "receipts", b"7;milk", shouted)
        .await;
    seen.reach(1).await;
    assert_eq!(LOOKS.load(Ordering::SeqCst), 1);

    let bad = [
        ("no separator", "7 milk", "no `;`"),
        ("no number", "x;milk", "invalid digit found in string"),
        ("panics", "panic;", "panicked: a decoder's own fault"),
    ];
    for (looks, (message_id, body, why)) in bad.into_iter().enumerate() {
        let tagged = lapin::types::FieldTable::default();
        let properties = id(message_id)
            .with_headers(tagged)
            .with_app_id("till".into());
        place
            .client
            .publish("", "receipts", body.as_bytes(), properties)
            .await;
        let parked = place.take_one("receipts.failed").await;
        assert_eq!(parked.data, body.as_bytes());
        assert_eq!(text(&parked, "fail-reason"), "undecodable");
        assert_eq!(text(&parked, "fail-error"), why);
        assert_eq!(
            header(&parked, "fail-attempts"),
            Some(AMQPValue::LongLongInt(1))
        );
        assert_eq!(text(&parked, "orig-queue"), "receipts");
        assert_eq!(*parked.properties.app_id(), Some("till".into()));
        assert_eq!(*parked.properties.message_id(), Some(message_id.into()));
        assert_eq!(LOOKS.load(Ordering::SeqCst), looks + 2, "{message_id}");
    }
    let counts = running.acked(4).await;
    assert_eq!(
        (counts.failed, counts.retried, counts.handled),
        (3, 0, 1),
        "{counts:?}"
    );
    assert_eq!(seen.all(), ["7 MILK"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_undecodable_bodies_is_parked_and_the_good_ones_are_handled() {
    let place = Place::new().await;
    let seen = Seen::default();
    let builder = place.system().consume_fn(Queue::classic("orders"), {
        let seen = seen.clone();
        move |order: Delivery<Json<Order>>| {
            seen.note(order.order_id);
            async { Ok::<(), Failure>(()) }
        }
    });
    let running = Running::consuming(builder).await;
    let publisher = running.publisher();
    let sends = (0..500).map(|number| {
        let body = if number % 5 == 0 {
            format!("{{\"order_id\":{number}}}")
        } else {
            "{".into()
        };
        publisher.send(Outgoing::to_queue("orders", body))
    });
    for sent in futures_util::future::join_all(sends).await {
        sent.unwrap();
    }
    let counts = running.acked(500).await;
    assert_eq!((counts.failed, counts.handled), (400, 100), "{counts:?}");
    let mut seen = seen.all();
    seen.sort_unstable();
    assert_eq!(seen, (0..500).step_by(5).collect::<Vec<_>>());
    let parked = place.take_ids("orders.failed").await;
    assert_eq!((parked.len(), parked.values().sum::<usize>()), (400, 400));
}

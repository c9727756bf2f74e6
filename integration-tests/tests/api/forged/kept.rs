//! Looking into a parking queue changes nothing, whatever lies there.

use std::collections::BTreeMap;

use garenne::prelude::*;
use garenne_testing::{FieldBytes, PropertyBytes, RawClient, Verdict};

use super::stage::{Said, Stage, TARGET};
use crate::api::support::Running;

/// Messages that lie in the parking queue and that a copy of them must not do what they say.
const GOOD: usize = 20;
/// More often than a message is given back before it is replaced, and replaced again.
const LOOKS: usize = 6;

/// What acts on a message, or on the channel of whoever sends a copy of it.
fn acting(user: &str) -> Vec<(&'static str, PropertyBytes)> {
    let new = || PropertyBytes::new().octet("delivery_mode", 2);
    let target = || FieldBytes::array([FieldBytes::text(TARGET)]);
    let record = |properties: PropertyBytes| {
        properties
            .header("fail-reason", FieldBytes::text("exhausted"))
            .header("orig-queue", FieldBytes::text(TARGET))
    };
    vec![
        ("user", new().short("user_id", user)),
        ("user-record", record(new().short("user_id", user))),
        ("cc", new().header("CC", target())),
        ("bcc", new().header("BCC", target())),
        ("cc-record", record(new().header("CC", target()))),
        (
            "user-and-cc",
            new().short("user_id", user).header("CC", target()),
        ),
    ]
}

/// The parking queue with good records and everything that acts.
async fn filled(kind: &str) -> (Stage, u64) {
    let mut stage = Stage::with(kind).await;
    let place = &stage.place;
    let queue = Queue::new("orders", kind.parse().unwrap())
        .declare(Declare::Off)
        .retry(Retry::none());
    let fails = |_: Delivery<Bytes>| async { Err::<(), _>(Failure::permanent("no such article")) };
    let running = Running::consuming(place.system().consume_fn(queue, fails)).await;
    let names: Vec<_> = (0..GOOD).map(|n| format!("good-{n}")).collect();
    place.send("orders", names.iter().map(String::as_str)).await;
    place.holds("orders.failed", GOOD as u64).await;
    running.stop().await;

    let user = stage.user.clone();
    let mut all = GOOD as u64;
    for (name, properties) in acting(&user) {
        let expiring = properties
            .short("message_id", name)
            .short("expiration", "1");
        stage.publish(&expiring, name).await;
        all += 1;
    }
    // Put there by hand: with a time that is long enough for the test, and with one that is no time.
    let mut guest = RawClient::connect(&stage.place.vhost.url()).await;
    let by_hand = PropertyBytes::new()
        .octet("delivery_mode", 2)
        .short("message_id", "by-hand")
        .short("user_id", "guest")
        .short("expiration", "86400000")
        .to_bytes();
    let put = guest
        .publish_mandatory("", "orders.failed", &by_hand, b"by-hand")
        .await;
    assert_eq!(put, Verdict::Confirmed);
    all += 1;
    stage.place.holds("orders.failed", all).await;
    stage.place.holds("orders", 0).await;
    (stage, all)
}

/// The lines of an export, by their ids.
fn by_id(lines: Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut by_id = BTreeMap::<_, Vec<_>>::new();
    for line in lines {
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        let id = json["message_id"].as_str().unwrap().to_owned();
        by_id.entry(id).or_default().push(line);
    }
    by_id
}

async fn export(stage: &Stage) -> Said {
    stage
        .garenne(&["failed", "export", "--queue", "orders"])
        .await
}

async fn looks_change_nothing_and_a_replay_sends_each_once(kind: &str) {
    let (stage, all) = filled(kind).await;
    let first = by_id(export(&stage).await.ok());
    assert_eq!(first.len() as u64, all);
    for look in 0..LOOKS {
        assert_eq!(by_id(export(&stage).await.ok()), first, "look {look}");
        stage.place.holds("orders.failed", all).await;
        stage.assert_target_is_empty().await;
    }
    let said = stage
        .garenne(&["failed", "replay", "--queue", "orders", "--doubtful"])
        .await;
    said.says(&format!("replayed {all} messages"));
    said.ok();
    let sent = stage.place.take_ids("orders").await;
    assert_eq!(sent.len() as u64, all);
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
    stage.place.holds("orders.failed", 0).await;
    stage.assert_target_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_at_a_quorum_queue_change_nothing_whatever_lies_there() {
    looks_change_nothing_and_a_replay_sends_each_once("quorum").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_at_a_classic_queue_change_nothing_whatever_lies_there() {
    looks_change_nothing_and_a_replay_sends_each_once("classic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_message_is_listed_however_often_one_looks() {
    for kind in ["quorum", "classic"] {
        let stage = Stage::with(kind).await;
        let mut guest = RawClient::connect(&stage.place.vhost.url()).await;
        let only = PropertyBytes::new().short("message_id", "only").to_bytes();
        guest.publish("", "orders.failed", &only, b"only").await;
        for look in 0..12 {
            let lines = export(&stage).await.ok();
            assert_eq!(lines.len(), 1, "look {look} at a {kind} queue");
        }
        stage.place.holds("orders.failed", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_put_back_is_named_and_stays_with_all_others() {
    let stage = Stage::with("quorum").await;
    let mut guest = RawClient::connect(&stage.place.vhost.url()).await;
    // With the record that it needs, its headers do not fit into a frame.
    let large = PropertyBytes::new()
        .short("message_id", "large")
        .short("expiration", "86400000")
        .header("filler", FieldBytes::text(vec![b'f'; 130_900]))
        .to_bytes();
    guest.publish("", "orders.failed", &large, b"large").await;
    for n in 0..GOOD {
        let id = format!("good-{n}");
        let good = PropertyBytes::new().short("message_id", &id).to_bytes();
        guest
            .publish("", "orders.failed", &good, id.as_bytes())
            .await;
    }
    for look in 0..LOOKS {
        let said = export(&stage).await;
        if look > 0 {
            said.says("message `large` in `orders.failed` stays as it is");
        }
        assert_eq!(said.code, Some(0), "look {look}");
        assert_eq!(
            by_id(said.transcript.stdout()).len(),
            GOOD + 1,
            "look {look}"
        );
        stage.place.holds("orders.failed", GOOD as u64 + 1).await;
    }
    let said = stage
        .garenne(&["failed", "replay", "--queue", "orders"])
        .await;
    said.says(&format!("replayed {} messages", GOOD + 1));
    let sent = stage.place.take_ids("orders").await;
    assert_eq!(sent.len(), GOOD + 1);
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
}

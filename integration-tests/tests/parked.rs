//! Parked messages looked at and sent again, on a real RabbitMQ.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use garenne::Publisher;
use garenne::admin::BrokerAdmin;
use garenne::core::{FailReason, FailedMessage, Properties, Queue};
use garenne::failed::{FailedQuery, FailedStore, ParkingStore, Seen, StoreError};
use integration_tests::{Client, Program, Vhost, eventually};
use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicNackOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::support::SOON;

/// How many messages are replayed while the replay is killed.
const MANY: usize = 10_000;
/// How often it is killed at most.
const KILLS: usize = 25;
/// The most that one kill can send twice: what is on its way, and what was read ahead.
const TWICE_AT_MOST: usize = 256;

struct Stage {
    vhost: Vhost,
    admin: BrokerAdmin,
    publisher: Publisher,
    parked: ParkingStore,
}

impl Stage {
    /// What a service on `orders` declares, and so many messages that it has parked.
    async fn with(number: usize) -> Self {
        Self::on(Queue::quorum("orders"), number).await
    }

    async fn on(queue: Queue, number: usize) -> Self {
        let vhost = Vhost::new().await;
        let admin = BrokerAdmin::connect(Some(&vhost.url())).await.unwrap();
        admin.declare(&queue).await.unwrap();
        let publisher = admin.publisher().await.unwrap();
        let parked = admin.failed(&publisher, ["orders"]);
        let records: Vec<_> = (0..number).map(record).collect();
        for records in records.chunks(1000) {
            parked.insert(records.to_vec()).await.unwrap();
        }
        Self {
            vhost,
            admin,
            publisher,
            parked,
        }
    }

    /// Looks at everything, and gives it back.
    async fn look(&self) -> Vec<String> {
        let (ids, seen) = self.see().await;
        assert_eq!(seen.unwrap(), Seen::All);
        ids
    }

    /// The same, where something may have to stay as it is.
    async fn see(&self) -> (Vec<String>, Result<Seen, StoreError>) {
        let mut cursor = self.parked.open(&FailedQuery::all()).await.unwrap();
        let mut ids = Vec::new();
        while let Some(stored) = cursor.next().await.unwrap() {
            ids.push(stored.record.message_id);
            cursor.keep(stored.key).await.unwrap();
        }
        (ids, cursor.close().await)
    }

    async fn ready(&self, queue: &str, number: u64) {
        eventually(SOON, "all of them wait", async || {
            let depth = self.vhost.queue(queue).await?;
            if depth.ready == number && depth.messages() == number {
                Ok(())
            } else {
                Err(format!("{depth:?}"))
            }
        })
        .await;
    }
}

fn record(number: usize) -> FailedMessage {
    FailedMessage {
        message_id: format!("m-{number}"),
        queue: "orders".to_owned(),
        exchange: String::new(),
        routing_key: "orders".to_owned(),
        body: format!("order {number}").into_bytes().into(),
        properties: Properties::default(),
        attempts: 4,
        first_failed_at: SystemTime::UNIX_EPOCH,
        last_failed_at: SystemTime::UNIX_EPOCH,
        reason: FailReason::Exhausted,
        error: "timeout".to_owned(),
        error_chain: Vec::new(),
        host: "till-3".to_owned(),
        service: "order-service".to_owned(),
        version: String::new(),
    }
}

/// Somebody takes some of the messages and gives them back, as the management UI does. Then they have come
/// back twice, and the others once: both kinds are copied, and no copy may be taken for a message that
/// has not been seen.
#[tokio::test(flavor = "multi_thread")]
async fn one_look_shows_each_message_once_however_often_each_has_come_back() {
    const ALL: usize = 50;
    let stage = Stage::with(ALL).await;
    let mut wanted: Vec<_> = (0..ALL).map(|number| record(number).message_id).collect();
    wanted.sort_unstable();
    let client = Client::connect(&stage.vhost.url()).await;
    for look in 0..6 {
        let mut ids = stage.look().await;
        ids.sort_unstable();
        assert_eq!(ids, wanted, "look {look}");
        stage.ready("orders.failed", ALL as u64).await;
        // Each time others, and never all of them.
        take_and_give_back(&client, 10 + 7 * look).await;
        stage.ready("orders.failed", ALL as u64).await;
    }
}

/// Takes so many messages of the parking queue, and gives them back: every second one, and the others with
/// the end of the channel.
async fn take_and_give_back(client: &Client, number: usize) {
    let channel = client.new_channel().await;
    let mut taken = Vec::new();
    for _ in 0..number {
        let got = channel.basic_get("orders.failed".into(), BasicGetOptions::default());
        taken.push(got.await.unwrap().expect("there are more"));
    }
    for message in taken.iter().skip(1).step_by(2) {
        let requeue = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        message.nack(requeue).await.unwrap();
    }
    channel
        .close(200, "the others go back".into())
        .await
        .unwrap();
}

/// Headers by which a producer would have a look count wrongly, or take a copy for another message: the broker's
/// own count, values of every type, what acts on a message, and headers that leave no room in their frame.
fn odd() -> Vec<BasicProperties> {
    const ROOM: usize = 131_072 - 8;
    let table = |name: &str, value| {
        let mut table = FieldTable::default();
        table.insert(name.into(), value);
        table
    };
    let text = |length| AMQPValue::LongString("x".repeat(length).into());
    let nested = table("in", AMQPValue::FieldTable(table("deep", AMQPValue::Void)));
    let list = [AMQPValue::ShortShortInt(-1), AMQPValue::Boolean(true)];
    let values = [
        ("x-delivery-count", AMQPValue::LongLongInt(1)),
        ("x-delivery-count", AMQPValue::LongLongInt(2)),
        ("x-delivery-count", AMQPValue::LongLongInt(i64::MIN)),
        ("x-delivery-count", text(3)),
        ("x-death", AMQPValue::Boolean(false)),
        ("fail-reason", text(3)),
        ("double", AMQPValue::Double(-0.0)),
        ("float", AMQPValue::Float(f32::MAX)),
        ("time", AMQPValue::Timestamp(u64::MAX >> 1)),
        ("short", AMQPValue::ShortInt(-2)),
        ("unsigned", AMQPValue::ShortUInt(2)),
        ("bytes", AMQPValue::ByteArray(vec![0, 255].into())),
        ("list", AMQPValue::FieldArray(list.to_vec().into())),
        ("table", AMQPValue::FieldTable(nested)),
        ("CC", AMQPValue::FieldArray(vec![text(2)].into())),
        ("", AMQPValue::Void),
        ("full", text(ROOM - 100)),
        ("nearly full", text(ROOM - 400)),
        ("half full", text(ROOM - 1000)),
    ];
    let of = |(number, (name, value)): (usize, (&str, AMQPValue))| {
        BasicProperties::default()
            .with_headers(table(name, value))
            .with_message_id(format!("odd-{number}").into())
            .with_type("a kind".into())
            .with_priority(3)
    };
    values.into_iter().enumerate().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_look_shows_each_message_once_whatever_a_producer_has_written_on_it() {
    for kind in [Queue::quorum("orders"), Queue::classic("orders")] {
        let stage = Stage::on(kind, 20).await;
        let client = Client::connect(&stage.vhost.url()).await;
        let mut wanted: Vec<_> = (0..20).map(|number| record(number).message_id).collect();
        for properties in odd() {
            wanted.extend(properties.message_id().as_ref().map(ToString::to_string));
            client.publish("", "orders.failed", b"{}", properties).await;
        }
        wanted.sort_unstable();
        let all = wanted.len() as u64;
        for look in 0..6 {
            let (mut ids, _) = stage.see().await;
            ids.sort_unstable();
            assert_eq!(ids, wanted, "look {look}");
            stage.ready("orders.failed", all).await;
            take_and_give_back(&client, 7 + 5 * look).await;
            stage.ready("orders.failed", all).await;
        }
    }
}

/// Events without an id and with one body are different events, and equal in all that can be seen of them.
#[tokio::test(flavor = "multi_thread")]
async fn one_look_shows_as_many_equal_messages_as_lie_there() {
    const ALL: usize = 30;
    for kind in [Queue::quorum("orders"), Queue::classic("orders")] {
        let stage = Stage::on(kind, 0).await;
        let client = Client::connect(&stage.vhost.url()).await;
        for _ in 0..ALL {
            let plain = BasicProperties::default();
            client.publish("", "orders.failed", b"{}", plain).await;
        }
        for look in 0..8 {
            assert_eq!(stage.look().await.len(), ALL, "look {look}");
            stage.ready("orders.failed", ALL as u64).await;
            take_and_give_back(&client, ALL - look).await;
            stage.ready("orders.failed", ALL as u64).await;
        }
    }
}

/// No copy of it can be whole, because its headers fill a frame. Each look gives it back, and RabbitMQ 4 drops
/// what was given back for the 21st time.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_copied_whole_is_not_lost_however_often_one_looks() {
    let stage = Stage::with(0).await;
    let client = Client::connect(&stage.vhost.url()).await;
    let room = 131_072 - 8;
    let mut headers = FieldTable::default();
    headers.insert(
        "big".into(),
        AMQPValue::LongString("x".repeat(room - 200).into()),
    );
    let properties = BasicProperties::default()
        .with_message_id("big".into())
        .with_expiration("86400000".into())
        .with_headers(headers);
    client.publish("", "orders.failed", b"{}", properties).await;
    for look in 0..30 {
        let (ids, seen) = stage.see().await;
        assert_eq!(ids, ["big"], "look {look}");
        if look == 3 {
            let fault = seen.unwrap_err().to_string();
            assert!(
                fault.contains("`big`") && fault.contains("stays as it is"),
                "{fault}"
            );
        }
        stage.ready("orders.failed", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_shows_all_that_lay_there_while_others_park_more() {
    const ALL: usize = 40;
    let stage = Stage::with(ALL).await;
    let mut lay_there: Vec<_> = (0..ALL).map(|number| record(number).message_id).collect();
    lay_there.sort_unstable();
    let client = Client::connect(&stage.vhost.url()).await;
    let mut parked = 0;
    for look in 0..4 {
        // They have come back twice: each is put behind those that come meanwhile.
        for _ in 0..2 {
            take_and_give_back(&client, ALL + parked).await;
            stage.ready("orders.failed", (ALL + parked) as u64).await;
        }
        let mut seen = Vec::new();
        let mut cursor = stage.parked.open(&FailedQuery::all()).await.unwrap();
        while let Some(stored) = cursor.next().await.unwrap() {
            seen.push(stored.record.message_id);
            cursor.keep(stored.key).await.unwrap();
            let more = vec![record(ALL + parked)];
            stage.parked.insert(more).await.unwrap();
            parked += 1;
        }
        assert_eq!(cursor.close().await.unwrap(), Seen::All);
        seen.sort_unstable();
        let before: Vec<_> = seen.iter().filter(|id| lay_there.contains(id)).collect();
        assert_eq!(before, lay_there.iter().collect::<Vec<_>>(), "look {look}");
        stage.ready("orders.failed", (ALL + parked) as u64).await;
        lay_there = (0..ALL + parked)
            .map(|number| record(number).message_id)
            .collect();
        lay_there.sort_unstable();
        if parked > 300 {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_looks_at_a_parking_queue_lose_nothing() {
    let stage = Stage::with(50).await;
    let mut wanted: Vec<_> = (0..50).map(|number| record(number).message_id).collect();
    wanted.sort_unstable();
    for look in 0..100 {
        let mut ids = stage.look().await;
        ids.sort_unstable();
        assert_eq!(ids, wanted, "look {look}");
    }
    stage.ready("orders.failed", 50).await;
    let client = Client::connect(&stage.vhost.url()).await;
    for message in client.take_all("orders.failed").await {
        let headers = message.delivery.properties.headers().clone();
        let count = headers.and_then(|headers| headers.inner().get("x-delivery-count").cloned());
        let count = match count {
            None => 0,
            Some(AMQPValue::LongLongInt(count)) => count,
            Some(other) => panic!("x-delivery-count is {other:?}"),
        };
        assert!(count <= 2, "it came back {count} times");
    }
    stage.publisher.close().await;
    stage.admin.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_killed_again_and_again_sends_everything_at_least_once() {
    let stage = Stage::with(MANY).await;
    stage.ready("orders.failed", MANY as u64).await;
    let garenne = Program::named("garenne")
        .args(["failed", "replay", "--queue", "orders"])
        .env("AMQP_URL", stage.vhost.url());
    let (mut kills, mut seed, since) = (0, 7_u64, Instant::now());
    loop {
        // Anywhere between the first connect and long after the first thousand; in the end it may end.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let patience = match kills {
            KILLS => SOON * 10,
            _ => Duration::from_millis(20 + (seed >> 33) % 1500),
        };
        match garenne.run_or_kill(patience).await {
            // What the one before held comes back when the broker has noticed its end.
            Some(_) if stage.vhost.queue("orders.failed").await.unwrap().messages() > 0 => {}
            Some(code) => {
                assert_eq!(code, 0);
                break;
            }
            None => kills += 1,
        }
        assert!(kills <= KILLS, "a replay of {MANY} messages does not end");
    }
    stage.ready("orders.failed", 0).await;
    let client = Client::connect(&stage.vhost.url()).await;
    let mut times = HashMap::<String, usize>::new();
    for message in client.take_all("orders").await {
        let body = String::from_utf8(message.delivery.data.clone()).unwrap();
        let number = body.strip_prefix("order ").unwrap();
        let headers = message.delivery.properties.headers().clone().unwrap();
        // Whoever gets one twice can tell.
        let wanted = AMQPValue::LongString(format!("m-{number}#1").into());
        assert_eq!(headers.inner().get("replay-id"), Some(&wanted));
        *times.entry(body).or_default() += 1;
    }
    assert_eq!(times.len(), MANY, "every message was sent");
    let twice: usize = times.values().map(|times| times - 1).sum();
    println!(
        "{MANY} messages, {kills} kills in {:?}: {twice} sent more than once",
        since.elapsed()
    );
    assert!(kills > 0, "it was never killed");
    assert!(
        twice <= kills * 2 * TWICE_AT_MOST,
        "{twice} after {kills} kills"
    );
}

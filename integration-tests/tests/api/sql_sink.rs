//! A service whose failed messages go to a real PostgreSQL, which is hurt.

use std::collections::BTreeSet;
use std::time::Instant;

use garenne::core::{FailReason, FailedMessage, Value};
use garenne::failed::{FailedQuery, FailedStore, Flow, StoreError, transfer};
use garenne::prelude::*;
use garenne_sinks::{SqlSink, SqlStore};
use integration_tests::{FaultProxy, PostgresNode, eventually};
use lapin::options::{BasicGetOptions, BasicRejectOptions};

use super::logs;
use super::support::{Place, Running, SOON, id};
use crate::databases::server;

fn failing() -> Queue {
    Queue::quorum("orders").retry(Retry::none())
}

async fn fails(_: Delivery<Bytes>) -> Result<(), Failure> {
    Err(Failure::permanent("no such article"))
}

/// Everything in a table.
async fn rows(url: &str) -> Vec<FailedMessage> {
    read(url).await.unwrap()
}

/// The same, where there may be no table yet.
async fn read(url: &str) -> Result<Vec<FailedMessage>, StoreError> {
    let store = SqlStore::new(url).unwrap();
    let query = FailedQuery::all();
    let mut cursor = store.open(&query).await?;
    let mut rows = Vec::new();
    while let Some(row) = cursor.next().await? {
        rows.push(row.record);
    }
    Ok(rows)
}

/// Moves what is parked into the table.
async fn import(running: &Running, url: &str) -> u64 {
    let (parked, store) = (running.failed(["orders"]), SqlStore::new(url).unwrap());
    let all = FailedQuery::all();
    transfer(&parked, &all, &store, |_| Flow::GoOn)
        .await
        .unwrap()
}

/// Moves into the table all that is parked. The broker counts a queue's messages late, so one import may
/// leave the newest to the next.
async fn import_all(place: &Place, running: &Running, url: &str) {
    eventually(SOON, "all is imported", async || {
        import(running, url).await;
        let depth = place.vhost.queue("orders.failed").await?;
        if depth.messages() == 0 {
            Ok(())
        } else {
            Err(format!("{depth:?}"))
        }
    })
    .await;
}

/// The message ids of all rows.
async fn stored_ids(url: &str) -> Vec<String> {
    let rows = rows(url).await.into_iter();
    rows.map(|row| row.message_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_killed_under_a_stream_of_failures_costs_no_message_and_doubles_none() {
    const BATCH: u64 = 1000;
    let place = Place::new().await;
    let mut postgres = PostgresNode::start().await;
    let url = postgres.url();
    let builder = place
        .system()
        .prefetch(200)
        .fail_sink(SqlSink::new(&url))
        .consume_fn(failing(), fails);
    let running = Running::consuming(builder).await;
    let ids: Vec<_> = (0..4 * BATCH).map(|n| format!("m-{n}")).collect();
    let send = async |part: usize| {
        let part = &ids[part * 1000..(part + 1) * 1000];
        place.send("orders", part.iter().map(String::as_str)).await;
    };

    send(0).await;
    let acked =
        |wanted: u64| move |status: &garenne::status::Status| status.queues[0].acked >= wanted;
    running.until("some are stored", acked(BATCH / 2)).await;
    // The stream goes on while the server dies.
    tokio::join!(send(1), async {
        running
            .until("it dies in the stream", acked(BATCH + 100))
            .await;
        postgres.kill();
    });
    let (begun, before) = (Instant::now(), running.counts().acked);
    send(2).await;
    let after = running.acked(3 * BATCH).await.acked;
    println!(
        "{} messages settled in {:?} without a database",
        after - before,
        begun.elapsed()
    );
    postgres.restart().await;
    eventually(SOON, "the sink is well again", async || {
        let up = logs::lines_with(&["fail_store_up", &postgres.port().to_string()]);
        if up.is_empty() {
            Err("no `fail_store_up`".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
    send(3).await;
    running.acked(4 * BATCH).await;

    let stored = stored_ids(&url).await;
    let in_table: BTreeSet<_> = stored.iter().cloned().collect();
    assert_eq!(in_table.len(), stored.len(), "none is in the table twice");
    let depth = place.vhost.queue("orders.failed").await.unwrap().messages();
    println!("{} rows, {depth} parked, {} sent", stored.len(), ids.len());
    assert!(
        depth >= BATCH,
        "what failed without a database is parked: {depth}"
    );
    // A row whose commit was not answered is parked as well: a batch at most.
    let both = stored.len() as u64 + depth - 4 * BATCH;
    assert!(both <= 100, "{both} are in both places");

    import_all(&place, &running, &url).await;
    let mut stored = stored_ids(&url).await;
    let mut expected = ids.clone();
    stored.sort_unstable();
    expected.sort_unstable();
    assert_eq!(stored, expected, "each is in the table, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_keeps_other_messages_from_nothing() {
    let place = Place::new().await;
    let server = server().await;
    let direct = server.create_database("hangs");
    let proxy = FaultProxy::before_port(server.port()).await;
    let port = proxy.url("/");
    let port = port
        .rsplit(':')
        .next()
        .and_then(|rest| rest.split('/').next());
    let url = direct.replace(&server.port().to_string(), port.unwrap());
    let builder = place
        .system()
        .prefetch(10)
        .fail_sink(SqlSink::new(&url).timeout(1.secs()))
        .consume_fn(failing(), async |body: Delivery<Text>| {
            if body.starts_with("fine") {
                Ok(())
            } else {
                Err(Failure::permanent("no"))
            }
        });
    let running = Running::consuming(builder).await;
    // One that is slow once counts as down for a while, and messages are parked meanwhile.
    let mut sent = 0;
    let stored = eventually(SOON, "a message is stored", async || {
        place.send("orders", ["bad"]).await;
        sent += 1;
        running.acked(sent).await;
        match read(&direct).await {
            Ok(rows) if !rows.is_empty() => Ok(rows.len() as u64),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let parked = sent - stored;

    proxy.freeze();
    let begun = Instant::now();
    let bodies: Vec<_> = (0..300)
        .map(|n| if n % 2 == 0 { "bad" } else { "fine" })
        .collect();
    for (n, body) in bodies.iter().enumerate() {
        place
            .client
            .publish("", "orders", body.as_bytes(), id(&format!("m-{n}")))
            .await;
    }
    let counts = running.acked(sent + 300).await;
    // Waiting a second for each ten of them would take 15 s, and there is much to do besides.
    println!(
        "300 messages beside a hanging database: {:?}",
        begun.elapsed()
    );
    assert_eq!((counts.handled, counts.failed), (150, sent + 150));
    place.holds("orders.failed", parked + 150).await;
    assert!(!logs::lines_with(&["fail_store_down", "no answer within 1s", "hangs"]).is_empty());
    proxy.thaw();
    proxy.cut().await;
    eventually(SOON, "failures are stored again", async || {
        place.send("orders", ["bad again"]).await;
        let rows = rows(&direct).await.len() as u64;
        if rows > stored {
            Ok(())
        } else {
            Err(format!("{rows} rows"))
        }
    })
    .await;
}

/// Obeys its body, in ways that end with each reason.
async fn ends(body: Delivery<Text>) -> Result<(), Failure> {
    match body.body().0.as_str() {
        "permanent" => Err(Failure::permanent("no such article")),
        "panic" => panic!("no such currency"),
        "deadline" => std::future::pending().await,
        _ => Err(Failure::transient("not today")),
    }
}

/// Properties of which nothing may be lost.
fn properties(id: &str) -> lapin::BasicProperties {
    let mut headers = lapin::types::FieldTable::default();
    headers.insert("n".into(), lapin::types::AMQPValue::ShortInt(-7));
    headers.insert(
        "raw".into(),
        lapin::types::AMQPValue::ByteArray(vec![0, 255].into()),
    );
    super::support::id(id)
        .with_headers(headers)
        .with_expiration("3600000".into())
}

/// Gives the message at the head back until the broker parks it.
async fn wear_out(place: &Place) {
    let channel = place.client.new_channel().await;
    eventually(SOON, "the broker parks it", async || {
        let got = channel
            .basic_get("orders".into(), BasicGetOptions::default())
            .await;
        if let Some(message) = got.map_err(|e| e.to_string())? {
            let requeue = BasicRejectOptions { requeue: true };
            message
                .acker
                .reject(requeue)
                .await
                .map_err(|e| e.to_string())?;
        }
        let depth = place.vhost.queue("orders.failed").await?;
        if depth.messages() == 1 {
            Ok(())
        } else {
            Err(format!("{depth:?}"))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_ends_in_the_table_with_the_message_as_it_was_sent() {
    let place = Place::new().await;
    let server = server().await;
    let url = server.create_database("reasons");
    let queue = failing().deadline(500.millis()).delivery_limit(2);
    let builder = place
        .system()
        .fail_sink(SqlSink::new(&url))
        .consume_fn(queue, ends);
    let running = Running::consuming(builder).await;
    let bodies: [(&str, &[u8]); 5] = [
        ("exhausted", b"exhausted"),
        ("permanent", b"permanent"),
        ("panic", b"panic"),
        ("deadline", b"deadline"),
        ("undecodable", b"\xff\xfe\x00"),
    ];
    for (reason, body) in bodies {
        place
            .client
            .publish("", "orders", body, properties(reason))
            .await;
    }
    running.acked(5).await;
    running.stop().await;

    // What kills its process comes back until the broker parks it.
    place
        .client
        .publish("", "orders", b"killer", properties("delivery-limit"))
        .await;
    wear_out(&place).await;
    let builder = place.system().consume_fn(Queue::quorum("others"), fails);
    let running = Running::consuming(builder).await;
    assert_eq!(import(&running, &url).await, 1);

    let rows = rows(&url).await;
    assert_eq!(rows.len(), 6);
    for row in rows {
        let expected: FailReason = row.message_id.parse().unwrap();
        assert_eq!(row.reason, expected, "{row:?}");
        let body = bodies.iter().find(|(reason, _)| *reason == row.message_id);
        assert_eq!(&row.body[..], body.map_or(&b"killer"[..], |(_, body)| body));
        let headers = &row.properties.headers;
        assert_eq!(headers.get("n"), Some(&Value::I16(-7)), "{row:?}");
        assert_eq!(headers.get("raw"), Some(&Value::ByteArray(vec![0, 255])));
        assert_eq!(headers.len(), 2, "{row:?}");
        assert_eq!(row.properties.expiration.as_deref(), Some("3600000"));
        assert_eq!(
            (row.queue.as_str(), row.routing_key.as_str()),
            ("orders", "orders")
        );
    }
}

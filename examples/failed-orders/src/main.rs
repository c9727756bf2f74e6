//! What failed for good goes to a database, is searched there, and sent again:
//! `cargo run -p failed-orders`.
//!
//! The gateway declines every order but one. The failed ones become rows of a table in an `SQLite`
//! file; `DATABASE_URL` names another database. Then the gateway is mended, and they are sent again.
//! It runs on the broker that `AMQP_URL` names, or else on an embedded one.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use garenne::core::readable;
use garenne::failed::{FailedQuery, FailedStore, Replay};
use garenne::prelude::*;
use garenne_broker::Broker;
use garenne_sinks::{SqlSink, SqlStore};

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    id: u32,
}

static MENDED: AtomicBool = AtomicBool::new(false);

async fn charge(order: Delivery<Json<Order>>) -> Result<(), Failure> {
    if order.id == 1 || MENDED.load(Ordering::Relaxed) {
        say(format_args!("order {}: charged", order.id));
        return Ok(());
    }
    Err(Failure::permanent(
        "the gateway does not know this merchant",
    ))
}

async fn show(store: &SqlStore) -> Result<(), Box<dyn Error>> {
    let query = FailedQuery::all().queue("failed-orders");
    let mut rows = store.open(&query).await?;
    while let Some(row) = rows.next().await? {
        let (body, error) = (
            readable(&row.record.body),
            readable(row.record.error.as_bytes()),
        );
        say(format_args!(
            "in the table: {body}, {}: {}",
            row.record.reason, error
        ));
    }
    rows.close().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    garenne::init_logging();
    let embedded;
    let broker = match std::env::var("AMQP_URL") {
        Ok(url) => url,
        Err(_) => {
            embedded = Broker::start().await?;
            embedded.url()
        }
    };
    let folder = tempfile::tempdir()?;
    let database = std::env::var("DATABASE_URL")
        .unwrap_or_else(|_| format!("sqlite://{}", folder.path().join("failed.db").display()));

    let system = SystemBuilder::new(broker)
        .service_version(env!("CARGO_PKG_VERSION"))
        .fail_sink(SqlSink::new(&database))
        .consume_fn(Queue::quorum("failed-orders"), charge)
        .build()?
        .start()?;
    system.wait_until(|status| status.is_ready()).await?;

    let publisher = system.publisher();
    for id in 1..=3 {
        let order = Outgoing::to_queue("failed-orders", Json(Order { id }));
        publisher.send(order).await?;
    }
    system.wait_until(|s| s.queues[0].acked >= 3).await?;
    let store = SqlStore::new(&database)?;
    show(&store).await?;

    MENDED.store(true, Ordering::Relaxed);
    let all = FailedQuery::all().queue("failed-orders");
    let report = Replay::of(all).run(&store, &publisher).await?;
    say(format_args!("sent again: {}", report.replayed));
    system.wait_until(|s| s.queues[0].acked >= 5).await?;
    show(&store).await?;
    system.stop();
    system.stopped().await;
    Ok(())
}

/// One line on standard output. Whoever has closed it does not want to read it, and no order fails of that.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

//! What large bodies take.

use std::fs;

use garenne::admin::BrokerAdmin;
use garenne::prelude::*;
use integration_tests::{Client, Service, Vhost, eventually};
use lapin::BasicProperties;

use crate::support::SOON;

const MIB: u64 = 1024 * 1024;
/// RabbitMQ 4 takes bodies of up to 16 MiB.
const BODY: u64 = 12 * MIB;
const BODIES: u64 = 12;
/// More than a service takes that holds nothing.
const EMPTY: u64 = 48 * MIB;

/// The most that a process ever had in memory, in bytes.
fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("Linux says it")
        * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_in_memory_once_and_twice_only_while_it_is_stored() {
    let vhost = Vhost::new().await;
    let admin = BrokerAdmin::connect(Some(&vhost.url())).await.unwrap();
    let orders = Queue::classic("orders").retry(Retry::none());
    admin.declare(&orders).await.unwrap();
    let client = Client::connect(&vhost.url()).await;
    let padding = "x".repeat(usize::try_from(BODY).expect("it is a size"));
    for id in 0..BODIES {
        let body = format!(r#"{{"order_id":{id},"do":"hang","padding":"{padding}"}}"#);
        let persistent = BasicProperties::default().with_delivery_mode(2);
        client
            .publish("", "orders", body.as_bytes(), persistent)
            .await;
    }
    let service = Service::on(vhost.url())
        .env("ORDERS_QUEUE_TYPE", "classic")
        .env("ORDERS_RETRY", "none")
        .env("ORDERS_DEADLINE", "10s")
        .env("GARENNE_PREFETCH", BODIES.to_string())
        .start();
    eventually(SOON, "all are parked", async || {
        let depth = vhost.node().queue(vhost.name(), "orders.failed").await?;
        if depth.ready == BODIES {
            Ok(())
        } else {
            Err(format!("{depth:?}"))
        }
    })
    .await;
    let peak = peak(service.pid());
    // Were most not there at the same time, this would show nothing.
    assert!(peak >= BODIES * BODY / 4 * 3, "{} MiB", peak / MIB);
    let most = 2 * BODIES * BODY + BODY + EMPTY;
    assert!(peak <= most, "{} MiB of {}", peak / MIB, most / MIB);
}

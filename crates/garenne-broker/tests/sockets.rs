//! Sockets as the kernel lists them.
//!
//! The test is a program of its own. Tests beside it start programs, and between its fork and its exec a child
//! holds a copy of every socket of its parent: a socket that is closed meanwhile is open for a moment longer.
#![cfg(target_os = "linux")]

use std::time::Duration;

use garenne_broker::{Broker, How};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Everything here is done long before.
const DEADLINE: Duration = Duration::from_secs(60);

/// Whether the kernel lists an open socket of the broker's. A list that is read while sockets come and
/// go may lack one, or have it twice; one that is closed is on none.
fn has_open_socket(broker: &Broker) -> bool {
    let (port, established) = (format!(":{:04X}", broker.addr().port()), "01");
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("Linux lists its sockets");
    let is_open = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().unwrap_or_default();
        local.ends_with(&port) && fields.nth(1) == Some(established)
    };
    sockets.lines().any(is_open)
}

#[tokio::test]
async fn a_connection_that_is_dropped_or_lost_in_a_crash_is_gone_when_the_call_returns() {
    let broker = Broker::start().await.unwrap();
    for round in 0..60 {
        let _streams = [
            TcpStream::connect(broker.addr()).await.unwrap(),
            TcpStream::connect(broker.addr()).await.unwrap(),
        ];
        broker
            .wait_until(|view| view.connections.len() == 2)
            .await
            .unwrap();
        let connected = async {
            while !has_open_socket(&broker) {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, connected).await.unwrap();
        let faults = broker.faults();
        match round % 3 {
            0 => assert_eq!(faults.drop_connections(How::Reset).await.unwrap(), 2),
            1 => assert_eq!(faults.drop_connections(How::Close).await.unwrap(), 2),
            _ => faults.crash().await.unwrap(),
        }
        assert!(!has_open_socket(&broker));
        faults.restart().await.unwrap();
    }
}

//! The harness keeps its own promises: without them nothing else here proves anything.

use std::time::{Duration, Instant};

use integration_tests::{
    Certs, Client, Direction, FaultProxy, NodeOptions, RabbitNode, Vhost, eventually, persistent,
};
use lapin::types::AMQPValue;

const SOON: Duration = Duration::from_secs(30);

fn quorum() -> (&'static str, AMQPValue) {
    ("x-queue-type", AMQPValue::LongString("quorum".into()))
}

/// How many messages a queue of the default virtual host holds, once it holds `wanted`.
async fn holds(node: &RabbitNode, queue: &str, wanted: u64) {
    eventually(SOON, "the queue holds what it should", async || {
        let depth = node.queue("/", queue).await?;
        if depth.messages() == wanted {
            Ok(())
        } else {
            Err(format!("{depth:?}"))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn harness_a_killed_node_restarts_with_its_messages() {
    let started = Instant::now();
    let mut node = RabbitNode::start().await;
    println!("a node starts in {:.1?}", started.elapsed());
    let client = Client::connect(&node.url("/")).await;
    client.declare("quorum", &[quorum()]).await;
    client.declare("classic", &[]).await;
    for queue in ["quorum", "classic"] {
        client
            .publish_orders(queue, (0..500).map(|id| (id, "ok")))
            .await;
    }
    node.kill().await;
    assert!(!node.runs());
    let restarted = Instant::now();
    node.restart().await;
    println!("a killed node restarts in {:.1?}", restarted.elapsed());
    for queue in ["quorum", "classic"] {
        holds(&node, queue, 500).await;
    }
    let client = Client::connect(&node.url("/")).await;
    assert_eq!(client.take_all("quorum").await.len(), 500);
    holds(&node, "quorum", 0).await;
    let stopping = Instant::now();
    node.stop().await;
    println!("a node stops in {:.1?}", stopping.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn harness_a_paused_node_goes_on_where_it_was() {
    let mut node = RabbitNode::start().await;
    let client = Client::connect(&node.url("/")).await;
    client.declare("q", &[]).await;
    node.pause();
    let publish = client.publish("", "q", b"1", persistent(1));
    tokio::pin!(publish);
    let waits = tokio::time::timeout(Duration::from_millis(300), publish.as_mut()).await;
    assert!(waits.is_err(), "a paused node confirms nothing");
    node.resume();
    publish.await;
    holds(&node, "q", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn harness_a_memory_alarm_stops_publishers_until_it_is_cleared() {
    let node = RabbitNode::start().await;
    let client = Client::connect(&node.url("/")).await;
    client.declare("q", &[]).await;
    node.raise_memory_alarm().await;
    // The alarm reaches connections one by one, and only those that publish.
    let mut id = 0;
    eventually(SOON, "the alarmed node confirms nothing", async || {
        id += 1;
        let publish = client.publish("", "q", b"1", persistent(id));
        match tokio::time::timeout(Duration::from_millis(300), publish).await {
            Ok(()) => Err("confirmed".to_owned()),
            Err(_) => Ok(()),
        }
    })
    .await;
    node.clear_memory_alarm().await;
    client.publish("", "q", b"1", persistent(0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn harness_a_tls_node_accepts_only_clients_of_its_own_ca() {
    let certs = Certs::generate();
    let node = NodeOptions::new().tls(&certs).start().await;
    let config = |identity: bool| {
        let pem = std::fs::read(certs.client_chain()).unwrap();
        let key = std::fs::read(certs.client_key()).unwrap();
        lapin::tcp::OwnedTLSConfig {
            identity: identity.then_some(lapin::tcp::OwnedIdentity::PKCS8 { pem, key }),
            cert_chain: Some(std::fs::read_to_string(certs.ca()).unwrap()),
        }
    };
    let connect = async |identity| {
        let uri = node.tls_url(&certs);
        let uri = uri.split('?').next().unwrap_or_default().to_owned();
        let runtime = lapin::runtime::default_runtime().unwrap();
        lapin::Connection::connect_with_config(&uri, Default::default(), config(identity), runtime)
            .await
    };
    connect(true).await.unwrap();
    assert!(
        connect(false).await.is_err(),
        "a client without a certificate got in"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn harness_a_vhost_sees_its_own_queues_and_connections() {
    let vhost = Vhost::new().await;
    let other = Vhost::new().await;
    let client = Client::connect(&vhost.url()).await;
    client.declare("q", &[quorum()]).await;
    client
        .publish_orders("q", (0..3).map(|id| (id, "ok")))
        .await;
    assert_eq!(vhost.queue("q").await.unwrap().ready, 3);
    assert!(other.queue("q").await.is_err());
    assert_eq!(vhost.node().connections(vhost.name()).await, Ok(1));
    vhost.node().close_connections(vhost.name()).await;
    eventually(SOON, "the connection is gone", async || {
        match vhost.node().connections(vhost.name()).await? {
            0 => Ok(()),
            open => Err(format!("{open} open")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn harness_the_proxy_cuts_freezes_and_refuses() {
    let vhost = Vhost::new().await;
    let proxy = FaultProxy::before(vhost.node()).await;
    let url = proxy.url(vhost.name());

    let client = Client::connect(&url).await;
    client.declare("q", &[]).await;
    client.publish("", "q", b"1", persistent(1)).await;
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));
    assert!(proxy.bytes(Direction::ToBroker) > 0);

    proxy.freeze_way(Direction::ToClient);
    let publish = client.publish("", "q", b"2", persistent(2));
    tokio::pin!(publish);
    let waits = tokio::time::timeout(Duration::from_millis(300), publish.as_mut()).await;
    assert!(waits.is_err(), "a frozen confirm does not arrive");
    assert_eq!(
        vhost.queue("q").await.unwrap().ready,
        2,
        "what it confirms is stored"
    );
    proxy.thaw();
    publish.await;

    proxy.cut().await;
    assert!(
        client
            .channel()
            .basic_get("q".into(), Default::default())
            .await
            .is_err()
    );

    proxy.refuse().await;
    assert!(dial(&url).await.is_err(), "a refusing proxy accepted");
    proxy.accept_nothing().await;
    let silence = tokio::time::timeout(Duration::from_millis(300), dial(&url)).await;
    assert!(silence.is_err(), "a silent proxy answered");
    proxy.close().await;

    proxy.accept().await;
    let client = Client::connect(&url).await;
    proxy.cut_after(200, Direction::ToBroker);
    let before = proxy.bytes(Direction::ToBroker);
    let body = vec![b'x'; 10_000];
    assert!(publish_raw(&client, &body).await.is_err());
    assert_eq!(proxy.bytes(Direction::ToBroker) - before, 200);
}

async fn dial(url: &str) -> lapin::Result<lapin::Connection> {
    lapin::Connection::connect_uri(url.parse().unwrap(), Default::default()).await
}

async fn publish_raw(client: &Client, body: &[u8]) -> lapin::Result<()> {
    let publish = client.channel().basic_publish(
        "".into(),
        "q".into(),
        Default::default(),
        body,
        persistent(3),
    );
    publish.await?.await.map(|_| ())
}

//! Nodes of a cluster die under a service that knows the URLs of all.

use integration_tests::{Checker, Client, RabbitCluster, Service, eventually, handled};

use crate::support::SOON;

/// Whom a round kills.
#[derive(Debug)]
enum Victim {
    /// A node that the service is connected to.
    Connected,
    /// The node that leads the service's queue.
    Leader,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_node_a_service_is_connected_to_and_the_leader_of_its_queue_die() {
    let mut cluster = RabbitCluster::start().await;
    let mut service = Service::on(cluster.url_list("/"))
        .queue("orders")
        .env("ORDERS_QUEUE_TYPE", "quorum")
        .env("ORDERS_RETRY", "500ms*5")
        .start();
    cluster.node(0).consumes("/", "orders").await;
    let mut checker = Checker::new();
    for (round, victim) in (0..).zip([Victim::Connected, Victim::Leader]) {
        let connected = cluster.connected("/").await.unwrap();
        let leader = leader(&mut cluster).await;
        let killed = match victim {
            Victim::Connected => connected[0],
            Victim::Leader => leader,
        };
        let bystander = (killed + 1) % cluster.len();
        let client = Client::connect(&cluster.node(bystander).url("/")).await;
        let before = checker.sent().len();
        let ids = round * 1_000 + 1..=(round + 1) * 1_000;
        let (failing, fine): (Vec<u64>, Vec<u64>) = ids.partition(|id| id % 10 == 0);
        checker.send(&client, "orders", failing, "fail:1").await;
        checker.send(&client, "orders", fine, "sleep:5").await;
        let all = checker.sent().len();
        service
            .wait_for("some are handled", |events| {
                handled(events).len() >= before + 200
            })
            .await;
        cluster.kill(killed).await;
        let at_kill = service.transcript().events(handled).len();
        assert!(at_kill < all, "everything was handled before the kill");
        // A copy whose dead-lettering met the kill is tried again by the broker after 180 s.
        let patience = std::time::Duration::from_secs(300);
        service
            .wait_within(patience, "all are handled", |events| {
                handled(events).len() == all
            })
            .await;
        cluster.restart(killed).await;
        println!(
            "{victim:?}: node {killed} killed at {at_kill} of {all}; connected to {connected:?}, led by {leader}"
        );
    }
    cluster.node(0).drained("/", "orders").await;
    service.stop().await;
    let client = Client::connect(&cluster.node(0).url("/")).await;
    let verdict = checker
        .verdict(service.transcript(), &client, "orders", &["500ms"])
        .await;
    println!("{verdict}");
    verdict.assert_nothing_lost();
    assert_eq!((verdict.handled, verdict.parked), (2_000, 0));
}

async fn leader(cluster: &mut RabbitCluster) -> usize {
    eventually(SOON, "the queue has a leader", async || {
        cluster.leader("/", "orders").await
    })
    .await
}

//! Nodes of a cluster die under a service that knows the URLs of several.

use std::time::Duration;

use integration_tests::{Checker, Client, Event, RabbitCluster, Service, eventually, handled};

use crate::support::SOON;

/// A copy whose dead-lettering meets an election is tried again by the broker after 180 s.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many messages are sent before a node dies, and after it.
const HALF: u64 = 400;
/// Where retry copies wait.
const LANE: &str = "orders.retry.500ms";

#[tokio::test(flavor = "multi_thread")]
async fn consumption_goes_on_and_nothing_is_lost_when_a_queues_leader_and_then_a_services_own_node_die()
 {
    let mut scene = Scene::new(&[1, 2]).await;
    scene.cluster.lead("/", "orders", 0).await;
    scene.cluster.lead("/", LANE, 0).await;
    // Its leader: the service's links stay up.
    scene.lose(0).await;
    assert!(!scene.service.transcript().stderr_says("link_lost"));
    scene.cluster.restart(0).await;
    // The node that it is connected to, which may lead by now: the service goes to the other one.
    scene.lose(1).await;
    assert!(scene.service.transcript().stderr_says("link_lost"));
    scene.assert_all_handled(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_go_on_when_the_leader_of_their_lane_dies_before_the_first_of_them_or_between_them()
{
    let mut scene = Scene::new(&[1, 2]).await;
    scene.cluster.lead("/", "orders", 1).await;
    scene.cluster.lead("/", LANE, 0).await;
    let client = scene.client(2).await;
    // The service has never published to the lane, and does while nobody leads it.
    scene.cluster.kill(0).await;
    scene.send(&client, HALF, "fail:1").await;
    scene.all_are_handled().await;
    println!("before the first copy: {}", scene.renewals());
    scene.cluster.restart(0).await;
    scene.cluster.lead("/", LANE, 0).await;
    scene.send(&client, HALF, "fail:2").await;
    scene.some_more_begin(2).await;
    scene.cluster.kill(0).await;
    scene.all_are_handled().await;
    println!("between the copies: {}", scene.renewals());
    assert!(!scene.service.transcript().stderr_says("link_lost"));
    scene.assert_all_handled(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_queues_that_lost_their_majority_and_goes_on_when_it_is_back() {
    let mut scene = Scene::new(&[1]).await;
    let client = scene.client(1).await;
    scene.send(&client, HALF, "fail:1").await;
    // In hand when the majority is gone, whatever became of the others: its copy finds no lane.
    scene.send(&client, 1, "fail:1:10000").await;
    scene.last_begins(1).await;
    scene.cluster.kill(0).await;
    scene.cluster.kill(2).await;
    scene.service.wait_for_log("message_held").await;
    scene.service.assert_lives();
    scene.cluster.node_mut(0).restart().await;
    scene.cluster.restart(2).await;
    scene.send(&client, HALF, "fail:1").await;
    scene.all_are_handled().await;
    scene.assert_all_handled(1).await;
}

/// A cluster, and a service that consumes from `orders` on it.
struct Scene {
    cluster: RabbitCluster,
    service: Service,
    checker: Checker,
}

impl Scene {
    /// The service knows the URLs of these nodes, and is connected to the first of them.
    async fn new(nodes: &[usize]) -> Self {
        let mut cluster = RabbitCluster::start().await;
        let urls = cluster.urls("/");
        let urls: Vec<_> = nodes.iter().map(|&node| urls[node].as_str()).collect();
        let service = Service::on(urls.join(","))
            .queue("orders")
            .env("ORDERS_QUEUE_TYPE", "quorum")
            .env("ORDERS_RETRY", "500ms*5")
            .start();
        cluster.node(nodes[0]).consumes("/", "orders").await;
        assert_eq!(cluster.connected("/").await.as_deref(), Ok(&nodes[..1]));
        Self {
            cluster,
            service,
            checker: Checker::new(),
        }
    }

    async fn client(&self, node: usize) -> Client {
        Client::connect(&self.cluster.node(node).url("/")).await
    }

    /// Kills a node while messages are handled, sends more that have to be tried twice, and waits until
    /// all are handled.
    async fn lose(&mut self, node: usize) {
        let client = self.client((node + 1) % self.cluster.len()).await;
        let before = self.checker.sent().len();
        self.send(&client, HALF, "sleep:100").await;
        self.service
            .wait_for("some are handled", |events| handled(events).len() > before)
            .await;
        self.cluster.kill(node).await;
        let at_kill = self.service.transcript().events(handled).len() - before;
        let cluster = &mut self.cluster;
        let leader = eventually(SOON, "the queue has a leader", async || {
            cluster.leader("/", "orders").await
        });
        let leader = leader.await;
        assert_ne!(leader, node, "a dead node leads");
        self.send(&client, HALF, "fail:1").await;
        self.all_are_handled().await;
        println!("node {node} died at {at_kill} of {HALF}; node {leader} leads");
    }

    async fn send(&mut self, client: &Client, count: u64, what: &str) {
        let first = self.checker.sent().len() as u64 + 1;
        let sent = self
            .checker
            .send(client, "orders", first..first + count, what);
        tokio::time::timeout(SOON, sent)
            .await
            .expect("whoever leads the queue confirms what is sent to it");
    }

    /// Waits until some of the messages that were sent last begin this attempt.
    async fn some_more_begin(&mut self, attempt: u64) {
        let last = self.checker.sent().last().copied().unwrap_or_default();
        let is_one = |id: u64| id + HALF > last;
        self.service
            .wait_for("some of them are begun", |events| {
                let begun = |event: &Event| event.event == "begin" && event.attempt == attempt;
                events
                    .iter()
                    .any(|event| begun(event) && is_one(event.order_id))
            })
            .await;
    }

    /// Waits until the message that was sent last begins this attempt.
    async fn last_begins(&mut self, attempt: u64) {
        let last = self.checker.sent().last().copied();
        self.service
            .wait_for("the last is begun", |events| {
                let begun = |event: &Event| event.event == "begin" && event.attempt == attempt;
                let is_last = |event: &Event| Some(event.order_id) == last;
                events.iter().any(|event| begun(event) && is_last(event))
            })
            .await;
    }

    async fn all_are_handled(&mut self) {
        let all = self.checker.sent().len();
        self.service
            .wait_within(PATIENCE, "all are handled", |events| {
                handled(events).len() == all
            })
            .await;
    }

    /// How often the service left a confirm channel that refused.
    fn renewals(&self) -> String {
        let lines = self.service.transcript().stderr();
        let renewals = lines
            .iter()
            .filter(|line| line.contains("confirm_channel_renewed"));
        format!("{} channels were left", renewals.count())
    }

    /// Stops the service and looks, through this node, for everything that was sent.
    async fn assert_all_handled(mut self, node: usize) {
        self.cluster.node(node).drained("/", "orders").await;
        self.service.stop().await;
        let client = self.client(node).await;
        let transcript = self.service.transcript();
        let verdict = self
            .checker
            .verdict(transcript, &client, "orders", &["500ms"]);
        let verdict = verdict.await;
        println!("{verdict}");
        verdict.assert_nothing_lost();
        assert_eq!(
            (verdict.handled, verdict.parked),
            (self.checker.sent().len(), 0)
        );
    }
}

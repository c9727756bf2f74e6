//! Links that go while messages are in hand.

use garenne::prelude::*;
use garenne::status::{LinkState, Phase, Status};
use integration_tests::{Client, Direction, FaultProxy, RabbitNode, eventually};

use super::support::{Gate, Place, Running, SOON, Seen, id};

/// Which run of which message: body, attempt, and whether the broker had handed it out before.
type Run = (String, u32, bool);

/// A system behind a proxy. Its handlers write themselves down and wait at the gate, but for messages
/// named `at once…`; a message that is named `…fails…` then fails its first attempt.
struct Cut {
    place: Place,
    proxy: FaultProxy,
    running: Running,
    runs: Seen<Run>,
    gate: Gate,
}

impl Cut {
    async fn new(queue: Queue) -> Self {
        let place = Place::new().await;
        let proxy = FaultProxy::before(place.vhost.node()).await;
        let (runs, gate) = (Seen::default(), Gate::closed());
        let builder = place.system_behind(&proxy).consume_fn(queue, {
            let (runs, gate) = (runs.clone(), gate.clone());
            move |order: Delivery<Text>| {
                let (runs, gate) = (runs.clone(), gate.clone());
                async move {
                    let attempt = order.attempt().number();
                    runs.note((order.to_string(), attempt, order.redelivered()));
                    if !order.starts_with("at once") {
                        gate.pass().await;
                    }
                    if order.contains("fails") && attempt == 1 {
                        return Err(Failure::transient("once"));
                    }
                    Ok(())
                }
            }
        });
        let running = Running::consuming(builder).await;
        Self {
            place,
            proxy,
            running,
            runs,
            gate,
        }
    }

    /// Takes the links away, and sees that the system knows.
    async fn down(&self) {
        self.proxy.refuse().await;
        self.proxy.cut().await;
        self.running
            .until("it knows of the outage", |status| {
                status.phase == Phase::Outage
                    && (&status.consume, &status.publish) == (&LinkState::Down, &LinkState::Down)
            })
            .await;
    }

    async fn up(&self) {
        self.proxy.accept().await;
        self.running
            .until("it consumes again", Status::is_ready)
            .await;
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("no {number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_handled_while_the_link_was_down_are_acked_without_a_second_run() {
    let cut = Cut::new(Queue::quorum("q").prefetch(30)).await;
    let bodies = numbered(20);
    cut.place.send("q", bodies.iter().map(String::as_str)).await;
    cut.runs.reach(20).await;
    cut.down().await;
    cut.gate.open();
    cut.up().await;
    let counts = cut.running.acked(20).await;
    assert_eq!((counts.recalled, counts.handled), (20, 20), "{counts:?}");
    assert_eq!(cut.runs.all().len(), 20, "nobody ran twice");
    cut.place.holds("q", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_whose_handlers_still_run_when_they_come_again_are_awaited() {
    let cut = Cut::new(Queue::quorum("q").prefetch(30)).await;
    let bodies = numbered(20);
    cut.place.send("q", bodies.iter().map(String::as_str)).await;
    cut.runs.reach(20).await;
    cut.down().await;
    cut.up().await;
    // After a loss they come one by one: the first waits for its run, the others behind it.
    cut.running
        .until("the first has come again", |status| {
            status.queues[0].delivered == 21
        })
        .await;
    cut.gate.open();
    let counts = cut.running.acked(20).await;
    assert_eq!((counts.recalled, counts.handled), (20, 20), "{counts:?}");
    assert_eq!(cut.runs.all().len(), 20, "nobody ran twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_without_an_id_run_again() {
    let cut = Cut::new(Queue::quorum("q").prefetch(30)).await;
    let nameless = lapin::BasicProperties::default;
    for body in ["a", "b", "c"] {
        cut.place
            .client
            .publish("", "q", body.as_bytes(), nameless())
            .await;
    }
    cut.runs.reach(3).await;
    cut.down().await;
    cut.gate.open();
    cut.up().await;
    let counts = cut.running.acked(3).await;
    assert_eq!(counts.recalled, 0);
    let runs = cut.runs.all();
    assert_eq!(runs.len(), 6, "{runs:?}");
    assert!(
        runs[3..].iter().all(|run| run.2 && run.1 == 1),
        "redelivered, not retried: {runs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn different_messages_with_one_id_are_not_taken_for_each_other() {
    let cut = Cut::new(Queue::quorum("q").prefetch(30)).await;
    for body in ["created", "paid", "shipped"] {
        cut.place
            .client
            .publish("", "q", body.as_bytes(), id("order 7"))
            .await;
    }
    cut.runs.reach(3).await;
    cut.down().await;
    cut.gate.open();
    cut.up().await;
    let counts = cut.running.acked(3).await;
    assert_eq!((counts.recalled, counts.handled), (3, 3), "{counts:?}");
    let mut bodies: Vec<_> = cut.runs.all().into_iter().map(|run| run.0).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["created", "paid", "shipped"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_not_begun_when_the_link_went_begins_after_it_is_back() {
    let cut = Cut::new(Queue::quorum("q").prefetch(30).concurrency(2)).await;
    let bodies = numbered(20);
    cut.place.send("q", bodies.iter().map(String::as_str)).await;
    cut.running
        .until("all are in hand", |status| status.in_flight() == 20)
        .await;
    assert_eq!(cut.runs.reach(2).await.len(), 2);
    cut.down().await;
    cut.gate.open();
    cut.up().await;
    let counts = cut.running.acked(20).await;
    assert_eq!((counts.recalled, counts.handled), (2, 20), "{counts:?}");
    let runs = cut.runs.all();
    assert_eq!(runs.len(), 20, "{runs:?}");
    assert!(
        runs.iter().all(|run| run.1 == 1),
        "no attempt was charged: {runs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_between_a_retry_copy_and_its_confirm_loses_nothing_and_runs_no_first_attempt_twice()
{
    let cut = Cut::new(Queue::quorum("q").retry(Retry::every(100.millis()).times(2))).await;
    // The channel of the copies is open once one of them has been confirmed.
    cut.place.send("q", ["at once fails"]).await;
    cut.running.acked(2).await;
    let bodies: Vec<_> = (0..10).map(|number| format!("fails {number}")).collect();
    cut.place.send("q", bodies.iter().map(String::as_str)).await;
    cut.runs.reach(12).await;
    // The copies arrive and are stored; their confirms stay on the way.
    let held_back = Direction::ToClient;
    cut.proxy.freeze_way(held_back);
    cut.gate.open();
    eventually(SOON, "the copies are stored", async || {
        let queues = cut
            .place
            .vhost
            .node()
            .queues(cut.place.vhost.name())
            .await?;
        let stored: u64 = queues.iter().map(|queue| queue.messages()).sum();
        if stored >= 20 {
            Ok(())
        } else {
            Err(format!("{queues:?}"))
        }
    })
    .await;
    cut.proxy.refuse().await;
    cut.proxy.cut().await;
    cut.proxy.thaw();
    cut.up().await;
    cut.running
        .until("all is settled", |status| {
            status.queues[0].handled >= 11 && status.in_flight() == 0
        })
        .await;
    for queue in ["q", "q.retry.100ms", "q.failed"] {
        cut.place.holds(queue, 0).await;
    }
    let runs = cut.runs.all();
    for body in &bodies {
        let attempts = |number| {
            runs.iter()
                .filter(|run| run.0 == *body && run.1 == number)
                .count()
        };
        assert_eq!(attempts(1), 1, "{body}: {runs:?}");
        assert!((1..=2).contains(&attempts(2)), "{body}: {runs:?}");
        assert_eq!(attempts(3), 0, "{body}: {runs:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_are_cut_again_and_again_cost_no_message_and_no_attempt() {
    let cut = Cut::new(Queue::quorum("q").prefetch(20)).await;
    cut.gate.open();
    let bodies = numbered(400);
    let sending = async {
        for body in bodies.iter() {
            cut.place.send("q", [body.as_str()]).await;
        }
    };
    let cutting = async {
        for times in 1..=5 {
            cut.runs.reach(times * 50).await;
            cut.proxy.cut_after(
                700,
                if times % 2 == 0 {
                    Direction::ToBroker
                } else {
                    Direction::ToClient
                },
            );
        }
    };
    tokio::join!(sending, cutting);
    cut.place.holds("q", 0).await;
    let runs = cut.runs.all();
    for body in &bodies {
        assert!(runs.iter().any(|run| run.0 == *body), "{body} never ran");
    }
    assert!(
        runs.iter().all(|run| run.1 == 1),
        "an attempt was charged: {runs:?}"
    );
    println!("{} runs of {} messages", runs.len(), bodies.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_freezes_is_noticed_and_served_again_when_it_wakes() {
    super::logs::capture();
    let mut node = RabbitNode::start().await;
    let (runs, gate) = (Seen::default(), Gate::closed());
    let url = format!("{}?heartbeat=2", node.url("/"));
    let builder = SystemBuilder::new(url).consume_fn(Queue::quorum("q"), {
        let (runs, gate) = (runs.clone(), gate.clone());
        move |order: Delivery<Text>| {
            let (runs, gate) = (runs.clone(), gate.clone());
            async move {
                runs.note(order.to_string());
                gate.pass().await;
                Ok::<(), Failure>(())
            }
        }
    });
    let running = Running::consuming(builder).await;
    let client = Client::connect(&node.url("/")).await;
    client.publish("", "q", b"before", id("before")).await;
    runs.reach(1).await;
    node.pause();
    running
        .until("the loss is noticed", |status| {
            status.phase == Phase::Outage
        })
        .await;
    gate.open();
    node.resume();
    running.until("it consumes again", Status::is_ready).await;
    let client = Client::connect(&node.url("/")).await;
    client.publish("", "q", b"after", id("after")).await;
    let counts = running.acked(2).await;
    // Either link may be the first whose silence is noticed: the ack of the first message reached the
    // broker, or its redelivery was recalled. It never ran twice.
    assert!(counts.recalled <= 1 && counts.handled == 2, "{counts:?}");
    assert_eq!(runs.all(), ["before", "after"]);
}

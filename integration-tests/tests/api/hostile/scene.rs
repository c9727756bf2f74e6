//! Good messages in hand, an odd one among them.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use garenne::failed::{FailedQuery, FailedStore};
use garenne::prelude::*;
use garenne::status::{LinkState, Phase, QueueStatus, Status};
use garenne_testing::{FieldBytes, RawClient};

use super::command;
use super::desk::{Desk, QUICK, SLOW};
use super::odd::Odd;
use crate::api::support::{Gate, Place, Running, id};
use crate::support::SOON;

/// Good messages in hand when the odd one comes.
const IN_HAND: usize = 40;
/// Good messages behind it.
const BEHIND: usize = 10;
/// How often the odd one is sent: one is handled, the other fails.
const ODD: usize = 2;

/// The queues of the service, one of each type.
const SERVED: [&str; 2] = ["quorum", "classic"];
/// Queues in whose parking queues the odd message lies as it was published: by the broker, or by
/// somebody who has put it there.
const UNSERVED: [&str; 2] = ["unserved-quorum", "unserved-classic"];

/// What is thrown away in the end, and what is sent again: of each type one that garenne parked or one
/// that somebody put there.
const DISCARDED: [&str; 2] = [SERVED[0], UNSERVED[1]];
const REPLAYED: [&str; 2] = [SERVED[1], UNSERVED[0]];

/// Sends an odd message into the midst of good ones, and looks at what comes of it; then does with it
/// all that an operator can do.
pub(super) async fn survives(odd: Odd) {
    let mut scene = Scene::new(odd).await;
    if !scene.odd.can_be_sent() {
        return scene.odd.assert_refused(&mut scene.raw, SERVED[0]).await;
    }
    scene.send_among_good_ones().await;
    scene.let_go().await;
    scene.assert_harmless();
    let parked = scene.parked().await;
    scene.put_into_unserved().await;
    let all: usize = parked.iter().sum::<usize>() + UNSERVED.len();
    scene.assert_listed_by_the_service(all).await;
    scene.running.stop().await;
    scene.look_into_parking(DISCARDED[0], parked[0]).await;
    scene.assert_for_operators(all, parked).await;
}

struct Scene {
    place: Place,
    raw: RawClient,
    gate: Gate,
    desks: [Desk; 2],
    running: Running,
    odd: Odd,
}

impl Scene {
    async fn new(odd: Odd) -> Self {
        let place = Place::new().await;
        let gate = Gate::closed();
        let desks = SERVED.map(|_| Desk::behind(&gate));
        let queues = [Queue::quorum(SERVED[0]), Queue::classic(SERVED[1])];
        // RabbitMQ is at a header of 60,000 levels for seconds: a copy whose confirm is late is made twice.
        let mut builder = place.system().confirm_timeout(SOON);
        for (queue, desk) in queues.into_iter().zip(desks.clone()) {
            let queue = queue.prefetch(100).retry(Retry::every(1.secs()).times(1));
            builder = builder.consume_fn(queue, move |message| desk.clone().handle(message));
        }
        let running = Running::consuming(builder).await;
        let raw = RawClient::connect(&place.vhost.url()).await;
        Self {
            place,
            raw,
            gate,
            desks,
            running,
            odd,
        }
    }

    /// Returns when all but the slow ones are dealt with, or something is wrong.
    async fn send_among_good_ones(&mut self) {
        self.send_good(SLOW, IN_HAND).await;
        for desk in &self.desks {
            desk.begun.reach(IN_HAND).await;
        }
        for queue in SERVED {
            for _ in 0..ODD {
                self.odd.send(&mut self.raw, queue).await;
            }
        }
        self.send_good(QUICK, BEHIND).await;
        let settled = |queue: &QueueStatus| {
            (queue.handled + queue.failed, queue.in_flight) == (count(BEHIND + ODD), count(IN_HAND))
        };
        self.come_to("all but the slow ones are settled", settled)
            .await;
    }

    /// Lets the slow ones go on, and waits until they are done.
    async fn let_go(&self) {
        self.gate.open();
        let settled = |queue: &QueueStatus| {
            let all = count(IN_HAND + BEHIND + ODD);
            queue.handled + queue.failed == all && queue.in_flight == 0
        };
        self.come_to("all are settled", settled).await;
    }

    async fn send_good(&self, kind: &str, number: usize) {
        let bodies = (0..number).map(|n| format!("{kind}{n}"));
        let sends = SERVED
            .into_iter()
            .flat_map(|queue| bodies.clone().map(move |body| (queue, body)));
        let client = &self.place.client;
        join_all(sends.map(|(queue, body)| async move {
            client.publish("", queue, body.as_bytes(), id(&body)).await;
        }))
        .await;
    }

    /// Waits until all served queues are as wanted, and fails as soon as they cannot be any more.
    async fn come_to(&self, what: &str, wanted: impl Fn(&QueueStatus) -> bool) {
        let status = self
            .running
            .until(what, |status| {
                status.queues.iter().all(&wanted) || harm(status).is_some()
            })
            .await;
        if let Some(harm) = harm(&status) {
            let odd = self.desks.each_ref().map(|desk| desk.odd.all());
            panic!("before {what}: {harm}; attempts at odd ones: {odd:?}; {status:#?}");
        }
    }

    fn assert_harmless(&self) {
        let status = self.running.status();
        for (desk, queue) in self.desks.iter().zip(&status.queues) {
            let slow = (0..IN_HAND).map(|n| (format!("{SLOW}{n}"), 1));
            let quick = (0..BEHIND).map(|n| (format!("{QUICK}{n}"), 1));
            let once: BTreeMap<String, usize> = slow.chain(quick).collect();
            assert_eq!(times(&desk.begun.all()), once, "{queue:?}");
            assert_eq!(times(&desk.done.all()), once, "{queue:?}");
            let redelivered = desk.redelivered.all();
            assert!(redelivered.is_empty(), "{redelivered:?} {queue:?}");
            assert_eq!(queue.acked, queue.delivered, "{queue:?}");
            assert_eq!((queue.requeued, queue.recalled), (0, 0), "{queue:?}");
        }
    }

    /// How many odd messages each served queue has parked: all that were not handled.
    async fn parked(&self) -> [usize; 2] {
        let handled = self
            .desks
            .each_ref()
            .map(|desk| desk.odd.all().len().min(1));
        let parked = handled.map(|handled| ODD - handled);
        for (queue, parked) in SERVED.into_iter().zip(parked) {
            self.place.holds(&parking(queue), count(parked)).await;
        }
        parked
    }

    async fn put_into_unserved(&mut self) {
        for (queue, kind) in UNSERVED.into_iter().zip(["quorum", "classic"]) {
            for name in [queue, &parking(queue)] {
                let kind = [("x-queue-type", FieldBytes::text(kind))];
                self.raw.declare_with(name, kind).await;
            }
            self.odd.send(&mut self.raw, &parking(queue)).await;
            self.place.holds(&parking(queue), 1).await;
        }
    }

    /// An admin page of the service sees them, and costs the service no link.
    async fn assert_listed_by_the_service(&self, all: usize) {
        let store = self.running.failed(SERVED.into_iter().chain(UNSERVED));
        let query = FailedQuery::all();
        let mut cursor = store.open(&query).await.expect("the store opens");
        let mut listed = 0;
        while let Some(failure) = cursor.next().await.expect("the store is read") {
            let record = failure.record;
            assert!(*record.body == *self.odd.bytes_of_body(), "{record:?}");
            cursor.keep(failure.key).await.expect("it stays");
            listed += 1;
        }
        cursor.close().await.expect("the store is closed");
        assert_eq!(listed, all);
        assert_eq!(harm(&self.running.status()), None);
    }

    /// What garenne has parked has a reason, and all that it was given. It lies there again afterwards.
    async fn look_into_parking(&mut self, queue: &str, parked: usize) {
        let parking = parking(queue);
        for _ in 0..parked {
            let message = self.raw.get(&parking).await;
            let message = message.unwrap_or_else(|| panic!("{parked} lie in {parking}"));
            self.odd.assert_parked(&message);
            let reason = b"\x0bfail-reasonS";
            let is_told = message
                .properties
                .windows(reason.len())
                .any(|w| w == reason);
            assert!(is_told, "{}", message.properties.escape_ascii());
            let verdict = self
                .raw
                .publish("", &parking, &message.properties, &message.body)
                .await;
            assert_eq!(verdict, garenne_testing::Verdict::Confirmed);
        }
        self.place.holds(&parking, count(parked)).await;
    }

    async fn assert_for_operators(&mut self, all: usize, parked: [usize; 2]) {
        let url = self.place.vhost.url();
        let queues = [SERVED, UNSERVED].concat();
        command::assert_listed(&url, &queues, all).await;
        command::assert_shown(&url, &queues, all).await;
        command::assert_exported(&url, &queues, all, self.odd.bytes_of_body()).await;
        command::discard(&url, &DISCARDED).await;
        for queue in DISCARDED {
            self.place.holds(&parking(queue), 0).await;
        }
        command::replay(&url, &REPLAYED).await;
        for (queue, number) in REPLAYED.into_iter().zip([parked[1], 1]) {
            self.place.holds(&parking(queue), 0).await;
            self.place.holds(queue, count(number)).await;
            for _ in 0..number {
                let message = self.raw.get(queue).await.expect("it lies there");
                self.odd.assert_replayed(&message);
            }
        }
    }
}

/// What has happened that must not, as far as the status tells.
fn harm(status: &Status) -> Option<String> {
    for link in [&status.consume, &status.publish] {
        if !matches!(link, LinkState::Up { epoch: 1, .. }) {
            return Some(format!("a link was lost, {link:?}"));
        }
    }
    if status.phase != Phase::Consuming {
        return Some(format!("it is {:?}", status.phase));
    }
    let most = count(IN_HAND + BEHIND + ODD + 1);
    let loops = |queue: &&QueueStatus| queue.delivered > most || queue.retried > 1;
    let looping = status.queues.iter().find(loops)?;
    Some(format!("messages go round in {}", looping.queue))
}

fn times(bodies: &[String]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for body in bodies {
        *times.entry(body.clone()).or_default() += 1;
    }
    times
}

fn parking(queue: &str) -> String {
    format!("{queue}.failed")
}

fn count(number: usize) -> u64 {
    u64::try_from(number).expect("a count is small")
}

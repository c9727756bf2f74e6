//! What a handler's failure does to its message.

use std::collections::HashMap;
use std::fmt;

use garenne::core::{Headers, Value};
use garenne::prelude::*;
use integration_tests::eventually;
use lapin::types::AMQPValue;

use super::support::{Place, Running, SOON, Seen, header, text};

#[derive(Debug)]
struct Declined(std::num::ParseIntError);

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the card was declined")
    }
}

impl std::error::Error for Declined {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[derive(Debug)]
struct Unpaid(Declined);

impl fmt::Display for Unpaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no payment")
    }
}

impl std::error::Error for Unpaid {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn pay() -> Result<(), Unpaid> {
    let code: Result<u8, _> = "x".parse();
    code.map(drop).map_err(|error| Unpaid(Declined(error)))
}

/// Does what the body says, and writes down each run: body, attempt, and the queues in which the
/// message was dead-lettered before, latest first.
fn obey(seen: Seen<(String, u32, Vec<String>)>) -> impl Fn(Delivery<Text>) -> BoxedRun + Clone {
    move |order| {
        let lanes = died_in(order.header("x-death"));
        seen.note((order.to_string(), order.attempt().number(), lanes));
        Box::pin(async move {
            let first = order.attempt().number() == 1;
            match &**order {
                "error" => pay()?,
                "permanent" => return Err(Failure::permanent("never will")),
                "permanent error" => return Err(Failure::permanent_error(&pay().unwrap_err())),
                "discard" => return Err(Failure::discard("not wanted")),
                "after 700ms" if first => return Err(Failure::retry_after(700.millis(), "busy")),
                "after 150ms" if first => return Err(Failure::retry_after(150.millis(), "busy")),
                "after nothing" if first => return Err(Failure::retry_after(0.secs(), "busy")),
                "always after" => return Err(Failure::retry_after(100.millis(), "busy")),
                _ => {}
            }
            Ok(())
        })
    }
}

type BoxedRun = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

fn died_in(deaths: Option<Value>) -> Vec<String> {
    let Some(Value::Array(deaths)) = deaths else {
        return Vec::new();
    };
    let queue = |death: &Headers| death.get("queue")?.as_str().map(str::to_owned);
    let queues = deaths.iter().filter_map(|death| match death {
        Value::Table(death) => queue(death),
        _ => None,
    });
    queues.collect()
}

async fn obeying(place: &Place) -> (Running, Seen<(String, u32, Vec<String>)>) {
    let seen = Seen::default();
    let queue = Queue::quorum("orders").retry(Retry::delays([300.millis(), 700.millis()]));
    let running = Running::consuming(place.system().consume_fn(queue, obey(seen.clone()))).await;
    (running, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_retried_and_parked_with_all_its_causes() {
    let place = Place::new().await;
    let (running, seen) = obeying(&place).await;
    place.send("orders", ["error"]).await;
    let parked = place.take_one("orders.failed").await;
    assert_eq!(text(&parked, "fail-reason"), "exhausted");
    assert_eq!(text(&parked, "fail-error"), "no payment");
    let Some(AMQPValue::FieldArray(chain)) = header(&parked, "fail-chain") else {
        panic!("no chain: {:?}", parked.properties);
    };
    let cause = |text: &str| AMQPValue::LongString(text.into());
    let causes = [
        cause("the card was declined"),
        cause("invalid digit found in string"),
    ];
    assert_eq!(chain.as_slice(), causes);
    assert_eq!(
        header(&parked, "fail-attempts"),
        Some(AMQPValue::LongLongInt(3))
    );
    assert_eq!(text(&parked, "fail-service"), "api-tests");
    assert_eq!(text(&parked, "fail-version"), "7.2");
    assert!(text(&parked, "fail-first-at") < text(&parked, "fail-last-at"));
    let attempts: Vec<_> = seen.all().into_iter().map(|run| run.1).collect();
    assert_eq!(attempts, [1, 2, 3]);
    let counts = running.acked(3).await;
    assert_eq!(
        (counts.failed_attempts, counts.retried, counts.failed),
        (3, 2, 1),
        "{counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_failure_is_parked_at_once() {
    let place = Place::new().await;
    let (running, seen) = obeying(&place).await;
    place.send("orders", ["permanent", "permanent error"]).await;
    running.acked(2).await;
    let parked = place.client.take_all("orders.failed").await;
    let by_id: HashMap<_, _> = parked
        .iter()
        .map(|m| (m.properties.message_id().clone().unwrap().to_string(), m))
        .collect();
    assert_eq!(text(by_id["permanent"], "fail-reason"), "permanent");
    assert_eq!(text(by_id["permanent"], "fail-error"), "never will");
    assert_eq!(text(by_id["permanent error"], "fail-error"), "no payment");
    let chain = header(by_id["permanent error"], "fail-chain");
    assert!(
        matches!(&chain, Some(AMQPValue::FieldArray(c)) if c.as_slice().len() == 2),
        "{chain:?}"
    );
    assert_eq!(seen.all().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_message_is_acked_and_kept_nowhere() {
    let place = Place::new().await;
    let (running, seen) = obeying(&place).await;
    place.send("orders", ["discard"]).await;
    let counts = running.acked(1).await;
    assert_eq!(
        (counts.discarded, counts.failed, counts.retried),
        (1, 0, 0),
        "{counts:?}"
    );
    for queue in place.vhost.node().queues(place.vhost.name()).await.unwrap() {
        assert_eq!(queue.messages(), 0, "{queue:?}");
    }
    assert_eq!(seen.all().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_a_delay_is_granted_exactly_by_the_policys_own_lane() {
    let place = Place::new().await;
    let (running, seen) = obeying(&place).await;
    place.send("orders", ["after 700ms"]).await;
    running.acked(2).await;
    assert_eq!(
        seen.all()[1],
        (
            "after 700ms".into(),
            2,
            vec!["orders.retry.700ms".to_owned()]
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_any_other_delay_is_rounded_up_to_the_ladder() {
    let place = Place::new().await;
    let (running, seen) = obeying(&place).await;
    place.send("orders", ["after 150ms", "after nothing"]).await;
    running.acked(4).await;
    let second = |body: &str| {
        let all = seen.all();
        all.into_iter()
            .find(|run| run.0 == body && run.1 == 2)
            .map(|run| run.2)
    };
    assert_eq!(
        second("after 150ms"),
        Some(vec!["orders.retry.200ms".to_owned()])
    );
    assert_eq!(
        second("after nothing"),
        Some(vec!["orders.retry.100ms".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_for_delays_do_not_add_attempts_to_the_policy() {
    let place = Place::new().await;
    let (_running, seen) = obeying(&place).await;
    place.send("orders", ["always after"]).await;
    let parked = place.take_one("orders.failed").await;
    assert_eq!(text(&parked, "fail-reason"), "exhausted");
    assert_eq!(seen.all().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_was_deleted_is_made_again_when_it_is_needed() {
    let place = Place::new().await;
    let (running, seen) = obeying(&place).await;
    // One of the policy's lanes, and one that a handler asked for before.
    place.send("orders", ["after 150ms"]).await;
    running.acked(2).await;
    for lane in ["orders.retry.200ms", "orders.retry.700ms"] {
        let deleted = place
            .client
            .channel()
            .queue_delete(lane.into(), Default::default());
        deleted.await.unwrap();
    }
    place.send("orders", ["after 150ms", "after 700ms"]).await;
    running.acked(6).await;
    eventually(SOON, "both were retried", async || match seen.all().len() {
        6 => Ok(()),
        other => Err(format!("{other} runs")),
    })
    .await;
}

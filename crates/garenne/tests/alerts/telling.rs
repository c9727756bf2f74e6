//! What is told, and how often.

use garenne::core::alert::{Digest, Subject};
use garenne::prelude::*;
use garenne_testing::TestSystem;

use crate::support::{Keeps, Told, at_once, keeps, obey, orders, until};

#[tokio::test]
async fn a_thousand_failures_are_few_calls_whose_numbers_add_up() {
    let told = Told::default();
    let keeper = told.clone();
    let alert =
        AlertSetup::from(move || Keeps(keeper.clone())).pace(Pace::default().gather(100.millis()));
    let system = TestSystem::start(|builder| builder.consume_fn(orders(), obey).alert(alert)).await;
    for n in 0..1_000 {
        system.send("orders", format!("no order {n}")).await;
    }
    system.settled().await;
    let counted = system.handle().status();
    assert_eq!(counted.queues[0].failed, 1_000);
    let alerts = &counted.alerts[0];
    assert_eq!(alerts.name, "Keeps");
    assert_eq!(alerts.told + alerts.pending + alerts.dropped, 1_000);
    let handle = system.handle().clone();
    system.finish().await;
    // What was pending is told at the end.
    let total: u64 = told.all().iter().map(Digest::failures).sum();
    assert_eq!(total, 1_000);
    // One when the burst had gathered, one at the end: the subject is told every five minutes.
    assert!((1..=2).contains(&told.all().len()), "{:?}", told.all());
    let alerts = handle.status().alerts.remove(0);
    assert_eq!((alerts.told, alerts.pending, alerts.dropped), (1_000, 0, 0));
    assert_eq!(alerts.calls, told.all().len() as u64);
}

#[tokio::test]
async fn failures_are_grouped_by_queue_reason_and_kind_of_error() {
    let told = Told::default();
    let (orders, bills) = (orders(), Queue::quorum("bills").retry(Retry::none()));
    let keeper = told.clone();
    let alert = AlertSetup::new("at the end", move || Keeps(keeper.clone()))
        .pace(Pace::default().gather(1.hours()));
    let system = TestSystem::start(|builder| {
        builder
            .consume_fn(orders, obey)
            .consume_fn(bills, obey)
            .alert(alert)
    })
    .await;
    for (queue, body) in [
        ("orders", "no order 1"),
        ("orders", "no order 2"),
        ("orders", "no money"),
        ("bills", "no order 3"),
        ("bills", "ok"),
    ] {
        system.send(queue, body).await;
    }
    system.settled().await;
    assert_eq!(told.all(), [], "nothing before it has gathered");
    system.finish().await;
    let [digest] = &told.all()[..] else {
        panic!("{:?}", told.all());
    };
    let mut groups: Vec<_> = digest
        .items
        .iter()
        .map(|item| match &item.subject {
            Subject::Failures {
                queue,
                reason,
                kind,
            } => {
                let kind = kind.as_deref().unwrap_or_default();
                format!("{queue} {reason} {kind} {}", item.count)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    groups.sort();
    assert_eq!(
        groups,
        [
            "bills exhausted no order # 1",
            "orders exhausted no money 1",
            "orders exhausted no order # 2",
        ]
    );
}

#[tokio::test]
async fn every_alert_is_told_everything() {
    let (one, other) = (Told::default(), Told::default());
    let system = TestSystem::start(|builder| {
        let builder = builder.consume_fn(orders(), obey);
        builder.alert(keeps(&one)).alert(keeps(&other))
    })
    .await;
    system.send("orders", "no money").await;
    for told in [&one, &other] {
        let line = told.line_about("failures").await;
        assert_eq!(line, "orders: 1 failure (exhausted): no money");
    }
    system.settled().await;
    system.finish().await;
}

#[tokio::test]
async fn a_call_that_failed_is_repeated_with_what_came_since() {
    struct FailsOnce(Told);
    impl Actor for FailsOnce {
        type Context = Context<Self>;
    }
    impl Handler<Alert> for FailsOnce {
        type Result = Result<(), AlertError>;
        fn handle(&mut self, alert: Alert, _: &mut Self::Context) -> Self::Result {
            self.0.note(&alert);
            match self.0.all().len() {
                1 => Err(AlertError::new("the line is busy")),
                _ => Ok(()),
            }
        }
    }
    let told = Told::default();
    let keeper = told.clone();
    let alert = AlertSetup::from(move || FailsOnce(keeper.clone())).pace(at_once());
    let system = TestSystem::start(|builder| builder.consume_fn(orders(), obey).alert(alert)).await;
    system.send("orders", "no money").await;
    let failed = until(system.handle(), |alert| alert.failed_calls == 1).await;
    assert_eq!(failed.last_error.as_deref(), Some("the line is busy"));
    system.send("orders", "no money").await;
    let done = until(system.handle(), |alert| alert.told == 2).await;
    assert_eq!((done.pending, done.dropped, done.last_error), (0, 0, None));
    let numbers: Vec<_> = told.all().iter().map(|digest| digest.number).collect();
    assert_eq!(numbers[..2], [0, 0]);
    system.settled().await;
    system.finish().await;
}

#[test]
fn a_pace_that_cannot_be_is_refused_with_the_name_of_the_alert() {
    let alert = AlertSetup::new("mail", || Keeps(Told::default()))
        .pace(Pace::default().limit(0, 1.minutes()));
    let builder = SystemBuilder::new("amqp://localhost").consume_fn(orders(), obey);
    let Err(error) = builder.alert(alert).build() else {
        panic!("it was accepted");
    };
    assert_eq!(
        error.to_string(),
        "alert `mail`: calls is `0`; accepted: 1 to 10,000"
    );
}

//! Every way in which a message can be settled is told apart from the others.

use garenne::core::FailReason;
use garenne::prelude::*;
use garenne_testing::TestSystem;
use garenne_testing::broker::How;

use crate::orders::{charge, complaint, orders, start};

#[tokio::test]
async fn a_message_whose_handler_succeeds_is_handled() {
    let system = start().await;
    let sent = system.send("orders", "ok").await;
    system.settled().await;
    system.assert_handled(&sent).attempt(1);
    complaint(|| system.assert_retried(&sent));
    complaint(|| system.assert_parked(&sent));
    complaint(|| system.assert_discarded(&sent));
    system.finish().await;
}

#[tokio::test]
async fn a_message_that_fails_waits_in_a_lane_until_its_time_has_come() {
    let system = start().await;
    let sent = system.send("orders", "fail:2").await;
    system.settled().await;
    let waiting = system.assert_retried(&sent).attempt(2).after(20.secs());
    assert_eq!(waiting.message().queue(), "orders.retry.20s");
    complaint(|| system.assert_handled(&sent));

    system.advance(20.secs()).await;
    system.assert_retried(&sent).attempt(3).to("orders");
    system.advance(20.secs()).await;
    system.assert_handled(&sent).attempt(3);
    system.finish().await;
}

#[tokio::test]
async fn a_message_is_not_retried_before_its_time() {
    let system = start().await;
    let sent = system.send("orders", "fail:1").await;
    system.advance(15.secs()).await;
    system.assert_retried(&sent).attempt(2);
    system.advance(5.secs()).await;
    system.assert_handled(&sent).attempt(2);
    system.finish().await;
}

#[tokio::test]
async fn a_message_that_used_up_its_attempts_is_parked_with_its_last_error() {
    let system = start().await;
    let sent = system.send("orders", "fail").await;
    system.advance(1.minutes()).await;
    let parked = system.assert_parked(&sent);
    let parked = parked.reason(FailReason::Exhausted).error("card declined");
    let parked = parked.attempts(4);
    assert_eq!(&parked.record().body[..], b"fail");
    assert_eq!(parked.record().queue, "orders");
    complaint(|| system.assert_handled(&sent));
    system.finish().await;
}

#[tokio::test]
async fn reasons_are_told_apart() {
    let system = start().await;
    let permanent = system.send("orders", "permanent").await;
    let panicked = system.send("orders", "panic").await;
    let undecodable = system.send("orders", vec![0xff, 0xfe]).await;
    system.advance(1.minutes()).await;
    system
        .assert_parked(&permanent)
        .reason(FailReason::Permanent);
    let parked = system.assert_parked(&panicked).reason(FailReason::Panic);
    parked.error("no such currency").attempts(4);
    let parked = system.assert_parked(&undecodable);
    parked.reason(FailReason::Undecodable).error("not UTF-8");
    system.finish().await;
}

#[tokio::test]
async fn an_error_is_also_found_among_its_sources() {
    let parse = |_: Delivery<Text>| async {
        let error = "x".parse::<u8>().map_err(std::io::Error::other);
        error
            .map(drop)
            .map_err(|error| Failure::permanent_error(&Outer(error)))
    };
    let system = TestSystem::start(|builder| builder.consume_fn(orders(), parse)).await;
    let sent = system.send("orders", "x").await;
    system.settled().await;
    let parked = system.assert_parked(&sent).error("no amount");
    parked.error("invalid digit");
    system.finish().await;
}

#[derive(Debug)]
struct Outer(std::io::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no amount")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test]
async fn a_message_that_is_not_wanted_is_discarded_and_not_taken_for_handled() {
    let system = start().await;
    let (wanted, not) = (
        system.send("orders", "ok").await,
        system.send("orders", "discard").await,
    );
    system.settled().await;
    system.assert_discarded(&not);
    system.assert_handled(&wanted);
    complaint(|| system.assert_handled(&not));
    complaint(|| system.assert_discarded(&wanted));
    system.finish().await;
}

#[tokio::test]
async fn what_a_fail_sink_has_taken_is_neither_handled_nor_parked() {
    let configure =
        |builder: SystemBuilder| builder.consume_fn(orders(), charge).fail_sink(|| LogSink);
    let system = TestSystem::start(configure).await;
    let sent = system.send("orders", "permanent").await;
    system.settled().await;
    let text = complaint(|| system.assert_handled(&sent));
    assert!(text.contains("the fail sink took it, with reason `permanent`: no such card"));
    complaint(|| system.assert_parked(&sent));
    system.finish().await;
}

#[tokio::test]
async fn a_message_from_an_exchange_is_handled_only_when_every_queue_has_handled_it() {
    let configure = |builder: SystemBuilder| {
        let bound = |name: &str| Queue::quorum(name).bind("shop", ExchangeKind::Fanout, "");
        let mails = |_: Delivery<Text>| async { Err(Failure::transient("no post today")) };
        builder.consume_fn(bound("orders"), charge).consume_fn(
            bound("mails").retry(Retry::every(1.hours()).times(1)),
            mails,
        )
    };
    let system = TestSystem::start(configure).await;
    let message = Outgoing::to_exchange("shop", "", "ok");
    let sent = system.send_message(message).await;
    system.settled().await;
    system.assert_retried(&sent).to("mails");
    let text = complaint(|| system.assert_handled(&sent));
    assert!(
        text.contains("it was handled, from `orders` at attempt 1"),
        "{text}"
    );
    assert!(
        text.contains("it waits in the lane `mails.retry.3600s`"),
        "{text}"
    );
    system.finish().await;
}

#[tokio::test]
async fn systems_of_one_process_do_not_see_each_others_messages() {
    let (one, other) = (start().await, start().await);
    let id = "the-same-id";
    crate::orders::send(&one, id, "ok").await;
    crate::orders::send(&other, id, "discard").await;
    one.settled().await;
    other.settled().await;
    one.assert_handled(id);
    other.assert_discarded(id);
    complaint(|| other.assert_handled(id));
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn a_hundred_messages_settle() {
    let system = start().await;
    let mut sent = Vec::new();
    for number in 0..100 {
        let body = ["ok", "fail:1", "permanent"][number % 3];
        sent.push((body, system.send("orders", body).await));
    }
    system.advance(20.secs()).await;
    for (body, sent) in &sent {
        match *body {
            "ok" => drop(system.assert_handled(sent).attempt(1)),
            "fail:1" => drop(system.assert_handled(sent).attempt(2)),
            _ => drop(system.assert_parked(sent)),
        }
    }
    system.finish().await;
}

#[tokio::test]
async fn what_is_settled_is_counted_whatever_it_ended_with_and_however_the_link_was() {
    let system = start().await;
    for round in 1..=50 {
        for body in ["ok", "fail", "permanent", "discard"] {
            system.send("orders", body).await;
        }
        system.settled().await;
        let status = system.handle().status();
        let queue = &status.queues[0];
        assert_eq!(queue.acked, 4 * round, "in round {round}: {queue:?}");
    }
    // Those that are in hand when the link is lost are counted out once, too.
    for _ in 0..100 {
        system.send("orders", "ok").await;
    }
    let faults = system.broker().faults();
    faults.drop_connections(How::Reset).await.unwrap();
    system.settled().await;
    let status = system.handle().status();
    assert_eq!(status.in_flight(), 0, "{status:?}");
    assert!(status.queues[0].handled >= 150, "{status:?}");
    system.finish().await;
}

//! What becomes of a message: the whole service, on a broker inside this process, with its time under
//! control.

mod bank;

use std::sync::Arc;

use bank::Bank;
use garenne::core::FailReason;
use garenne::prelude::*;
use garenne_testing::TestSystem;
use garenne_testing::broker::How;
use serde_json::json;
use testing_your_handler::{Order, service};

/// The service with this bank, beside the queue of whoever wants receipts.
async fn start(bank: &Arc<Bank>) -> TestSystem {
    let receipts = Queue::classic("mails").bind("receipts", ExchangeKind::Topic, "receipt.#");
    let bank = Arc::clone(bank);
    let system = TestSystem::builder().queue(receipts);
    system.start(|builder| service(builder, bank)).await
}

fn order(id: u64) -> Json<Order> {
    let currency = "EUR".to_owned();
    Json(Order {
        id,
        cents: 1999,
        currency,
    })
}

#[tokio::test]
async fn an_order_is_charged_once_and_its_receipt_goes_out() {
    let bank = Arc::new(Bank::default());
    let system = start(&bank).await;

    let sent = system.send("orders", order(7)).await;
    system.settled().await;

    system.assert_handled(&sent);
    assert_eq!(bank.times_asked(7), 1);
    let receipt = json!({ "id": 7, "cents": 1999, "currency": "EUR" });
    let published = system.assert_published("mails").json(&receipt).times(1);
    published.routing_key("receipt.EUR");
    system.finish().await;
}

#[tokio::test]
async fn a_declined_card_is_tried_again_after_a_minute_and_an_hour() {
    let bank = Arc::new(Bank::that_declines(2));
    let system = start(&bank).await;

    let sent = system.send("orders", order(7)).await;
    system.settled().await;
    system.assert_retried(&sent).attempt(2).after(1.minutes());
    system.assert_nothing_published("mails");

    system.advance(1.minutes()).await;
    system.assert_retried(&sent).attempt(3).after(1.hours());

    system.advance(1.hours()).await;
    system.assert_handled(&sent).attempt(3);
    system.assert_published("mails").times(1);
    system.finish().await;
}

#[tokio::test]
async fn a_card_that_is_declined_for_a_day_is_for_a_person() {
    let bank = Arc::new(Bank::that_declines(u32::MAX));
    let system = start(&bank).await;

    let declined = system.send("orders", order(7)).await;
    // Time passes from one retry to the next; a day of it takes milliseconds.
    system.advance(1.minutes() + 1.hours() + 24.hours()).await;

    let parked = system
        .assert_parked(&declined)
        .reason(FailReason::Exhausted);
    parked.error("card declined").attempts(4);
    assert_eq!(bank.times_asked(7), 4);
    system.assert_nothing_published("mails");
    system.finish().await;
}

#[tokio::test]
async fn one_that_is_declined_does_not_hold_up_the_others() {
    let bank = Arc::new(Bank::that_declines(1));
    let system = start(&bank).await;
    let currency = "GBP".to_owned();
    let wrong = Order {
        currency,
        ..order(7).0
    };

    let wrong = system.send("orders", Json(wrong)).await;
    let nothing = system.send("orders", r#"{ "id": 8, "cents": 0 }"#).await;
    let garbage = system.send("orders", "nine").await;
    let declined = system.send("orders", order(10)).await;
    system.settled().await;

    system.assert_parked(&wrong).reason(FailReason::Permanent);
    system
        .assert_parked(&garbage)
        .reason(FailReason::Undecodable);
    system.assert_discarded(&nothing);
    system.assert_retried(&declined).attempt(2);
    system.finish().await;
}

#[tokio::test]
async fn orders_are_charged_when_the_broker_is_back() {
    let bank = Arc::new(Bank::default());
    let system = start(&bank).await;

    let faults = system.broker().faults();
    faults.drop_connections(How::Reset).await.unwrap();
    let sent = system.send("orders", order(7)).await;
    system.settled().await;

    system.assert_handled(&sent);
    system.assert_published("mails").times(1);
    system.finish().await;
}

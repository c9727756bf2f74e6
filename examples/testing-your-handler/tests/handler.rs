//! What the handler returns for one message: no broker, no waiting.

mod bank;

use std::sync::Arc;

use bank::Bank;
use garenne::core::{FailReason, Settlement};
use garenne::prelude::*;
use garenne_testing::{Perform, Performed, perform};
use serde_json::json;
use testing_your_handler::charge::charge;
use testing_your_handler::service::orders;
use testing_your_handler::{Charge, Order};

/// One run on a message with this body. A struct could be given as well; here the decision is a
/// function of its own, so that no publisher is needed.
fn run(bank: Bank, body: impl garenne::Payload) -> Perform {
    let bank = Arc::new(bank);
    let handler = move |order: Delivery<Json<Order>>| {
        let bank = Arc::clone(&bank);
        async move { charge(&*bank, &order).await }
    };
    perform(handler, body)
}

#[tokio::test]
async fn an_order_is_charged() {
    let order = Json(json!({ "id": 7, "cents": 1999, "currency": "EUR" }));
    run(Bank::default(), order).await.unwrap();
}

#[tokio::test]
async fn a_declined_card_is_tried_again_until_the_attempts_are_used_up() {
    let order = r#"{ "id": 7, "cents": 1999, "currency": "EUR" }"#;
    let declined = || run(Bank::that_declines(1), order);

    let failure = declined().await.unwrap_err();
    assert_eq!(failure.error(), "card declined");

    for (attempt, next) in [
        (1, Settlement::Retry(1.minutes())),
        (2, Settlement::Retry(1.hours())),
        (3, Settlement::Retry(24.hours())),
        (4, Settlement::Fail(FailReason::Exhausted)),
    ] {
        let settlement = declined().attempt(attempt).settlement(&orders()).await;
        assert_eq!(settlement, next, "after attempt {attempt}");
    }
}

#[tokio::test]
async fn a_currency_that_nobody_takes_is_for_a_person_at_once() {
    let order = r#"{ "id": 7, "cents": 1999, "currency": "GBP" }"#;
    let settlement = run(Bank::default(), order).settlement(&orders()).await;
    assert_eq!(settlement, Settlement::Fail(FailReason::Permanent));
}

#[tokio::test]
async fn an_order_of_nothing_is_not_kept() {
    let order = r#"{ "id": 7, "cents": 0 }"#;
    let settlement = run(Bank::default(), order).settlement(&orders()).await;
    assert_eq!(settlement, Settlement::Discard);
}

#[tokio::test]
async fn an_order_of_last_year_is_in_euro() {
    run(Bank::default(), r#"{ "id": 7, "cents": 1999 }"#)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_no_order_never_reaches_the_handler() {
    let outcome = run(Bank::default(), "seven").outcome().await;
    assert!(matches!(outcome, Performed::Undecodable(_)), "{outcome}");
}

/// The clock of this runtime jumps to the next timer whenever there is nothing else to do.
#[tokio::test(start_paused = true)]
async fn a_bank_that_takes_an_hour_is_given_up() {
    let bank = Bank {
        takes: 1.hours(),
        ..Bank::default()
    };
    let order = r#"{ "id": 7, "cents": 1999 }"#;
    let outcome = run(bank, order).deadline(10.minutes()).outcome().await;
    assert!(
        matches!(outcome, Performed::DeadlineExceeded(_)),
        "{outcome}"
    );
}

/// The struct itself. Its publisher has no broker here, so whatever it does before it publishes can be
/// tested; what it publishes is seen in `service.rs`.
#[tokio::test]
async fn a_receipt_that_cannot_be_published_fails_the_attempt() {
    let publisher = SystemBuilder::new("amqp://localhost").publisher();
    let charge = Charge::new(Arc::new(Bank::default()), publisher);
    let failure = perform(charge, r#"{ "id": 7, "cents": 1999 }"#)
        .await
        .unwrap_err();
    assert!(
        failure.error().starts_with("no link to a broker"),
        "{failure:?}"
    );
}

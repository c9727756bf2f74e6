//! The handler: charges the card of an order, and publishes a receipt.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use garenne::prelude::*;
use serde::{Deserialize, Serialize};

/// An order, as the shop sends it: `{ "id": 7, "cents": 1999, "currency": "EUR" }`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The number of the order.
    pub id: u64,
    /// The price.
    pub cents: u64,
    /// Its currency; orders from before there was more than one have none.
    #[serde(default = "euro")]
    pub currency: String,
}

fn euro() -> String {
    "EUR".to_owned()
}

/// Who charges cards: a payment provider, or in a test whatever the test wants to happen.
pub trait Cards: Send + Sync + 'static {
    /// Charges the card of an order. A second charge of the same order is the first one again.
    fn charge(&self, order: &Order) -> Pin<Box<dyn Future<Output = Result<(), Declined>>>>;
}

/// The bank said no. It may say yes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declined;

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("card declined")
    }
}

impl std::error::Error for Declined {}

/// The handler actor. What it needs from the world, it is given.
pub struct Charge {
    cards: Arc<dyn Cards>,
    publisher: Publisher,
}

impl Charge {
    /// A handler that charges these cards and publishes with this publisher.
    #[must_use]
    pub fn new(cards: Arc<dyn Cards>, publisher: Publisher) -> Self {
        Self { cards, publisher }
    }
}

impl Actor for Charge {
    type Context = Context<Self>;
}

impl Handler<Delivery<Json<Order>>> for Charge {
    type Result = HandlerResult;

    fn handle(&mut self, order: Delivery<Json<Order>>, _: &mut Self::Context) -> Self::Result {
        let (cards, publisher) = (Arc::clone(&self.cards), self.publisher.clone());
        Box::pin(async move {
            charge(&*cards, &order).await?;
            let key = format!("receipt.{}", order.currency);
            let receipt = Outgoing::to_exchange("receipts", key, Json(&**order.body()));
            // The same order makes the same receipt, however often it is charged.
            let receipt = receipt.message_id(format!("receipt-{}", order.id));
            publisher.send(receipt).await?;
            Ok(())
        })
    }
}

/// What the handler decides, apart from what it publishes.
///
/// # Errors
///
/// A failure that says what happens next: an order of nothing is discarded, one in a currency that
/// nobody takes goes to the parking queue at once, and a declined card is tried again.
pub async fn charge(cards: &dyn Cards, order: &Order) -> Result<(), Failure> {
    if order.cents == 0 {
        return Err(Failure::discard("nothing to pay"));
    }
    if order.currency != "EUR" && order.currency != "USD" {
        let why = format_args!("we do not take {}", order.currency);
        return Err(Failure::permanent(why));
    }
    cards.charge(order).await?;
    Ok(())
}

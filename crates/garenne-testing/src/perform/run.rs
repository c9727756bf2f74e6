//! A run of a handler, and what it wants sent.

use std::fmt::Write as _;

use garenne::Failure;

use super::Performed;
use crate::assertions::Published;
use crate::fail::fail;
use crate::message::Message;

/// One run of a handler: what came of it, and what it wants sent; from [`Perform::run`](super::Perform::run).
#[derive(Debug)]
#[non_exhaustive]
pub struct Run {
    /// What came of it.
    pub outcome: Performed,
    /// What is sent before the message is acked, in the order in which the handler gave it to
    /// [`Delivery::publish`](garenne::Delivery::publish) and its kin. Of a run that did not succeed,
    /// nothing is.
    pub published: Vec<Message>,
}

impl Run {
    pub(super) fn new(
        outcome: Performed,
        wanted: Vec<(garenne::Outgoing, Option<std::time::Duration>)>,
    ) -> Self {
        let wanted = match outcome {
            Performed::Returned(Ok(())) => wanted,
            _ => Vec::new(),
        };
        let messages = wanted
            .iter()
            .map(|(message, delay)| Message::wanted(message, *delay));
        match messages.collect() {
            Ok(published) => Self { outcome, published },
            // In a system, too, its handler has failed then, for good.
            Err(error) => Self {
                outcome: Performed::Returned(Err(Failure::permanent(error))),
                published: Vec::new(),
            },
        }
    }

    /// At least one message is sent straight to this queue. What is returned looks for particular ones:
    ///
    /// ```
    /// use garenne::prelude::*;
    /// use garenne_testing::perform;
    ///
    /// async fn bill(order: Delivery<Text>) -> Result<(), Failure> {
    ///     order.publish(Outgoing::to_queue("invoices", order.body().clone()).derived());
    ///     order.publish(Outgoing::to_queue("reminders", "pay!").after(72.hours()));
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let run = perform(bill, "order 7").run().await;
    /// run.assert_published("invoices").body("order 7").times(1);
    /// run.assert_published("reminders").after(72.hours());
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn assert_published(&self, queue: &str) -> Published {
        self.to(queue.to_owned(), |message| {
            message.exchange().is_empty() && message.routing_key() == queue
        })
    }

    /// At least one message is sent to this exchange, which is not the default one.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn assert_published_to_exchange(&self, exchange: &str) -> Published {
        self.to(exchange.to_owned(), |message| {
            message.exchange() == exchange
        })
    }

    /// Nothing is sent.
    ///
    /// # Panics
    ///
    /// When something is.
    #[track_caller]
    pub fn assert_nothing_published(&self) {
        if !self.published.is_empty() {
            let count = self.published.len();
            fail(format!(
                "{count} published, expected none\n\n{}",
                self.around()
            ));
        }
    }

    #[track_caller]
    fn to(&self, to: String, is_to: impl Fn(&Message) -> bool) -> Published {
        let messages = self.published.iter().filter(|message| is_to(message));
        Published::of_run(to, messages.cloned().collect(), self.around())
    }

    /// The run in words.
    fn around(&self) -> String {
        let mut around = format!("of the run: {}", self.outcome);
        for message in &self.published {
            let (exchange, key) = (message.exchange(), message.routing_key());
            let _ = write!(
                around,
                "\nit wants sent to exchange `{exchange}` with key `{key}`: {}",
                message.preview()
            );
        }
        around
    }
}

//! The destination of a delayed message, and its recognition there.

use super::{DUE, DelayError, LEVELS, PREFIX};
use crate::entity::BindingEntity;
use crate::naming::NAME_MAX;

/// The bytes of a routing key that come before the destination: each digit and the dot behind it.
pub(super) const DIGITS_LEN: usize = 2 * LEVELS as usize;

/// The longest name of a destination: the rest of the 255 bytes of a routing key.
const QUEUE_MAX: usize = NAME_MAX - DIGITS_LEN;

/// A queue that delayed messages can go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination(String);

impl Destination {
    /// The queue with this name.
    ///
    /// # Errors
    ///
    /// [`DelayError::NoQueue`] without a name; [`DelayError::QueueTooLong`] when the name does not fit into a
    /// routing key behind the digits; [`DelayError::Wildcard`] when a pattern for this name would match other
    /// names too.
    pub fn queue(name: impl Into<String>) -> Result<Self, DelayError> {
        let queue = name.into();
        if queue.is_empty() {
            return Err(DelayError::NoQueue);
        }
        if queue.len() > QUEUE_MAX {
            let (len, max) = (queue.len(), QUEUE_MAX);
            return Err(DelayError::QueueTooLong { queue, len, max });
        }
        if queue.split('.').any(|word| word == "*" || word == "#") {
            return Err(DelayError::Wildcard { queue });
        }
        Ok(Self(queue))
    }

    /// The destination of a message that is published to this exchange with this routing key.
    ///
    /// # Errors
    ///
    /// [`DelayError::Exchange`] when it is not the default exchange; otherwise those of
    /// [`Destination::queue`].
    pub fn of(exchange: &str, routing_key: &str) -> Result<Self, DelayError> {
        if exchange.is_empty() {
            Self::queue(routing_key)
        } else {
            let exchange = exchange.to_owned();
            Err(DelayError::Exchange { exchange })
        }
    }

    /// The name of the queue.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The binding that brings messages for this destination, and no others, into its queue: exactly one word
    /// for each digit, then the name. With `#` for the digits, `orders` would also get the messages for
    /// `eu.orders`.
    #[must_use]
    pub fn binding(&self) -> BindingEntity {
        BindingEntity {
            queue: self.0.clone(),
            exchange: DUE.to_owned(),
            routing_key: format!("{}{}", "*.".repeat(LEVELS as usize), self.0),
        }
    }
}

/// The exchange and routing key of a delayed message, as its producer meant them: to its queue, through the
/// default exchange. The broker names the exchange of some level, which depends on the last queue that the
/// message waited in. `None`: the delivery does not come out of the levels.
#[must_use]
pub fn arrived<'a>(exchange: &str, routing_key: &'a str) -> Option<(&'static str, &'a str)> {
    if !exchange.starts_with(PREFIX) {
        return None;
    }
    let digits = routing_key.as_bytes().chunks_exact(2).take(LEVELS as usize);
    let mut digits = digits.map(|pair| matches!(pair, [b'0' | b'1', b'.']));
    match routing_key.get(DIGITS_LEN..) {
        Some(queue) if digits.all(|is_digit| is_digit) => Some(("", queue)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_as_long_as_its_routing_key_does() {
        assert_eq!(QUEUE_MAX, 199);
        let longest = Destination::queue("q".repeat(QUEUE_MAX)).unwrap();
        assert_eq!(longest.binding().routing_key.len(), NAME_MAX);
        let error = Destination::queue("q".repeat(QUEUE_MAX + 1)).unwrap_err();
        assert!(matches!(
            error,
            DelayError::QueueTooLong {
                len: 200,
                max: 199,
                ..
            }
        ));
    }

    #[test]
    fn names_that_a_pattern_cannot_say_are_refused() {
        for wild in ["#", "*", "orders.#", "*.orders", "eu.*.orders"] {
            let error = Destination::queue(wild).unwrap_err();
            assert!(matches!(error, DelayError::Wildcard { .. }), "{wild}");
        }
        for tame in ["orders#1", "a*b", "eu.orders", ".", "orders."] {
            assert_eq!(Destination::queue(tame).unwrap().name(), tame);
        }
    }

    #[test]
    fn a_delay_ends_in_a_queue() {
        assert_eq!(Destination::of("", "orders"), Destination::queue("orders"));
        assert_eq!(Destination::of("", ""), Err(DelayError::NoQueue));
        let error = Destination::of("events", "order.placed").unwrap_err();
        assert_eq!(
            error,
            DelayError::Exchange {
                exchange: "events".into()
            }
        );
    }

    #[test]
    fn what_did_not_come_out_of_the_levels_is_left_as_it_is() {
        let key = "0.".repeat(28) + "orders";
        for exchange in [DUE, "garenne.delay.03", "garenne.delay.classic.27"] {
            assert_eq!(arrived(exchange, &key), Some(("", "orders")));
        }
        for (exchange, key) in [
            ("shop", key.as_str()),
            (DUE, "orders"),
            (DUE, "0.1.orders"),
            (DUE, &key.replacen('0', "2", 1)),
            (DUE, &key.replacen('.', "é", 1)),
        ] {
            assert_eq!(arrived(exchange, key), None);
        }
    }
}

//! The headers that the broker writes on a message that it dead-letters, and how they are read.

mod told;

pub(crate) use told::{Told, ToldDeaths, is_own_way};

use crate::value::{Headers, Value, header_len};

/// A death of a message: it left a queue without being handled.
pub(crate) struct Death<'a> {
    /// The queue that it left.
    pub(crate) queue: &'a str,
    /// The exchange that it had come through.
    pub(crate) exchange: &'a str,
    /// The routing key that it had come with.
    pub(crate) routing_key: &'a str,
    /// Why it died, such as [`EXPIRED`].
    pub(crate) reason: &'static str,
}

/// The reason of a death by TTL.
pub(crate) const EXPIRED: &str = "expired";

/// The reason of a death by too many returns.
pub(crate) const DELIVERY_LIMIT: &str = "delivery_limit";

impl Death<'_> {
    /// The entry of `x-death`, as RabbitMQ writes it.
    fn entry(&self) -> Value {
        let entry: [(&str, Value); 6] = [
            ("count", 1_i64.into()),
            ("reason", self.reason.into()),
            ("queue", self.queue.into()),
            ("exchange", self.exchange.into()),
            ("time", Value::Timestamp(0)),
            ("routing-keys", vec![self.routing_key.into()].into()),
        ];
        let entry = entry.map(|(name, value)| (name.to_owned(), value));
        Headers::from(entry).into()
    }
}

/// The most bytes that the broker adds to the headers of a message that dies in these ways, in this order.
/// The names of the first and the last death stand beside the list.
pub(crate) fn deaths_len(deaths: &[Death<'_>]) -> usize {
    let longest = |of: fn(&Death<'_>) -> usize| deaths.iter().map(of).max().unwrap_or_default();
    let beside = [
        ("queue", longest(|death| death.queue.len())),
        ("exchange", longest(|death| death.exchange.len())),
        ("reason", longest(|death| death.reason.len())),
    ];
    let empty = Value::from("");
    let beside = beside.map(|(what, longest)| {
        ["first", "last"]
            .map(|which| header_len(&format!("x-{which}-death-{what}"), &empty) + longest)
    });
    let entries: Vec<_> = deaths.iter().map(Death::entry).collect();
    header_len("x-death", &entries.into()) + beside.as_flattened().iter().sum::<usize>()
}

/// The bytes of the return counts that quorum queues put into the headers.
pub(crate) fn return_counts_len() -> usize {
    let counts = ["x-delivery-count", "x-acquired-count"];
    let lens = counts.map(|name| header_len(name, &Value::I64(0)));
    lens.into_iter().sum()
}

//! The faults of a queue's options.

use super::{Bound, PREFETCH, Queue};
use crate::fault::Fault;
use crate::golang_rabbitmq::GolangRabbitmq;
use crate::naming::{NAME_MAX, longest_suffix};

/// The most workers of a queue. Each worker has a channel, and RabbitMQ allows 2047 channels on a connection
/// by default.
const WORKERS_MAX: u16 = 256;

impl Queue {
    /// The faults of the options; empty when they can be used.
    ///
    /// The concurrency is compared with the prefetch: when the system's default prefetch is not [`PREFETCH`],
    /// call [`Queue::or_defaults`] first.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(self.name_fault());
        faults.extend(self.number_faults());
        faults.extend(self.retry.faults());
        faults.extend(self.bindings.iter().flat_map(Bound::faults));
        faults.extend(
            self.golang_rabbitmq
                .iter()
                .flat_map(GolangRabbitmq::exchange_faults),
        );
        let owner = match self.looks_like_a_secret() {
            true => "queue (name not shown)".to_owned(),
            false => format!("queue `{}`", self.name),
        };
        faults
            .into_iter()
            .map(|fault| fault.within(&owner))
            .collect()
    }

    fn name_fault(&self) -> Option<Fault> {
        let name = &self.name;
        let room = NAME_MAX.saturating_sub(longest_suffix(&self.retry));
        let accepted = if name.is_empty() {
            "a name; without one the broker makes up another at every start".to_owned()
        } else if self.looks_like_a_secret() {
            "the name of a queue, not a URL or a key: names stand in logs, and on the broker"
                .to_owned()
        } else if name.starts_with("amq.") {
            "a name that does not begin with `amq.`, which the broker keeps for itself".to_owned()
        } else if name.len() > room {
            format!("at most {room} bytes, so that the names of its lanes stay within {NAME_MAX}")
        } else {
            return None;
        };
        Some(Fault::new("name", name, accepted))
    }

    /// Whether a URL with a password, or a key, was taken for the name.
    fn looks_like_a_secret(&self) -> bool {
        let name = &self.name;
        name.contains("://") && name.contains('@') || name.contains("-----BEGIN")
    }

    fn number_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut expect = |holds: bool, what: &str, value: String, accepted: &str| {
            if !holds {
                faults.push(Fault::new(what, value, accepted));
            }
        };
        let prefetch = self.prefetch.unwrap_or(PREFETCH);
        let concurrency = self.concurrency.unwrap_or(prefetch.max(1));
        let workers = self.workers.unwrap_or(1);
        expect(
            prefetch > 0,
            "prefetch",
            prefetch.to_string(),
            "1 to 65535; 0 would mean no limit, and memory without a bound",
        );
        expect(
            concurrency > 0 && concurrency <= prefetch.max(1),
            "concurrency",
            concurrency.to_string(),
            &format!(
                "1 to the prefetch, {}; no more can run than are held",
                prefetch.max(1)
            ),
        );
        expect(
            (1..=WORKERS_MAX).contains(&workers),
            "workers",
            workers.to_string(),
            &format!("1 to {WORKERS_MAX}"),
        );
        expect(
            !self.deadline.is_zero(),
            "deadline",
            "0s".to_owned(),
            "more than zero, and less than the broker's `consumer_timeout` (30m by default)",
        );
        expect(
            self.delivery_limit > 0,
            "delivery limit",
            self.delivery_limit.to_string(),
            "at least 1; with 0, a message is parked because its consumer stopped once",
        );
        faults
    }
}

impl Bound {
    fn faults(&self) -> Vec<Fault> {
        let Self {
            exchange,
            routing_key,
            ..
        } = self;
        let mut faults = Vec::new();
        if exchange.is_empty() {
            let accepted = "a name; every queue is bound to the default exchange already";
            faults.push(Fault::new("exchange", exchange, accepted));
        }
        for (what, name) in [("exchange", exchange), ("routing key", routing_key)] {
            if name.len() > NAME_MAX {
                faults.push(Fault::new(what, name, format!("at most {NAME_MAX} bytes")));
            }
        }
        faults
    }
}

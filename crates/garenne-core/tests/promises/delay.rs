//! Delays: a message walks through the levels as they are declared, on a broker made of nothing but
//! that data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use garenne_core::delay::{self, DUE, LEVELS, MAX, arrived};
use garenne_core::{BindingEntity, Delay, Destination, Entity, QueueKind, Value};
use proptest::prelude::*;

const KINDS: [QueueKind; 2] = [QueueKind::Quorum, QueueKind::Classic];

/// Where a topic exchange sends messages.
enum Target {
    Queue(String),
    Exchange(String),
}

/// The levels as a broker has them, and destinations.
struct Broker {
    bindings: BTreeMap<String, Vec<(String, Target)>>,
    /// The TTL of each queue, and the exchange it dead-letters to.
    queues: BTreeMap<String, (Duration, String)>,
}

impl Broker {
    fn with_levels(kind: QueueKind) -> Self {
        let mut broker = Self {
            bindings: BTreeMap::new(),
            queues: BTreeMap::new(),
        };
        for entity in delay::levels(kind) {
            match entity {
                Entity::Exchange(exchange) => {
                    broker.bindings.insert(exchange.name, Vec::new());
                }
                Entity::Queue(queue) => {
                    let ttl = queue.args["x-message-ttl"].as_integer().unwrap();
                    let ttl = Duration::from_millis(u64::try_from(ttl).unwrap());
                    let dlx = queue.args["x-dead-letter-exchange"].as_str().unwrap();
                    broker.queues.insert(queue.name, (ttl, dlx.to_owned()));
                }
                Entity::Binding(binding) => broker.bind(binding),
                Entity::ExchangeBinding(binding) => {
                    let target = Target::Exchange(binding.destination);
                    let bindings = broker.bindings.get_mut(&binding.source).unwrap();
                    bindings.push((binding.routing_key, target));
                }
            }
        }
        broker
    }

    fn bind(&mut self, binding: BindingEntity) {
        let bindings = self.bindings.get_mut(&binding.exchange).unwrap();
        bindings.push((binding.routing_key, Target::Queue(binding.queue)));
    }

    /// The queues that get a message with this key from this exchange.
    fn route<'b>(&'b self, exchange: &str, key: &str) -> Vec<&'b str> {
        let mut queues = Vec::new();
        for (pattern, target) in &self.bindings[exchange] {
            match target {
                _ if !matches(pattern, key) => {}
                Target::Queue(queue) => queues.push(queue.as_str()),
                Target::Exchange(next) => queues.extend(self.route(next, key)),
            }
        }
        queues
    }

    /// Lets a message wait and expire until it is in a queue that is no level: how long that took,
    /// the levels that it waited at, and the queues that have it.
    fn wait<'b>(&'b self, exchange: &str, key: &str) -> (Duration, Vec<&'b str>, Vec<&'b str>) {
        let (mut waited, mut levels) = (Duration::ZERO, Vec::new());
        let mut queues = self.route(exchange, key);
        while let [queue] = queues[..]
            && let Some((ttl, dlx)) = self.queues.get(queue)
        {
            waited += *ttl;
            levels.push(queue);
            queues = self.route(dlx, key);
        }
        (waited, levels, queues)
    }
}

/// How a topic exchange matches, straight from AMQP 0-9-1's definition.
fn matches(pattern: &str, key: &str) -> bool {
    fn words(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((&"#", rest)), None) => words(rest, key),
            (Some((&"#", rest)), Some((_, tail))) => words(rest, key) || words(pattern, tail),
            (Some((word, rest)), Some((head, tail))) => {
                (*word == "*" || word == head) && words(rest, tail)
            }
            _ => false,
        }
    }
    let split = |text: &str| -> Vec<String> { text.split('.').map(str::to_owned).collect() };
    let (pattern, key) = (split(pattern), split(key));
    let pattern: Vec<_> = pattern.iter().map(String::as_str).collect();
    let key: Vec<_> = key.iter().map(String::as_str).collect();
    words(&pattern, &key)
}

fn names() -> impl Strategy<Value = String> {
    // Few letters and many dots, so that names end alike.
    "[ab.01]{1,8}".prop_filter("a destination", |name| Destination::queue(name).is_ok())
}

proptest! {
    #[test]
    fn a_message_waits_exactly_its_delay_and_at_no_level_twice(secs in 1..=MAX.as_secs()) {
        let destination = Destination::queue("orders").unwrap();
        let delay = Delay::after(Duration::from_secs(secs)).unwrap();
        for kind in KINDS {
            let mut broker = Broker::with_levels(kind);
            broker.bind(destination.binding());
            let key = delay.routing_key(&destination);
            let (waited, levels, ends) = broker.wait(&delay.exchange(kind), &key);
            prop_assert_eq!(waited, Duration::from_secs(secs));
            prop_assert_eq!(levels.len(), delay.hops() as usize);
            let distinct: BTreeSet<_> = levels.iter().collect();
            prop_assert_eq!(distinct.len(), levels.len());
            prop_assert_eq!(ends, ["orders"]);
        }
    }

    #[test]
    fn a_destination_gets_its_own_and_nothing_of_others(
        names in proptest::collection::btree_set(names(), 1..6),
        secs in 1..=MAX.as_secs(),
    ) {
        let mut broker = Broker::with_levels(QueueKind::Quorum);
        for name in &names {
            broker.bind(Destination::queue(name).unwrap().binding());
        }
        let delay = Delay::after(Duration::from_secs(secs)).unwrap();
        for name in &names {
            let key = delay.routing_key(&Destination::queue(name).unwrap());
            let (_, _, ends) = broker.wait(&delay.exchange(QueueKind::Quorum), &key);
            prop_assert_eq!(ends, [name.as_str()]);
            prop_assert_eq!(arrived(DUE, &key), Some(("", name.as_str())));
        }
    }
}

#[test]
fn every_level_alone_and_all_together_make_their_delays() {
    let destination = Destination::queue("eu.orders").unwrap();
    let each = (0..LEVELS).map(|level| 1_u64 << level);
    for secs in each.chain([MAX.as_secs()]) {
        for kind in KINDS {
            let mut broker = Broker::with_levels(kind);
            broker.bind(destination.binding());
            broker.bind(Destination::queue("orders").unwrap().binding());
            let delay = Delay::after(Duration::from_secs(secs)).unwrap();
            let key = delay.routing_key(&destination);
            let (waited, _, ends) = broker.wait(&delay.exchange(kind), &key);
            assert_eq!((waited, ends), (delay.duration(), vec!["eu.orders"]));
        }
    }
}

#[test]
fn whatever_a_level_dead_letters_or_is_bound_to_exists_before() {
    for kind in KINDS {
        let mut existing = BTreeSet::new();
        for entity in delay::levels(kind) {
            match entity {
                Entity::Exchange(exchange) => {
                    existing.insert(exchange.name);
                }
                Entity::Queue(queue) => {
                    let target = queue.args["x-dead-letter-exchange"].as_str().unwrap();
                    assert!(existing.contains(target), "{queue:?}");
                    existing.insert(queue.name);
                }
                Entity::Binding(binding) => {
                    assert!(existing.contains(&binding.exchange), "{binding:?}");
                    assert!(existing.contains(&binding.queue), "{binding:?}");
                }
                Entity::ExchangeBinding(binding) => {
                    assert!(existing.contains(&binding.source), "{binding:?}");
                    assert!(existing.contains(&binding.destination), "{binding:?}");
                }
            }
        }
    }
}

#[test]
fn a_quorum_level_loses_nothing_and_a_classic_one_has_no_argument_it_does_not_know() {
    let args = |kind| {
        let levels = delay::levels(kind).into_iter();
        let queues = levels.filter_map(|entity| match entity {
            Entity::Queue(queue) => Some((queue.name, queue.args)),
            _ => None,
        });
        queues.collect::<Vec<_>>()
    };
    for (name, args) in args(QueueKind::Quorum) {
        let text = |argument: &str| args.get(argument).and_then(Value::as_str);
        assert_eq!(
            text("x-dead-letter-strategy"),
            Some("at-least-once"),
            "{name}"
        );
        assert_eq!(text("x-overflow"), Some("reject-publish"), "{name}");
    }
    for (name, args) in args(QueueKind::Classic) {
        let known = ["x-dead-letter-exchange", "x-message-ttl", "x-queue-type"];
        assert_eq!(args.keys().collect::<Vec<_>>(), known, "{name}");
    }
}

#[test]
fn levels_of_both_kinds_share_nothing_but_where_they_end() {
    let names = |kind| {
        let levels = delay::levels(kind).into_iter();
        let names = levels.filter_map(|entity| match entity {
            Entity::Queue(queue) => Some(queue.name),
            Entity::Exchange(exchange) => Some(exchange.name),
            Entity::Binding(_) | Entity::ExchangeBinding(_) => None,
        });
        names.collect::<BTreeSet<_>>()
    };
    let (quorum, classic) = (names(QueueKind::Quorum), names(QueueKind::Classic));
    assert_eq!(quorum.intersection(&classic).collect::<Vec<_>>(), [DUE]);
    assert!(quorum.contains("garenne.delay.00") && quorum.contains("garenne.delay.27"));
}

//! Virtual hosts.

use std::collections::BTreeMap;

use super::{Exchange, ExchangeKind, Name, QueueId};

/// A namespace of exchanges and queues.
#[derive(Debug)]
pub(crate) struct VHost {
    pub(crate) exchanges: BTreeMap<Name, Exchange>,
    pub(crate) queues: BTreeMap<Name, QueueId>,
}

impl VHost {
    pub(super) fn new() -> Self {
        let exchanges = [
            ("", ExchangeKind::Direct),
            ("amq.direct", ExchangeKind::Direct),
            ("amq.fanout", ExchangeKind::Fanout),
            ("amq.topic", ExchangeKind::Topic),
            ("amq.headers", ExchangeKind::Headers),
            ("amq.match", ExchangeKind::Headers),
            ("amq.rabbitmq.trace", ExchangeKind::Topic),
        ];
        let exchanges = exchanges.map(|(name, kind)| {
            let mut exchange = Exchange::new(Name::from(name), kind, true);
            exchange.internal = name == "amq.rabbitmq.trace";
            (Name::from(name), exchange)
        });
        Self {
            exchanges: exchanges.into(),
            queues: BTreeMap::new(),
        }
    }
}

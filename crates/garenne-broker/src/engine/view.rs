//! The state as plain values.

use super::connection::Stage;
use super::dispatch::properties_of;
use super::exchange::Destination;
use super::message::Entry;
use super::{Connection, ConnectionId, Engine, Queue};
use crate::view::{
    BindingView, ChannelView, ConnectionView, ExchangeView, MessageView, QueueType, QueueView, View,
};
use crate::wire::Properties;

impl Engine {
    pub(crate) fn view(&self) -> View {
        let mut queues: Vec<QueueView> = self.queues.values().map(queue_view).collect();
        queues.sort_by(|left, right| (&left.vhost, &left.name).cmp(&(&right.vhost, &right.name)));
        let connections = self.connections.iter();
        let connections = connections
            .map(|(id, one)| self.connection_view(*id, one))
            .collect();
        View {
            queues,
            connections,
        }
    }

    /// The messages of a queue: what can be delivered, in order, then what waits for an ack.
    pub(crate) fn messages(&self, name: &str) -> Option<Vec<MessageView>> {
        let mut vhosts = self.vhosts.values();
        let id = vhosts.find_map(|vhost| vhost.queues.get(name))?;
        let queue = self.queues.get(id)?;
        let ready = queue
            .ready
            .iter()
            .map(|entry| message_view(queue, entry, false));
        let unacked = self
            .channels
            .values()
            .flat_map(|channel| channel.unacked.values());
        let mut unacked: Vec<&Entry> = unacked
            .filter(|one| one.queue == *id)
            .map(|one| &one.entry)
            .collect();
        unacked.sort_by_key(|entry| entry.position);
        let unacked = unacked
            .into_iter()
            .map(|entry| message_view(queue, entry, true));
        Some(ready.chain(unacked).collect())
    }

    pub(crate) fn bindings(&self) -> Vec<BindingView> {
        let mut bindings = Vec::new();
        for (vhost, state) in &self.vhosts {
            for exchange in state.exchanges.values() {
                for (key, binding) in exchange.bindings() {
                    let (destination, to_exchange) = match &binding.destination {
                        Destination::Queue(id) => {
                            let name = self.queues.get(id).map(|queue| queue.name.to_string());
                            (name.unwrap_or_default(), false)
                        }
                        Destination::Exchange(name) => (name.to_string(), true),
                    };
                    bindings.push(BindingView {
                        vhost: vhost.to_string(),
                        source: exchange.name.to_string(),
                        destination,
                        to_exchange,
                        routing_key: key.to_string(),
                        arguments: binding.arguments.clone(),
                    });
                }
            }
        }
        bindings
    }

    pub(crate) fn exchanges(&self) -> Vec<ExchangeView> {
        let all = self.vhosts.iter();
        let all =
            all.flat_map(|(vhost, state)| state.exchanges.values().map(move |one| (vhost, one)));
        all.map(|(vhost, exchange)| ExchangeView {
            vhost: vhost.to_string(),
            name: exchange.name.to_string(),
            kind: exchange.kind.name().to_owned(),
            durable: exchange.durable,
            auto_delete: exchange.auto_delete,
            internal: exchange.internal,
            arguments: exchange.arguments.clone(),
        })
        .collect()
    }

    fn connection_view(&self, id: ConnectionId, connection: &Connection) -> ConnectionView {
        let channel_view = |&number: &u16| {
            let channel = self.channels.get(&(id, number))?;
            Some(ChannelView {
                number,
                consumers: channel.consumers.len(),
                unacked: channel.unacked.len(),
                prefetch: channel.prefetch,
                confirms: channel.confirms.is_some(),
            })
        };
        ConnectionView {
            name: connection.name.clone(),
            peer: connection.peer.clone(),
            user: connection.user.clone(),
            vhost: connection.vhost.to_string(),
            open: connection.stage == Stage::Running,
            blocked: connection.blocked,
            channels: connection
                .channels
                .iter()
                .filter_map(channel_view)
                .collect(),
        }
    }
}

fn queue_view(queue: &Queue) -> QueueView {
    QueueView {
        vhost: queue.vhost.to_string(),
        name: queue.name.to_string(),
        kind: if queue.is_quorum() {
            QueueType::Quorum
        } else {
            QueueType::Classic
        },
        durable: queue.durable,
        auto_delete: queue.auto_delete,
        exclusive: queue.exclusive.is_some(),
        arguments: queue.arguments.clone(),
        ready: queue.ready.len(),
        ready_bytes: queue.ready.bytes(),
        unacked: queue.unacked,
        stranded: queue.stranded.len(),
        consumers: queue.consumers.len(),
    }
}

fn message_view(queue: &Queue, entry: &Entry, unacked: bool) -> MessageView {
    let message = &entry.message;
    let raw = properties_of(queue, entry);
    let properties = Properties::read(raw.clone());
    MessageView {
        body: message.body.clone(),
        properties: properties.map(|read| read.readable()).unwrap_or_default(),
        raw_properties: raw,
        exchange: message.exchange.to_string(),
        routing_key: message.key.to_string(),
        redelivered: entry.redelivered,
        delivery_count: entry.returns,
        unacked,
        expires_at: entry.expires,
    }
}

//! A client made of frames.

use std::collections::HashMap;
use std::time::Duration;

use amq_protocol::protocol::{
    AMQPClass, BasicProperties, basic, channel, confirm, connection, queue,
};
use amq_protocol::types::{AMQPValue, FieldTable};
use bytes::Bytes;

use crate::engine::{ConnectionId, Effect, Engine, Options};
use crate::password::Password;
use crate::wire::{
    CONTENT_BODY, CONTENT_HEADER, Frame, Input, METHOD, Output, encode, encode_properties,
};

pub(super) fn options() -> Options {
    Options {
        users: HashMap::from([("guest".to_owned(), Password::new("guest"))]),
        vhosts: vec!["/".to_owned()],
        channel_max: 16,
        frame_max: 131_072,
        heartbeat: 0,
        max_message_size: 100_000,
        consumer_timeout: None,
        product: "test".to_owned(),
        version: "0".to_owned(),
        epoch_millis: 0,
    }
}

/// An engine and what it did lately.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) now: Duration,
    effects: Vec<Effect>,
}

impl World {
    pub(super) fn new() -> Self {
        let engine = Engine::new(options());
        Self {
            engine,
            now: Duration::ZERO,
            effects: Vec::new(),
        }
    }

    /// A connection with its handshake done and channel 1 open.
    pub(super) fn client(&mut self) -> ConnectionId {
        let id = self.engine.connected("test".to_owned(), self.now);
        self.engine
            .input(id, Input::Header(*b"AMQP\0\0\x09\x01"), self.now);
        let mut capabilities = FieldTable::default();
        for capability in ["consumer_cancel_notify", "connection.blocked"] {
            capabilities.insert(capability.into(), AMQPValue::Boolean(true));
        }
        let mut client_properties = FieldTable::default();
        client_properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
        let start = connection::StartOk {
            client_properties,
            mechanism: "PLAIN".into(),
            response: "\0guest\0guest".into(),
            locale: "en_US".into(),
        };
        let tune = connection::TuneOk {
            channel_max: 16,
            frame_max: 131_072,
            heartbeat: 0,
        };
        let open = connection::Open {
            virtual_host: "/".into(),
        };
        for method in [
            connection::AMQPMethod::StartOk(start),
            connection::AMQPMethod::TuneOk(tune),
            connection::AMQPMethod::Open(open),
        ] {
            self.method(id, 0, AMQPClass::Connection(method));
        }
        self.open(id, 1);
        self.sent();
        id
    }

    pub(super) fn open(&mut self, id: ConnectionId, number: u16) {
        let open = channel::AMQPMethod::Open(channel::Open {});
        self.method(id, number, AMQPClass::Channel(open));
    }

    pub(super) fn method(&mut self, id: ConnectionId, channel: u16, method: AMQPClass) {
        let mut bytes = Vec::new();
        encode(&Output::Method(channel, method), 0, &mut bytes);
        let payload = bytes[7..bytes.len() - 1].to_vec();
        self.frame(id, METHOD, channel, payload);
    }

    pub(super) fn frame(&mut self, id: ConnectionId, kind: u8, channel: u16, payload: Vec<u8>) {
        let frame = Frame {
            kind,
            channel,
            payload: Bytes::from(payload),
        };
        self.engine.input(id, Input::Frame(frame), self.now);
    }

    pub(super) fn declare(
        &mut self,
        id: ConnectionId,
        name: &str,
        arguments: &[(&str, AMQPValue)],
    ) {
        let mut table = FieldTable::default();
        for (key, value) in arguments {
            table.insert((*key).into(), value.clone());
        }
        let declare = queue::Declare {
            queue: name.into(),
            passive: false,
            durable: true,
            exclusive: false,
            auto_delete: false,
            nowait: false,
            arguments: table,
        };
        self.method(id, 1, AMQPClass::Queue(queue::AMQPMethod::Declare(declare)));
    }

    pub(super) fn publish(&mut self, id: ConnectionId, queue: &str, body: &str) {
        self.publish_with(id, queue, body, &BasicProperties::default());
    }

    pub(super) fn publish_with(
        &mut self,
        id: ConnectionId,
        queue: &str,
        body: &str,
        properties: &BasicProperties,
    ) {
        let publish = basic::Publish {
            exchange: "".into(),
            routing_key: queue.into(),
            mandatory: false,
            immediate: false,
        };
        self.publish_raw(id, publish, body, &encode_properties(properties));
    }

    /// Publishes properties that are bytes.
    pub(super) fn publish_raw(
        &mut self,
        id: ConnectionId,
        publish: basic::Publish,
        body: &str,
        properties: &[u8],
    ) {
        self.basic(id, basic::AMQPMethod::Publish(publish));
        let mut header = vec![0, 60, 0, 0];
        header.extend_from_slice(&(body.len() as u64).to_be_bytes());
        header.extend_from_slice(properties);
        self.frame(id, CONTENT_HEADER, 1, header);
        if !body.is_empty() {
            self.frame(id, CONTENT_BODY, 1, body.as_bytes().to_vec());
        }
    }

    pub(super) fn basic(&mut self, id: ConnectionId, method: basic::AMQPMethod) {
        self.method(id, 1, AMQPClass::Basic(method));
    }

    pub(super) fn select_confirms(&mut self, id: ConnectionId) {
        let select = confirm::AMQPMethod::Select(confirm::Select { nowait: true });
        self.method(id, 1, AMQPClass::Confirm(select));
    }

    pub(super) fn consume(&mut self, id: ConnectionId, queue: &str, prefetch: u16) {
        self.qos(id, prefetch, false);
        self.subscribe(id, queue);
    }

    pub(super) fn qos(&mut self, id: ConnectionId, prefetch_count: u16, global: bool) {
        let qos = basic::Qos {
            prefetch_count,
            global,
        };
        self.basic(id, basic::AMQPMethod::Qos(qos));
    }

    pub(super) fn subscribe(&mut self, id: ConnectionId, queue: &str) {
        self.subscribe_on(id, 1, queue);
    }

    pub(super) fn subscribe_on(&mut self, id: ConnectionId, channel: u16, queue: &str) {
        let consume = basic::Consume {
            queue: queue.into(),
            consumer_tag: "".into(),
            no_local: false,
            no_ack: false,
            exclusive: false,
            nowait: false,
            arguments: FieldTable::default(),
        };
        let consume = basic::AMQPMethod::Consume(consume);
        self.method(id, channel, AMQPClass::Basic(consume));
    }

    pub(super) fn ack(&mut self, id: ConnectionId, delivery_tag: u64) {
        let ack = basic::Ack {
            delivery_tag,
            multiple: false,
        };
        self.basic(id, basic::AMQPMethod::Ack(ack));
    }

    pub(super) fn requeue(&mut self, id: ConnectionId, delivery_tag: u64) {
        let nack = basic::Nack {
            delivery_tag,
            multiple: false,
            requeue: true,
        };
        self.basic(id, basic::AMQPMethod::Nack(nack));
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, by: Duration) {
        self.now += by;
        self.engine.fire(self.now);
    }

    /// What was sent since the last look.
    pub(super) fn sent(&mut self) -> Vec<Output> {
        self.engine.flush();
        self.engine.take_effects(&mut self.effects);
        let send = |effect| match effect {
            Effect::Send(_, output) => Some(output),
            _ => None,
        };
        self.effects.drain(..).filter_map(send).collect()
    }

    /// What was delivered since the last look: tag, body, redelivered.
    pub(super) fn delivered(&mut self) -> Vec<(u64, String, bool)> {
        let deliver = |output| match output {
            Output::Deliver {
                delivery_tag,
                message,
                redelivered,
                ..
            } => Some((
                delivery_tag,
                String::from_utf8_lossy(&message.body).into_owned(),
                redelivered,
            )),
            _ => None,
        };
        self.sent().into_iter().filter_map(deliver).collect()
    }

    /// Who got which messages since the last look.
    pub(super) fn received(&mut self) -> Vec<(ConnectionId, String)> {
        self.engine.take_effects(&mut self.effects);
        let deliver = |effect| match effect {
            Effect::Send(id, Output::Deliver { message, .. }) => {
                Some((id, String::from_utf8_lossy(&message.body).into_owned()))
            }
            _ => None,
        };
        self.effects.drain(..).filter_map(deliver).collect()
    }

    /// The bodies that wait in a queue.
    pub(super) fn waiting(&self, queue: &str) -> Vec<String> {
        let messages = self.engine.messages(queue).unwrap_or_default();
        let ready = messages.into_iter().filter(|message| !message.unacked);
        ready
            .map(|message| String::from_utf8_lossy(&message.body).into_owned())
            .collect()
    }
}

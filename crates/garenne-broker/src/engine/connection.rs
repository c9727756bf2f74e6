//! Connections: the handshake, channel 0, and how they end.

use std::collections::BTreeSet;

use amq_protocol::protocol::{AMQPClass, connection};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::{ConnectionId, Effect, Engine, Name, Outcome, Time};
use crate::exception::{Exception, channel_error, short, unexpected_frame};
use crate::wire::{
    Frame, HEARTBEAT, Input, METHOD, Output, broken, decode_method, describe, method_id,
};

/// A connection with more than this to write gets no more deliveries until it is written.
const CLOGGED: usize = 512 * 1024;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Greeting,
    Starting,
    Tuning,
    Opening,
    Running,
    /// One side asked for the end; only closes and their answers count.
    Closing,
    /// Nothing counts any more.
    Closed,
}

/// One client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stage: Stage,
    pub(crate) vhost: Name,
    pub(crate) user: String,
    pub(crate) peer: String,
    /// The name that the client gave itself.
    pub(crate) name: Option<String>,
    pub(crate) client_properties: FieldTable,
    pub(crate) channel_max: u16,
    pub(crate) channels: BTreeSet<u16>,
    /// The channel that got the last delivery: others have their turn before it.
    pub(crate) last_served: u16,
    /// Bytes that are to be sent and not yet known to be written.
    pub(crate) outstanding: usize,
    /// Whether it ever published: only then does an alarm stop it.
    pub(crate) has_published: bool,
    pub(crate) blocked: bool,
}

impl Connection {
    fn new(peer: String) -> Self {
        Self {
            stage: Stage::Greeting,
            vhost: Name::from("/"),
            user: String::new(),
            peer,
            name: None,
            client_properties: FieldTable::default(),
            channel_max: 0,
            channels: BTreeSet::new(),
            last_served: 0,
            outstanding: 0,
            has_published: false,
            blocked: false,
        }
    }

    /// Whether there is so much to write that nothing should be added.
    pub(crate) fn is_clogged(&self) -> bool {
        self.outstanding > CLOGGED
    }

    /// Whether the client said that it understands something.
    pub(crate) fn can(&self, capability: &str) -> bool {
        match self.client_properties.inner().get("capabilities") {
            Some(AMQPValue::FieldTable(table)) => {
                table.inner().get(capability) == Some(&AMQPValue::Boolean(true))
            }
            _ => false,
        }
    }
}

impl Engine {
    /// A client connected.
    pub(crate) fn connected(&mut self, peer: String, now: Time) -> ConnectionId {
        self.touch(now);
        let id = ConnectionId(self.next_id());
        self.connections.insert(id, Connection::new(peer));
        id
    }

    /// A client's socket is gone.
    pub(crate) fn disconnected(&mut self, id: ConnectionId, now: Time) {
        self.touch(now);
        self.leave(id);
        self.connections.remove(&id);
        self.bury_the_dead();
        self.flush();
    }

    /// Everything that was to be sent to a client is written.
    pub(crate) fn drained(&mut self, id: ConnectionId, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let was_clogged = connection.is_clogged();
        connection.outstanding = 0;
        if was_clogged {
            self.touch(now);
            self.dispatch_to(id);
            self.bury_the_dead();
        }
    }

    /// Whether a connection has enough to write.
    pub(crate) fn is_clogged(&self, id: ConnectionId) -> bool {
        self.connections
            .get(&id)
            .is_some_and(Connection::is_clogged)
    }

    /// Whether an alarm stops a connection.
    pub(crate) fn is_blocked(&self, id: ConnectionId) -> bool {
        self.connections
            .get(&id)
            .is_some_and(|connection| connection.blocked)
    }

    /// A client sent something.
    pub(crate) fn input(&mut self, id: ConnectionId, input: Input, now: Time) {
        self.touch(now);
        let Some(stage) = self.connections.get(&id).map(|connection| connection.stage) else {
            return;
        };
        match input {
            Input::Header(header) => self.on_header(id, header),
            Input::Frame(frame) => match (stage, frame.channel) {
                (Stage::Closed, _) => {}
                (Stage::Closing, channel) => self.on_frame_while_closing(id, channel, &frame),
                (_, 0) => {
                    let ids = method_id(&frame.payload).filter(|_| frame.kind == METHOD);
                    if let Err(error) = self.on_frame_zero(id, &frame) {
                        self.fail(id, &error, ids.unwrap_or((0, 0)));
                    }
                }
                (Stage::Running, _) => self.on_channel_frame(id, &frame),
                _ => {
                    let error = unexpected_frame(describe(frame.kind, &frame.payload));
                    self.fail(id, &error, (0, 0));
                }
            },
        }
        self.bury_the_dead();
    }

    /// A client sent bytes that are no frame.
    pub(crate) fn broken(&mut self, id: ConnectionId, error: &Exception, now: Time) {
        self.touch(now);
        match self.connections.get(&id).map(|connection| connection.stage) {
            None | Some(Stage::Closing | Stage::Closed) => self.effects.push(Effect::Hangup(id)),
            Some(_) => self.fail(id, error, (0, 0)),
        }
        self.bury_the_dead();
        self.flush();
    }

    fn on_frame_zero(&mut self, id: ConnectionId, frame: &Frame) -> Outcome {
        match frame.kind {
            METHOD => {}
            HEARTBEAT if frame.payload.is_empty() => return Ok(()),
            2 | 3 => return Err(unexpected_frame(describe(frame.kind, &frame.payload))),
            kind => return Err(broken(kind, &frame.payload, "unknown_frame")),
        }
        let method = decode_method(&frame.payload)?;
        let stage = self
            .connections
            .get(&id)
            .map_or(Stage::Closed, |connection| connection.stage);
        match (stage, method) {
            (Stage::Starting, AMQPClass::Connection(connection::AMQPMethod::StartOk(start))) => {
                self.on_start_ok(id, start)
            }
            (Stage::Tuning, AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune))) => {
                self.on_tune_ok(id, &tune)
            }
            (Stage::Opening, AMQPClass::Connection(connection::AMQPMethod::Open(open))) => {
                self.on_open(id, open.virtual_host.as_str())
            }
            (_, AMQPClass::Connection(connection::AMQPMethod::Close(_))) => {
                self.on_close(id);
                Ok(())
            }
            (Stage::Running, AMQPClass::Connection(connection::AMQPMethod::UpdateSecret(_))) => {
                let ok = connection::UpdateSecretOk {};
                self.send_zero(id, connection::AMQPMethod::UpdateSecretOk(ok));
                Ok(())
            }
            (stage, _) => Err(channel_error(format!(
                "unexpected method in connection state {}",
                format!("{stage:?}").to_lowercase()
            ))),
        }
    }

    /// A client takes its leave. Whoever asks for the end of a connection ends the socket, too: as
    /// RabbitMQ does, this side waits for it, and answers those who ask twice.
    fn on_close(&mut self, id: ConnectionId) {
        self.leave(id);
        self.set_stage(id, Stage::Closing);
        self.send_zero(id, connection::AMQPMethod::CloseOk(connection::CloseOk {}));
        self.effects.push(Effect::Closing(id));
    }

    fn on_frame_while_closing(&mut self, id: ConnectionId, channel: u16, frame: &Frame) {
        if channel != 0 || frame.kind != METHOD {
            return;
        }
        match method_id(&frame.payload) {
            Some((10, 50)) => {
                self.send_zero(id, connection::AMQPMethod::CloseOk(connection::CloseOk {}));
            }
            Some((10, 51)) => self.hang_up(id),
            _ => {}
        }
    }

    /// Closes a connection because of an error; `ids` names the method that caused it.
    pub(super) fn fail(&mut self, id: ConnectionId, error: &Exception, ids: (u16, u16)) {
        tracing::debug!(connection = id.0, %error, "connection closed");
        self.close_connection(id, error.code.number(), &error.reply_text(), ids);
    }

    /// Says goodbye and waits for the answer.
    pub(super) fn close_connection(
        &mut self,
        id: ConnectionId,
        code: u16,
        text: &str,
        (class_id, method_id): (u16, u16),
    ) {
        self.leave(id);
        self.set_stage(id, Stage::Closing);
        let reply_text = short(text).into();
        let close = connection::Close {
            reply_code: code,
            reply_text,
            class_id,
            method_id,
        };
        self.send_zero(id, connection::AMQPMethod::Close(close));
        self.effects.push(Effect::Closing(id));
    }

    pub(super) fn hang_up(&mut self, id: ConnectionId) {
        self.set_stage(id, Stage::Closed);
        self.effects.push(Effect::Hangup(id));
    }

    /// Gives back everything that a connection holds.
    fn leave(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let channels = std::mem::take(&mut connection.channels);
        let keys: Vec<_> = channels.into_iter().map(|channel| (id, channel)).collect();
        self.close_channels(&keys);
        let exclusive = self
            .queues
            .values()
            .filter(|queue| queue.exclusive == Some(id));
        let exclusive: Vec<_> = exclusive.map(|queue| queue.id).collect();
        for queue in exclusive {
            self.delete_queue(queue);
        }
    }

    pub(super) fn set_stage(&mut self, id: ConnectionId, stage: Stage) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stage = stage;
        }
    }

    pub(super) fn send_zero(&mut self, id: ConnectionId, method: connection::AMQPMethod) {
        self.send(id, Output::Method(0, AMQPClass::Connection(method)));
    }
}

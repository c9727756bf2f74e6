//! The handshake: who is there, what both can take, which virtual host.

use std::sync::Arc;
use std::time::Duration;

use amq_protocol::protocol::connection;
use amq_protocol::types::{AMQPValue, FieldTable};

use super::auth::{Login, MECHANISMS, login};
use super::connection::Stage;
use super::{ConnectionId, Effect, Engine, Outcome};
use crate::exception::{access_refused, not_allowed};
use crate::wire::Output;

/// The smallest frame a peer may insist on.
const FRAME_MIN: u32 = 4096;

impl Engine {
    pub(super) fn on_header(&mut self, id: ConnectionId, header: [u8; 8]) {
        // 0-9-1, and the header of 0-9, which some clients send and mean the same.
        if !matches!(&header, b"AMQP\0\0\x09\x01" | b"AMQP\x01\x01\0\x09") {
            self.send(id, Output::Header);
            self.hang_up(id);
            return;
        }
        self.set_stage(id, Stage::Starting);
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: self.server_properties(),
            mechanisms: MECHANISMS.into(),
            locales: "en_US".into(),
        };
        self.send_zero(id, connection::AMQPMethod::Start(start));
    }

    fn server_properties(&self) -> FieldTable {
        let mut capabilities = FieldTable::default();
        for capability in [
            "publisher_confirms",
            "exchange_exchange_bindings",
            "basic.nack",
            "consumer_cancel_notify",
            "connection.blocked",
            "consumer_priorities",
            "authentication_failure_close",
            "per_consumer_qos",
            "direct_reply_to",
        ] {
            capabilities.insert(capability.into(), AMQPValue::Boolean(true));
        }
        let mut properties = FieldTable::default();
        let mut put = |key: &str, value: &str| {
            properties.insert(key.into(), AMQPValue::LongString(value.into()));
        };
        put("product", &self.options.product);
        put("version", &self.options.version);
        // Clients look at the product for what they may do; this is for people, and for doctor.
        put(
            "platform",
            concat!("garenne-broker ", env!("CARGO_PKG_VERSION")),
        );
        put("copyright", "Copyright (c) 2026 the garenne contributors");
        put(
            "information",
            "An embedded broker for tests; not a production broker, RabbitMQ is.",
        );
        put("cluster_name", "garenne@localhost");
        properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
        properties
    }

    pub(super) fn on_start_ok(&mut self, id: ConnectionId, start: connection::StartOk) -> Outcome {
        let mechanism = start.mechanism.as_str();
        let login = login(&self.options.users, mechanism, start.response.as_bytes())?;
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        connection.name = super::values::string(&start.client_properties, "connection_name");
        connection.client_properties = start.client_properties;
        match login {
            Login::Welcome(user) => {
                connection.user = user;
                connection.stage = Stage::Tuning;
                let tune = connection::Tune {
                    channel_max: self.options.channel_max,
                    frame_max: self.options.frame_max,
                    heartbeat: self.options.heartbeat,
                };
                self.send_zero(id, connection::AMQPMethod::Tune(tune));
                Ok(())
            }
            Login::Refused if connection.can("authentication_failure_close") => {
                let error = access_refused(format!(
                    "Login was refused using authentication mechanism {mechanism}. \
                     For details see the broker logfile."
                ));
                self.fail(id, &error, (0, 0));
                Ok(())
            }
            // A client that does not know this close learns it by the end of the connection.
            Login::Refused => {
                self.hang_up(id);
                Ok(())
            }
        }
    }

    pub(super) fn on_tune_ok(&mut self, id: ConnectionId, tune: &connection::TuneOk) -> Outcome {
        let (frame_max, channel_max) = (self.options.frame_max, self.options.channel_max);
        negotiate("frame_max", tune.frame_max, FRAME_MIN, frame_max)?;
        negotiate(
            "channel_max",
            u32::from(tune.channel_max),
            1,
            u32::from(channel_max),
        )?;
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.channel_max = tune.channel_max;
            connection.stage = Stage::Opening;
        }
        self.effects.push(Effect::Tuned {
            connection: id,
            frame_max: tune.frame_max as usize,
            heartbeat: Duration::from_secs(tune.heartbeat.into()),
        });
        Ok(())
    }

    pub(super) fn on_open(&mut self, id: ConnectionId, vhost: &str) -> Outcome {
        let Some((name, _)) = self.vhosts.get_key_value(vhost) else {
            return Err(not_allowed(format!("vhost {vhost} not found")));
        };
        let name = Arc::clone(name);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.vhost = name;
            connection.stage = Stage::Running;
        }
        self.effects.push(Effect::Opened(id));
        self.send_zero(id, connection::AMQPMethod::OpenOk(connection::OpenOk {}));
        Ok(())
    }
}

/// Checks one limit of a client's `tune-ok` against what was offered; 0 is no limit.
fn negotiate(field: &str, value: u32, min: u32, max: u32) -> Outcome {
    let refuse = |side: &str, bound: &str, limit: u32| {
        let detail = if field == "channel_max" && value == 0 {
            " (no limit)"
        } else {
            ""
        };
        Err(not_allowed(format!(
            "negotiated {field} = {value}{detail} is {side} than the {bound} allowed value ({limit})"
        )))
    };
    if value != 0 && value < min {
        return refuse("lower", "minimum", min);
    }
    if max != 0 && (value == 0 || value > max) {
        return refuse("higher", "maximum", max);
    }
    Ok(())
}

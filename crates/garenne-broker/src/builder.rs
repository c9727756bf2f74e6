//! How to start a broker that is not like all the others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::broker::Broker;
use crate::engine::Options;
use crate::error::Error;
use crate::password::Password;

/// The smallest frame that the protocol lets a peer insist on.
const FRAME_MIN: u32 = 4096;

/// Options of a [`Broker`]; made by [`Broker::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct BrokerBuilder {
    addr: IpAddr,
    port: u16,
    user: String,
    password: Password,
    vhosts: Vec<String>,
    frame_max: u32,
    channel_max: u16,
    heartbeat: Duration,
    max_message_size: u64,
    consumer_timeout: Option<Duration>,
    product: String,
    version: String,
}

impl Default for BrokerBuilder {
    fn default() -> Self {
        Self {
            addr: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            user: "guest".to_owned(),
            password: Password::new("guest"),
            vhosts: vec!["/".to_owned()],
            frame_max: 131_072,
            channel_max: 2047,
            heartbeat: Duration::from_secs(60),
            max_message_size: 16 * 1024 * 1024,
            consumer_timeout: None,
            product: "RabbitMQ".to_owned(),
            version: "4.0.5".to_owned(),
        }
    }
}

impl BrokerBuilder {
    /// The loopback address to listen on. Default: `127.0.0.1`. Another address than a loopback
    /// one makes [`start`](Self::start) fail.
    pub fn address(mut self, addr: IpAddr) -> Self {
        self.addr = addr;
        self
    }

    /// The port to listen on. Default: 0, any that is free.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The only user, who may do everything. Default: `guest`, `guest`.
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = user.into();
        self.password = Password::new(password);
        self
    }

    /// One more virtual host. `/` is always there.
    pub fn vhost(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !self.vhosts.contains(&name) {
            self.vhosts.push(name);
        }
        self
    }

    /// The largest frame in bytes, at least 4096. Default: 131,072. Clients may agree on less.
    pub fn frame_max(mut self, bytes: u32) -> Self {
        self.frame_max = bytes;
        self
    }

    /// How many channels a connection may have, at least 1. Default: 2047.
    pub fn channel_max(mut self, channels: u16) -> Self {
        self.channel_max = channels;
        self
    }

    /// The heartbeat that is proposed to clients, in whole seconds; zero is none. Default: 60 s.
    /// Heartbeats run on real time, whatever [`Broker::advance`] does.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// The largest body in bytes; a larger one costs its channel (406). Default: 16 MiB, as in
    /// RabbitMQ 4.
    pub fn max_message_size(mut self, bytes: u64) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// How long a delivery may wait for its ack before its channel is closed (406), on the
    /// broker's clock. Default: for ever, so that [`Broker::advance`] does not surprise a handler
    /// at work; RabbitMQ says 30 minutes.
    pub fn consumer_timeout(mut self, limit: Duration) -> Self {
        self.consumer_timeout = Some(limit);
        self
    }

    /// What the broker calls itself in its server properties. Default: `RabbitMQ` and the version
    /// that it is modelled on: some clients ask for less, and some of their tests return at once,
    /// where the product is another. What it is in truth stands in `platform` and `information`.
    pub fn introduce_as(mut self, product: impl Into<String>, version: impl Into<String>) -> Self {
        self.product = product.into();
        self.version = version.into();
        self
    }

    /// Starts the broker.
    ///
    /// # Errors
    ///
    /// [`Error::NotLoopback`], [`Error::Option`] for a value out of bounds, [`Error::Listen`] when
    /// the port is taken, [`Error::Thread`].
    pub async fn start(self) -> Result<Broker, Error> {
        let addr = SocketAddr::new(self.addr, self.port);
        if !self.addr.is_loopback() {
            return Err(Error::NotLoopback { addr });
        }
        let (user, password) = (self.user.clone(), self.password.clone());
        Broker::launch(addr, user, password, self.options()?).await
    }

    fn options(self) -> Result<Options, Error> {
        let wrong = |message: String| Err(Error::Option { message });
        if self.frame_max < FRAME_MIN {
            return wrong(format!(
                "frame_max is {}, but must be {FRAME_MIN} or more",
                self.frame_max
            ));
        }
        if self.channel_max == 0 {
            return wrong("channel_max is 0, but must be 1 or more".to_owned());
        }
        let Ok(heartbeat) = u16::try_from(self.heartbeat.as_secs()) else {
            return wrong(format!(
                "heartbeat is {:?}, but must be under 18 h",
                self.heartbeat
            ));
        };
        let epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Options {
            users: HashMap::from([(self.user, self.password)]),
            vhosts: self.vhosts,
            channel_max: self.channel_max,
            frame_max: self.frame_max,
            heartbeat,
            max_message_size: self.max_message_size,
            consumer_timeout: self.consumer_timeout,
            product: self.product,
            version: self.version,
            epoch_millis: u64::try_from(epoch.as_millis()).unwrap_or(0),
        })
    }
}

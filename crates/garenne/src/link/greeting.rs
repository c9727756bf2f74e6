//! Who answers at an address: the first thing that a broker says, before anybody has logged in.

use amq_protocol::frame::AMQPFrame;
use amq_protocol::frame::parsing::parse_frame;
use amq_protocol::protocol::{AMQPClass, connection};
use amq_protocol::types::{AMQPValue, FieldTable};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::dial::{HANDSHAKE_TIMEOUT, dial_socket};
use super::{BrokerUrl, LinkError, Tls, timed_out};

/// The most bytes that a first frame may have; RabbitMQ's has about 500.
const FIRST_FRAME_MAX: usize = 64 * 1024;

/// The frame's type, channel and size, and its last byte.
const FRAME_OVERHEAD: usize = 1 + 2 + 4 + 1;

/// What a broker says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The product, such as `RabbitMQ`.
    pub product: String,
    /// Its version, such as `4.0.5`.
    pub version: String,
    /// The name of its cluster; empty where it has none.
    pub cluster: String,
    /// What it runs on.
    pub platform: String,
}

/// Asks a broker who it is. Nobody logs in for that.
pub(crate) async fn greeting(broker: &BrokerUrl, tls: &Tls) -> Result<ServerInfo, LinkError> {
    let (mut socket, _thread, _guard) = dial_socket(broker, tls, &Handle::current()).await?;
    let asking = async {
        socket.write_all(b"AMQP\0\0\x09\x01").await?;
        socket.flush().await?;
        let mut head = [0; FRAME_OVERHEAD - 1];
        socket.read_exact(&mut head).await?;
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > FIRST_FRAME_MAX {
            return Err(std::io::Error::other("not an AMQP 0-9-1 frame"));
        }
        let mut frame = head.to_vec();
        frame.resize(FRAME_OVERHEAD + size, 0);
        socket.read_exact(&mut frame[FRAME_OVERHEAD - 1..]).await?;
        Ok(frame)
    };
    let what = format!("the greeting of {broker}");
    let frame = timeout(HANDSHAKE_TIMEOUT, asking)
        .await
        .map_err(|_| timed_out(&what, HANDSHAKE_TIMEOUT))?
        .map_err(|error| LinkError::of_io(&error).while_doing(&what))?;
    read(&frame).ok_or_else(|| {
        LinkError::configuration(format!(
            "what answers at {broker} does not speak AMQP 0-9-1"
        ))
    })
}

fn read(frame: &[u8]) -> Option<ServerInfo> {
    let (_, frame) = parse_frame(frame).ok()?;
    let AMQPFrame::Method(_, AMQPClass::Connection(connection::AMQPMethod::Start(start))) = frame
    else {
        return None;
    };
    let (major, minor) = (start.version_major, start.version_minor);
    ((major, minor) == (0, 9)).then(|| {
        let text = |name| text(&start.server_properties, name);
        ServerInfo {
            product: text("product"),
            version: text("version"),
            cluster: text("cluster_name"),
            platform: text("platform"),
        }
    })
}

fn text(table: &FieldTable, name: &str) -> String {
    match table.inner().get(name) {
        Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        _ => String::new(),
    }
}

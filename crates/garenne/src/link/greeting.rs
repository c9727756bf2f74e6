//! The identity of a broker: the first frame that it sends, before any login.

use std::io;

use futures_util::{AsyncReadExt, AsyncWriteExt};
use garenne_core::reader::{Event, FRAME_HEAD, Reader};
use garenne_core::wire::{Headers, readable};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::candidates::reach;
use super::dial::{HANDSHAKE_TIMEOUT, secured};
use super::io::Stream;
use super::{BrokerUrl, LinkError, Tls, timed_out};

/// A broker's description of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The product, for example `RabbitMQ`.
    pub product: String,
    /// The version, for example `4.0.5`.
    pub version: String,
    /// The name of the cluster; empty where there is none.
    pub cluster: String,
    /// The platform that the broker runs on.
    pub platform: String,
}

/// Asks a broker for its identity, without a login.
pub(crate) async fn greeting(broker: &BrokerUrl, tls: &Tls) -> Result<ServerInfo, LinkError> {
    reach(broker, |socket| async move {
        let (stream, _guard) = secured(socket, broker, tls, &Handle::current()).await?;
        greeted(stream, broker).await
    })
    .await
}

async fn greeted(mut stream: Stream, broker: &BrokerUrl) -> Result<ServerInfo, LinkError> {
    let asking = async {
        stream.write_all(b"AMQP\0\0\x09\x01").await?;
        stream.flush().await?;
        let (mut reader, mut first) = (Reader::new(), None);
        let mut buffer = [0; 4096];
        while first.is_none() {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let looked = reader.read(&buffer[..read], &mut |event| {
                if let Event::Frame(frame) = event {
                    first.get_or_insert_with(|| frame.to_vec());
                }
            });
            looked.map_err(io::Error::other)?;
        }
        Ok(first.unwrap_or_default())
    };
    let what = format!("the greeting of {broker}");
    let frame = timeout(HANDSHAKE_TIMEOUT, asking)
        .await
        .map_err(|_| timed_out(&what, HANDSHAKE_TIMEOUT))?
        .map_err(|error: io::Error| LinkError::of_io(error).while_doing(&what))?;
    read(&frame).ok_or_else(|| {
        LinkError::configuration(format!(
            "what answers at {broker} does not speak AMQP 0-9-1"
        ))
    })
}

/// Reads `connection.start` (AMQP 0-9-1, class 10, method 10): version, properties, and fields that do not
/// matter here.
fn read(frame: &[u8]) -> Option<ServerInfo> {
    const START: [u8; 6] = [0, 10, 0, 10, 0, 9];
    let table = frame.get(FRAME_HEAD..)?.strip_prefix(&START)?;
    let text = |name: &str| {
        let mut entries = Headers::of_table(table);
        let found = entries.find(|(found, _)| *found == name.as_bytes());
        let bytes = found.and_then(|(_, value)| value.as_bytes());
        readable(bytes.unwrap_or_default()).into_owned()
    };
    Some(ServerInfo {
        product: text("product"),
        version: text("version"),
        cluster: text("cluster_name"),
        platform: text("platform"),
    })
}

//! A loop that survives its broker, as it is mostly written: whatever fails, connect again a second later.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};

use crate::setting::{finish, queues, say, setting};

const PAUSE: Duration = Duration::from_secs(1);

/// Consumes until the input ends, and the process with it.
pub async fn forever() -> Connection {
    tokio::spawn(async {
        finish().await;
        std::process::exit(0);
    });
    loop {
        let Err(error) = once().await;
        eprintln!("lost: {error}");
        tokio::time::sleep(PAUSE).await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "as whoever has lapin alone connects"
)]
async fn once() -> Result<Infallible, lapin::Error> {
    let url: String = setting("BENCH_URL");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let qos = channel.basic_qos(setting("BENCH_PREFETCH"), BasicQosOptions::default());
    qos.await?;
    let queue = queues().remove(0);
    let mut consumer = channel
        .basic_consume(
            queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    loop {
        let delivery = match consumer.next().await {
            Some(delivery) => delivery?,
            // Cancelled by the broker.
            None => {
                return Err(lapin::ErrorKind::InvalidChannelState(
                    lapin::ChannelState::Closed,
                    "cancelled",
                )
                .into());
            }
        };
        say("handled", &[]);
        delivery.acker.ack(BasicAckOptions::default()).await?;
    }
}

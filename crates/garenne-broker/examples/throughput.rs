//! How fast: publishing with confirms (256 in flight), then consuming with acks (prefetch 100).
//!
//! Measures the embedded broker, and the one at `AMQP_URL` if that is set, in the same run with
//! the same client. `MESSAGES` says how many (default 50,000), `ROUNDS` how often (default 5). The
//! brokers take turns, so that whatever else runs on the machine slows all of them down, and the
//! median of the rounds counts.
#![allow(clippy::print_stdout, reason = "this is a program")]

use std::error::Error;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use garenne_broker::Broker;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

const WINDOW: usize = 256;
const PREFETCH: u16 = 100;
const BODY: [u8; 256] = [b'x'; 256];
const QUEUE: &str = "garenne.throughput";

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let messages = number("MESSAGES", 50_000);
    let rounds = number("ROUNDS", 5).max(1);
    let start = Instant::now();
    let broker = Broker::start().await?;
    println!(
        "start of the embedded broker: {:.1} ms",
        start.elapsed().as_secs_f64() * 1000.0
    );
    let mut brokers = vec![("embedded", broker.url())];
    brokers.extend(std::env::var("AMQP_URL").ok().map(|url| ("AMQP_URL", url)));
    let mut seen = vec![(Vec::new(), Vec::new()); brokers.len()];
    for _ in 0..rounds {
        for ((_, url), (published, consumed)) in brokers.iter().zip(&mut seen) {
            let (publishing, consuming) = measure(url, messages).await?;
            published.push(publishing);
            consumed.push(consuming);
        }
    }
    println!(
        "{messages} messages of {} bytes, median of {rounds} rounds",
        BODY.len()
    );
    println!("{:10} {:>16} {:>16}", "", "publish+confirm", "consume+ack");
    for ((name, _), (published, consumed)) in brokers.iter().zip(seen) {
        let (published, consumed) = (median(published), median(consumed));
        println!("{name:10} {published:>14.0}/s {consumed:>14.0}/s");
    }
    broker.shutdown().await;
    Ok(())
}

/// Messages per second, in and out.
async fn measure(url: &str, messages: usize) -> Result<(f64, f64)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is there, or there is nothing to measure"
    )]
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(QUEUE.into(), durable, FieldTable::default())
        .await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let start = Instant::now();
    publish(&channel, messages).await?;
    let published = rate(messages, start);
    let start = Instant::now();
    consume(&channel, messages).await?;
    let consumed = rate(messages, start);
    channel
        .queue_delete(QUEUE.into(), QueueDeleteOptions::default())
        .await?;
    connection.close(200, "done".into()).await?;
    Ok((published, consumed))
}

async fn publish(channel: &Channel, messages: usize) -> Result<()> {
    let one = || async {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default().with_delivery_mode(1);
        channel
            .basic_publish("".into(), QUEUE.into(), options, &BODY, properties)
            .await?
            .await
    };
    let mut flying = FuturesUnordered::new();
    for _ in 0..messages {
        if flying.len() == WINDOW
            && let Some(confirm) = flying.next().await
        {
            confirm?;
        }
        flying.push(one());
    }
    while let Some(confirm) = flying.next().await {
        confirm?;
    }
    Ok(())
}

async fn consume(channel: &Channel, messages: usize) -> Result<()> {
    channel
        .basic_qos(PREFETCH, BasicQosOptions::default())
        .await?;
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel
        .basic_consume(QUEUE.into(), "".into(), options, arguments)
        .await?;
    for _ in 0..messages {
        let delivery = consumer.next().await.ok_or("the consumer ended")??;
        channel
            .basic_ack(delivery.delivery_tag, BasicAckOptions::default())
            .await?;
    }
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
fn rate(messages: usize, start: Instant) -> f64 {
    messages as f64 / start.elapsed().as_secs_f64()
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

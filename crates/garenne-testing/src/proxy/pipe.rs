//! Bytes on their way, and all that may happen to them there.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::door::reset;
use super::shared::{Condition, Direction, End, Shared, Way};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;
/// How many chunks of one direction may be on their way; with that many, a sender has to wait.
const ON_THEIR_WAY: usize = 64;
/// How many writes make up a second where the bandwidth is limited.
const WRITES_PER_SECOND: u64 = 50;

/// Bytes that were read at a moment.
struct Chunk {
    read_at: Instant,
    bytes: Vec<u8>,
}

/// Forwards both directions until something ends them, and says how the client's side is to end.
pub(super) async fn forward(
    shared: &Shared,
    client: &mut TcpStream,
    broker: &mut TcpStream,
    ends: &mut broadcast::Receiver<End>,
) -> End {
    let end = {
        let (from_client, to_client) = client.split();
        let (from_broker, to_broker) = broker.split();
        tokio::select! {
            end = ends.recv() => end.unwrap_or(End::Reset),
            end = pump(shared, shared.way(Direction::ToBroker), from_client, to_broker) => end,
            end = pump(shared, shared.way(Direction::ToClient), from_broker, to_client) => end,
        }
    };
    if let End::Reset | End::HalfOpen = end {
        reset(broker);
    }
    end
}

/// Forwards the bytes of one direction until one side ends, and says how to end the other.
async fn pump(shared: &Shared, way: &Way, from: ReadHalf<'_>, to: WriteHalf<'_>) -> End {
    let (road, arriving) = mpsc::channel(ON_THEIR_WAY);
    let arrived = tokio::select! {
        // What was read before the end of the stream still has to arrive.
        Err(error) = read(from, road) => Err(error),
        arrived = write(way, arriving, to) => arrived,
    };
    match arrived {
        Ok(End::Reset) => {
            let _nobody = shared.ends.send(End::Reset);
            End::Reset
        }
        Ok(end) => end,
        Err(_) => End::Reset,
    }
}

async fn read(mut from: ReadHalf<'_>, road: mpsc::Sender<Chunk>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = from.read(&mut buffer).await?;
        let chunk = Chunk {
            read_at: Instant::now(),
            bytes: buffer[..count].to_vec(),
        };
        if count == 0 || road.send(chunk).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    way: &Way,
    mut arriving: mpsc::Receiver<Chunk>,
    mut to: WriteHalf<'_>,
) -> io::Result<End> {
    let mut condition = way.condition.subscribe();
    // When the wire has room for the next bytes, where its bandwidth is limited.
    let mut free = Instant::now();
    while let Some(chunk) = arriving.recv().await {
        let mut left = &chunk.bytes[..];
        while !left.is_empty() {
            let bandwidth = until_due(&mut condition, chunk.read_at, free).await;
            let most = bandwidth.map_or(left.len(), piece).min(left.len());
            let (passing, cut) = way.admit(most);
            to.write_all(&left[..passing]).await?;
            way.bytes.fetch_add(passing as u64, Ordering::Relaxed);
            if cut {
                return Ok(End::Reset);
            }
            left = &left[passing..];
            if let Some(bandwidth) = bandwidth {
                free = free.max(Instant::now()) + time_for(passing, bandwidth);
            }
        }
    }
    Ok(End::Close)
}

/// Waits until bytes that were read at a moment may pass; says how many do in a second.
async fn until_due(
    condition: &mut watch::Receiver<Condition>,
    read_at: Instant,
    free: Instant,
) -> Option<u64> {
    loop {
        let now = *condition.borrow_and_update();
        let mut due = read_at + now.delay;
        if now.bandwidth.is_some() {
            due = due.max(free);
        }
        let arrived = async {
            match now.frozen {
                true => std::future::pending().await,
                false => sleep_until(due).await,
            }
        };
        tokio::select! {
            biased;
            () = arrived => return now.bandwidth,
            // The sender lives as long as what this belongs to.
            _ = condition.changed() => {}
        }
    }
}

/// How many bytes are written at once, so that they trickle.
fn piece(bandwidth: u64) -> usize {
    usize::try_from((bandwidth / WRITES_PER_SECOND).max(1)).unwrap_or(usize::MAX)
}

/// How long bytes take at so many per second.
fn time_for(bytes: usize, bandwidth: u64) -> Duration {
    Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / bandwidth)
}

//! From the engine's buffer to the socket.

use std::future::pending;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::Server;
use super::link::{End, Link};
use super::trouble::Direction;

/// An empty frame of type 8 on channel 0.
const HEARTBEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 0xCE];
/// A buffer that grew beyond this is not kept.
const KEPT: usize = 1024 * 1024;

/// Writes until the connection ends.
pub(super) async fn run(server: &Server, link: &Link, mut write: WriteHalf<'_>) -> End {
    let mut buffer = Vec::new();
    loop {
        if !link.has_output() {
            if link.is_hanging_up() {
                return End::Finished;
            }
            wait(link).await;
            continue;
        }
        server.trouble.thawed().await;
        server.trouble.delayed().await;
        // Whatever else can be read first goes out together: one write for many frames.
        yield_now().await;
        buffer = link.take_output(buffer);
        if let Some(end) = write_all(server, &mut write, &buffer).await {
            return end;
        }
        buffer.clear();
        buffer.shrink_to(KEPT);
        if !link.has_output() {
            server.drained(link);
        }
    }
}

/// Waits for something to write, and writes a heartbeat when nothing comes for half its interval.
async fn wait(link: &Link) {
    let interval = link.heartbeat() / 2;
    let beat = async {
        if interval.is_zero() {
            pending::<()>().await;
        }
        sleep(interval).await;
        link.write(|buffer| buffer.extend_from_slice(&HEARTBEAT));
    };
    tokio::select! {
        biased;
        () = link.output() => {}
        () = beat => {}
    }
}

async fn write_all(server: &Server, write: &mut WriteHalf<'_>, bytes: &[u8]) -> Option<End> {
    let (passing, cut) = server.trouble.pass(bytes.len(), Direction::Outbound);
    let mut left = &bytes[..passing];
    while !left.is_empty() {
        match write.write(left).await {
            Ok(0) | Err(_) => return Some(End::Gone),
            Ok(count) => left = &left[count..],
        }
        server.trouble.thawed().await;
    }
    cut.then_some(End::Reset)
}

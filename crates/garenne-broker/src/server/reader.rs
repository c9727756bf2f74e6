//! From the socket to the engine.

use std::future::pending;

use tokio::io::AsyncReadExt;
use tokio::net::tcp::ReadHalf;
use tokio::task::yield_now;

use super::Server;
use super::link::{End, Link};
use super::trouble::Direction;
use crate::wire::{FrameReader, Input, METHOD, method_id};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// The largest frame, and about as much as is kept, of a client that nothing is agreed on with.
const FIRST_FRAMES: usize = 4096;
/// How many frames of a connection are handled before it is others' turn.
const TURN: u32 = 256;

/// Reads until the connection ends.
pub(super) async fn run(server: &Server, link: &Link, mut read: ReadHalf<'_>) -> End {
    let mut frames = FrameReader::new(FIRST_FRAMES);
    loop {
        link.until_unblocked().await;
        let most = if link.frame_max() == 0 {
            FIRST_FRAMES
        } else {
            CHUNK
        };
        frames.buffer().reserve(most);
        let count = match read.read_buf(frames.buffer()).await {
            Ok(0) => return last_words(link).await,
            Err(_) => return End::Gone,
            Ok(count) => count,
        };
        server.trouble.thawed().await;
        server.trouble.delayed().await;
        link.heard();
        let (passed, cut) = server.trouble.pass(count, Direction::Inbound);
        let kept = frames.buffer().len() - (count - passed);
        frames.buffer().truncate(kept);
        match process(server, link, &mut frames).await {
            // Now it is others' turn: there may always be more of a client that floods.
            Next::Read if !cut => yield_now().await,
            Next::Ignore => {
                ignore(&mut read).await;
                return last_words(link).await;
            }
            Next::Cut | Next::Read => return End::Reset,
        }
    }
}

/// A client that says no more may still listen: what it asked for is written before the end, which
/// the writer brings about.
async fn last_words(link: &Link) -> End {
    link.hang_up();
    pending().await
}

/// What to do when there is no whole frame left.
enum Next {
    Read,
    Cut,
    /// The client has lost its place, or said everything: nothing that follows matters.
    Ignore,
}

/// Reads what nobody wants, until the client has enough of it.
async fn ignore(read: &mut ReadHalf<'_>) {
    let mut rest = [0; 4096];
    while read.read(&mut rest).await.is_ok_and(|count| count > 0) {}
}

/// Hands all whole frames to the engine.
async fn process(server: &Server, link: &Link, frames: &mut FrameReader) -> Next {
    for number in 1.. {
        if link.frame_max() != 0 {
            frames.set_frame_max(link.frame_max());
        }
        let input = match frames.next() {
            Ok(Some(input)) => input,
            Ok(None) => break,
            Err(error) => {
                server.with(|engine, now| engine.broken(link.id, &error, now));
                return Next::Ignore;
            }
        };
        if let Some(ids) = method_of(&input)
            && server.trouble.cuts_method(ids)
        {
            return Next::Cut;
        }
        let (clogged, blocked) = {
            let mut engine = server.engine.borrow_mut();
            engine.input(link.id, input, server.clock.now());
            (engine.is_clogged(link.id), engine.is_blocked(link.id))
        };
        // A client that asks and does not listen must wait, or its answers would fill the memory.
        // One round is enough: it may have more to listen to than anyone has time for.
        if clogged || blocked {
            server.with(|engine, _| engine.flush());
            if clogged {
                link.until_drained().await;
            }
            link.until_unblocked().await;
        }
        // What is agreed on counts for the next frame already.
        if link.frame_max() == 0 {
            server.with(|engine, _| engine.flush());
        }
        if link.is_hanging_up() {
            break;
        }
        if number % TURN == 0 {
            server.with(|engine, _| engine.flush());
            yield_now().await;
            server.trouble.thawed().await;
        }
    }
    server.with(|engine, _| engine.flush());
    if link.is_hanging_up() {
        Next::Ignore
    } else {
        Next::Read
    }
}

fn method_of(input: &Input) -> Option<(u16, u16)> {
    match input {
        Input::Frame(frame) if frame.kind == METHOD => method_id(&frame.payload),
        _ => None,
    }
}

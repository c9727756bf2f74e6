//! Who gets in, and the life of a connection.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use super::pipe::forward;
use super::shared::{Door, End, Shared};

/// Listens on the port while the door is not refusing, until the proxy is gone.
pub(super) async fn keep(shared: Arc<Shared>, port: u16) {
    let mut door = shared.door.subscribe();
    loop {
        let now = *door.borrow_and_update();
        match now {
            Door::Gone => return,
            Door::Refusing => {
                shared.listening.send_replace(false);
            }
            Door::Open | Door::Silent => {
                let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
                let listener = bound.unwrap_or_else(|error| {
                    panic!("failed to listen on our own port {port}: {error}")
                });
                shared.listening.send_replace(true);
                serve(&shared, &listener).await;
                continue;
            }
        }
        if door.changed().await.is_err() {
            return;
        }
    }
}

/// Accepts connections until the door is neither open nor silent.
async fn serve(shared: &Arc<Shared>, listener: &TcpListener) {
    let mut door = shared.door.subscribe();
    loop {
        let socket = tokio::select! {
            _ = door.wait_for(|door| !matches!(door, Door::Open | Door::Silent)) => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((client, _)) = socket {
            let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
            let ends = shared.ends.subscribe();
            shared.open().insert(number);
            let shared = Arc::clone(shared);
            tokio::spawn(connect(shared, number, client, ends));
        }
    }
}

/// The life of one connection.
async fn connect(
    shared: Arc<Shared>,
    number: usize,
    mut client: TcpStream,
    mut ends: broadcast::Receiver<End>,
) {
    let end = if *shared.door.borrow() == Door::Open {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream)).await {
            Ok(mut broker) => forward(&shared, &mut client, &mut broker, &mut ends).await,
            // A broker that is down looks to the client like one that hangs up.
            Err(_) => End::Close,
        }
    } else {
        ends.recv().await.unwrap_or(End::Reset)
    };
    shared.open().remove(&number);
    match end {
        End::HalfOpen => play_dead(&mut client, &mut ends).await,
        End::Reset => reset(&client),
        End::Close => {}
    }
}

/// Takes what the client says and never answers, until it has enough of that or all is ended.
async fn play_dead(client: &mut TcpStream, ends: &mut broadcast::Receiver<End>) {
    let unheard = async {
        let mut rest = [0; 4096];
        while client.read(&mut rest).await.is_ok_and(|count| count > 0) {}
        End::Close
    };
    let end = tokio::select! {
        end = unheard => end,
        end = next_end(ends) => end,
    };
    if let End::Reset = end {
        reset(client);
    }
}

/// The next end that is one for a connection whose broker is gone already.
async fn next_end(ends: &mut broadcast::Receiver<End>) -> End {
    loop {
        match ends.recv().await {
            Ok(End::HalfOpen) => {}
            Ok(end) => return end,
            Err(_) => return End::Reset,
        }
    }
}

/// Makes a socket end with a reset when it is dropped.
pub(super) fn reset(socket: &TcpStream) {
    // A socket that the peer has reset cannot be reset any more.
    let _gone = socket.set_zero_linger();
}

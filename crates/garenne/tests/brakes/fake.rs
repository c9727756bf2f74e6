//! A broker made of bytes: it says yes to everything, and ends each subscription in its own way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const FRAME_END: u8 = 206;
/// No client writes a frame of this size here.
const LARGEST: usize = 1024 * 1024;

/// What follows each subscription, or each channel with confirms.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// Its connection ends.
    EndConnection,
    /// The connection of a channel with confirms ends.
    EndConnectionWithConfirms,
    /// All connections end.
    EndAllConnections,
    /// The broker closes the connection, with a code and a text.
    CloseConnection(u16, &'static str),
    /// The broker closes the channel, with a code and a text.
    CloseChannel(u16, &'static str),
    /// A delivery begins whose header frame is to have so many bytes.
    DeliverHeader(u32),
}

/// A broker that was started; it ends when dropped.
pub(crate) struct Fake {
    address: SocketAddr,
    seen: Arc<Seen>,
    _serving: JoinSet<()>,
}

struct Seen {
    then: Then,
    connections: AtomicUsize,
    subscriptions: AtomicUsize,
    /// Counts the times when all connections end.
    ends: watch::Sender<usize>,
}

impl Fake {
    pub(crate) async fn start(then: Then) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen {
            then,
            connections: AtomicUsize::new(0),
            subscriptions: AtomicUsize::new(0),
            ends: watch::Sender::new(0),
        });
        let mut serving = JoinSet::new();
        let seen_there = Arc::clone(&seen);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                seen_there.connections.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, Arc::clone(&seen_there)));
            }
        });
        Self {
            address,
            seen,
            _serving: serving,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://{}/%2f", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.seen.subscriptions.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, seen: Arc<Seen>) {
    let mut all_end = seen.ends.subscribe();
    let connection = Connection { stream, seen };
    // Either way the socket is closed.
    tokio::select! {
        _ = connection.talk() => {}
        _ = all_end.changed() => {}
    }
}

struct Connection {
    stream: TcpStream,
    seen: Arc<Seen>,
}

/// Whether there is more to say.
enum Goes {
    On,
    ToItsEnd,
}

impl Connection {
    async fn talk(mut self) -> std::io::Result<()> {
        self.stream.read_exact(&mut [0; 8]).await?;
        // Version 0.9, no properties, one mechanism, one locale.
        let start = [&[0, 9, 0, 0, 0, 0][..], &long(b"PLAIN"), &long(b"en_US")];
        self.say(0, (10, 10), &start.concat()).await?;
        loop {
            let (kind, channel, payload) = self.read().await?;
            let Some((ids, fields)) = payload.split_first_chunk::<4>() else {
                continue;
            };
            let [c1, c2, m1, m2] = *ids;
            let method = (u16::from_be_bytes([c1, c2]), u16::from_be_bytes([m1, m2]));
            if kind == METHOD
                && let Goes::ToItsEnd = self.answer(channel, method, fields).await?
            {
                return Ok(());
            }
        }
    }

    /// Says yes.
    async fn answer(
        &mut self,
        channel: u16,
        method: (u16, u16),
        fields: &[u8],
    ) -> std::io::Result<Goes> {
        let answer = match method {
            // 2047 channels, frames of 128 KiB, no heartbeats.
            (10, 11) => ((10, 30), vec![7, 255, 0, 2, 0, 0, 0, 0]),
            (10, 40) => ((10, 41), vec![0]),
            (10, 50) => {
                self.say(0, (10, 51), &[]).await?;
                return Ok(Goes::ToItsEnd);
            }
            (20, 10) => ((20, 11), vec![0; 4]),
            (20, 40) => ((20, 41), vec![]),
            (40, 10) => ((40, 11), vec![]),
            (50, 10) => ((50, 11), declared(fields)),
            (50, 20) => ((50, 21), vec![]),
            (60, 10) => ((60, 11), vec![]),
            (60, 20) => return self.subscribed(channel).await,
            (85, 10) if matches!(self.seen.then, Then::EndConnectionWithConfirms) => {
                return Ok(Goes::ToItsEnd);
            }
            (85, 10) => ((85, 11), vec![]),
            _ => return Ok(Goes::On),
        };
        let (ids, fields) = answer;
        self.say(channel, ids, &fields).await?;
        Ok(Goes::On)
    }

    async fn subscribed(&mut self, channel: u16) -> std::io::Result<Goes> {
        self.seen.subscriptions.fetch_add(1, Ordering::SeqCst);
        self.say(channel, (60, 21), &short(b"tag")).await?;
        match self.seen.then {
            Then::EndConnection => return Ok(Goes::ToItsEnd),
            Then::EndConnectionWithConfirms => {}
            Then::EndAllConnections => self.seen.ends.send_modify(|ends| *ends += 1),
            Then::CloseConnection(code, text) => {
                self.say(0, (10, 50), &closing(code, text)).await?;
            }
            Then::CloseChannel(code, text) => {
                self.say(channel, (20, 40), &closing(code, text)).await?;
            }
            Then::DeliverHeader(size) => {
                let deliver = [
                    &short(b"tag")[..],
                    &1_u64.to_be_bytes(),
                    &[0],
                    &short(b""),
                    &short(b"q"),
                ];
                self.say(channel, (60, 60), &deliver.concat()).await?;
                let mut head = vec![HEADER];
                head.extend_from_slice(&channel.to_be_bytes());
                head.extend_from_slice(&size.to_be_bytes());
                self.stream.write_all(&head).await?;
            }
        }
        Ok(Goes::On)
    }

    async fn say(
        &mut self,
        channel: u16,
        (class, method): (u16, u16),
        fields: &[u8],
    ) -> std::io::Result<()> {
        let mut frame = vec![METHOD];
        frame.extend_from_slice(&channel.to_be_bytes());
        frame.extend_from_slice(&u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
        frame.extend_from_slice(&class.to_be_bytes());
        frame.extend_from_slice(&method.to_be_bytes());
        frame.extend_from_slice(fields);
        frame.push(FRAME_END);
        self.stream.write_all(&frame).await
    }

    async fn read(&mut self) -> std::io::Result<(u8, u16, Vec<u8>)> {
        let mut head = [0; 7];
        self.stream.read_exact(&mut head).await?;
        let [kind, n1, n2, s1, s2, s3, s4] = head;
        let size = u32::from_be_bytes([s1, s2, s3, s4]) as usize;
        assert!(size <= LARGEST, "the client writes a frame of {size} bytes");
        let mut payload = vec![0; size + 1];
        self.stream.read_exact(&mut payload).await?;
        assert_eq!(payload.pop(), Some(FRAME_END));
        Ok((kind, u16::from_be_bytes([n1, n2]), payload))
    }
}

/// The queue of a `queue.declare`, empty and without consumers.
fn declared(fields: &[u8]) -> Vec<u8> {
    let name = &fields[2..];
    let mut answer = name[..=usize::from(name[0])].to_vec();
    answer.extend_from_slice(&[0; 8]);
    answer
}

fn closing(code: u16, text: &str) -> Vec<u8> {
    let method_to_blame = [0; 4];
    [
        &code.to_be_bytes()[..],
        &short(text.as_bytes()),
        &method_to_blame,
    ]
    .concat()
}

fn short(bytes: &[u8]) -> Vec<u8> {
    let size = u8::try_from(bytes.len()).unwrap();
    [&[size], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).unwrap();
    [&size.to_be_bytes()[..], bytes].concat()
}

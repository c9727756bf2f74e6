use std::future::poll_fn;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lapin::tcp::AsyncTcpStream;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::{Login, Shared, start};
use crate::link::LinkError;
use crate::link::io::Socket;
use crate::link::io::inbox::Inbox;

/// An event that has not happened within this time never will.
const SOON: Duration = Duration::from_secs(60);

/// A link, and the broker's end of its socket.
async fn link() -> (Arc<Shared>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (brokers, _) = listener.accept().unwrap();
    brokers.set_nonblocking(true).unwrap();
    let stream = AsyncTcpStream::Plain(Socket(ours));
    let (shared, _pipe) = start(stream, None, Login::external(), &Handle::current());
    (shared, TcpStream::from_std(brokers).unwrap())
}

fn method(channel: u8, payload: &[u8]) -> Vec<u8> {
    let size = u8::try_from(payload.len()).unwrap();
    [&[1, 0, channel, 0, 0, 0, size], payload, &[0xCE]].concat()
}

/// Records, when it is woken, whether the inbox's channel was shut.
struct Watch {
    inbox: Arc<Inbox>,
    seen: Mutex<Vec<bool>>,
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        self.seen.lock().unwrap().push(self.inbox.is_shut());
    }
}

#[tokio::test]
async fn who_learns_that_the_broker_closed_a_channel_can_write_nothing_on_it_any_more() {
    let (shared, mut broker) = link().await;
    let inbox = shared.inboxes.open(1, "a test".to_owned());
    let watch = Arc::new(Watch {
        inbox: Arc::clone(&inbox),
        seen: Mutex::default(),
    });
    let waker = Waker::from(Arc::clone(&watch));
    let nothing = inbox.poll_take(&Context::from_waker(&waker), &mut Default::default());
    assert!(nothing.is_pending());

    let begin = method(0, &[0, 10, 0, 10]);
    let close = method(1, &[0, 20, 0, 40, 1, 0x94, 2, b'n', b'o', 0, 60, 0, 40]);
    broker.write_all(&[begin, close].concat()).await.unwrap();
    drop(broker);
    let mut ended = shared.ended();
    timeout(SOON, ended.wait_for(Option::is_some))
        .await
        .unwrap()
        .unwrap();
    let seen = watch.seen.lock().unwrap().clone();
    assert_eq!(seen.first(), Some(&true), "{seen:?}");
}

#[tokio::test]
async fn nobody_waits_for_a_socket_that_was_given_up_while_it_took_nothing() {
    let (shared, broker) = link().await;
    let much = vec![0; 1 << 20];
    let is_jammed = |cx: &mut Context<'_>| Poll::Ready(shared.out.poll_ready(cx).is_pending());
    while !poll_fn(is_jammed).await {
        shared.out.write(|frames| frames.put(&much));
        // The link's task writes too, as far as the socket takes it.
        tokio::task::yield_now().await;
    }
    shared.end(&LinkError::transient("it was given up"));
    let ready = timeout(SOON, poll_fn(|cx| shared.out.poll_ready(cx)));
    assert!(ready.await.is_ok());
    drop(broker);
}

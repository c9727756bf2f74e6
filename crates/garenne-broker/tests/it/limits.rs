//! Clients that do not behave, over real sockets.

use garenne_broker::Broker;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{broker, connect, within};

const START_OK: &[u8] = b"\0\x0a\0\x0b\0\0\0\0\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US";
const TUNE_OK: &[u8] = b"\0\x0a\0\x1f\x07\xff\0\x02\0\0\0\0";
const OPEN: &[u8] = b"\0\x0a\0\x28\x01/\0\0";
const CHANNEL_OPEN: &[u8] = b"\0\x14\0\x0a\0";

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend_from_slice(&channel.to_be_bytes());
    frame.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(payload);
    frame.push(0xCE);
    frame
}

/// A socket with the handshake done and channel 1 open.
async fn raw(broker: &Broker) -> TcpStream {
    // A small buffer is soon full, which is what some of these tests are about.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8192).unwrap();
    let mut stream = socket.connect(broker.addr()).await.unwrap();
    let mut hello = b"AMQP\0\0\x09\x01".to_vec();
    for method in [START_OK, TUNE_OK, OPEN] {
        hello.extend(frame(1, 0, method));
    }
    hello.extend(frame(1, 1, CHANNEL_OPEN));
    stream.write_all(&hello).await.unwrap();
    stream
}

/// A consumer without acks that never reads.
pub(crate) async fn raw_consumer(broker: &Broker, queue: &str) -> TcpStream {
    let mut stream = raw(broker).await;
    let mut consume = b"\0\x3c\0\x14\0\0".to_vec();
    consume.push(u8::try_from(queue.len()).unwrap());
    consume.extend_from_slice(queue.as_bytes());
    consume.extend_from_slice(b"\0\x02\0\0\0\0");
    stream.write_all(&frame(1, 1, &consume)).await.unwrap();
    stream
}

/// A `connection.close`: its code, and the class and method that it names.
type Close = (u16, u16, u16);

/// The `connection.close` at the end of what the broker said, if there is one.
fn close_in(mut answer: &[u8]) -> Option<Close> {
    let number = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let mut close = None;
    while answer.len() >= 8 {
        let size = u32::from_be_bytes(answer[3..7].try_into().unwrap()) as usize;
        let payload = &answer[7..7 + size];
        if answer[0] == 1 && payload.starts_with(&[0, 10, 0, 50]) {
            close = Some((
                number(payload, 4),
                number(payload, size - 4),
                number(payload, size - 2),
            ));
        }
        answer = &answer[8 + size..];
    }
    close
}

/// Everything that the broker says until it ends the connection.
async fn answer_to(broker: &Broker, bytes: &[u8]) -> Vec<u8> {
    last_words(raw(broker).await, bytes).await
}

async fn last_words(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while close_in(&answer).is_none() {
        match within(stream.read(&mut chunk)).await {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&chunk[..count]),
        }
    }
    answer
}

/// What a client does wrong, in which bytes, and the code, class and method that it is told.
type Breach = (&'static str, Vec<u8>, (u16, u16, u16));

const PUBLISH: &[u8] = b"\0\x3c\0\x28\0\0\0\x01q\0";

/// A header that promises a body of this size.
fn header(class: u8, size: u64) -> Vec<u8> {
    let mut header = vec![0, class, 0, 0];
    header.extend_from_slice(&size.to_be_bytes());
    header.extend_from_slice(&[0, 0]);
    header
}

fn flow() -> Vec<u8> {
    frame(1, 1, &[0, 20, 0, 20, 1])
}

/// A `queue.declare` with thousands of tables in each other.
fn deep() -> Vec<u8> {
    let mut table = vec![0, 0, 0, 0];
    for _ in 0..9_000 {
        let mut outer = vec![0, b'F'];
        outer.extend_from_slice(&table);
        table = u32::try_from(outer.len()).unwrap().to_be_bytes().to_vec();
        table.extend_from_slice(&outer);
    }
    [&b"\0\x32\0\x0a\0\0\x01q\0"[..], &table].concat()
}

fn wrong_frames() -> Vec<Breach> {
    let wrong_end = b"\x01\0\x01\0\0\0\x01x\0".to_vec();
    let too_large = vec![3, 0, 1, 0x7f, 0xff, 0xff, 0xff];
    vec![
        ("wrong end", wrong_end, (501, 0, 0)),
        ("too large", too_large, (501, 0, 0)),
        ("unknown type", frame(7, 1, b"abc"), (501, 0, 0)),
    ]
}

fn wrong_methods() -> Vec<Breach> {
    let no_such = frame(1, 1, &[0, 60, 0, 199]);
    let cut = frame(1, 1, b"\0\x32\0\x0a\0\0\x05a");
    let closed = frame(1, 9, &[0, 60, 0, 10, 0, 0, 0, 0, 0, 1, 0]);
    let of_a_server = frame(1, 1, &[0, 60, 0, 21, 1, b'a']);
    let bottomless = frame(1, 1, &deep());
    vec![
        ("no such method", no_such, (503, 60, 199)),
        ("cut method", cut, (501, 50, 10)),
        ("closed channel", closed, (504, 60, 10)),
        ("second open", frame(1, 1, CHANNEL_OPEN), (504, 20, 10)),
        ("a server's method", of_a_server, (503, 60, 21)),
        ("a table without bottom", bottomless, (501, 50, 10)),
    ]
}

fn wrong_content() -> Vec<Breach> {
    let publish = frame(1, 1, PUBLISH);
    let delivered = &[0, 60, 0, 60, 1, b'a', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    let got = &[0, 60, 0, 71, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let immediate = b"\0\x3c\0\x28\0\0\0\x01q\x02";
    let header = |class, size| frame(2, 1, &header(class, size));
    let body = |body| frame(3, 1, body);
    let long = [
        &publish[..],
        &header(60, 1),
        &body(b"xyz"),
        &body(b"xyz"),
        &flow(),
    ];
    let huge = [&publish[..], &header(60, u64::MAX), &body(b"xyz"), &flow()];
    let of_a_server = [frame(1, 1, delivered), header(60, 1), body(b"x")];
    let other_class = [&publish[..], &header(50, 1)];
    let immediately = [frame(1, 1, immediate), header(60, 0)];
    vec![
        ("body first", body(b"abc"), (505, 0, 0)),
        (
            "no header",
            [&publish[..], &body(b"x")].concat(),
            (505, 60, 40),
        ),
        ("other class", other_class.concat(), (505, 60, 40)),
        ("long body", long.concat(), (505, 60, 40)),
        ("huge body", huge.concat(), (505, 60, 40)),
        (
            "a server's method with content",
            of_a_server.concat(),
            (503, 60, 60),
        ),
        (
            "a server's method and then no content",
            [frame(1, 1, got), flow()].concat(),
            (505, 60, 71),
        ),
        ("immediate", immediately.concat(), (540, 60, 40)),
    ]
}

#[tokio::test]
async fn every_breach_of_the_protocol_is_answered_with_its_code() {
    let broker = broker().await;
    let breaches = [wrong_frames(), wrong_methods(), wrong_content()];
    for (name, bytes, close) in breaches.into_iter().flatten() {
        let answer = answer_to(&broker, &bytes).await;
        assert_eq!(close_in(&answer), Some(close), "{name}: {answer:?}");
    }
    // Nobody else noticed.
    connect(&broker).await;
    broker
        .wait_until(|view| view.connections.len() <= 1)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_nobodys_fault_in_particular_names_no_method() {
    let broker = Broker::builder().channel_max(1).start().await.unwrap();
    let mut tune = TUNE_OK.to_vec();
    tune[5] = 1;
    let hello = |response: &[u8], tune: &[u8]| {
        [
            &b"AMQP\0\0\x09\x01"[..],
            &frame(1, 0, response),
            &frame(1, 0, tune),
            &frame(1, 0, OPEN),
        ]
        .concat()
    };
    tune[4] = 0;
    let mut channels = hello(START_OK, &tune);
    channels.extend(frame(1, 1, CHANNEL_OPEN));
    channels.extend(frame(1, 2, CHANNEL_OPEN));
    let stream = TcpStream::connect(broker.addr()).await.unwrap();
    let answer = last_words(stream, &channels).await;
    assert_eq!(close_in(&answer), Some((530, 0, 0)), "{answer:?}");

    // A client that wants to be told, with a wrong password.
    let start = b"\0\x0a\0\x0b\0\0\0\x31\x0ccapabilitiesF\0\0\0\x1f\
        \x1cauthentication_failure_closet\x01\x05PLAIN\0\0\0\x0c\0guest\0wrong\x05en_US";
    let mut wrong = b"AMQP\0\0\x09\x01".to_vec();
    wrong.extend(frame(1, 0, start));
    let stream = TcpStream::connect(broker.addr()).await.unwrap();
    let answer = last_words(stream, &wrong).await;
    assert_eq!(close_in(&answer), Some((403, 0, 0)), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_asks_and_never_listens_is_made_to_wait() {
    let broker = broker().await;
    let (_connection, channel) = crate::support::channel(&broker).await;
    crate::support::declare(&channel, "q", &[]).await;
    let mut stream = raw(&broker).await;
    let get = frame(1, 1, b"\0\x3c\0\x46\0\0\x01q\x01");
    let flood = get.repeat(1000);
    let mut sent = 0;
    let stuck = loop {
        let write = stream.write_all(&flood);
        match tokio::time::timeout(std::time::Duration::from_millis(500), write).await {
            Ok(written) => written.unwrap(),
            Err(_) => break true,
        }
        sent += 1000;
        if sent > 2_000_000 {
            break false;
        }
    };
    assert!(
        stuck,
        "{sent} questions were taken and none of their answers was read"
    );
    connect(&broker).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is sent, the broker lives and serves the next client.
    #[test]
    fn noise_ends_its_own_connection_only(
        noise in prop::collection::vec(any::<u8>(), 1..400),
        greeted in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let broker = broker().await;
            let mut stream = match greeted {
                true => raw(&broker).await,
                false => TcpStream::connect(broker.addr()).await.unwrap(),
            };
            stream.write_all(&noise).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let _ = within(stream.read_to_end(&mut rest)).await;
            broker.wait_until(|view| view.connections.is_empty()).await.unwrap();
            connect(&broker).await;
        });
    }
}

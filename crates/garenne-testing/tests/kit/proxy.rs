//! The proxy, seen by a client of a server that answers every byte with the same byte.

use std::time::{Duration, Instant};

use garenne_testing::{Direction, FaultProxy, eventually, stays};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(60);
/// Long enough to be seen, short enough to wait for.
const LATE: Duration = Duration::from_millis(200);

/// A proxy before a server that echoes.
async fn before_echo() -> FaultProxy {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("the loopback has a free port");
    let addr = listener.local_addr();
    let port = addr.expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = socket.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    FaultProxy::before_port(port).await
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port()));
    let mut stream = stream.await.expect("the proxy listens");
    // The proxy has its own connection when the first answer is there.
    assert_eq!(echo(&mut stream, 1).await, b"a");
    stream
}

/// Sends so many bytes, each another, and reads as many.
async fn echo(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let sent: Vec<u8> = (b'a'..=b'z').cycle().take(count).collect();
    let mut got = vec![0; count];
    let (mut read, mut write) = stream.split();
    let both = async { tokio::try_join!(write.write_all(&sent), read.read_exact(&mut got)) };
    tokio::time::timeout(SOON, both)
        .await
        .expect("the echo comes")
        .expect("the connection holds");
    assert_eq!(got, sent, "bytes were lost or changed their order");
    got
}

async fn is_silent(stream: &mut TcpStream) {
    let read = tokio::time::timeout(LATE, stream.read_u8()).await;
    assert!(read.is_err(), "the client heard {read:?}");
}

#[tokio::test]
async fn delayed_bytes_all_arrive_in_order_and_not_before_their_time() {
    let proxy = before_echo().await;
    let mut stream = connect(&proxy).await;
    proxy.delay(LATE);
    let since = Instant::now();
    echo(&mut stream, 100_000).await;
    assert!(since.elapsed() >= 2 * LATE, "{:?}", since.elapsed());
    proxy.delay_way(Duration::ZERO, Direction::ToBroker);
    let since = Instant::now();
    echo(&mut stream, 1).await;
    assert!(since.elapsed() >= LATE, "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_delay_that_is_taken_back_lets_what_waited_pass_at_once() {
    let proxy = before_echo().await;
    let mut stream = connect(&proxy).await;
    proxy.delay(Duration::from_secs(3600));
    stream.write_all(b"x").await.unwrap();
    is_silent(&mut stream).await;
    proxy.delay(Duration::ZERO);
    let read = tokio::time::timeout(SOON, stream.read_u8()).await;
    assert_eq!(read.expect("it passes").unwrap(), b'x');
}

#[tokio::test]
async fn a_throttled_wire_carries_no_more_than_its_bandwidth_until_it_is_unthrottled() {
    let proxy = before_echo().await;
    let mut stream = connect(&proxy).await;
    proxy.throttle_way(50_000, Direction::ToClient);
    let since = Instant::now();
    echo(&mut stream, 20_000).await;
    let least = Duration::from_millis(350); // 20,000 bytes at 50,000/s, but for the last write
    assert!(since.elapsed() >= least, "{:?}", since.elapsed());
    proxy.throttle(1);
    stream.write_all(&[b'x'; 100]).await.unwrap();
    let mut got = 0;
    let trickle = async {
        while got < 100 {
            got += stream.read(&mut [0; 100]).await.unwrap();
        }
    };
    let all = tokio::time::timeout(LATE, trickle).await;
    assert!(
        all.is_err(),
        "100 bytes passed at once at a byte per second"
    );
    proxy.unthrottle();
    let rest = tokio::time::timeout(SOON, stream.read_exact(&mut vec![0; 100 - got])).await;
    rest.expect("the rest comes").unwrap();
    echo(&mut stream, 1_000_000).await;
}

#[tokio::test]
#[should_panic(expected = "freeze instead")]
async fn a_bandwidth_of_nothing_is_refused() {
    before_echo().await.throttle(0);
}

#[tokio::test]
async fn a_half_open_connection_takes_everything_and_answers_nothing_until_it_is_cut() {
    let proxy = before_echo().await;
    let mut stream = connect(&proxy).await;
    proxy.half_open().await;
    assert_eq!(proxy.open(), 0);
    stays(LATE, "the client is not told", async || {
        stream
            .write_all(b"anybody?")
            .await
            .map_err(|error| error.to_string())
    })
    .await;
    is_silent(&mut stream).await;
    // Others are served meanwhile.
    let mut other = connect(&proxy).await;
    echo(&mut other, 100).await;
    proxy.cut().await;
    let ended = tokio::time::timeout(SOON, stream.read_u8()).await;
    let error = ended.expect("it is cut").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_cut_in_the_middle_of_delayed_bytes_lets_just_so_many_pass() {
    let proxy = before_echo().await;
    let mut stream = connect(&proxy).await;
    proxy.delay(Duration::from_millis(20));
    proxy.cut_after(7, Direction::ToBroker);
    let before = proxy.bytes(Direction::ToBroker);
    stream.write_all(b"0123456789").await.unwrap();
    eventually(SOON, "the connection is cut", async || match proxy.open() {
        0 => Ok(()),
        open => Err(format!("{open} open")),
    })
    .await;
    assert_eq!(proxy.bytes(Direction::ToBroker) - before, 7);
}

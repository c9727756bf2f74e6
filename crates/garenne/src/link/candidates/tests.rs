use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use super::*;

/// A connect in these tests ends by an answer, or because another address answers. This time is never
/// reached, unless something is broken.
const LONG: Duration = Duration::from_secs(300);

/// Every test here ends long before.
const DEADLINE: Duration = Duration::from_secs(60);

const DOING: &str = "cannot reach amqp://mq:5672/%2f";

fn loopback(last: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0)
}

/// An address that neither accepts nor refuses connects, like a host that is down: a listener with a full
/// queue.
struct Silent {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Silent {
    async fn at(last: u8) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(loopback(last)).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        // A connect on this host succeeds at once, or never.
        let soon = Duration::from_millis(200);
        while let Ok(connected) = timeout(soon, TcpStream::connect(address)).await {
            waiting.push(connected.unwrap());
            assert!(waiting.len() < 64, "the queue of a listener has a bound");
        }
        Self {
            address,
            _listener: listener,
            _waiting: waiting,
        }
    }
}

async fn listening(last: u8) -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind(loopback(last)).await.unwrap();
    (listener.local_addr().unwrap(), listener)
}

/// An address at which nothing listens.
async fn refusing(last: u8) -> SocketAddr {
    listening(last).await.0
}

fn of(addresses: &[SocketAddr], patience: Duration) -> Candidates {
    Candidates::new(addresses.to_vec(), patience, DOING.to_owned())
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(DEADLINE, work).await.expect("it is done in time")
}

#[tokio::test]
async fn silent_addresses_do_not_keep_the_others_from_being_tried() {
    let silent = [Silent::at(2).await, Silent::at(3).await];
    let refusing = refusing(4).await;
    let (good, _listener) = listening(5).await;
    let mut candidates = of(
        &[silent[0].address, refusing, silent[1].address, good],
        LONG,
    );
    let connected = in_time(candidates.connect()).await;
    assert_eq!(connected.unwrap().0, good);
    assert_eq!(candidates.failed.len(), 1);
    // Addresses without an answer so far remain, in case this connection is of no use.
    assert_eq!(candidates.begun, [silent[0].address, silent[1].address]);
}

#[tokio::test]
async fn an_address_that_refuses_is_followed_by_the_next_one_at_once() {
    let (good, _listener) = listening(3).await;
    let mut candidates = of(&[refusing(2).await, good], LONG);
    assert_eq!(in_time(candidates.connect()).await.unwrap().0, good);
    assert!(
        in_time(candidates.connect()).await.is_none(),
        "none is left"
    );
}

#[tokio::test]
async fn the_error_tells_what_every_address_failed_with() {
    let silent = Silent::at(2).await;
    let mut candidates = of(
        &[silent.address, refusing(3).await],
        Duration::from_millis(10),
    );
    assert!(in_time(candidates.connect()).await.is_none());
    let error = candidates.into_error();
    assert_eq!(error.kind, Kind::Transient);
    let text = error.to_string();
    assert!(
        text.starts_with("cannot reach amqp://mq:5672/%2f at any of its 2 addresses: 127.0.0."),
        "{text}"
    );
    for part in [
        "127.0.0.2: no answer within 10 ms",
        "127.0.0.3: Connection refused",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(text.matches("cannot reach").count(), 1, "{text}");
}

#[tokio::test]
async fn the_error_of_a_single_address_is_as_short_as_it_was() {
    let mut candidates = of(&[refusing(2).await], LONG);
    assert!(in_time(candidates.connect()).await.is_none());
    let text = candidates.into_error().to_string();
    assert!(
        text.starts_with("cannot reach amqp://mq:5672/%2f: Connection refused"),
        "{text}"
    );
}

/// Exchanges a byte. The hanging server at 127.0.0.2 is given up soon.
async fn over_the_first_that_answers(addresses: &[SocketAddr]) -> Result<u8, LinkError> {
    let ask = |mut socket: TcpStream| async move {
        let is_hanging = socket.peer_addr().unwrap().ip() == loopback(2).ip();
        let patience = if is_hanging {
            Duration::from_millis(50)
        } else {
            LONG
        };
        let asking = async {
            socket.write_u8(1).await.map_err(LinkError::of_io)?;
            socket.read_u8().await.map_err(LinkError::of_io)
        };
        timeout(patience, asking)
            .await
            .map_err(|_| timed_out("the handshake", patience))?
    };
    in_time(of(addresses, LONG).reach(ask)).await
}

#[tokio::test]
async fn a_broker_that_accepts_and_says_nothing_is_followed_by_the_next_address() {
    let (hanging, _hanging) = listening(2).await;
    let (good, listener) = listening(3).await;
    let answering = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_u8(7).await.unwrap();
        socket
    });
    let answer = over_the_first_that_answers(&[hanging, good]).await;
    assert_eq!(answer.unwrap(), 7);
    answering.await.unwrap();
    let error = over_the_first_that_answers(&[hanging]).await.unwrap_err();
    assert!(
        error.to_string().contains("the handshake did not answer"),
        "{error}"
    );
}

#[tokio::test]
async fn what_accepts_and_says_nothing_does_not_keep_the_other_addresses_from_being_tried() {
    let mute = [listening(2).await, listening(3).await];
    let (good, listener) = listening(4).await;
    let answering = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_u8(7).await.unwrap();
        std::future::pending::<u8>().await
    };
    let ask = |mut socket: TcpStream| async move {
        let answer = socket.read_u8().await;
        answer.map_err(LinkError::of_io)
    };
    let mut candidates = of(&[mute[0].0, mute[1].0, good], LONG);
    candidates.head_start = Duration::from_millis(20);
    let answer = in_time(async {
        tokio::select! {
            answer = candidates.reach(ask) => answer.unwrap(),
            never = answering => never,
        }
    });
    assert_eq!(answer.await, 7);
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_of_a_list_does_not_keep_the_next_one_from_being_tried() {
    let begun = Instant::now();
    let ask = async |broker: u32| match broker {
        0 => Err(LinkError::transient("refused")),
        1 | 2 => std::future::pending().await,
        3 => {
            tokio::time::sleep(HEAD_START * 2).await;
            Ok(3)
        }
        other => Ok(other),
    };
    assert_eq!(first_with(HEAD_START, 0..4, ask).await.unwrap(), 3);
    assert_eq!(begun.elapsed(), HEAD_START * 4);
    // If a broker is late, the broker after it may be first.
    assert_eq!(first_with(HEAD_START, 0..5, ask).await.unwrap(), 4);
    assert_eq!(begun.elapsed(), HEAD_START * 7);
}

#[tokio::test]
async fn when_no_broker_of_a_list_is_of_use_each_has_said_why() {
    let ask = async |broker: u32| Err::<(), _>(LinkError::transient(broker.to_string()));
    let failed = first_with(HEAD_START, 0..3, ask).await.unwrap_err();
    let failed: Vec<_> = failed.iter().map(ToString::to_string).collect();
    assert_eq!(failed, ["0", "1", "2"]);
    assert_eq!(
        first_with(HEAD_START, 0..0, ask).await.unwrap_err().len(),
        0
    );
}

#[tokio::test]
async fn a_broker_that_refuses_is_not_asked_again_at_its_other_addresses() {
    let (one, _one) = listening(2).await;
    let (other, _other) = listening(3).await;
    let asked = std::sync::atomic::AtomicU32::new(0);
    let refuse = async |code| {
        asked.store(0, std::sync::atomic::Ordering::Relaxed);
        let work = |_| {
            asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { Err::<(), _>(LinkError::of_close(code, "ACCESS_REFUSED".to_owned())) }
        };
        let error = in_time(of(&[one, other], LONG).reach(work))
            .await
            .unwrap_err();
        (error, asked.load(std::sync::atomic::Ordering::Relaxed))
    };
    let (error, asked) = refuse(403).await;
    assert_eq!((error.kind, asked), (Kind::Configuration, 1), "{error}");
    let (error, asked) = refuse(541).await;
    assert_eq!((error.kind, asked), (Kind::Transient, 2), "{error}");
}

#[test]
fn the_families_of_addresses_take_turns() {
    let [a, b, c]: [SocketAddr; 3] =
        ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"].map(|a| a.parse().unwrap());
    let [x, y]: [SocketAddr; 2] = ["[::1]:1", "[::2]:1"].map(|a| a.parse().unwrap());
    assert_eq!(in_turn([x, y, y, a, b, x, c].into_iter()), [x, a, y, b, c]);
    assert_eq!(in_turn([a, b].into_iter()), [a, b]);
    assert_eq!(in_turn(std::iter::empty()), []);
}

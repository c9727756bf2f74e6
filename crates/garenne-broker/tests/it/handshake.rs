use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use garenne_broker::{Broker, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{broker, channel, connect_to, declare, reason, send, waiting, within};

#[tokio::test]
async fn a_client_connects_publishes_and_is_seen() {
    let broker = broker().await;
    let (connection, channel) = channel(&broker).await;
    declare(&channel, "q", &[]).await;
    send(&channel, "q", "hello").await;
    broker
        .wait_until(|view| view.ready("q") == 1)
        .await
        .unwrap();
    assert_eq!(waiting(&broker, "q").await, ["hello"]);
    connection.close(200, "bye".into()).await.unwrap();
    broker
        .wait_until(|view| view.connections.is_empty())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_refused_with_403_and_a_missing_vhost_with_530() {
    let broker = Broker::builder()
        .credentials("me", "p@ss/word")
        .vhost("other")
        .start()
        .await
        .unwrap();
    let url = broker.url();
    assert!(url.contains("me:p%40ss%2Fword@127.0.0.1:"), "{url}");
    connect_to(&url).await.unwrap();
    connect_to(&broker.url_for("other")).await.unwrap();
    let wrong = url.replace("p%40ss", "x");
    assert_eq!(
        reason(&connect_to(&wrong).await.unwrap_err()),
        (
            403,
            "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details \
             see the broker logfile."
                .to_owned()
        )
    );
    let missing = broker.url_for("nowhere");
    assert_eq!(
        reason(&connect_to(&missing).await.unwrap_err()),
        (530, "NOT_ALLOWED - vhost nowhere not found".to_owned())
    );
}

#[tokio::test]
async fn amqplain_works_too() {
    let broker = broker().await;
    connect_to(&format!("{}?auth_mechanism=amqplain", broker.url()))
        .await
        .unwrap();
}

#[tokio::test]
async fn only_loopback_addresses_are_listened_on() {
    let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let refused = Broker::builder()
        .address(everywhere)
        .start()
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::NotLoopback { .. }), "{refused}");
}

#[tokio::test]
async fn a_fixed_port_is_free_again_after_a_shutdown() {
    let first = broker().await;
    let (addr, url) = (first.addr(), first.url());
    let connection = connect_to(&url).await.unwrap();
    let taken = Broker::builder()
        .port(addr.port())
        .start()
        .await
        .unwrap_err();
    assert!(matches!(taken, Error::Listen { .. }), "{taken}");
    first.shutdown().await;
    let second = Broker::builder().port(addr.port()).start().await.unwrap();
    connect_to(&second.url()).await.unwrap();
    drop(connection);
}

#[tokio::test]
async fn a_broker_starts_in_less_than_fifty_milliseconds() {
    const LIMIT: Duration = Duration::from_millis(50);
    let mut best = Duration::MAX;
    // Others use the machine too, and some of these starts wait for them.
    for _ in 0..100 {
        let start = Instant::now();
        let broker = broker().await;
        best = best.min(start.elapsed());
        drop(broker);
        if best < LIMIT {
            break;
        }
    }
    println!("start takes {best:?}");
    assert!(best < LIMIT, "{best:?}");
}

#[tokio::test]
async fn a_client_that_says_all_at_once_and_no_more_gets_all_its_answers() {
    const CLOSE: &[u8] = b"\x01\0\0\0\0\0\x0b\0\x0a\0\x32\0\xc8\0\0\0\0\0\xce";
    let broker = broker().await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(broker.addr()).await.unwrap();
        let all = [b"AMQP\0\0\x09\x01", CLOSE].concat();
        stream.write_all(&all).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answers = Vec::new();
        within(stream.read_to_end(&mut answers)).await.unwrap();
        let close_ok = b"\x01\0\0\0\0\0\x04\0\x0a\0\x33\xce";
        assert!(answers.ends_with(close_ok), "{answers:?}");
    }
}

/// Whoever asks for the end of a connection ends its socket; the broker waits and answers again.
#[tokio::test]
async fn a_client_that_closes_twice_is_answered_twice_and_ends_the_socket_itself() {
    const CLOSE: &[u8] = b"\x01\0\0\0\0\0\x0b\0\x0a\0\x32\0\xc8\0\0\0\0\0\xce";
    const CLOSE_OK: &[u8] = b"\x01\0\0\0\0\0\x04\0\x0a\0\x33\xce";
    let broker = broker().await;
    let mut stream = TcpStream::connect(broker.addr()).await.unwrap();
    stream.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
    let mut header = [0; 7];
    within(stream.read_exact(&mut header)).await.unwrap();
    let size = u32::from_be_bytes([header[3], header[4], header[5], header[6]]) as usize;
    let mut start = vec![0; size + 1];
    within(stream.read_exact(&mut start)).await.unwrap();
    for _ in 0..2 {
        stream.write_all(CLOSE).await.unwrap();
        let mut answer = [0; CLOSE_OK.len()];
        within(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, CLOSE_OK);
    }
    drop(stream);
    broker
        .wait_until(|view| view.connections.is_empty())
        .await
        .unwrap();
}

#[tokio::test]
async fn another_protocol_is_answered_with_ours_and_the_end() {
    let broker = broker().await;
    let mut stream = TcpStream::connect(broker.addr()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"AMQP\0\0\x09\x01");
}

#[tokio::test]
async fn heartbeats_keep_an_idle_connection_and_end_a_dead_one() {
    let broker = broker().await;
    let url = format!("{}?heartbeat=1", broker.url());
    let alive = connect_to(&url).await.unwrap();
    broker
        .wait_until(|view| view.connections.len() == 1)
        .await
        .unwrap();
    // Nothing is heard from a client that is frozen, so it is given up after two intervals.
    let silent = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connection = runtime.block_on(connect_to(&url)).unwrap();
        // The runtime goes, and with it whoever would send heartbeats; the socket stays.
        std::mem::forget(runtime);
        connection
    });
    let silent = silent.await.unwrap();
    broker
        .wait_until(|view| view.connections.len() == 2)
        .await
        .unwrap();
    broker
        .wait_until(|view| view.connections.len() == 1)
        .await
        .unwrap();
    assert!(alive.status().connected());
    std::mem::forget(silent);
}

#[tokio::test]
async fn who_has_not_logged_in_may_send_frames_of_4096_bytes_only() {
    let broker = broker().await;
    for (size, refused) in [(4096, false), (4097, true), (u32::MAX, true)] {
        let mut stream = TcpStream::connect(broker.addr()).await.unwrap();
        stream.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
        let mut frame = vec![1, 0, 0];
        frame.extend(size.to_be_bytes());
        frame.extend([0; 4096]);
        stream.write_all(&frame).await.unwrap();
        // The end marker is wrong, so that each is refused, but for its own reason.
        let _ = stream.write_all(&[0]).await;
        let mut answer = Vec::new();
        let _ = within(stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        let reason = format!("frame_too_large,{size},4088");
        assert_eq!(answer.contains(&reason), refused, "{answer}");
        assert_eq!(answer.contains("invalid_frame_end_marker"), !refused);
    }
}

#[tokio::test]
async fn a_broker_calls_itself_what_it_is_told_and_says_what_it_is() {
    for (builder, product) in [
        (Broker::builder(), "RabbitMQ"),
        (Broker::builder().introduce_as("hare", "1.2"), "hare"),
    ] {
        let broker = builder.start().await.unwrap();
        let mut stream = TcpStream::connect(broker.addr()).await.unwrap();
        stream.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
        let mut start = vec![0; 2048];
        let mut filled = 0;
        while !start[..filled].ends_with(&[206]) {
            filled += within(stream.read(&mut start[filled..])).await.unwrap();
        }
        let start = String::from_utf8_lossy(&start);
        let said = |text: &str| start.contains(text);
        assert!(said(&format!(
            "productS\0\0\0{}{product}",
            char::from(u8::try_from(product.len()).unwrap())
        )));
        assert!(
            said("garenne-broker ") && said("not a production broker"),
            "{start}"
        );
    }
}
